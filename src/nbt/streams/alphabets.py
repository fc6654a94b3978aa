"""Finite sets of symbols, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nbt.errors import DataError

__all__ = ["OTHER", "Alphabet", "known"]

OTHER = "\ufffd"  # symbol 0 of a growing alphabet: stands for all new symbols once it is full


@dataclass(frozen=True, repr=False)
class Alphabet:
    """A finite set of symbols, numbered 0, 1, ... in a fixed order.

    It can be iterated, in that order, and asked with ``in`` and `len`. A symbol of an alphabet of
    bytes is an integer then, as in `bytes` itself.

    Parameters
    ----------
    symbols : str, bytes, range or tuple of str
        Distinct characters, distinct bytes, plain numbers `range(k)`, or distinct words.

    Raises
    ------
    TypeError
        `symbols` is no str, bytes, range or tuple of str.
    ValueError
        `symbols` is empty, has a symbol twice, or is a range other than `range(k)`.

    Examples
    --------
    >>> ab = Alphabet("ab\\n")
    >>> len(ab), ab.encode("ba").tolist(), ab.decode([0, 1, 2])
    (3, [1, 0], 'ab\\n')
    >>> list(ab), "b" in ab, "ab" in ab
    (['a', 'b', '\\n'], True, False)
    """

    symbols: str | bytes | range | tuple[str, ...]

    def __post_init__(self) -> None:
        words = isinstance(self.symbols, tuple) and all(type(s) is str for s in self.symbols)
        if not (words or isinstance(self.symbols, (str, bytes, range))):
            raise TypeError(
                f"alphabet: expected str, bytes, range or a tuple of str, got {self.symbols!r}"
            )
        if not self.symbols:
            raise ValueError("alphabet: expected at least one symbol, got none")
        if isinstance(self.symbols, range):
            if self.symbols != range(len(self.symbols)):
                raise ValueError(f"alphabet: expected range(k), got {self.symbols!r}")
        elif len(set(self.symbols)) < len(self.symbols):
            seen: set[Any] = set()
            twice = next(s for s in self.symbols if s in seen or seen.add(s))
            raise ValueError(f"alphabet: expected distinct symbols, {twice!r} comes twice")

    def __len__(self) -> int:
        return len(self.symbols)

    def __iter__(self) -> Iterator[str] | Iterator[int]:
        return iter(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        if not isinstance(self.symbols, range):
            return symbol in self._known
        return isinstance(symbol, int | np.integer) and 0 <= symbol < len(self)

    @cached_property
    def _known(self) -> frozenset[Any]:
        return frozenset(self.symbols)

    def __repr__(self) -> str:
        every_byte = self.symbols == bytes(range(256))
        return "Alphabet(bytes(range(256)))" if every_byte else f"Alphabet({self.symbols!r})"

    def grown(self, symbol: str) -> Alphabet:
        """Return this alphabet with one symbol more, which gets the next number.

        Parameters
        ----------
        symbol : str
            The new symbol.

        Raises
        ------
        TypeError
            `symbol` is no str, or this alphabet is one of bytes or numbers.
        ValueError
            `symbol` is already in the alphabet.
        """
        more = (symbol,) if isinstance(self.symbols, tuple) else symbol
        return Alphabet(self.symbols + more)

    @cached_property
    def _places(self) -> dict[str, int]:
        """The number of each word."""
        return {word: i for i, word in enumerate(self.symbols)}

    @cached_property
    def _table(self) -> np.ndarray:
        """The number of each code point or byte. It is -1 elsewhere; larger code points are clipped
        to the last entry, which is -1."""
        points = [ord(s) if isinstance(s, str) else s for s in self.symbols]
        table = np.full(max(points) + 2, -1, np.int32)
        table[points] = np.arange(len(points), dtype=np.int32)
        return table

    def numbers(self, data: Any) -> np.ndarray:
        """Return the numbers of symbols as `encode` does, but -1 for what is not in the alphabet.

        Parameters
        ----------
        data : str, bytes, sequence of str or array of int
            As in `encode`.

        Returns
        -------
        array (T,), int32
            Numbers from 0, or -1.

        Raises
        ------
        TypeError
            `data` is of another kind than the alphabet.
        DataError
            The alphabet is one of numbers, and `data` no one-dimensional array of integers.
        """
        if isinstance(self.symbols, str):
            if not isinstance(data, str):
                raise TypeError(f"data: expected str, got {type(data).__name__}")
            points = np.frombuffer(data.encode("utf-32-le", "surrogatepass"), "<u4")
        elif isinstance(self.symbols, bytes):
            try:
                points = np.frombuffer(data, np.uint8)
            except TypeError:
                raise TypeError(f"data: expected bytes, got {type(data).__name__}") from None
        elif isinstance(self.symbols, tuple):
            if isinstance(data, str | bytes) or not isinstance(data, Iterable):
                raise TypeError(f"data: expected a sequence of words, got {type(data).__name__}")
            return np.array([self._places.get(word, -1) for word in data], np.int32)
        else:
            points = integers(data)
            inside = (points >= 0) & (points < len(self))
            return np.where(inside, points, -1).astype(np.int32)
        return self._table.take(points, mode="clip")

    def encode(self, data: str | bytes | Any) -> np.ndarray:
        """Return the numbers of the symbols in `data`.

        Parameters
        ----------
        data : str, bytes, sequence of str or array of int
            A str for an alphabet of characters, bytes for bytes, a sequence of str for words,
            integers for numbers.

        Returns
        -------
        array (T,), int32
            Numbers from 0.

        Raises
        ------
        TypeError
            `data` is of another kind than the alphabet.
        DataError
            A symbol is not in the alphabet; the message names the first. Or the alphabet is one of
            numbers, and `data` no one-dimensional array of integers.
        """
        codes = self.numbers(data)
        if codes.size and codes.min() < 0:
            at = int(np.argmin(codes))
            raise DataError(f"symbol {data[at]!r} at position {at} is not in the alphabet")
        return codes

    def decode(self, codes: Any) -> str | bytes | np.ndarray | list[str]:
        """Return the symbols with these numbers.

        Parameters
        ----------
        codes : array (T,) of int
            Numbers from 0.

        Returns
        -------
        str, bytes, list of str or array of int
            For an alphabet of characters, bytes, words or numbers, respectively.

        Raises
        ------
        DataError
            `codes` is no one-dimensional array of integers, or has numbers outside the alphabet.
        """
        codes = integers(codes)
        if codes.size and not (codes.min() >= 0 and codes.max() < len(self)):
            raise DataError(
                f"expected numbers in [0, {len(self)}), got {codes.min()}..{codes.max()}"
            )
        if isinstance(self.symbols, str):
            return "".join(map(self.symbols.__getitem__, codes.tolist()))
        if isinstance(self.symbols, bytes):
            return bytes(map(self.symbols.__getitem__, codes.tolist()))
        if isinstance(self.symbols, tuple):
            return [self.symbols[code] for code in codes.tolist()]
        return codes.astype(np.int32)


def known(codes: np.ndarray) -> np.ndarray:
    """Return the numbers without the -1 that stand for symbols outside an alphabet."""
    return codes[codes >= 0] if codes.size and codes.min() < 0 else codes


def integers(data: Any) -> np.ndarray:
    """Return a one-dimensional array of integers. An empty array of any type is accepted, too."""
    array = np.asarray(data)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"expected a one-dimensional array of integers, got {array.dtype}, shape {array.shape}"
        )
    return array
