"""The base of all streams: read symbols in order, say how far it has read, and go back there."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from nbt import _arguments
from nbt.errors import DataError
from nbt.streams.alphabets import Alphabet

__all__ = ["Numbers", "Stream"]


class Stream(ABC):
    """Base class of all streams. Subclasses define `_next`, `_cursor` and `_seek`.

    Parameters
    ----------
    name : str
        Name of the source.
    alphabet : Alphabet or None
        The symbols; `read` returns their numbers. None: it is a stream of `Numbers`.
    entropy_rate : float, optional
        Bits per symbol of the process that makes the symbols, where it is known.
    endless : bool
        Whether the stream never ends.

    Attributes
    ----------
    grows : bool
        Whether new symbols join the alphabet as they come. A new symbol is then always the first
        one that a read returns.
    position : int
        Symbols read so far.
    format, column : str or None
        Of a file: its format, and the column that its symbols are in.
    """

    grows = False
    _later: frozenset[str] = frozenset()  # keys of the state that an earlier version may lack
    _nothing = np.empty(0, np.int32)

    def __init__(
        self,
        name: str,
        alphabet: Alphabet | None,
        *,
        entropy_rate: float | None = None,
        endless: bool = False,
    ) -> None:
        self.name = name
        self.alphabet = alphabet
        self.entropy_rate = entropy_rate
        self.endless = endless
        self.format: str | None = None
        self.column: str | None = None
        self.position = 0
        self._hash = 0

    @property
    def live(self) -> bool:
        """Whether the symbols come as they happen, so that reading must not wait for more."""
        return False

    @property
    def counts(self) -> dict[str, int]:
        """Faults met so far, after which the stream went on: "replaced", bytes that are no valid
        characters; "unknown", symbols outside the alphabet; "skipped", records. Empty where no
        fault is possible."""
        return {}

    @property
    def repeatable(self) -> bool:
        """Whether the stream can go back to an earlier state and give the same again."""
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until `read` would return at once, and return whether it would.

        It returns at once when there are symbols to read or the stream has ended.

        Parameters
        ----------
        seconds : float
            Longest time to wait, at least 0.
        """
        return True

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.alphabet)} symbols, {self.position} read>"

    def read(self, n: int) -> np.ndarray:
        """Return the next `n` symbols; fewer before the end, none at the end.

        A pipe gives what is there, at least one symbol, and does not wait for `n`. A stream whose
        alphabet grows stops before a new symbol.

        Parameters
        ----------
        n : int
            Most symbols to read, at least 1.

        Returns
        -------
        array (at most n,), int32
            For a stream of numbers: float64, (at most n, columns), or a pair of such arrays.

        Raises
        ------
        TypeError
            `n` is no integer.
        ValueError
            `n` is not in [1, 2⁶³).
        DataError
            The source is faulty. All symbols before the fault have been returned by earlier reads.
        """
        n = _arguments.integer("n", n, high=2**63 - 1)
        parts, missing = [], n
        while missing and not (parts and (self.live or self.grows)):
            try:
                part = self._next(missing)
            except DataError:  # raised again at the next call
                if parts:
                    break
                raise
            if not part.size:
                break
            self.position += len(part)
            self._hash = self._hashed(part)
            missing -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate([self._nothing, *parts])

    def state_dict(self) -> dict[str, int]:
        """Return the place in the stream: plain integers, with a running hash (CRC-32) of what was
        read."""
        return {"position": self.position, "hash": self._hash, **self._cursor()}

    def _hashed(self, part: np.ndarray) -> int:
        """Return the hash after `part` is read, too."""
        return zlib.crc32(part.astype("<i4", copy=False), self._hash)

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to the place where `state` was taken.

        Parameters
        ----------
        state : mapping of str to int
            What `state_dict` returned.

        Raises
        ------
        ValueError
            `state` is not a state of such a stream.
        DataError
            The source is not the one that the state was taken from.
        """
        keys = self.state_dict().keys()
        if isinstance(state, Mapping) and "position" in state:  # earlier versions kept less
            state = {**{key: 0 for key in keys & self._later}, **state}
        good = isinstance(state, Mapping) and state.keys() == keys
        if not (good and all(type(v) is int and v >= 0 for v in state.values())):
            raise ValueError(f"state: expected non-negative integers for {', '.join(keys)}")
        self._seek(state)
        self.position, self._hash = state["position"], state["hash"]

    @abstractmethod
    def _next(self, n: int) -> np.ndarray:
        """Return at most `n` symbols, int32, C-contiguous."""

    @abstractmethod
    def _cursor(self) -> dict[str, int]:
        """Return what `_seek` needs besides position and hash."""

    @abstractmethod
    def _seek(self, state: Mapping[str, int]) -> None:
        """Go to that place, or raise `DataError` and stay."""


class SymbolStream(Stream):
    """Stream of symbols: `read(n)` returns their numbers in `alphabet`, int32, shape (n,).

    Parameters
    ----------
    name, alphabet, entropy_rate, endless
        As of `Stream`; there is an alphabet.
    """

    alphabet: Alphabet


class Numbers(Stream):
    """Stream of vectors, one a step: `read(n)` returns float64, shape (n, len(columns)).

    Parameters
    ----------
    name : str
        Name of the source.
    columns : tuple of str
        Names of the numbers.
    endless : bool
        Whether the stream never ends.
    """

    def __init__(self, name: str, columns: tuple[str, ...], *, endless: bool = False) -> None:
        super().__init__(name, None, endless=endless)
        self.columns = columns
        self._nothing = np.empty((0, len(columns)))

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(self.columns)}; {self.position} steps read>"

    def _hashed(self, part: np.ndarray) -> int:
        return zlib.crc32(np.ascontiguousarray(part, "<f8"), self._hash)
