"""A folder that is held open, in which names mean what lies in it and nothing else.

A run's folder may come from a stranger, or be written to by one. So no link in it is followed, and
what is no regular file (a named pipe would wait for ever) is not opened. Where the platform has
them, calls go to the open folder itself: its path may meanwhile lead elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Any

__all__ = ["Folder", "UnfitError", "opened"]

DIR_FD = {os.open, os.stat, os.unlink, os.link, os.mkdir} <= os.supports_dir_fd
CAREFUL = 0
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    CAREFUL |= getattr(os, _flag, 0)


class UnfitError(OSError):
    """What lies under a name is no regular file, or too large."""


class Folder:
    """An open folder; a context manager.

    Parameters
    ----------
    path : path-like
        Links are followed: it is the user who names it.
    parent : Folder, optional
        `path` is a name in that one, and no link.

    Raises
    ------
    OSError
        It is not there, is no folder, or cannot be read. As all errors here it names the path.
    """

    def __init__(self, path: str | os.PathLike[str], parent: Folder | None = None) -> None:
        self.path = os.fspath(path) if parent is None else parent.file(os.fspath(path))
        self._handle: int | None = None
        if parent and not stat.S_ISDIR(parent._status(os.fspath(path)).st_mode):
            raise UnfitError(errno.ENOTDIR, "expected a folder, and no link to one", self.path)
        if DIR_FD:
            where, at = (self.path or ".", {}) if parent is None else parent._where(path)
            flags = os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if parent else 0)
            self._handle = os.open(where, flags, **at)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def file(self, name: str) -> str:
        """The path of a name, for messages."""
        return os.path.join(self.path, name)

    def names(self) -> list[str]:
        """Of all that lies in it."""
        return sorted(os.listdir(self.path or "." if self._handle is None else self._handle))

    # ---- what lies in it -----------------------------------------------------------------------

    def is_there(self, name: str) -> bool:
        """Is there a regular file?

        Raises
        ------
        UnfitError
            There is something else.
        """
        try:
            self._check(name, self._status(name))
        except FileNotFoundError:
            return False
        return True

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """The descriptor of a regular file.

        Raises
        ------
        UnfitError
            It is something else.
        OSError
            It is not there, or cannot be opened.
        """
        where, at = self._where(name)
        try:
            self._check(name, self._status(name))  # says what it is, where opening would not
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
        handle = os.open(where, flags | CAREFUL, 0o666, **at)
        try:
            self._check(name, os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle

    def read(self, name: str, most: int) -> bytes:
        """What a regular file holds.

        Raises
        ------
        UnfitError
            It is something else, or larger than `most` bytes.
        OSError
            It is not there, or cannot be read.
        """
        with open(self.open(name), "rb", buffering=0) as file:
            parts, left = [], most + 1
            while left and (part := file.read(min(left, 1 << 20))):
                parts.append(part)
                left -= len(part)
        if not left:
            raise UnfitError(errno.EFBIG, f"larger than {most} bytes", self.file(name))
        return b"".join(parts)

    def rename(self, old: str, new: str) -> None:
        """Give a file the name of another, which is gone then, at once."""
        (old, of), (new, to) = self._where(old), self._where(new)
        os.replace(old, new, **{f"src_{k}": v for k, v in of.items()}, **_destination(to))

    def link(self, old: str, new: str) -> None:
        """Give a file a second name."""
        (old, of), (new, to) = self._where(old), self._where(new)
        if of:
            of = {"src_dir_fd": of["dir_fd"], "follow_symlinks": False}
        os.link(old, new, **of, **_destination(to))

    def unlink(self, name: str) -> None:
        """Take a name away, not what a link leads to."""
        where, at = self._where(name)
        os.unlink(where, **at)

    def sub(self, name: str, make: bool = False) -> Folder:
        """A folder in it; `make`: also where there is none yet."""
        if make:
            where, at = self._where(name)
            with contextlib.suppress(FileExistsError):
                os.mkdir(where, **at)
        return Folder(name, self)

    def sync(self) -> None:
        """See that its names are on the disk."""
        if self._handle is not None:
            os.fsync(self._handle)

    def _where(self, name: Any) -> tuple[str, dict[str, int]]:
        if self._handle is None:
            return self.file(os.fspath(name)), {}
        return os.fspath(name), {"dir_fd": self._handle}

    def _status(self, name: str) -> os.stat_result:
        where, at = self._where(name)
        try:
            return os.stat(where, follow_symlinks=False, **at)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.file(name)) from None

    def _check(self, name: str, found: os.stat_result) -> None:
        if stat.S_ISREG(found.st_mode):
            return
        if stat.S_ISLNK(found.st_mode):
            raise UnfitError(errno.ELOOP, "is a link, which is not followed", self.file(name))
        number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
        raise UnfitError(number, "not a regular file", self.file(name))


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], kind: type[ValueError]) -> Iterator[Folder]:
    """The folder at a path; an `UnfitError` becomes an error of that kind, in one line."""
    try:
        with Folder(path) as folder:
            yield folder
    except UnfitError as error:
        raise kind(f"{error.filename}: {error.strerror}") from None


def _destination(at: dict[str, int]) -> dict[str, int]:
    return {f"dst_{key}": value for key, value in at.items()}
