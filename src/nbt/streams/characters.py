"""Streams of symbols cut from bytes: their common base, and streams of characters."""

from __future__ import annotations

import sys
import time
import zlib
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.errors import DataError
from nbt.streams.alphabets import OTHER, Alphabet
from nbt.streams.base import Stream, SymbolStream
from nbt.streams.counts import COUNTS
from nbt.streams.decoding import Decoder, Look, Plain
from nbt.streams.sources.source import CHUNK, HEAD, Source

__all__ = ["LONGEST_LINE", "Characters", "FileStream"]

LONGEST_LINE = 1 << 20
LIVE_CHUNK = 1 << 16
LEAST_CHUNK = 1 << 12
NOTED = 3  # faults of a kind that are named; later ones are only counted


class FileStream(Stream):
    """Stream of symbols cut from the characters of a source. Subclasses define `_cut` and `_size`.

    `_rest` holds the bytes that were read from the source and not yet given out. `_final` says that
    nothing follows them in their file. The place of the stream is that of the first byte of
    `_rest`, in the file that this byte is from. `_rest` may go on with bytes of the next file; the
    border between the two is a seam.

    Parameters
    ----------
    source : Source
        Where the bytes come from.
    cap : int
        Size at which an alphabet stops growing, at least 2.
    decoder : Decoder, optional
        Makes characters of the bytes. Default: UTF-8; invalid bytes are an error, or are replaced
        if the source is live.
    unknown : {"error", "mark"}
        What to do with a symbol that a fixed alphabet lacks. "error": raise `DataError`. "mark":
        give -1, and keep the symbol in `strange`.

    Attributes
    ----------
    strange : list
        The symbols for which the last read gave -1, in order.
    notes : list of str
        For a person: the places of the first faults of each kind that `counts` counts.
    """

    _unit = "symbols"
    _later = frozenset((*COUNTS, "given", "variant", "head", "modified"))

    def __init__(
        self, source: Source, cap: int, decoder: Decoder | None = None, unknown: str = "error"
    ) -> None:
        super().__init__(source.name, Alphabet(range(1)))
        self._counts = dict.fromkeys(COUNTS, 0)
        self._source, self._cap = source, _arguments.integer("cap", cap, low=2)
        self._decoder = decoder or Decoder(errors="replace" if source.live else "strict")
        self.unknown = _arguments.one_of("unknown", unknown, ("error", "mark"))
        self._plain = False
        self.strange: list[Any] = []
        self.notes: list[str] = []
        self._named = dict.fromkeys(COUNTS, 0)
        self._begin()

    def set_alphabet(self, alphabet: Alphabet) -> None:
        """Set the alphabet. One that begins with "\ufffd" grows."""
        self.alphabet = alphabet
        self.grows = alphabet.symbols[0] == OTHER
        self._plain, self._looked = isinstance(alphabet.symbols, bytes), None

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
            self._fill(LIVE_CHUNK)
        return True

    def read(self, n: int) -> Any:
        """Return the next `n` symbols; see `Stream`."""
        self.strange = []
        return super().read(n)

    # ---- reading -------------------------------------------------------------------------------

    @abstractmethod
    def _cut(self, n: int) -> tuple[Any, int]:
        """Return at most `n` whole symbols at the beginning of `_look()`, and the number of
        characters that they take.

        These characters may include some without a symbol, such as a heading. If the very next
        symbol cannot be given, `_failure` says why.
        """

    @abstractmethod
    def _size(self, symbols: Any) -> int:
        """Return the number of characters of `symbols`, which are the first ones of those that
        `_cut` returned last."""

    def _next(self, n: int) -> np.ndarray:
        n = min(n, CHUNK)
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
                self._failure = self._failure or self._empty()
        raise DataError(self._failure)

    def _empty(self) -> str:
        """Return the error message for a source without any symbol."""
        return f"{self.name}: is empty"

    def _fill(self, n: int) -> None:
        n = max(n, LEAST_CHUNK, len(self._rest))  # doubling keeps the work of all cuts linear
        try:
            raw = self._source.read(n)
            self._rest, self._looked = self._rest + raw, None
            self._final = not raw and self._source.ended()
        except DataError as error:
            self._failure = str(error)
        self._note_marks()

    def _turn(self) -> bool:
        """Go on with the file that comes after this one; return False if there is none.

        A symbol that was cut off by the end of this file continues in the next one.
        """
        if not self._source.turn():
            return False
        self._seams.append((len(self._rest) - sum(left for left, _ in self._seams), {}))
        self._final, self._looked = False, None
        self._note_marks()
        return True

    def _note_marks(self) -> None:
        """Record what tells the file that is being read from other files."""
        if self._seams:
            self._seams[-1] = (self._seams[-1][0], self._source.marks())
        else:
            self._marks = self._source.marks()

    def _look(self) -> Any:
        """Return the characters of `_rest`, or its bytes where the symbols are bytes."""
        if self._looked is None:
            self._looked = Plain(self._rest) if self._plain else self._decoded().after(self._given)
        return self._looked

    def _decoded(self) -> Look:
        beginning = self._at_beginning
        final = self._final and not self._source.grows
        self._sniffed = self._variant or 1
        if beginning:
            self._sniffed = self._decoder.variant(self._rest, final)
            if not self._sniffed:
                return Look("")
        return self._decoder.look(self._rest, self._sniffed, final, beginning)

    @property
    def _at_beginning(self) -> bool:
        """Whether `_rest` begins with the first byte of a file or of a pipe."""
        return self._seams[0][0] == 0 if self._seams else self._offset == self._start

    @property
    def _whole(self) -> bool:
        """Whether the file ends with `_look()`, and not in the middle of a character."""
        look = self._look()
        return self._final and look.size(len(look.text)) == len(self._rest)

    def _codes(self, symbols: Any, used: int) -> np.ndarray:
        """Return the numbers of the symbols up to the next new one, and take these symbols from
        `_rest`."""
        codes = self.alphabet.numbers(symbols)
        if codes.size and codes.min() < 0:
            at = int(np.argmin(codes))
            if self.grows and len(self.alphabet) >= self._cap:
                codes = np.maximum(codes, 0)
            elif self.unknown == "mark" and not self.grows:
                places = np.flatnonzero(codes < 0).tolist()
                strange = [symbols[place : place + 1] for place in places]
                for place, one in zip(places[:NOTED], strange, strict=False):
                    what = f"{_shown(one)} is not in the alphabet, passed over"
                    self._note("unknown", self._size(symbols[:place]), what)
                self._counts["unknown"] += len(places)
                self.strange += strange
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

    def _take(self, count: int) -> None:
        """Remove that many characters of `_look()` from `_rest`."""
        look = self._look()
        used = look.size(count)
        begun = self._note_bad(look, count) if look.uneven else 0
        given, self._rest = self._rest[:used], self._rest[used:]
        self._given = begun + (0 if used else self._given)
        self._looked = look.after(count)
        if self._seams:
            given = self._over_seams(given)
        if used and not self._plain:
            self._variant = self._sniffed
        if self._offset < HEAD:
            self._head = zlib.crc32(given[: HEAD - self._offset], self._head)
        self._crc = zlib.crc32(given, self._crc)
        self._offset += len(given)
        self._line += look.text.count(b"\n" if self._plain else "\n", 0, count)

    def _note_bad(self, look: Look, count: int) -> int:
        """Count and name the invalid bytes of that many characters.

        Return how many of these characters stand for a byte whose last character is still to come.
        """
        self._counts["replaced"] += look.replaced(count)
        for place in look.bad_places(count)[:NOTED]:
            byte, to = self._rest[look.size(place)], look.text[place]
            to = to if to == OTHER else f"\\x{byte:02x}"
            self._note("replaced", place, f"{byte:#04x} is no character, read as {to}")
        return look.begun(count)

    def _over_seams(self, given: bytes) -> bytes:
        """Return those of the taken bytes that lie in the last file which they reach.

        That file is from now on the one in which the place is counted.
        """
        while self._seams and len(given) > self._seams[0][0]:
            left, self._marks = self._seams.pop(0)
            given = given[left:]
            self._offset = self._start = self._crc = self._head = 0
            self._line = 1
        if self._seams:
            left, marks = self._seams[0]
            self._seams[0] = (left - len(given), marks)
        return given

    def _count(self, kind: str, number: int, first: int, what: str) -> None:
        """Count a fault of that kind, `number` times; the first one is at character `first` of
        `_look()`."""
        self._note(kind, first, what)
        self._counts[kind] += number

    def _note(self, kind: str, first: int, what: str) -> None:
        """Name a fault, if it is one of the first of its kind."""
        if self._named[kind] < NOTED:
            look, newline = self._look(), b"\n" if self._plain else "\n"
            line = self._line + look.text.count(newline, 0, first)
            place = f"line {line}, byte {self._offset + look.size(first)}"
            self.notes.append(f"{self.name}: {place}: {what}")
        self._named[kind] += 1

    def _where(self) -> str:
        return f"{self.name}: line {self._line}, byte {self._offset}"

    # ---- where it is ---------------------------------------------------------------------------

    def _begin(self) -> None:
        """Set the state to the beginning of a file."""
        self._rest, self._final, self._failure = b"", False, ""
        self._crc = self._offset = self._head = 0
        self._start = 0  # place at which this pipe continues an earlier one
        self._line = 1
        self._variant = self._sniffed = 0  # see Decoder.variant
        self._given = 0  # characters that were given of those that stand for the next byte
        self._looked: Any = None  # result of `_look`, kept
        self._seams: list[tuple[int, dict[str, int]]] = []  # bytes before; marks of the file after
        self._note_marks()

    def _hashed(self, part: np.ndarray) -> int:
        return self._crc

    def _cursor(self) -> dict[str, int]:
        place = {"offset": self._offset, "line": self._line, "head": self._head}
        text = {"given": self._given, "variant": self._variant}
        return {**place, **text, **self._counts, **self._marks}

    def _seek(self, state: Mapping[str, int]) -> None:
        found = self._source.seek(state)
        if not (found or self._source.live):
            raise DataError(
                f"{self.name}: its first {state['position']} {self._unit} are not those read"
            )
        self._begin()
        self._counts = {name: state[name] for name in COUNTS}
        self._named, self.notes = dict.fromkeys(COUNTS, 0), []
        if found:  # otherwise the data read before is gone
            self._offset, self._line, self._crc = state["offset"], state["line"], state["hash"]
            self._head, self._variant = state["head"], state["variant"]
            self._given = state["given"] if self.repeatable else 0
            self._start = 0 if self.repeatable else self._offset
            self._marks |= {name: state[name] for name in self._marks}


class Characters(FileStream, SymbolStream):
    """Stream of bytes or characters; of whole lines only, if wanted."""

    def __init__(self, source: Source, cap: int, whole_lines: bool = False, **choices: Any) -> None:
        super().__init__(source, cap, **choices)
        self._whole_lines = whole_lines

    def _cut(self, n: int) -> tuple[Any, int]:
        look = self._look()
        count = min(n, len(look.text))
        if self._whole_lines and not self._final and len(self._rest) < LONGEST_LINE:
            count = min(count, look.text.rfind(b"\n" if self._plain else "\n") + 1)
        if look.failure and not look.text:
            self._failure = self._undecodable(look.failure)
        return look.text[:count], count

    def _undecodable(self, why: str) -> str:
        return (
            f"{self.name}: byte {self._offset} {why}; errors='replace' goes on after it, "
            "alphabet='bytes' reads anything"
        )

    def _size(self, symbols: Any) -> int:
        return len(symbols)

    def seen(self) -> str:
        """Return the distinct characters of all that follows, sorted. This reads the source to its
        end."""
        seen = np.zeros(sys.maxunicode + 1, bool)
        while not (self._failure or self._final):
            self._fill(CHUNK)
            look = self._look()
            seen[np.frombuffer(look.text.encode("utf-32-le"), "<u4")] = True
            used = look.size(len(look.text))
            self._rest, self._looked = self._rest[used:], None
            self._offset, self._variant = self._offset + used, self._sniffed if used else 0
            if look.failure:
                self._failure = self._undecodable(look.failure)
        if not (self._failure or seen.any()):
            self._failure = f"{self.name}: is empty"
        if self._failure:
            raise DataError(self._failure)
        return "".join(map(chr, np.flatnonzero(seen).tolist()))


def _shown(symbol: Any) -> str:
    """Return one symbol as text for a message, with its code if it is one character or byte."""
    if isinstance(symbol, list):
        return repr(symbol[0])
    return f"{symbol!r} (code {ord(symbol):#x})"
