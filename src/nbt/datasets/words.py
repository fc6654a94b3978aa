"""Endless streams of words whose second half depends on the first, over a distance."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from nbt import _arguments
from nbt.errors import DataError
from nbt.streams import Alphabet, SymbolStream

__all__ = ["anbn", "brackets", "delayed_copy"]

LONGEST = 1 << 20
BATCH = 1 << 14

OPENING, CLOSING = "([{<", ")]}>"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BLANK, CUE = ".", ":"


class Words(SymbolStream):
    """Endless stream of independent words. Each word is made of the same number of raw numbers.

    Parameters
    ----------
    name : str
        Name of the data set; `facts` are added to it.
    facts : dict of str to int
        What the words depend on, besides the seed.
    alphabet : str or range
        The symbols.
    bits, dependent : float
        Entropy of a word, and how many bits more it costs a predictor that forgets its first part.
    length : float
        Mean number of symbols in a word.
    draws : int
        Number of raw numbers that a word is made of.
    seed : int
        Seed of the raw numbers.

    Attributes
    ----------
    forgetful_rate : float
        Bits per symbol of the best predictor that does not remember the first part of a word. The
        difference to `entropy_rate` is what can be gained by remembering it.
    """

    def __init__(
        self,
        name: str,
        facts: Mapping[str, int],
        alphabet: str | range,
        *,
        bits: float,
        dependent: float,
        length: float,
        draws: int,
        seed: int,
    ) -> None:
        super().__init__(
            f"data:{name}[{','.join(map(str, facts.values()))}]",
            Alphabet(alphabet),
            entropy_rate=bits / length,
            endless=True,
        )
        self.forgetful_rate = (bits + dependent) / length
        self.seed = seed
        self._facts = {**facts, "seed": seed}
        self._draws = draws
        self._words = max(1, BATCH // math.ceil(length))  # words in a batch
        self._start_at(draws=0)

    @abstractmethod
    def _make(self, raw: np.ndarray) -> np.ndarray:
        """Return the symbols, int32, of the words made of these raw numbers, (words, draws)."""

    def _start_at(self, draws: int) -> None:
        """Make the batch of words that begins after `draws` raw numbers."""
        self._generator = np.random.PCG64(self.seed)
        self._generator.advance(draws)
        self._drawn = draws
        self._next_batch()

    def _next_batch(self) -> None:
        raw = self._generator.random_raw(self._words * self._draws)
        self._batch = self._make(raw.reshape(self._words, self._draws))
        self._drawn += raw.size
        self._used = 0

    def _next(self, n: int) -> np.ndarray:
        while self._used == len(self._batch):
            self._next_batch()
        words = self._batch[self._used : self._used + n].copy()
        self._used += len(words)
        return words

    def _cursor(self) -> dict[str, int]:
        draws = self._drawn - self._words * self._draws
        return {**self._facts, "draws": draws, "skip": self._used}

    def _seek(self, state: Mapping[str, int]) -> None:
        before = self._cursor()
        same = all(state[key] == value for key, value in self._facts.items())
        if same:
            self._start_at(state["draws"])
        if not same or state["skip"] > len(self._batch):
            self._start_at(before["draws"])
            self._used = before["skip"]
            raise DataError(f"{self.name}, seed {self.seed}: the state is that of another stream")
        self._used = state["skip"]


def anbn(low: int = 1, high: int = 32, seed: int = 0) -> Words:
    r"""Return an endless stream of words aⁿ newline bⁿ newline, n uniform in [low, high].

    The first half of a word determines the second, so a predictor that remembers n pays for n only
    once. The symbols are "a", "b", "\n", in this order.

    Parameters
    ----------
    low, high : int
        Shortest and longest n, 1 ≤ low ≤ high ≤ 2²⁰.
    seed : int
        In [0, 2⁶⁴).

    Returns
    -------
    Stream
        Its `entropy_rate` is log2(high - low + 1) / (low + high + 2) bits per symbol. Its
        `forgetful_rate` is twice as much: that of words aⁿ newline bᵖ newline with n and p
        independent.

    Raises
    ------
    TypeError
        `low`, `high` or `seed` is no integer.
    ValueError
        `low`, `high` or `seed` is out of range, or `low` exceeds `high`.

    Notes
    -----
    The words of a seed will not change between versions: n = low + r mod (high - low + 1). Here r
    are the raw 64-bit outputs of ``numpy.random.PCG64(seed)``, without those at or above the
    greatest multiple of high - low + 1 that 64 bits hold.

    Examples
    --------
    >>> stream = anbn(2, 2)
    >>> stream.alphabet.decode(stream.read(8))
    'aa\nbb\naa'
    """
    low, high = _range(low, high, least=1)
    return AnBn(low, high, checked_seed(seed))


class AnBn(Words):
    """The stream that `anbn` returns."""

    def __init__(self, low: int, high: int, seed: int) -> None:
        self.low, self.high = low, high
        bits = math.log2(high - low + 1)
        super().__init__(
            "anbn",
            {"low": low, "high": high},
            "ab\n",
            bits=bits,
            dependent=bits,
            length=low + high + 2,
            draws=1,
            seed=seed,
        )

    def _make(self, raw: np.ndarray) -> np.ndarray:
        span = self.high - self.low + 1
        raw = raw[raw <= np.uint64((1 << 64) // span * span - 1)]
        n = self.low + (raw % np.uint64(span)).astype(np.int64)
        runs = np.stack([n, np.ones_like(n), n, np.ones_like(n)], axis=1)
        return np.repeat(np.tile(np.array([0, 2, 1, 2], np.int32), len(n)), runs.ravel())


def brackets(
    low: int = 5, high: int = 20, kinds: int = 4, letters: int = 4, seed: int = 0
) -> Words:
    """Return an endless stream of distant brackets: an opening bracket, letters, the closing
    bracket.

    The n letters in between say nothing about the kind of bracket, which must be remembered until
    the end. A word is, for example, ``[acbad]``.

    Parameters
    ----------
    low, high : int
        Fewest and most letters between two brackets; their number n is uniform in [low, high]; 0 ≤
        low ≤ high ≤ 2²⁰.
    kinds : int
        Number of kinds of brackets, ``()[]{}<>`` in this order, from 1 to 4.
    letters : int
        Number of different letters between them, ``a b c …``, from 1 to 26.
    seed : int
        In [0, 2⁶⁴).

    Returns
    -------
    Stream
        With m = (low + high) / 2 letters on average, its `entropy_rate` is (log2 kinds + log2(high
        - low + 1) + m log2 letters) / (m + 2) bits per symbol. Its `forgetful_rate` counts log2
        kinds twice: that of a predictor which must guess the closing bracket.

    Raises
    ------
    TypeError
        `low`, `high`, `kinds`, `letters` or `seed` is no integer.
    ValueError
        `low`, `high`, `kinds`, `letters` or `seed` is out of range, or `low` exceeds `high`.

    Notes
    -----
    The words of a seed will not change between versions. A word takes 2 + high raw 64-bit outputs
    of ``numpy.random.PCG64(seed)``: the first modulo `kinds`, the second modulo high - low + 1, the
    others modulo `letters`.

    Examples
    --------
    >>> stream = brackets(2, 2, letters=1)
    >>> stream.alphabet.decode(stream.read(8))
    '<aa><aa>'
    """
    low, high = _range(low, high, least=0)
    kinds = _arguments.integer("kinds", kinds, high=len(OPENING))
    letters = _arguments.integer("letters", letters, high=len(LETTERS))
    return Brackets(low, high, kinds, letters, checked_seed(seed))


class Brackets(Words):
    """The stream that `brackets` returns."""

    def __init__(self, low: int, high: int, kinds: int, letters: int, seed: int) -> None:
        self.low, self.high, self.kinds, self.letters = low, high, kinds, letters
        mean = (low + high) / 2
        free = math.log2(high - low + 1) + mean * math.log2(letters)
        super().__init__(
            "brackets",
            {"low": low, "high": high, "kinds": kinds, "letters": letters},
            OPENING[:kinds] + CLOSING[:kinds] + LETTERS[:letters],
            bits=math.log2(kinds) + free,
            dependent=math.log2(kinds),
            length=mean + 2,
            draws=2 + high,
            seed=seed,
        )

    def _make(self, raw: np.ndarray) -> np.ndarray:
        kind = (raw[:, :1] % np.uint64(self.kinds)).astype(np.int32)
        n = self.low + (raw[:, 1:2] % np.uint64(self.high - self.low + 1)).astype(np.int64)
        between = 2 * self.kinds + (raw[:, 2:] % np.uint64(self.letters)).astype(np.int32)
        words = np.concatenate([kind, between, kind], axis=1)
        place = np.arange(words.shape[1])
        np.put_along_axis(words, 1 + n, self.kinds + kind, axis=1)
        return words[place <= 1 + n]


def delayed_copy(length: int = 8, delay: int = 16, letters: int = 4, seed: int = 0) -> Words:
    """Return an endless stream of letters that are repeated after a delay.

    A word is `length` letters, `delay` blanks, a cue, and the same letters: ``cabd....:cabd``.

    Parameters
    ----------
    length : int
        Number of letters to remember, from 1 to 2²⁰.
    delay : int
        Number of blanks ``.`` before the cue ``:``, from 0 to 2²⁰.
    letters : int
        Number of different letters, ``a b c …``, from 1 to 26.
    seed : int
        In [0, 2⁶⁴).

    Returns
    -------
    Stream
        Its `entropy_rate` is length log2 letters / (2 length + delay + 1) bits per symbol. Its
        `forgetful_rate` is twice as much.

    Raises
    ------
    TypeError
        `length`, `delay`, `letters` or `seed` is no integer.
    ValueError
        `length`, `delay`, `letters` or `seed` is out of range.

    Notes
    -----
    The words of a seed will not change between versions. The letters of a word are `length` raw
    64-bit outputs of ``numpy.random.PCG64(seed)``, modulo `letters`.

    Examples
    --------
    >>> stream = delayed_copy(3, 2)
    >>> stream.alphabet.decode(stream.read(9))
    'dba..:dba'
    """
    length = _arguments.integer("length", length, high=LONGEST)
    delay = _arguments.integer("delay", delay, low=0, high=LONGEST)
    letters = _arguments.integer("letters", letters, high=len(LETTERS))
    return DelayedCopy(length, delay, letters, checked_seed(seed))


class DelayedCopy(Words):
    """The stream that `delayed_copy` returns."""

    def __init__(self, length: int, delay: int, letters: int, seed: int) -> None:
        self.length, self.delay, self.letters = length, delay, letters
        bits = length * math.log2(letters)
        super().__init__(
            "delayed_copy",
            {"length": length, "delay": delay, "letters": letters},
            LETTERS[:letters] + BLANK + CUE,
            bits=bits,
            dependent=bits,
            length=2 * length + delay + 1,
            draws=length,
            seed=seed,
        )

    def _make(self, raw: np.ndarray) -> np.ndarray:
        said = (raw % np.uint64(self.letters)).astype(np.int32)
        blanks = np.full((len(raw), self.delay), self.letters, np.int32)
        cue = np.full((len(raw), 1), self.letters + 1, np.int32)
        return np.concatenate([said, blanks, cue, said], axis=1).ravel()


def _range(low: int, high: int, least: int) -> tuple[int, int]:
    low = _arguments.integer("low", low, low=least, high=LONGEST)
    high = _arguments.integer("high", high, low=least, high=LONGEST)
    if low > high:
        raise ValueError(f"low, high: expected low <= high, got {low}, {high}")
    return low, high


def checked_seed(seed: int) -> int:
    """Return a seed, which must be in [0, 2⁶⁴)."""
    return _arguments.integer("seed", seed, low=0, high=2**64 - 1)
