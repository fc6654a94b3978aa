"""An open folder, in which names mean only what lies in it.

A run's folder may come from someone unknown, and others may write to it. So no link in it is
followed, and only regular files are opened (a named pipe would block for ever). Where the platform
allows it, calls use the open folder itself, because its path may lead elsewhere later.
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
    """The file of that name is no regular file, or too large."""


class Folder:
    """Open folder; a context manager.

    Parameters
    ----------
    path : path-like
        Path of the folder. Links are followed, as the user names it.
    parent : Folder, optional
        If given, `path` is a name in this folder, and must not be a link.

    Raises
    ------
    OSError
        It does not exist, is no folder, or cannot be read. Like all errors here, it names the path.
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
        """Close the folder."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def file(self, name: str) -> str:
        """Return the path of a name, for messages."""
        return os.path.join(self.path, name)

    def names(self) -> list[str]:
        """Return the names of all that lies in the folder."""
        return sorted(os.listdir(self.path or "." if self._handle is None else self._handle))

    # ---- what lies in it -----------------------------------------------------------------------

    def is_there(self, name: str) -> bool:
        """Return whether there is a regular file of that name.

        Raises
        ------
        UnfitError
            The name is that of something else.
        """
        try:
            self._check(name, self._status(name))
        except FileNotFoundError:
            return False
        return True

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Return the descriptor of a regular file.

        Raises
        ------
        UnfitError
            The name is that of something else.
        OSError
            The file does not exist, or cannot be opened.
        """
        where, at = self._where(name)
        try:
            self._check(name, self._status(name))  # its errors say more than those of opening
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
        """Return the content of a regular file.

        Raises
        ------
        UnfitError
            The name is that of something else, or the file is larger than `most` bytes.
        OSError
            The file does not exist, or cannot be read.
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
        """Rename a file, atomically. A file that had the new name is replaced."""
        (old, of), (new, to) = self._where(old), self._where(new)
        os.replace(old, new, **{f"src_{k}": v for k, v in of.items()}, **_destination(to))

    def link(self, old: str, new: str) -> None:
        """Give a file a second name."""
        (old, of), (new, to) = self._where(old), self._where(new)
        if of:
            of = {"src_dir_fd": of["dir_fd"], "follow_symlinks": False}
        os.link(old, new, **of, **_destination(to))

    def unlink(self, name: str) -> None:
        """Remove a name; the target of a link stays."""
        where, at = self._where(name)
        os.unlink(where, **at)

    def sub(self, name: str, make: bool = False) -> Folder:
        """Return a folder in this one, open. With `make`, it is made if it does not exist."""
        if make:
            where, at = self._where(name)
            with contextlib.suppress(FileExistsError):
                os.mkdir(where, **at)
        return Folder(name, self)

    def sync(self) -> None:
        """Make sure that the names in the folder are on the disk."""
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
    """Yield the folder at a path. An `UnfitError` becomes an error of that kind, in one line."""
    try:
        with Folder(path) as folder:
            yield folder
    except UnfitError as error:
        raise kind(f"{error.filename}: {error.strerror}") from None


def _destination(at: dict[str, int]) -> dict[str, int]:
    return {f"dst_{key}": value for key, value in at.items()}
