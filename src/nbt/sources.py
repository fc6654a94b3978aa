"""Where bytes come from: a file, a pipe, a log that others write to and rotate."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import select
import stat
import sys
import time
import warnings
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from nbt.errors import DataError
from nbt.unpacking import Unpacked

__all__ = ["File", "Followed", "Pipe", "Source", "open_source"]

BLOCK = 1 << 20
HEAD = 1 << 10  # bytes by which a file is told from others at a glance
LOOK = 0.05  # seconds between two looks at a followed file
GRACE = 1.0  # seconds without a word from a rotated file until it is left for the new one


class Source:
    """Bytes in order; what is compressed, unpacked.

    Parameters
    ----------
    name : str
        For messages.
    file : binary file
        Where they come from.

    Attributes
    ----------
    live : bool
        Do bytes come as they happen, so that reading must not wait for more than there are?
    grows : bool
        May there be more after the end?
    repeatable : bool
        Can what was read be read again?
    """

    live = False
    grows = False
    repeatable = True

    def __init__(self, name: str, file: Any) -> None:
        self.name = name
        self._file = Unpacked(file, name, grows=self.grows)

    def read(self, n: int) -> bytes:
        """At most `n` bytes; none at the end, or if none can be unpacked yet."""
        return self._file.read(n)

    def wait(self, seconds: float) -> bool:
        """Would `read` return at once?"""
        return True

    def ended(self) -> bool:
        """`read` has given nothing: is that the end? Waits a little where more may come."""
        return self._file.at_end

    def turn(self) -> bool:
        """At the end: is there another file to go on with?"""
        return False

    def marks(self) -> dict[str, int]:
        """What tells the file from others, beside its content."""
        return {}

    def seek(self, state: Mapping[str, int]) -> bool:
        """Go to byte ``state["offset"]``, if what comes before has the hash ``state["hash"]``."""
        raise NotImplementedError


class File(Source):
    """A file that can be read again."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        super().__init__(name, file)
        self._start = file.tell()

    def read(self, n: int) -> bytes:
        while not ((raw := self._file.read(n)) or self._file.at_end):
            pass
        return raw

    def seek(self, state: Mapping[str, int]) -> bool:
        before, file = self._file.tell(), Unpacked(self._file.file, self.name)
        file.seek(self._start)
        if _crc(file, state["offset"]) == state["hash"]:
            self._file = file
            return True
        self._file.file.seek(before)
        return False


class Pipe(Source):
    """What comes once: standard input, a named pipe. It goes on from wherever it is."""

    live = True
    repeatable = False

    def wait(self, seconds: float) -> bool:
        if self._file.pending:
            return True
        try:
            return bool(select.select([self._file], [], [], seconds)[0])
        except (OSError, ValueError):  # nothing to ask: no descriptor, or not that kind of system
            return True

    def seek(self, state: Mapping[str, int]) -> bool:
        return True


class Followed(Source):
    """A file that grows, is renamed and replaced, or cut to nothing: as `tail -F` reads it."""

    live = True
    grows = True

    def __init__(self, path: str) -> None:
        super().__init__(path, _open_file(path))
        self._turned_since: float | None = None

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not (self._more() or self._is_over()):
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(LOOK, left))
        return True

    def ended(self) -> bool:
        return self.wait(LOOK) and self._is_over()

    def turn(self) -> bool:
        self._become(_open_followed(self.name))
        return True

    def marks(self) -> dict[str, int]:
        found = os.fstat(self._file.fileno())
        return {"device": found.st_dev, "inode": found.st_ino}

    def seek(self, state: Mapping[str, int]) -> bool:
        """A file that was rotated meanwhile is found under its new name, beside the old one."""
        wanted = (state["device"], state["inode"])
        known = [one for one in glob.glob(f"{glob.escape(self.name)}*") if _is(one, wanted)]
        for path in [*known, self.name]:  # by its identity, then by its content
            with contextlib.suppress(OSError):
                file = _open_followed(path)
                if _crc(file, state["offset"]) == state["hash"] and state["offset"]:
                    self._become(file)
                    return True
                file.close()
        if state["offset"]:
            warnings.warn(
                f"{self.name}: what was read of it is no longer there; going on with the present "
                "file from its beginning",
                RuntimeWarning,
                stacklevel=2,
            )
        self._become(_open_followed(self.name))
        return False

    def _become(self, file: Unpacked) -> None:
        self._file.close()
        self._file, self._turned_since = file, None

    def close(self) -> None:
        self._file.close()

    def _more(self) -> bool:
        return self._file.pending or os.fstat(self._file.fileno()).st_size > self._file.tell()

    def _is_over(self) -> bool:
        """Was it cut, or replaced some time ago and has been silent since?"""
        if self._more():
            self._turned_since = None
            return False
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            return True
        if not os.path.exists(self.name) or _is(self.name, tuple(self.marks().values())):
            self._turned_since = None
            return False
        if self._turned_since is None:
            self._turned_since = time.monotonic()
        return time.monotonic() - self._turned_since >= GRACE


def open_source(path: str, follow: bool) -> tuple[Source, Any]:
    """The source at a path, "-" being standard input, and what closes it (or None)."""
    if path == "-":
        if follow:
            raise ValueError("follow: expected a file, got standard input")
        file = getattr(sys.stdin, "buffer", None)
        if file is None:
            raise DataError("standard input: cannot be read here")
        return (File if _is_file(file) else Pipe)("standard input", file), None
    if follow:
        followed = Followed(path)
        return followed, followed.close
    file = open(path, "rb")  # noqa: SIM115 - the stream closes it
    return (File if _is_file(file) else Pipe)(path, file), file.close


def _is_file(file: Any) -> bool:
    """Does it end, and can it be read again? Some devices can be sought in, and never end."""
    if not file.seekable():
        return False
    try:
        return not stat.S_ISCHR(os.fstat(file.fileno()).st_mode)
    except OSError:  # nothing of the operating system's: bytes in memory
        return True


def _open_file(path: str) -> io.FileIO:
    file = io.FileIO(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DataError(f"{path}: only a regular file can be followed")
    return file


def _open_followed(path: str) -> Unpacked:
    return Unpacked(_open_file(path), path, grows=True)


def _is(path: str, identity: tuple[int, ...]) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == identity


def _crc(file: Unpacked, size: int) -> int | None:
    """CRC-32 of the next `size` bytes; None if there are fewer."""
    crc = 0
    while size:
        try:
            raw = file.read(min(size, BLOCK))
        except DataError:  # another file
            return None
        if not raw and file.at_end:
            return None
        crc, size = zlib.crc32(raw, crc), size - len(raw)
    return crc
