"""Sources of bytes: their common base, files and pipes. Logs that are rotated are in
`following`."""

from __future__ import annotations

import select
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from nbt.errors import DataError
from nbt.streams.sources.unpacking import Unpacked

__all__ = ["CHUNK", "HEAD", "File", "Pipe", "Source", "crc_of"]

CHUNK = 1 << 20
HEAD = 1 << 10  # first bytes of a file, by whose hash it is quickly told from others


class Source:
    """Source of bytes, read in order. Compressed data is unpacked.

    Parameters
    ----------
    name : str
        Name of the source, for messages.
    file : binary file
        The file that the bytes come from.

    Attributes
    ----------
    live : bool
        Whether bytes come as they happen, so that reading must not wait for more than there are.
    grows : bool
        Whether there may be more after the end.
    repeatable : bool
        Whether what was read can be read again.
    """

    live = False
    grows = False
    repeatable = True

    def __init__(self, name: str, file: Any) -> None:
        self.name = name
        self._file = Unpacked(file, name, grows=self.grows)

    def read(self, n: int) -> bytes:
        """Return at most `n` bytes; none at the end, or if nothing can be unpacked yet."""
        return self._file.read(n)

    def wait(self, seconds: float) -> bool:
        """Wait at most so many seconds until `read` would return at once, and return whether it
        would."""
        return True

    def ended(self) -> bool:
        """Return whether this is the end, after `read` returned nothing. This waits a little where
        more may come."""
        return self._file.at_end

    def turn(self) -> bool:
        """Go on with the next file, at the end of this one; return False if there is none."""
        return False

    def marks(self) -> dict[str, int]:
        """Return what tells the file from others, besides its content."""
        return {}

    def seek(self, state: Mapping[str, int]) -> bool:
        """Go to byte ``state["offset"]``, if what comes before it has the hash ``state["hash"]``.

        Return False if it has another hash.
        """
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
    """Source that can be read only once: standard input or a named pipe. Reading goes on where the
    pipe is."""

    live = True
    repeatable = False

    def wait(self, seconds: float) -> bool:
        if self._file.pending:
            return True
        try:
            return bool(select.select([self._file], [], [], seconds)[0])
        except (OSError, ValueError):  # select cannot tell: no descriptor, or another system
            return True

    def seek(self, state: Mapping[str, int]) -> bool:
        return True


def crc_of(file: Unpacked, size: int, crc: int = 0) -> int | None:
    """Return the CRC-32 of the next `size` bytes, continued from `crc`; None if there are fewer."""
    while size:
        try:
            raw = file.read(min(size, CHUNK))
        except DataError:  # damaged, so it is another file
            return None
        if not raw and file.at_end:
            return None
        crc, size = zlib.crc32(raw, crc), size - len(raw)
    return crc
