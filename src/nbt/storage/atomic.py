"""Files that are there whole or not at all, and a lock that dies with its owner.

A file is written aside in its own folder, synced, given its name by one rename, and the folder is
synced: whatever fails, or when the process dies, under the name is the old file or the new one.
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
except ImportError:  # Windows, where a file that is open cannot be removed by others
    fcntl = None

__all__ = ["Lock", "clean", "is_special", "replace", "replace_in"]

SUFFIX, KEPT = ".tmp", ".old.tmp"
TEMPORARY = re.compile(r"\.[0-9a-f]{16}(\.old)?\.tmp")


def replace(path: str | os.PathLike[str], data: bytes, aside: str | None = None) -> None:
    """Put `data` in the place of a file, at once and for good.

    Parameters
    ----------
    path : str or path-like
        Links are followed.
    data : bytes
    aside : str, optional
        A path in the same folder under which to keep the file that was there.

    Raises
    ------
    OSError
        It names the path. The old file is there, unless only the folder could not be synced: then
        it may be the new one. A device, a pipe or a socket is refused, and stays.
    """
    place, name = os.path.split(os.path.realpath(path))
    try:
        with Folder(place) as folder:
            replace_in(folder, name, data, aside and os.path.basename(aside))
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def replace_in(folder: Folder, name: str, data: bytes, aside: str | None = None) -> None:
    """The same of a name in an open folder, where no link is followed.

    Several may do it at a time: each has a temporary of its own.
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
    """Is there a device, a pipe or a socket, which a rename would destroy?"""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def clean(folder: Folder, name: str) -> None:
    """Remove what writers of `name` that died have left. Living ones hold the lock of theirs."""
    for left in folder.names():
        if left.startswith(name) and TEMPORARY.fullmatch(left, len(name)):
            with contextlib.suppress(OSError):
                _remove_left(folder, left)


def _remove_left(folder: Folder, left: str) -> None:
    """Unless the writer lives who made it, or who is about to keep a file under that name. The lock
    is held until it is gone: a writer that has just made its file must not take it in between."""
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
    """A new locked file beside `name`, which is gone at the end if it still has its own name."""
    while True:
        temporary = f"{name}.{secrets.token_hex(8)}{SUFFIX}"
        handle = folder.open(temporary, _NEW)
        try:
            if _alone(handle) and folder.is_there(temporary):  # nobody took it for a left one
                yield temporary, handle
                return
        finally:
            with contextlib.suppress(OSError):  # renamed
                folder.unlink(temporary)
            os.close(handle)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _keep(folder: Folder, name: str, aside: str, temporary: str) -> None:
    """Give the file a second name; a copy where the file system has no second names. On the way it
    has a name that goes with the writer's temporary, and with the lock of that."""
    between = temporary.removesuffix(SUFFIX) + KEPT
    try:
        try:
            folder.link(name, between)
        except FileNotFoundError:  # somebody removed it
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
    """Take the lock of an open file; False if another process has it."""
    try:
        if fcntl:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Lock:
    """An exclusive lock on a file, held until `release` or the death of the process.

    Parameters
    ----------
    folder : Folder
    name : str
        Made if it is not there; nothing is written to it.

    Raises
    ------
    BlockingIOError
        Another process has it. The error names the path.
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
        """Let others have it."""
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
