"""Where bytes come from: what all sources do, files and pipes. A log that is rotated: following."""

from __future__ import annotations

import select
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from nbt.errors import DataError
from nbt.streams.sources.unpacking import Unpacked

__all__ = ["BLOCK", "HEAD", "File", "Pipe", "Source", "crc_of"]

BLOCK = 1 << 20
HEAD = 1 << 10  # bytes by which a file is told from others at a glance


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
        if crc_of(file, state["offset"]) == state["hash"]:
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


def crc_of(file: Unpacked, size: int, crc: int = 0) -> int | None:
    """CRC-32 of the next `size` bytes, going on from `crc`; None if there are fewer."""
    while size:
        try:
            raw = file.read(min(size, BLOCK))
        except DataError:  # another file
            return None
        if not raw and file.at_end:
            return None
        crc, size = zlib.crc32(raw, crc), size - len(raw)
    return crc
