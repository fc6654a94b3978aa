"""The source of bytes that a path names."""

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
