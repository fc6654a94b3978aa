"""The works of Shakespeare, in one file."""

from __future__ import annotations

import os
from pathlib import Path

from nbt.errors import DataError
from nbt.streams import Stream, text

__all__ = ["shakespeare"]

FILE = "shakespeare.txt"


def shakespeare(path: str | os.PathLike[str] | None = None) -> Stream:
    """The works of Shakespeare: 5 283 837 characters, 80 symbols."""
    if path is None:
        folder = os.environ.get("NBT_DATA_DIR")
        if not folder:
            raise DataError("shakespeare: set NBT_DATA_DIR to a folder with shakespeare.txt")
        path = Path(folder) / FILE
    return text(path)
