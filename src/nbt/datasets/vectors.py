"""Data with vectors as inputs, and targets: the adding problem."""

from __future__ import annotations

import numpy as np

from nbt import _arguments
from nbt.datasets.words import LONGEST, Words, checked_seed

__all__ = ["adding"]


def adding(length: int = 20, levels: int = 4, seed: int = 0) -> Adding:
    """Return an endless stream of the adding problem: two numbers far apart are marked, and at the
    end their sum is asked for.

    At each step the input is a vector (value, mark), and the target is a symbol. Values are uniform
    among 0, 1/(levels - 1), …, 1. An episode has `length` steps. All but the last are split into
    two halves; one step in each half has the mark 1. The last step has the mark -1, and its target
    is the sum of the two marked values times (levels - 1). At all other steps the target is the
    last symbol of the alphabet, 2 levels - 1, which means "no answer". After Hochreiter and
    Schmidhuber (1997), where the sum is a real number.

    Parameters
    ----------
    length : int
        Number of steps of an episode, from 3 to 2²⁰.
    levels : int
        Number of different values, from 2 to 128.
    seed : int
        In [0, 2⁶⁴).

    Returns
    -------
    Stream
        Its ``read(n)`` returns ``x, y``: vectors, float64, shape (n, 2), and the symbols to answer,
        int32, shape (n,). For a trainer with ``inputs=2``: ``trainer.learn(*stream.read(1000))``.
        Its `entropy_rate` is 0, because the answers follow from the inputs. Its `forgetful_rate` is
        the entropy of the sum over `length`, for a predictor that knows only when to answer. One
        that remembers one of the two values pays log2(levels) / length.

    Raises
    ------
    TypeError
        `length`, `levels` or `seed` is no integer.
    ValueError
        `length`, `levels` or `seed` is out of range.

    Notes
    -----
    The episodes of a seed will not change between versions. An episode takes length + 2 raw 64-bit
    outputs of ``numpy.random.PCG64(seed)``: the values, modulo `levels`, then the marked places in
    the halves of the first length - 1 steps, each modulo the number of steps in that half. If the
    halves differ, the first one is shorter.

    Examples
    --------
    >>> x, y = adding(length=4, levels=2).read(4)
    >>> x.shape, y.shape
    ((4, 2), (4,))
    """
    length = _arguments.integer("length", length, low=3, high=LONGEST)
    levels = _arguments.integer("levels", levels, low=2, high=128)
    return Adding(length, levels, checked_seed(seed))


class Adding(Words):
    """The stream that `adding` returns.

    The stream that is read, resumed and hashed inside is one of integers: (answer × levels + value)
    × 3 + mark + 1.
    """

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
        """Return the next `n` vectors and the symbols to answer: (n, 2) float64, (n,) int32."""
        codes = super().read(n)
        codes, mark = codes // 3, codes % 3 - 1
        answer, value = codes // self.levels, codes % self.levels
        return np.stack([value / (self.levels - 1), mark.astype(float)], axis=1), answer
