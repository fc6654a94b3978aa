"""Processes whose entropy rate is known, as endless streams."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping

import numpy as np

from nbt.errors import DataError
from nbt.streams import Alphabet, Stream

__all__ = ["anbn"]

LONGEST = 1 << 20
BATCH = 1 << 14


def anbn(low: int, high: int, seed: int = 0) -> Stream:
    r"""An endless stream of words aⁿ newline bⁿ newline, n uniform in [low, high].

    The second half of a word is determined by the first: a predictor that remembers n pays for
    n only. The symbols are "a", "b", "\n", in this order.

    Parameters
    ----------
    low, high : int
        Shortest and longest n, 1 ≤ low ≤ high ≤ 2²⁰.
    seed : int
        Non-negative.

    Returns
    -------
    Stream
        Its `entropy_rate` is log2(high - low + 1) / (low + high + 2) bits per symbol.

    Notes
    -----
    The numbers are a promise: n = low + r mod (high - low + 1), r the raw 64-bit outputs of
    ``numpy.random.PCG64(seed)`` without those at or above the greatest multiple of
    high - low + 1 that 64 bits hold.

    Examples
    --------
    >>> stream = anbn(2, 2)
    >>> stream.alphabet.decode(stream.read(8))
    'aa\nbb\naa'
    """
    low, high, seed = operator.index(low), operator.index(high), operator.index(seed)
    if not 1 <= low <= high <= LONGEST:
        raise ValueError(f"low, high: expected 1 <= low <= high <= {LONGEST}, got {low}, {high}")
    if seed < 0:
        raise ValueError(f"seed: expected at least 0, got {seed}")
    return AnBn(low, high, seed)


class AnBn(Stream):
    """See `anbn`."""

    def __init__(self, low: int, high: int, seed: int) -> None:
        super().__init__(
            f"data:anbn[{low},{high}]",
            Alphabet("ab\n"),
            entropy_rate=math.log2(high - low + 1) / (low + high + 2),
            endless=True,
        )
        self.low, self.high, self.seed = low, high, seed
        self._count = max(1, BATCH // (low + high + 2))  # raw numbers in a batch of words
        self._start_at(draws=0)

    def _start_at(self, draws: int) -> None:
        """Make the batch of words that begins after `draws` raw numbers."""
        self._generator = np.random.PCG64(self.seed)
        self._generator.advance(draws)
        self._drawn = draws
        self._next_batch()

    def _next_batch(self) -> None:
        span = self.high - self.low + 1
        raw = self._generator.random_raw(self._count)
        raw = raw[raw <= np.uint64((1 << 64) // span * span - 1)]
        n = self.low + (raw % np.uint64(span)).astype(np.int64)
        runs = np.stack([n, np.ones_like(n), n, np.ones_like(n)], axis=1)
        self._batch = np.repeat(np.tile(np.array([0, 2, 1, 2], np.int32), len(n)), runs.ravel())
        self._drawn += self._count
        self._used = 0

    def _next(self, n: int) -> np.ndarray:
        while self._used == len(self._batch):
            self._next_batch()
        block = self._batch[self._used : self._used + n].copy()
        self._used += len(block)
        return block

    def _cursor(self) -> dict[str, int]:
        facts = {"low": self.low, "high": self.high, "seed": self.seed}
        return {**facts, "draws": self._drawn - self._count, "skip": self._used}

    def _seek(self, state: Mapping[str, int]) -> None:
        there = AnBn(self.low, self.high, self.seed)
        there._start_at(state["draws"])
        same = all(state[key] == getattr(self, key) for key in ("low", "high", "seed"))
        if not same or state["skip"] > len(there._batch):
            raise DataError(f"{self.name}, seed {self.seed}: the state is that of another stream")
        self._start_at(state["draws"])
        self._used = state["skip"]
