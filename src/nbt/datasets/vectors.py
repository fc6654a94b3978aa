"""Inputs that are vectors, with targets: the adding problem."""

from __future__ import annotations

import numpy as np

from nbt import _arguments
from nbt.datasets.words import LONGEST, Words, checked_seed

__all__ = ["adding"]


def adding(length: int = 20, levels: int = 4, seed: int = 0) -> Adding:
    """The adding problem: two numbers are marked, far apart; in the end, what is their sum?

    At each step a vector (value, mark) comes, and a symbol is asked for. Values are uniform among
    0, 1/(levels - 1), …, 1. In an episode of `length` steps, one step of the first half and one of
    the second half before the last step are marked 1, and the last one -1: then the symbol is the
    sum of the two marked values times (levels - 1). At all other steps it is the last symbol of the
    alphabet, 2 levels - 1: "no answer". After Hochreiter and Schmidhuber (1997), whose sum is a
    real number.

    Parameters
    ----------
    length : int
        Steps of an episode, from 3 to 2²⁰.
    levels : int
        Different values, from 2 to 128.
    seed : int
        In [0, 2⁶⁴).

    Returns
    -------
    Stream
        Its ``read(n)`` gives ``x, y``: vectors, float64, shape (n, 2), and the symbols
        to answer, int32, shape (n,). For a trainer with ``inputs=2``:
        ``trainer.learn(*stream.read(1000))``. Its `entropy_rate` is 0: the answers follow from
        the inputs. Its `forgetful_rate`, for who knows only when to answer, is the entropy of the
        sum over `length`; who remembers one of the values is at log2(levels) / length.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Notes
    -----
    The numbers are a promise. An episode takes length + 2 raw 64-bit outputs of
    ``numpy.random.PCG64(seed)``: the values modulo `levels`, then the marked places in the halves
    of the first length - 1 steps, each modulo their number of steps, the shorter half first.

    Examples
    --------
    >>> x, y = adding(length=4, levels=2).read(4)
    >>> x.shape, y.shape
    ((4, 2), (4,))
    """
    length = _arguments.whole("length", length, low=3, high=LONGEST)
    levels = _arguments.whole("levels", levels, low=2, high=128)
    return Adding(length, levels, checked_seed(seed))


class Adding(Words):
    """See `adding`. The stream that is read, resumed and hashed underneath is one of whole numbers:
    (answer × levels + value) × 3 + mark + 1."""

    def __init__(self, length: int, levels: int, seed: int) -> None:
        self.length, self.levels = length, levels
        sums = np.convolve(np.ones(levels), np.ones(levels)) / levels**2
        super().__init__(
            "adding",
            {"length": length, "levels": levels},
            range(2 * levels),
            bits=0.0,
            dependent=float(-np.sum(sums * np.log2(sums))),
            length=length,
            draws=length + 2,
            seed=seed,
        )

    def _make(self, raw: np.ndarray) -> np.ndarray:
        half = (self.length - 1) // 2
        rows = np.arange(len(raw))
        value = (raw[:, : self.length] % np.uint64(self.levels)).astype(np.int32)
        first = (raw[:, -2] % np.uint64(half)).astype(np.int64)
        second = half + (raw[:, -1] % np.uint64(self.length - 1 - half)).astype(np.int64)
        mark, answer = np.zeros_like(value), np.full_like(value, 2 * self.levels - 1)
        mark[rows, first] = mark[rows, second] = 1
        mark[:, -1] = -1
        answer[:, -1] = value[rows, first] + value[rows, second]
        return ((answer * self.levels + value) * 3 + mark + 1).ravel()

    def read(self, n: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        """The next `n` vectors and the symbols to answer: (n, 2) float64, (n,) int32."""
        codes = super().read(n)
        codes, mark = codes // 3, codes % 3 - 1
        answer, value = codes // self.levels, codes % self.levels
        return np.stack([value / (self.levels - 1), mark.astype(float)], axis=1), answer
