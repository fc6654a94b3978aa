"""Follow a log that others write to and rotate, as one source."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping

from nbt.errors import DataError
from nbt.streams.sources.rotations import Entry, entries, with_inode
from nbt.streams.sources.source import HEAD, Source, crc_of
from nbt.streams.sources.unpacking import Unpacked

__all__ = ["Followed"]

LOOK = 0.05  # seconds between two checks of a followed file
GRACE = 1.0  # seconds that a rotated file must be silent before the next one is read
TAIL = 1 << 8  # bytes before a place that are read again to see whether the file is the same


class Followed(Source):
    """A file that grows, and may be renamed and replaced, copied and emptied, or compressed. All
    that is written to it under its name is read, in order and once.

    The open file is known by what was read of it: the number of bytes, their CRC-32, the CRC-32 of
    the first ones, and the last ones. The file that follows is the next in the list of `rotations`.

    Parameters
    ----------
    path : str
        Name of the file. It must exist.

    Raises
    ------
    DataError
        It is no regular file.
    OSError
        It cannot be opened.
    """

    live = True
    grows = True

    def __init__(self, path: str) -> None:
        super().__init__(path, _open_file(path))
        self._next: Unpacked | None = None  # file to go on with when this one is finished
        self._begin()

    def _begin(self, count: int = 0, crc: int = 0, head: int = 0) -> None:
        self._count, self._crc, self._head = count, crc, head  # of the bytes read
        self._tail = self._before(min(count, TAIL), count)
        self._largest = count  # largest size seen
        self._damaged = False  # nothing more can be unpacked
        self._copy: tuple[int, int] | None = None  # identity of a file with the same content
        self._modified = os.fstat(self._file.fileno()).st_mtime_ns
        self._silent_since: float | None = None

    def _before(self, size: int, count: int) -> bytes:
        """Return the last `size` of the first `count` bytes of the file; none if they cannot be
        read again."""
        if self._file.kind != "" or not hasattr(os, "pread"):
            return b""
        return os.pread(self._file.fileno(), size, count - size)

    # ---- reading ---------------------------------------------------------------------------------

    def read(self, n: int) -> bytes:
        if self._was_cut() and not self._go_on_in_copy():
            return b""
        found = os.fstat(self._file.fileno())
        try:
            raw = b"" if self._damaged else self._file.read(n)
        except DataError as error:
            if _is(self.name, self._identity()):
                raise
            self._warn(f"{error}; what is left of {self._file.name} is lost")
            self._damaged, raw = True, b""
        if raw:
            self._modified = found.st_mtime_ns
            self._head = zlib.crc32(raw[: max(0, HEAD - self._count)], self._head)
            self._crc = zlib.crc32(raw, self._crc)
            self._count += len(raw)
            self._tail = (self._tail + raw)[-TAIL:]
        return raw

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
        if self._next is None:
            return False
        following, self._next = self._next, None
        self._become(following)
        return True

    def _become(self, file: Unpacked, count: int = 0, crc: int = 0, head: int = 0) -> None:
        self._file.close()
        self._drop_next()
        self._file = file
        self._begin(count, crc, head)

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self._next = None

    def close(self) -> None:
        self._file.close()
        self._drop_next()

    # ---- what has become of the file -------------------------------------------------------------

    def _more(self) -> bool:
        """Return whether there is more to read."""
        if self._was_cut():
            return self._go_on_in_copy() and self._more()
        size = os.fstat(self._file.fileno()).st_size
        if not self._file.kind:
            self._largest = max(self._largest, size)
        return not self._damaged and (self._file.pending or size > self._file.tell())

    def _was_cut(self) -> bool:
        """Return whether the file was emptied, and possibly written anew."""
        found, packed = os.fstat(self._file.fileno()), bool(self._file.kind)
        if found.st_size < (self._file.tell() if packed else self._count):
            return True
        return not packed and self._before(len(self._tail), self._count) != self._tail

    def _go_on_in_copy(self) -> bool:
        """Go on in the copy that was made of the file before it was emptied."""
        for entry in _likely(entries(self.name), self._modified):
            file = None if entry.present else self._same(entry)
            if file:
                self._become(file, self._count, self._crc, self._head)
                return True
        return False

    def _is_over(self) -> bool:
        """Return whether nothing more is to come, and the next file is open."""
        if self._more():
            self._silent_since = None
            self._drop_next()
            return False
        if self._next is not None:
            return True
        cut = self._was_cut()
        if not cut and _is(self.name, self._identity()):
            self._silent_since = None
            return False
        following, known = self._following(cut)
        if not following:
            return False
        if self._silent_since is None:
            self._silent_since = time.monotonic()
        silent = time.monotonic() - self._silent_since >= GRACE
        if cut or silent or len(following) > 1:  # after two rotations nobody writes to it
            self._next = self._opened(following)
        if self._next is None or (not cut and self._more()):  # something was still written
            self._drop_next()
            return False
        if cut and self._largest > self._count:
            self._warn(f"{self._largest - self._count:,} bytes were cut off before they were read")
        if not (self._file.whole or self._damaged):
            self._warn(f"{self._file.name} ends in the midst of packed data; its end is lost")
        if not known and not cut and len(following) > 1:
            self._warn(
                f"the file that was read is gone; going on with {following[0].path}, and what was "
                "between them is lost, if there was anything"
            )
        return True

    def _following(self, cut: bool) -> tuple[list[Entry], bool]:
        """Return the files that came after this one, and whether this one is still in the list."""
        found = entries(self.name)
        for k, entry in enumerate(found if not cut else []):
            if entry.identity in (self._identity(), self._copy):
                return found[k + 1 :], True
        for entry in _likely(found, self._modified) if not cut else ():
            file = None if entry.present else self._same(entry)
            if file:
                file.close()
                self._copy = entry.identity
                return found[found.index(entry) + 1 :], True
        return _newer(found, self._modified), False

    def _opened(self, following: list[Entry]) -> Unpacked | None:
        """Return the first of the files that can be opened, open, if it is still the same file."""
        for entry in following:
            try:
                file = _open(entry.path)
            except FileNotFoundError:  # renamed meanwhile
                return None
            except (OSError, DataError) as error:
                self._warn(f"{entry.size:,} bytes of {entry.path} are lost: {error}")
                continue
            if entry.present or _identity(file) == entry.identity:
                return file
            file.close()
            return None
        return None

    def _identity(self) -> tuple[int, int]:
        return _identity(self._file)

    def _same(self, entry: Entry) -> Unpacked | None:
        """Return the file, open where reading stopped, if it begins with what was read."""
        if not self._count:
            return None
        return _after(entry.path, self._count, self._crc, self._head)

    def _warn(self, what: str) -> None:
        warnings.warn(f"{self.name}: {what}", RuntimeWarning, stacklevel=2)

    # ---- its place -------------------------------------------------------------------------------

    def marks(self) -> dict[str, int]:
        device, inode = self._identity()
        return {"device": device, "inode": inode, "modified": self._modified}

    def seek(self, state: Mapping[str, int]) -> bool:
        """Go to that place in the file, even if it was rotated, copied or compressed meanwhile.

        If the file is gone, go on with the oldest newer one, and return False.
        """
        count, identity = state["offset"], (state["device"], state["inode"])
        found = entries(self.name)
        for path in _candidates(self.name, found, identity, state.get("modified", 0)):
            file = _after(path, count, state["hash"], state.get("head", 0))
            if file and (count or _identity(file) == identity):
                self._become(file, count, state["hash"], state.get("head", 0))
                return True
            if file:
                file.close()
        file = None
        while file is None:
            following = found[-1:]
            if count and state.get("modified"):
                following = _newer(found, state["modified"])
            file = self._opened(following) if following else _open(self.name)
            found = entries(self.name)
        if count:
            where = following[0].path if following else self.name
            self._warn(
                f"what was read of it, {count:,} bytes, is no longer there, so what followed them "
                f"is lost; going on with {where} from its beginning"
            )
        self._become(file)
        return False


def _candidates(
    name: str, found: list[Entry], identity: tuple[int, int], modified: int
) -> Iterator[str]:
    """Yield the paths where a file may be now: by its identity, then files written to since, then
    the others."""
    known = [entry.path for entry in found if entry.identity == identity]
    known += [] if known else filter(None, [with_inode(name, identity)])
    yield from dict.fromkeys([*known, *(entry.path for entry in _likely(found, modified))])


def _likely(found: list[Entry], modified: int) -> list[Entry]:
    """Return the files, the likeliest first, among which is one that was last written to at that
    time or later.

    Several files may begin alike, so the order matters.
    """
    later = [entry for entry in found if entry.modified >= modified]
    return list(dict.fromkeys([*later, *reversed(found)]))


def _newer(found: list[Entry], modified: int) -> list[Entry]:
    """Return the files that were written to after that time, and the present one."""
    return [entry for entry in found if entry.present or entry.modified > modified]


def _after(path: str, count: int, crc: int, head: int) -> Unpacked | None:
    """Return a file, open after its first `count` bytes, if they have that CRC-32, and the first of
    them the CRC-32 `head` (0: not known)."""
    first = min(count, HEAD)
    with contextlib.suppress(OSError, DataError):
        file = _open(path)
        begun = crc_of(file, first)
        if begun is not None and head in (0, begun):
            if count == first:
                if begun == crc:
                    return file
            elif crc_of(file, count - first, begun) == crc:
                return file
        file.close()
    return None


def _open(path: str) -> Unpacked:
    return Unpacked(_open_file(path), path, grows=True)


def _open_file(path: str) -> io.FileIO:
    file = io.FileIO(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DataError(f"{path}: only a regular file can be followed")
    return file


def _identity(file: Unpacked) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def _is(path: str, identity: tuple[int, int]) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == identity
