"""Symbols cut from bytes: what all that do it have in common, and characters."""

from __future__ import annotations

import codecs
import time
import zlib
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.alphabets import OTHER, Alphabet
from nbt.counts import COUNTS
from nbt.errors import DataError
from nbt.reading import Stream
from nbt.sources import BLOCK, Source

__all__ = ["LONGEST_LINE", "Characters", "FileStream"]

LONGEST_LINE = 1 << 20
LIVE_BLOCK = 1 << 16
LEAST_BLOCK = 1 << 12


class FileStream(Stream):
    """Symbols cut from the bytes of a source. Subclasses give `_cut` and `_size`.

    `_rest` is what was read of the source and not yet given; with `_final` nothing follows it.
    """

    _unit = "symbols"
    _later = frozenset(COUNTS)

    def __init__(self, source: Source, cap: int) -> None:
        super().__init__(source.name, Alphabet(range(1)))
        self._counts = dict.fromkeys(COUNTS, 0)
        self._source, self._cap = source, _arguments.whole("cap", cap, low=2)
        self._begin()

    def set_alphabet(self, alphabet: Alphabet) -> None:
        """What the symbols are; an alphabet that begins with "\ufffd" grows."""
        self.alphabet = alphabet
        self.grows = alphabet.symbols[0] == OTHER

    @property
    def live(self) -> bool:
        return self._source.live

    @property
    def counts(self) -> dict[str, int]:
        return dict(self._counts)

    @property
    def repeatable(self) -> bool:
        return self._source.repeatable

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not (self._failure or self._cut(1)[1] or self._failure):
            if self._final and not self._turn():
                return True
            if not self._source.wait(max(0.0, until - time.monotonic())):
                return False
            if not self.live:
                return True
            self._fill(LIVE_BLOCK)
        return True

    # ---- reading -------------------------------------------------------------------------------

    @abstractmethod
    def _cut(self, n: int) -> tuple[Any, int]:
        """At most `n` whole symbols at the beginning of `_rest`, and how many bytes they are.

        Bytes without a symbol (a heading) may be taken. What stands in the way of the very next one
        is noted in `_failure`.
        """

    @abstractmethod
    def _size(self, symbols: Any) -> int:
        """How many bytes some first ones of the symbols are that `_cut` gave last."""

    def _next(self, n: int) -> np.ndarray:
        n = min(n, BLOCK)
        while not self._failure:
            symbols, used = self._cut(n)
            if used:
                codes = self._codes(symbols, used)
                if codes.size:
                    return codes
            elif not (self._failure or self._final):
                self._fill(n)
            elif self._final and self._turn():
                continue
            elif self.position and not self._failure:
                return self._nothing
            else:
                self._failure = self._failure or f"{self.name}: is empty"
        raise DataError(self._failure)

    def _fill(self, n: int) -> None:
        try:
            raw = self._source.read(max(n, LEAST_BLOCK))
            self._rest += raw
            self._final = not raw and self._source.ended()
        except DataError as error:
            self._failure = str(error)

    def _turn(self) -> bool:
        """Go on with the file that took the place of this one, if there is one."""
        if not self._source.turn():
            return False
        self._begin()
        return True

    def _codes(self, symbols: Any, used: int) -> np.ndarray:
        """Numbers of the symbols up to the next that is new; takes them from `_rest`."""
        codes = self.alphabet.numbers(symbols)
        if codes.size and codes.min() < 0:
            at = int(np.argmin(codes))
            if self.grows and len(self.alphabet) >= self._cap:
                codes = np.maximum(codes, 0)
            elif at:
                codes, used = codes[:at], self._size(symbols[:at])
            elif self.grows:
                self.alphabet = self.alphabet.grown(symbols[0])
                return self._codes(symbols, used)
            else:
                self._failure = f"{self._where()}: {_shown(symbols[:1])} is not in the alphabet"
                return codes[:0]
        self._take(used)
        return codes

    def _take(self, used: int) -> None:
        given, self._rest = self._rest[:used], self._rest[used:]
        self._crc = zlib.crc32(given, self._crc)
        self._offset += used
        self._line += given.count(b"\n")

    def _where(self) -> str:
        return f"{self.name}: line {self._line}, byte {self._offset}"

    # ---- where it is ---------------------------------------------------------------------------

    def _begin(self) -> None:
        """At the beginning of a file."""
        self._rest, self._final, self._failure = b"", False, ""
        self._crc = self._offset = 0
        self._line = 1

    def _hashed(self, part: np.ndarray) -> int:
        return self._crc

    def _cursor(self) -> dict[str, int]:
        place = {"offset": self._offset, "line": self._line}
        return {**place, **self._counts, **self._source.marks()}

    def _seek(self, state: Mapping[str, int]) -> None:
        found = self._source.seek(state)
        if found or self._source.live:
            self._counts = {name: state[name] for name in COUNTS}
        if found:
            self._begin()
            self._offset, self._line, self._crc = state["offset"], state["line"], state["hash"]
        elif self._source.live:  # what was read is gone
            self._begin()
        else:
            raise DataError(
                f"{self.name}: its first {state['position']} {self._unit} are not those read"
            )


class Characters(FileStream):
    """Bytes or UTF-8 characters; of whole lines only, where that is wanted."""

    def __init__(self, source: Source, cap: int, whole_lines: bool = False) -> None:
        super().__init__(source, cap)
        self._whole_lines = whole_lines

    def _cut(self, n: int) -> tuple[Any, int]:
        data, final = self._rest[: n + 3], self._final  # room for the last character
        if self._whole_lines and not final and len(self._rest) < LONGEST_LINE:
            data = data[: self._rest.rfind(b"\n") + 1]
        if isinstance(self.alphabet.symbols, bytes):
            return data[:n], len(data[:n])
        try:
            decoded, _ = codecs.utf_8_decode(data, "strict", final and len(data) == len(self._rest))
        except UnicodeDecodeError as error:
            decoded = data[: error.start].decode()
            if not error.start:
                self._failure = (
                    f"{self.name}: byte {self._offset} is not UTF-8 ({error.reason}); "
                    "the alphabet 'bytes' reads anything"
                )
        return decoded[:n], self._size(decoded[:n])

    def _size(self, symbols: Any) -> int:
        return len(symbols.encode() if isinstance(symbols, str) else symbols)


def _shown(symbol: Any) -> str:
    """One symbol for a message, with its code if it is one character or byte."""
    if isinstance(symbol, list):
        return repr(symbol[0])
    return f"{symbol!r} (code {ord(symbol):#x})"
