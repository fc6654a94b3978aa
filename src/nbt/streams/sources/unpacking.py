"""Read files that may be compressed by gzip, bzip2, xz or Zstandard, which their first bytes
tell."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from nbt.errors import DataError, MissingExtra

__all__ = ["Unpacked"]

MAGIC = {  # how a file begins
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    **{b"BZh%d1AY&SY" % level: "bzip2" for level in range(1, 10)},
    **{b"BZh%d\x17\x72\x45\x38\x50\x90" % level: "bzip2" for level in range(1, 10)},  # empty
}
MOST_MEMORY = 1 << 27  # most that an xz file may ask for; xz -9 needs half of it
PIECE = 1 << 16  # bytes of a compressed file that are read at once


class Unpacked:
    """The content of a file, unpacked piece by piece; a file that is not compressed is read as it
    is.

    Several compressed pieces one after the other are read as one. Memory does not depend on the
    unpacked size.

    Parameters
    ----------
    file : binary file
        Open at any place; what follows is examined.
    name : str
        Name of the file, for messages.
    grows : bool
        Whether the file may grow. If so, an end in the middle of a compressed piece is no error.
    """

    def __init__(self, file: Any, name: str, grows: bool = False) -> None:
        self.file, self.name, self._grows = file, name, grows
        self._read = getattr(file, "read1", file.read)
        self._restart()

    def _restart(self) -> None:
        self.kind: str | None = None  # "": not compressed; None: not yet known
        self._unpacker: Any = None
        self._held = b""  # read, but not yet given or unpacked
        self._at_end = False
        self._failure = ""

    @property
    def pending(self) -> bool:
        """Whether `read` can go on without reading the file."""
        if self._failure:
            return True
        if self._unpacker:
            return not self._unpacker.hungry
        return bool(self._held if self.kind == "" else _found(self._held))

    @property
    def at_end(self) -> bool:
        """Whether the last `read` found the end of the file."""
        return self._at_end

    @property
    def whole(self) -> bool:
        """Whether no compressed piece is unfinished."""
        return self._unpacker is None

    def read(self, n: int) -> bytes:
        """Return at most `n` bytes. No bytes may mean the end (`at_end`), or that more of the file
        is needed.

        Raises
        ------
        DataError
            The data is damaged. Every later call raises this, too.
        MissingExtra
            The package that unpacks it is not installed.
        """
        if self._failure:
            raise DataError(self._failure)
        self._at_end = False
        if not self.pending:
            raw = self._read(n if self.kind == "" else PIECE)
            self._at_end = raw == b""  # None: nothing yet
            self._held += raw or b""
        if self._unpacker is None and self.kind != "":
            self._begin()
        if self.kind == "":
            given, self._held = self._held[:n], self._held[n:]
            return given
        given = self._unpack(n) if self._unpacker else b""
        if self._at_end and self._unpacker and not (given or self._grows):
            self._fail(f"ends in the midst of {self.kind} data")
        return given

    def _begin(self) -> None:
        """Find out what kind of data follows."""
        if self.kind:  # after a piece: another one, or zeros up to the end of a disk block
            self._held = self._held.lstrip(b"\0")
        found = _found(self._held)
        if found and self.kind in (None, found):
            self.kind, self._unpacker = found, _Unpacker(found)
        elif self._held and (self._at_end or not _may_become_one(self._held)):
            if self.kind:
                self._fail("something else follows what is compressed")
            self.kind = ""

    def _unpack(self, n: int) -> bytes:
        held, self._held = self._held, b""
        try:
            given = self._unpacker.unpack(held, n)
        except (
            zlib.error,
            lzma.LZMAError,
            OSError,
            EOFError,
            ValueError,
            *_zstd_errors(),
        ) as error:
            self._fail(f"damaged {self.kind} data: {error}")
        if self._unpacker.over:
            self._held, self._unpacker = self._unpacker.rest, None
        return given

    def _fail(self, why: str) -> None:
        self._failure = f"{self.name}: {why}"
        raise DataError(self._failure)

    # ---- the file itself -----------------------------------------------------------------------

    def seek(self, start: int) -> None:
        """Go to a place in the file at which its content begins."""
        self.file.seek(start)
        self._restart()

    def tell(self) -> int:
        """Return how far the file itself was read."""
        return self.file.tell()

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self.file.fileno()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _found(beginning: bytes) -> str | None:
    return next((kind for magic, kind in MAGIC.items() if beginning.startswith(magic)), None)


def _may_become_one(beginning: bytes) -> bool:
    return any(magic.startswith(beginning) for magic in MAGIC)


class _Unpacker:
    """One compressed piece: the decompressors of all libraries behind one interface."""

    def __init__(self, kind: str) -> None:
        make: dict[str, Callable[[], Any]] = {
            "gzip": lambda: zlib.decompressobj(wbits=31),
            "bzip2": bz2.BZ2Decompressor,
            "xz": lambda: lzma.LZMADecompressor(memlimit=MOST_MEMORY),
            "zstd": lambda: _zstd().ZstdDecompressor(),
        }
        self._inner = make[kind]()
        self._tail = b""  # input that zlib has not used yet, as the output was full
        self.hungry = True

    def unpack(self, data: bytes, n: int) -> bytes:
        """Return at most n bytes, after `data` was added to the input."""
        if not hasattr(self._inner, "unconsumed_tail"):
            given = self._inner.decompress(data, n)
            self.hungry = self._inner.needs_input
            return given
        given = self._inner.decompress(self._tail + data, n)
        self._tail = self._inner.unconsumed_tail
        self.hungry = not self._tail and len(given) < n
        return given

    @property
    def over(self) -> bool:
        return self._inner.eof

    @property
    def rest(self) -> bytes:
        """The input after the end of the piece."""
        return self._inner.unused_data


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):  # of Python 3.14; the same for older ones
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise MissingExtra('Zstandard needs an extra: pip install "nobacktrack[zstd]"')


def _zstd_errors() -> tuple[type[Exception], ...]:
    try:
        return (_zstd().ZstdError,)
    except MissingExtra:
        return ()
