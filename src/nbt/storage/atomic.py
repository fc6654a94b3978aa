"""Files that are complete or absent, and a lock that ends with its owner.

A file is written under a temporary name in its own folder, synced, and renamed; then the folder is
synced. So if anything fails, or the process dies, the name leads to the old file or to the new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator

from nbt.storage.folders import Folder, UnfitError

try:
    import fcntl
except ImportError:  # Windows: others cannot remove a file that is open
    fcntl = None

__all__ = ["Lock", "clean", "is_special", "replace", "replace_in"]

SUFFIX, KEPT = ".tmp", ".old.tmp"
TEMPORARY = re.compile(r"\.[0-9a-f]{16}(\.old)?\.tmp")


def replace(path: str | os.PathLike[str], data: bytes, aside: str | None = None) -> None:
    """Replace a file by `data`, atomically and durably.

    Parameters
    ----------
    path : str or path-like
        File to write. Links are followed.
    data : bytes
        Its new content.
    aside : str, optional
        Path in the same folder under which the previous file is kept.

    Raises
    ------
    OSError
        The file cannot be written. The error names the path. The old file is then still there; if
        only the folder could not be synced, it may be the new one. Devices, pipes and sockets are
        refused.
    """
    place, name = os.path.split(os.path.realpath(path))
    try:
        with Folder(place) as folder:
            replace_in(folder, name, data, aside and os.path.basename(aside))
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def replace_in(folder: Folder, name: str, data: bytes, aside: str | None = None) -> None:
    """Replace a file in an open folder, where no link is followed.

    Several processes may do this at the same time: each has its own temporary file.
    """
    try:
        there = folder.is_there(name)
        clean(folder, name)
        with _aside(folder, name) as (temporary, handle):
            _write(handle, data)
            os.fsync(handle)
            if aside is not None and there:
                _keep(folder, name, aside, temporary)
            folder.rename(temporary, name)
        folder.sync()
    except UnfitError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, folder.file(name)) from error


def is_special(path: str) -> bool:
    """Return whether the path is a device, a pipe or a socket, which a rename would destroy."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def clean(folder: Folder, name: str) -> None:
    """Remove the temporary files that dead writers of `name` have left. Living writers hold locks
    on theirs."""
    for left in folder.names():
        if left.startswith(name) and TEMPORARY.fullmatch(left, len(name)):
            with contextlib.suppress(OSError):
                _remove_left(folder, left)


def _remove_left(folder: Folder, left: str) -> None:
    """Remove a temporary file, unless the writer that made it lives, or is about to keep a file
    under that name.

    The lock is held until the file is gone, so that a writer which has just made its file cannot
    take the lock in between.
    """
    try:
        handle = folder.open(left.removesuffix(KEPT).removesuffix(SUFFIX) + SUFFIX, os.O_RDWR)
    except FileNotFoundError:
        folder.unlink(left)
        return
    try:
        if _alone(handle):
            folder.unlink(left)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _aside(folder: Folder, name: str) -> Iterator[tuple[str, int]]:
    """Make a locked temporary file beside `name`. At the end it is removed if it was not
    renamed."""
    while True:
        temporary = f"{name}.{secrets.token_hex(8)}{SUFFIX}"
        handle = folder.open(temporary, _NEW)
        try:
            if _alone(handle) and folder.is_there(temporary):  # no other process removed it
                yield temporary, handle
                return
        finally:
            with contextlib.suppress(OSError):  # it was renamed
                folder.unlink(temporary)
            os.close(handle)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _keep(folder: Folder, name: str, aside: str, temporary: str) -> None:
    """Give the file a second name, or copy it where the file system has no hard links.

    Until then it has a name that belongs to the writer's temporary file, and so to its lock.
    """
    between = temporary.removesuffix(SUFFIX) + KEPT
    try:
        try:
            folder.link(name, between)
        except FileNotFoundError:  # it was removed meanwhile
            return
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES):
                raise
            with (
                open(folder.open(name), "rb") as old,
                open(folder.open(between, _NEW), "wb") as copy,
            ):
                shutil.copyfileobj(old, copy)
        folder.rename(between, aside)
    finally:
        with contextlib.suppress(OSError):
            folder.unlink(between)


def _alone(handle: int) -> bool:
    """Take the lock of an open file; return False if another process has it."""
    try:
        if fcntl:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Lock:
    """Exclusive lock on a file, held until `release` or the death of the process.

    Parameters
    ----------
    folder : Folder
        The folder of the file.
    name : str
        Name of the file. It is made if it does not exist; nothing is written to it.

    Raises
    ------
    BlockingIOError
        Another process has the lock. The error names the path.
    UnfitError
        It is no regular file.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._handle: int | None = folder.open(name, os.O_RDWR | os.O_CREAT)
        if not (_alone(self._handle) if fcntl else _alone_on_windows(self._handle)):
            self.release()
            raise BlockingIOError(errno.EAGAIN, "in use by another process", folder.file(name))

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _alone_on_windows(handle: int) -> bool:
    import msvcrt

    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
