"""A safetensors file with a JSON object, the head, and a checksum over every byte.

Under the key "nbt" of its metadata is the head with, besides what it is given,

- "sha256", over every byte of the file, its own 64 characters taken as zeros,
- "format" ("nbt-checkpoint") and "schema" (a number that grows when the layout changes),
- "version", of the package that wrote it.

Nothing in it is ever executed. The checksum notices damage, it keeps nobody from forging a file:
`unseal` therefore believes nothing, and what it allocates is in proportion to the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from nbt.build import __version__
from nbt.errors import CheckpointError

__all__ = ["MALFORMED", "seal", "unseal", "why"]

FORMAT = "nbt-checkpoint"
SCHEMA = 2
LONGEST_HEADER = 1 << 26  # a graph is in it: 3 bytes an edge
LARGEST_FILE = 1 << 36
MALFORMED = (
    *(AttributeError, ArithmeticError, LookupError, MemoryError, RecursionError, TypeError),
    ValueError,
)
NO_DIGEST = "0" * 64
Shapes = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, tuple[int, ...]]]


def seal(head: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """The file of a head and arrays.

    Raises
    ------
    CheckpointError
        The head is too long.
    """
    marks = {"sha256": NO_DIGEST, "format": FORMAT, "schema": SCHEMA, "version": __version__}
    metadata = {"nbt": json.dumps(marks | dict(head))}
    data = safetensors.numpy.save(dict(tensors), metadata=metadata)
    length = int.from_bytes(data[:8], "little")
    if length > LONGEST_HEADER:
        raise CheckpointError(
            f"names, labels and settings take {length} bytes, at most {LONGEST_HEADER} can be saved"
        )
    place = data.index(NO_DIGEST.encode())  # the first string of the header that looks so
    digest = hashlib.sha256(data).hexdigest().encode()
    return b"".join((data[:place], digest, data[place + len(digest) :]))


def unseal(path: str, shapes: Shapes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Head and arrays, once everything that the file says about itself has proved true.

    Parameters
    ----------
    path : str
    shapes : callable
        Which arrays of which shapes there must be, from the head and what safetensors says of the
        arrays; called before anything of their size is read.

    Raises
    ------
    CheckpointError, OSError
        As `nbt.load`.
    """
    with open(path, "rb", buffering=0, opener=_open_at_once) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CheckpointError(f"{path}: not a regular file")
        head, layout, length = _head(path, file)
        _check_layout(path, shapes, head, layout, found.st_size - 8 - length)
        file.seek(0)
        try:
            data = file.read(found.st_size)  # that much even if it grows meanwhile
            _check_digest(path, head["sha256"], data, length)
            tensors = safetensors.numpy.load(data)
        except (safetensors.SafetensorError, *MALFORMED) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{path}: damaged or cut short: {why(error)}") from None
    return head, tensors


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe would wait


def _head(path: str, file: BinaryIO) -> tuple[dict[str, Any], dict[str, Any], int]:
    """What the file says of itself; what safetensors says of its arrays; the header's length."""
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise CheckpointError(f"{path}: not a checkpoint of nbt")
    try:
        layout = json.loads(file.read(length))
        head = json.loads(layout.pop("__metadata__")["nbt"])
        known = head["format"] == FORMAT and isinstance(head["trainer"], dict)
        schema, digest = head["schema"], head["sha256"]
    except (AttributeError, ValueError, LookupError, TypeError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{path}: not a checkpoint of nbt, or cut short")
    if type(schema) is not int or schema != SCHEMA:
        newer = type(schema) is int and schema > SCHEMA
        raise CheckpointError(
            f"{path}: written with schema {schema!r} by {'the newer ' * newer}version "
            f"{head.get('version')!r}; this version reads schema {SCHEMA}"
        )
    if not (isinstance(digest, str) and len(digest) == len(NO_DIGEST) and digest.isalnum()):
        raise CheckpointError(f"{path}: damaged or altered: it has no checksum")
    return head, layout, length


def _check_layout(
    path: str, shapes: Shapes, head: Mapping[str, Any], layout: Any, size: int
) -> None:
    """Before anything of that size is read or made, see that the file has arrays of it."""
    if not 0 <= size <= LARGEST_FILE:
        raise CheckpointError(f"{path}: damaged or cut short, or larger than {LARGEST_FILE} bytes")
    try:
        end = max((array["data_offsets"][1] for array in layout.values()), default=0)
        if end != size:
            raise CheckpointError(
                f"{path}: damaged or cut short: it holds {size} bytes of arrays, not {end}"
            )
        for name, shape in shapes(head, layout).items():
            found = tuple(layout[name]["shape"]) if name in layout else "nothing"
            if found != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {found}")
    except CheckpointError:
        raise
    except MALFORMED as error:
        raise CheckpointError(f"{path}: holds no trainer of this version: {why(error)}") from error


def _check_digest(path: str, said: str, data: bytes, length: int) -> None:
    place = data.find(said.encode(), 8, 8 + length)
    digest = hashlib.sha256(memoryview(data)[: max(place, 0)])
    digest.update(NO_DIGEST.encode())
    digest.update(memoryview(data)[place + len(NO_DIGEST) :])
    if place < 0 or digest.hexdigest() != said:
        raise CheckpointError(f"{path}: damaged or altered: its checksum does not fit its content")


def why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
