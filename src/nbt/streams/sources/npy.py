"""Symbols in .npy files, checked before memory is allocated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nbt.errors import DataError
from nbt.streams.sources.opening import open_source
from nbt.streams.sources.source import Source

__all__ = ["load"]

LONGEST_HEADER = 10_000
PIECE = 1 << 20


def load(path: str) -> np.ndarray:
    """Return the array of integers in a .npy file, or in what comes from standard input ("-").

    Memory grows only with what the file really holds.

    Raises
    ------
    DataError
        The data is not a .npy file, is cut off, or its array is not of integers or has not one
        dimension.
    OSError
        The file cannot be read.
    """
    source, close = open_source(path, follow=False)
    try:
        return _read(source.name, _Whole(source))
    finally:
        if close:
            close()


class _Whole:
    """A source as a file, whose `read` returns nothing only at the end."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, n: int) -> bytes:
        while not (piece := self._source.read(n)) and not self._source.ended():
            pass
        return piece


def _read(name: str, file: Any) -> np.ndarray:
    shape, dtype = _header(name, file)
    if dtype.kind not in "iu" or len(shape) != 1:
        raise DataError(
            f"{name}: expected integers in one dimension, got {dtype} of {len(shape)} dimensions"
        )
    size = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while len(data) < size and (piece := file.read(min(PIECE, size - len(data)))):
        data += piece
    if len(data) < size:
        raise DataError(f"{name}: cut off: its header says {size} bytes, {len(data)} are there")
    return np.frombuffer(data, dtype)


def _header(name: str, file: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and type, if they are those of an array."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(file)
        shape, _, dtype = readers[version](file, max_header_size=LONGEST_HEADER)
    except (OSError, DataError):
        raise
    except Exception as error:  # a malformed header may raise anything in the parsers
        raise DataError(f"{name}: not an array of numbers in a file of NumPy") from error
    if not all(type(length) is int and 0 <= length < 2**63 for length in shape):
        raise DataError(f"{name}: not an array of numbers in a file of NumPy")
    return shape, dtype
