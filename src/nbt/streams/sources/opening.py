"""Open the source of bytes at a path."""

from __future__ import annotations

import os
import stat
import sys
from typing import Any

from nbt.errors import DataError
from nbt.streams.sources.following import Followed
from nbt.streams.sources.source import File, Pipe, Source

__all__ = ["open_source"]


def open_source(path: str, follow: bool) -> tuple[Source, Any]:
    """Return the source at a path ("-" is standard input), and a function that closes it, or
    None."""
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
    """Return whether the file ends and can be read again.

    Some devices can seek, but never end.
    """
    if not file.seekable():
        return False
    try:
        return not stat.S_ISCHR(os.fstat(file.fileno()).st_mode)
    except OSError:  # no file of the operating system: bytes in memory
        return True
