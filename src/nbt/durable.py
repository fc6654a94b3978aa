"""Files that are there whole or not at all, and a lock that dies with its owner.

A file is written aside in its own folder, synced, given its name by one rename, and the folder is
synced: whatever fails, or when the process dies, under the name is the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import shutil
import stat
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed by others
    fcntl = None

__all__ = ["Lock", "clean", "is_special", "replace"]

SUFFIX = ".tmp"


def replace(path: str | os.PathLike[str], data: bytes, aside: str | None = None) -> None:
    """Put `data` in the place of a file, at once and for good.

    Parameters
    ----------
    path : str or path-like
        Links are followed.
    data : bytes
    aside : str, optional
        A name in the same folder under which to keep the file that was there.

    Raises
    ------
    OSError
        It names the path. The old file is there, unless only the folder could not be synced: then
        it may be the new one. A device, a pipe or a socket is refused, and stays.
    """
    target = os.path.realpath(path)
    try:
        if is_special(target):
            raise OSError(errno.EINVAL, "not a regular file")
        clean(target)
        with _aside(target) as (temporary, handle):
            _write(handle, data)
            os.fsync(handle)
            if aside is not None and os.path.exists(target):
                _keep(target, aside)
            os.replace(temporary, target)
        _sync_folder(os.path.dirname(target))
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def is_special(path: str) -> bool:
    """Is there a device, a pipe or a socket, which a rename would destroy?"""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def clean(target: str) -> None:
    """Remove what writers of `target` that died have left. Living ones hold a lock."""
    for left in glob.glob(f"{glob.escape(target)}.*{SUFFIX}"):
        with contextlib.suppress(OSError):
            handle = os.open(left, os.O_RDWR)
            try:
                if _alone(handle):
                    os.unlink(left)
            finally:
                os.close(handle)


@contextlib.contextmanager
def _aside(target: str) -> Iterator[tuple[str, int]]:
    """A new locked file beside `target`, which is gone at the end if it still has its own name."""
    while True:
        temporary = f"{target}.{secrets.token_hex(8)}{SUFFIX}"
        handle = os.open(temporary, _NEW, 0o666)
        try:
            if _alone(handle) and os.path.exists(temporary):  # not taken for a left one before that
                yield temporary, handle
                return
        finally:
            with contextlib.suppress(OSError):  # renamed
                os.unlink(temporary)
            os.close(handle)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _keep(target: str, aside: str) -> None:
    """Give the file a second name; a copy where the file system has no second names."""
    temporary = f"{target}.{secrets.token_hex(8)}{SUFFIX}"
    try:
        try:
            os.link(target, temporary)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES):
                raise
            shutil.copyfile(target, temporary)
        os.replace(temporary, aside)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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

    Raises
    ------
    BlockingIOError
        Another process has it. The error names the path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not (_alone(self._handle) if fcntl else _alone_on_windows(self._handle)):
            self.release()
            raise BlockingIOError(errno.EAGAIN, "in use by another process", os.fspath(path))

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
