"""Streams over arrays of symbol numbers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.errors import DataError
from nbt.streams.alphabets import Alphabet, integers
from nbt.streams.base import SymbolStream

__all__ = ["symbols"]


def symbols(
    array: Any,
    cycle: bool = False,
    alphabet: Alphabet | str | int | None = None,
    *,
    entropy_rate: float | None = None,
    name: str = "symbols",
) -> SymbolStream:
    """Return a stream over an array of symbol numbers.

    Parameters
    ----------
    array : array_like of int, shape (T,)
        Numbers from 0. It is not copied: do not change it while the stream is in use.
    cycle : bool
        Begin again at the end, for ever.
    alphabet : Alphabet, str or int, optional
        What the numbers stand for, or how many symbols there are. Default: the largest number plus
        1.
    entropy_rate : float, optional
        Bits per symbol, if you know it.
    name : str
        Name of the stream.

    Raises
    ------
    TypeError
        `alphabet` is no alphabet, str or integer.
    ValueError
        `alphabet` is empty, has a character twice, or is an integer outside [1, 2²⁴].
    DataError
        `array` is empty, is not of integers, has not one dimension, or has numbers outside the
        alphabet.

    Examples
    --------
    >>> symbols([0, 1, 2], cycle=True).read(2).tolist()
    [0, 1]
    """
    array = integers(array)
    if not array.size:
        raise DataError(f"{name}: expected at least one symbol, got an empty array")
    low, high = int(array.min()), int(array.max())
    if alphabet is None:
        if low < 0 or high >= _arguments.LARGEST_SIZE:
            most = _arguments.LARGEST_SIZE
            raise DataError(f"{name}: expected numbers in [0, {most}), got {low}..{high}")
        alphabet = high + 1
    if not isinstance(alphabet, (Alphabet, str)):
        alphabet = range(_arguments.integer("alphabet", alphabet))
    alphabet = alphabet if isinstance(alphabet, Alphabet) else Alphabet(alphabet)
    if low < 0 or high >= len(alphabet):
        raise DataError(f"{name}: expected numbers in [0, {len(alphabet)}), got {low}..{high}")
    return SymbolArray(name, alphabet, array, entropy_rate=entropy_rate, endless=bool(cycle))


class SymbolArray(SymbolStream):
    """The stream that `symbols` returns."""

    def __init__(self, name: str, alphabet: Alphabet, array: np.ndarray, **facts: Any) -> None:
        super().__init__(name, alphabet, **facts)
        self._array = array

    def _next(self, n: int) -> np.ndarray:
        at = self.position % len(self._array) if self.endless else self.position
        return self._array[at : at + n].astype(np.int32)

    @cached_property
    def _source(self) -> int:
        return zlib.crc32(self._array.astype("<i4"))

    def _cursor(self) -> dict[str, int]:
        return {"length": len(self._array), "source": self._source}

    def _seek(self, state: Mapping[str, int]) -> None:
        beyond = not self.endless and state["position"] > len(self._array)
        if beyond or any(state[key] != value for key, value in self._cursor().items()):
            raise DataError(f"{self.name}: not the array that the state was taken from")
