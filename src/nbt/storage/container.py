"""A safetensors file with a JSON object, the head, and a checksum over every byte.

The head is under the key "nbt" of the metadata. It has what `seal` is given, and

- "sha256", the hash of all bytes of the file, with its own 64 characters set to zeros,
- "format" ("nbt-checkpoint") and "schema" (a number that grows when the layout changes),
- "version", that of the package which wrote the file.

Nothing in the file is ever executed. The checksum detects damage, but does not prevent forgery, so
`unseal` checks everything. It parses the header only after the memory that this may take has been
bounded (`nbt.storage.strangers`). It reads the arrays only if the header fits the file and the
trainer that it describes, and does not copy them. So it takes at most twice the size of the file
plus 16 MiB.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
import safetensors.numpy

from nbt.build import __version__
from nbt.errors import CheckpointError
from nbt.storage.strangers import ITEM, ROOM, CostlyError, named, parsed, words

__all__ = ["MALFORMED", "room_in", "seal", "unseal"]

FORMAT = "nbt-checkpoint"
SCHEMA = 2
LONGEST_HEADER = 1 << 26  # it may hold a graph, which takes 3 bytes an edge
LARGEST_FILE = 1 << 36
ALWAYS = ROOM // (2 * ITEM)  # a header up to this length can always be read back
MALFORMED = (
    *(AttributeError, ArithmeticError, LookupError, MemoryError, RecursionError, TypeError),
    ValueError,
)
NO_DIGEST = "0" * 64
DTYPES = {  # by the names of safetensors
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    "BOOL": "?",
}
FIELDS = {"dtype", "shape", "data_offsets"}
DEEPEST = 32  # most dimensions of an array
Shapes = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, tuple[int, ...]]]


def seal(head: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the file of a head and arrays, as bytes.

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
    try:
        if length > ALWAYS:
            _parsed_header(data[8 : 8 + length], len(data))
    except CostlyError as error:
        raise CheckpointError(f"names, labels and settings: {error}") from None
    place = data.index(NO_DIGEST.encode())  # the first string of the header that looks so
    digest = hashlib.sha256(data).hexdigest().encode()
    return b"".join((data[:place], digest, data[place + len(digest) :]))


def room_in(size: int) -> int:
    """Return how many bytes the objects parsed from a file of this size may take."""
    return size * 3 // 4 + ROOM


def unseal(
    path: str, shapes: Shapes, handle: int | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return head and arrays, after all that the file says about itself was checked.

    Parameters
    ----------
    path : str
        The file.
    shapes : callable
        Returns the shapes of the arrays that there must be, by name, given the head and what
        safetensors says of the arrays. It is called before anything of that size is read.
    handle : int, optional
        Descriptor of the file, if it is open. It is closed.

    Raises
    ------
    CheckpointError, OSError
        As in `nbt.load`.
    """
    opener = _open_at_once if handle is None else None
    with open(path if handle is None else handle, "rb", buffering=0, opener=opener) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CheckpointError(f"{path}: not a regular file")
        if found.st_size > LARGEST_FILE:
            raise CheckpointError(f"{path}: larger than {LARGEST_FILE} bytes")
        head, layout, start = _head(path, file, found.st_size)
        _check_layout(path, layout, found.st_size - start)
        _check_shapes(path, shapes, head, layout)
        data = _whole(file, found.st_size)
    _check_digest(path, head["sha256"], data, start)
    return head, {name: _array(data, start, entry) for name, entry in layout.items()}


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe would block


def _head(path: str, file: BinaryIO, size: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return the head of the file, what safetensors says of its arrays, and where these begin."""
    length = int.from_bytes(file.read(8), "little")
    known = size - length >= 8 and length <= LONGEST_HEADER
    try:
        head, layout = _parsed_header(file.read(length), size) if known else ({}, {})
        known = head["format"] == FORMAT and isinstance(head["trainer"], dict)
        schema, digest = head["schema"], head["sha256"]
    except CostlyError as error:
        raise CheckpointError(f"{path}: not a checkpoint of nbt: its header has {error}") from None
    except (AttributeError, ValueError, LookupError, TypeError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{path}: not a checkpoint of nbt, or damaged or cut short")
    if type(schema) is not int or schema != SCHEMA:
        newer = type(schema) is int and schema > SCHEMA
        raise CheckpointError(
            f"{path}: written with schema {named(schema)} by {'the newer ' * newer}version "
            f"{named(head.get('version'))}; this version reads schema {SCHEMA}"
        )
    if not (isinstance(digest, str) and len(digest) == len(NO_DIGEST) and digest.isalnum()):
        raise CheckpointError(f"{path}: damaged or altered: it has no checksum")
    return head, layout, 8 + length


def _parsed_header(data: bytes, size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    text = data.decode("ascii")
    del data
    layout = parsed(text, room_in(size))
    del text
    return parsed(layout.pop("__metadata__")["nbt"], room_in(size)), layout


def _check_layout(path: str, layout: Mapping[str, Any], size: int) -> None:
    """Check that the arrays of the header lie one after the other and fill the file."""
    for name, entry in layout.items():
        if not _is_array(entry):
            raise CheckpointError(
                f"{path}: damaged or altered: its header does not say what the array "
                f"{named(name)} is"
            )
    end = 0
    for name, entry in sorted(layout.items(), key=lambda pair: pair[1]["data_offsets"]):
        begin, width = end, np.dtype(DTYPES[entry["dtype"]]).itemsize
        end = begin + width * math.prod(entry["shape"])
        if entry["data_offsets"] != [begin, end] or begin % width:
            raise CheckpointError(
                f"{path}: damaged or altered: the array {named(name)} is not where it should be"
            )
    if end != size:
        raise CheckpointError(
            f"{path}: damaged or cut short: it holds {size} bytes of arrays, not {end}"
        )


def _is_array(entry: Any) -> bool:
    """Return whether this is what safetensors says of an array."""
    if not (isinstance(entry, dict) and entry.keys() == FIELDS):
        return False
    shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    return (
        isinstance(dtype, str)
        and dtype in DTYPES
        and all(
            isinstance(numbers, list)
            and len(numbers) <= DEEPEST
            and all(type(n) is int and 0 <= n < 2**63 for n in numbers)
            for numbers in (shape, offsets)
        )
        and len(offsets) == 2
    )


def _check_shapes(
    path: str, shapes: Shapes, head: Mapping[str, Any], layout: Mapping[str, Any]
) -> None:
    """Check that the file has the arrays of these shapes, before anything of that size is made."""
    try:
        for name, shape in shapes(head, layout).items():
            found = tuple(layout[name]["shape"]) if name in layout else "nothing"
            if found != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {found}")
    except MALFORMED as error:
        raise CheckpointError(
            f"{path}: holds no trainer of this version: {words(error)}"
        ) from error


def _whole(file: BinaryIO, size: int) -> bytearray:
    """Return `size` bytes of the file; zeros where it has become shorter."""
    data, at = bytearray(size), 0
    file.seek(0)
    with memoryview(data) as view:
        while at < size and (count := file.readinto(view[at:])):
            at += count
    return data


def _check_digest(path: str, said: str, data: bytearray, start: int) -> None:
    place = data.find(said.encode(), 8, start)
    view = memoryview(data)
    digest = hashlib.sha256(view[: max(place, 0)])
    digest.update(NO_DIGEST.encode())
    digest.update(view[place + len(NO_DIGEST) :])
    if place < 0 or digest.hexdigest() != said:
        raise CheckpointError(f"{path}: damaged or altered: its checksum does not fit its content")


def _array(data: bytearray, start: int, entry: Mapping[str, Any]) -> np.ndarray:
    """Return a view of the file's bytes as an array."""
    dtype, count = np.dtype(DTYPES[entry["dtype"]]), math.prod(entry["shape"])
    if not count:
        return np.empty(entry["shape"], dtype)
    begin = start + entry["data_offsets"][0]
    return np.frombuffer(data, dtype, count, begin).reshape(entry["shape"])
