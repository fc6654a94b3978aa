"""Sources of symbols: text files, pipes and arrays.

A stream has an `alphabet`, a `name`, an `entropy_rate` (bits per symbol, or None where nobody
knows it), says whether it is `endless`, and is read in order with `read(n)`. What comes does not
depend on the sizes asked for. Streams know nothing about trainers.
"""

from __future__ import annotations

import codecs
import contextlib
import operator
import os
import sys
import weakref
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np

from nbt.errors import DataError

__all__ = ["Alphabet", "Stream", "symbols", "text"]

BLOCK = 1 << 20


@dataclass(frozen=True, repr=False)
class Alphabet:
    """A finite set of symbols, numbered 0, 1, ... in a fixed order.

    Parameters
    ----------
    symbols : str, bytes or range
        Distinct characters, distinct bytes, or plain numbers `range(k)`.

    Examples
    --------
    >>> ab = Alphabet("ab\\n")
    >>> len(ab), ab.encode("ba").tolist(), ab.decode([0, 1, 2])
    (3, [1, 0], 'ab\\n')
    """

    symbols: str | bytes | range

    def __post_init__(self) -> None:
        if not isinstance(self.symbols, (str, bytes, range)):
            raise TypeError(f"alphabet: expected str, bytes or range, got {self.symbols!r}")
        if not self.symbols:
            raise ValueError("alphabet: expected at least one symbol, got none")
        if isinstance(self.symbols, range):
            if self.symbols != range(len(self.symbols)):
                raise ValueError(f"alphabet: expected range(k), got {self.symbols!r}")
        elif len(set(self.symbols)) < len(self.symbols):
            twice = next(s for i, s in enumerate(self.symbols) if s in self.symbols[:i])
            raise ValueError(f"alphabet: expected distinct symbols, {twice!r} comes twice")

    def __len__(self) -> int:
        return len(self.symbols)

    def __repr__(self) -> str:
        every_byte = self.symbols == bytes(range(256))
        return "Alphabet(bytes(range(256)))" if every_byte else f"Alphabet({self.symbols!r})"

    @cached_property
    def _table(self) -> np.ndarray:
        """Number of each code point or byte; -1 elsewhere, and past the end by clipping."""
        points = [ord(s) if isinstance(s, str) else s for s in self.symbols]
        table = np.full(max(points) + 2, -1, np.int32)
        table[points] = np.arange(len(points), dtype=np.int32)
        return table

    def numbers(self, data: Any) -> np.ndarray:
        """Like `encode`, with -1 in the place of what is not in the alphabet."""
        if isinstance(self.symbols, str):
            if not isinstance(data, str):
                raise TypeError(f"data: expected str, got {type(data).__name__}")
            points = np.frombuffer(data.encode("utf-32-le", "surrogatepass"), "<u4")
        elif isinstance(self.symbols, bytes):
            points = np.frombuffer(data, np.uint8)
        else:
            points = _integers(data)
            inside = (points >= 0) & (points < len(self))
            return np.where(inside, points, -1).astype(np.int32)
        return self._table.take(points, mode="clip")

    def encode(self, data: str | bytes | Any) -> np.ndarray:
        """Numbers of the symbols in `data`, int32, shape (T,).

        Takes a str for an alphabet of characters, bytes for bytes, integers for numbers.
        Raises `DataError` at the first symbol that is not in the alphabet.
        """
        codes = self.numbers(data)
        if codes.size and codes.min() < 0:
            at = int(np.argmin(codes))
            raise DataError(f"symbol {data[at]!r} at position {at} is not in the alphabet")
        return codes

    def decode(self, codes: Any) -> str | bytes | np.ndarray:
        """The symbols with these numbers: str, bytes, or (for plain numbers) an array."""
        codes = _integers(codes)
        if codes.size and not (codes.min() >= 0 and codes.max() < len(self)):
            raise DataError(
                f"expected numbers in [0, {len(self)}), got {codes.min()}..{codes.max()}"
            )
        if isinstance(self.symbols, str):
            return "".join(map(self.symbols.__getitem__, codes.tolist()))
        if isinstance(self.symbols, bytes):
            return bytes(map(self.symbols.__getitem__, codes.tolist()))
        return codes.astype(np.int32)


class Stream(ABC):
    """What every stream can do. Subclasses give `_next`, `_cursor` and `_seek`.

    Attributes
    ----------
    name : str
        What to call the source.
    alphabet : Alphabet
        Its symbols; `read` gives their numbers.
    entropy_rate : float or None
        Bits per symbol of the process that makes the symbols, where it is known.
    endless : bool
        Whether it never ends.
    position : int
        Symbols read so far.
    """

    def __init__(
        self,
        name: str,
        alphabet: Alphabet,
        *,
        entropy_rate: float | None = None,
        endless: bool = False,
    ) -> None:
        self.name = name
        self.alphabet = alphabet
        self.entropy_rate = entropy_rate
        self.endless = endless
        self.position = 0
        self._hash = 0

    @property
    def live(self) -> bool:
        """Do the symbols come as they happen, so that reading must not wait for more?"""
        return False

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.alphabet)} symbols, {self.position} read>"

    def read(self, n: int) -> np.ndarray:
        """The next `n` symbols, fewer before the end, none at the end: int32.

        A pipe gives what is there, at least one symbol, and does not wait for `n`. Raises
        `DataError` where the source is not what it should be, after every symbol before that place
        was given.
        """
        n = operator.index(n)
        if n < 1:
            raise ValueError(f"n: expected at least 1, got {n}")
        parts, missing = [], n
        while missing and not (self.live and parts):
            try:
                part = self._next(missing)
            except DataError:  # comes again at the next call
                if parts:
                    break
                raise
            if not part.size:
                break
            self.position += len(part)
            self._hash = zlib.crc32(part.astype("<i4", copy=False), self._hash)
            missing -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int32), *parts])

    def state_dict(self) -> dict[str, int]:
        """Where the stream is: plain integers, with a running hash (CRC-32) of what was read."""
        return {"position": self.position, "hash": self._hash, **self._cursor()}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to where `state` was taken. Raises `DataError` if the source is another one."""
        keys = self.state_dict().keys()
        good = isinstance(state, Mapping) and state.keys() == keys
        if not (good and all(type(v) is int and v >= 0 for v in state.values())):
            raise ValueError(f"state: expected non-negative integers for {', '.join(keys)}")
        self._seek(state)
        self.position, self._hash = state["position"], state["hash"]

    @abstractmethod
    def _next(self, n: int) -> np.ndarray:
        """At most `n` symbols, int32, C-contiguous."""

    @abstractmethod
    def _cursor(self) -> dict[str, int]:
        """What `_seek` needs beside position and hash."""

    @abstractmethod
    def _seek(self, state: Mapping[str, int]) -> None:
        """Go there, or raise `DataError` and stay."""


def symbols(
    array: Any,
    cycle: bool = False,
    alphabet: Alphabet | str | int | None = None,
    *,
    entropy_rate: float | None = None,
    name: str = "symbols",
) -> Stream:
    """A stream over an array of symbol numbers.

    Parameters
    ----------
    array : array_like of int, shape (T,)
        Numbers from 0. Not copied: leave it alone while the stream is in use.
    cycle : bool
        Begin again at the end, for ever.
    alphabet : Alphabet, str or int, optional
        What the numbers stand for, or how many there are; by default as many as occur.
    entropy_rate : float, optional
        Bits per symbol, if you know it.
    name : str
        What to call it.

    Examples
    --------
    >>> symbols([0, 1, 2], cycle=True).read(2).tolist()
    [0, 1]
    """
    array = _integers(array)
    if not array.size:
        raise DataError(f"{name}: expected at least one symbol, got an empty array")
    low, high = int(array.min()), int(array.max())
    if alphabet is None:
        alphabet = high + 1
    if not isinstance(alphabet, (Alphabet, str)):
        alphabet = range(operator.index(alphabet))
    alphabet = alphabet if isinstance(alphabet, Alphabet) else Alphabet(alphabet)
    if low < 0 or high >= len(alphabet):
        raise DataError(f"{name}: expected numbers in [0, {len(alphabet)}), got {low}..{high}")
    return SymbolArray(name, alphabet, array, entropy_rate=entropy_rate, endless=bool(cycle))


class SymbolArray(Stream):
    """See `symbols`."""

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


def text(path: str | os.PathLike[str], alphabet: str | Alphabet = "file") -> Stream:
    r"""A stream over the characters or bytes of a file or of standard input.

    Parameters
    ----------
    path : str or path-like
        A file, or "-" for standard input. Memory used does not depend on its size.
    alphabet : str or Alphabet
        "file": the characters that occur in it, sorted (UTF-8; the file is read twice, so not for
        a pipe); "bytes": all 256 bytes, nothing is decoded; any other string: its characters.

    Raises
    ------
    DataError
        Here or while reading: the file is empty, is not UTF-8, or has a symbol that is not in the
        alphabet. The message names the line and the byte offset, counted from 0.

    Examples
    --------
    >>> stream = text("/usr/share/dict/words")  # doctest: +SKIP
    >>> stream.alphabet.decode(stream.read(8))  # doctest: +SKIP
    'A\nA\'s\nAA'
    """
    path = os.fspath(path)
    kind = alphabet.symbols if isinstance(alphabet, Alphabet) else alphabet
    if not isinstance(kind, (str, bytes)):
        raise TypeError(f"alphabet: expected characters or bytes, got {alphabet!r}")
    name = "standard input" if path == "-" else path
    with contextlib.ExitStack() as owned:
        file = _standard_input() if path == "-" else owned.enter_context(open(path, "rb"))
        if not isinstance(alphabet, Alphabet):
            alphabet = _alphabet(file, name, alphabet)
        stream = SymbolFile(name, alphabet, file)
        weakref.finalize(stream, owned.pop_all().close)
    return stream


class SymbolFile(Stream):
    """Bytes or UTF-8 characters of a binary file, as they come."""

    def __init__(self, name: str, alphabet: Alphabet, file: BinaryIO) -> None:
        super().__init__(name, alphabet)
        self._file = file
        self._start = file.tell() if file.seekable() else 0
        self._rewind()

    @property
    def live(self) -> bool:
        return not self._file.seekable()

    def _next(self, n: int) -> np.ndarray:
        while not self._failure:
            raw = self._file.read1(min(n, BLOCK))  # what is there; at most n bytes, so characters
            codes = self._decode(raw)
            if codes.size or (not raw and self.position and not self._failure):
                return codes
            if not raw:
                self._failure = self._failure or f"{self.name}: is empty"
        raise DataError(self._failure)

    def _decode(self, raw: bytes) -> np.ndarray:
        """Numbers of the whole symbols; notes in `_failure` what stands in the way of more."""
        decoded: bytes | str = raw
        if isinstance(self.alphabet.symbols, str):
            decoded, self._failure = _utf8(self._decoder, raw, self.name, self._offset)
        codes = self.alphabet.numbers(decoded)
        unknown = None
        if codes.size and codes.min() < 0:
            at = int(np.argmin(codes))
            unknown, decoded, codes = decoded[at : at + 1], decoded[:at], codes[:at]
        encoded = decoded.encode() if isinstance(decoded, str) else decoded
        self._offset += len(encoded)
        self._line += encoded.count(b"\n")
        if unknown:
            self._failure = (
                f"{self.name}: line {self._line}, byte {self._offset}: {unknown!r} "
                f"(code {ord(unknown):#x}) is not in the alphabet"
            )
        return codes

    def _cursor(self) -> dict[str, int]:
        return {"offset": self._offset, "line": self._line}

    def _rewind(self) -> None:
        if self._file.seekable():
            self._file.seek(self._start)
        self.position = self._hash = self._offset = 0
        self._line, self._failure = 1, ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def _replay(self, position: int) -> None:
        self._rewind()
        while self.position < position and self.read(min(BLOCK, position - self.position)).size:
            pass

    def _seek(self, state: Mapping[str, int]) -> None:
        if not self._file.seekable():  # a pipe goes on from wherever it is
            self._rewind()
            self._offset, self._line = state["offset"], state["line"]
            return
        before = self.position
        try:
            self._replay(state["position"])
            if self.state_dict() == state:
                return
        except DataError:
            pass
        self._replay(before)
        raise DataError(f"{self.name}: its first {state['position']} symbols are not those read")


def _utf8(decoder: Any, raw: bytes, name: str, offset: int) -> tuple[str, str]:
    """Decode up to the first error; what the error is, or an empty string."""
    try:
        return decoder.decode(raw, final=not raw), ""
    except UnicodeDecodeError as error:
        at = offset + error.start
        why = f"{name}: byte {at} is not UTF-8 ({error.reason}); alphabet='bytes' reads anything"
        return error.object[: error.start].decode(), why


def _alphabet(file: BinaryIO, name: str, alphabet: str) -> Alphabet:
    if alphabet == "bytes":
        return Alphabet(bytes(range(256)))
    if alphabet != "file":
        return Alphabet(alphabet)
    if not file.seekable():
        raise DataError(
            f"{name}: alphabet='file' reads the source twice, which a pipe does not allow; "
            "use alphabet='bytes' or a string of its characters"
        )
    start, offset, seen = file.tell(), 0, np.zeros(sys.maxunicode + 1, bool)
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        raw = file.read(BLOCK)
        held = len(decoder.getstate()[0])
        decoded, failure = _utf8(decoder, raw, name, offset - held)
        if failure:
            raise DataError(failure)
        offset += len(raw)
        seen[np.frombuffer(decoded.encode("utf-32-le"), "<u4")] = True
        if not raw:
            break
    file.seek(start)
    if not seen.any():
        raise DataError(f"{name}: is empty")
    return Alphabet("".join(map(chr, np.flatnonzero(seen).tolist())))


def _standard_input() -> BinaryIO:
    file = getattr(sys.stdin, "buffer", None)
    if file is None:
        raise DataError("standard input: cannot be read here")
    return file


def _integers(data: Any) -> np.ndarray:
    array = np.asarray(data)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"expected a one-dimensional array of integers, got {array.dtype}, shape {array.shape}"
        )
    return array
