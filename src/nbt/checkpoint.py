"""A trainer in one file, from which learning goes on bit for bit.

The file is a safetensors file: the arrays of `state_dict()`, and under the key "nbt" of its
metadata a JSON object with

- "format" ("nbt-checkpoint") and "schema" (a number that grows when the layout changes),
- "version", of the package that wrote it,
- "trainer", the description from which the trainer is built anew,
- "sha256", over all of the above and every array's name, dtype, shape and bytes.

Nothing in it is ever executed. `save` is exposed as `trainer.save`, `load` as `nbt.load`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from nbt.build import __version__
from nbt.errors import CheckpointError

__all__ = ["load", "save"]

FORMAT = "nbt-checkpoint"
SCHEMA = 1
LONGEST_HEADER = 1 << 24
MALFORMED = (AttributeError, ArithmeticError, LookupError, MemoryError, TypeError, ValueError)


def save(trainer: Any, path: str | os.PathLike[str]) -> None:
    """Write a trainer to a file.

    A crash at any moment leaves the old file or the new one, whole.

    Parameters
    ----------
    trainer
        Has `state_dict()` (arrays) and `describe()` (what JSON holds).
    path : str or path-like
        Where to; an existing file is replaced.

    Raises
    ------
    CheckpointError
        An array holds NaN or an infinity: nothing is written.
    OSError
        The file cannot be written; it names the path.

    Examples
    --------
    >>> trainer.save("model.safetensors")  # doctest: +SKIP
    >>> trainer = nbt.load("model.safetensors")  # doctest: +SKIP
    """
    tensors = {name: np.asarray(v, order="C") for name, v in trainer.state_dict().items()}
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{os.fspath(path)}: not written: {name} is not finite")
    head = {
        "format": FORMAT,
        "schema": SCHEMA,
        "version": __version__,
        "trainer": trainer.describe(),
    }
    head["sha256"] = _digest(head, tensors)
    _replace(path, safetensors.numpy.save(tensors, metadata={"nbt": json.dumps(head)}))


def load(path: str | os.PathLike[str]) -> Any:
    """Build the trainer that was saved to a file.

    Parameters
    ----------
    path : str or path-like
        What `save` wrote.

    Returns
    -------
    nbt.NoBackTrack, nbt.RTRL or nbt.TruncatedBPTT
        It goes on as if it had never stopped.

    Raises
    ------
    CheckpointError
        The file is not a checkpoint, is damaged, was altered, or is of a newer schema; the message
        says which.
    OSError
        The file cannot be read.
    """
    from nbt import trainers  # trainers has `save` from this module

    path = os.fspath(path)
    head, tensors = _read(path)
    try:
        _check_sizes(head["trainer"], tensors)
        trainer = trainers.from_description(head["trainer"])
        trainer.load_state_dict(tensors)  # checks names, shapes and ranges
    except MALFORMED as error:
        why = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{path}: holds no trainer of this version: {why}") from error
    return trainer


def _read(path: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays, once everything that the file says about itself has proved true."""
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise CheckpointError(f"{path}: not a regular file")
        head = _head(path, file)
        file.seek(0)
        data = file.read()
    try:
        tensors = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged or cut short: {error}") from None
    if _digest({k: v for k, v in head.items() if k != "sha256"}, tensors) != head["sha256"]:
        raise CheckpointError(f"{path}: damaged or altered: its checksum does not fit its content")
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} is not finite")
    return head, tensors


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe would wait


def _head(path: str, file: BinaryIO) -> dict[str, Any]:
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise CheckpointError(f"{path}: not a checkpoint of nbt")
    try:
        head = json.loads(json.loads(file.read(length))["__metadata__"]["nbt"])
        known = head["format"] == FORMAT and isinstance(head["trainer"], dict)
        schema, _ = head["schema"], head["sha256"]
    except (ValueError, LookupError, TypeError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{path}: not a checkpoint of nbt, or cut short")
    if schema != SCHEMA:
        raise CheckpointError(
            f"{path}: written with schema {schema!r} by version {head.get('version')!r}; "
            f"this version reads schema {SCHEMA}"
        )
    return head


def _check_sizes(trainer: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Before anything of that size is made, see that the file has arrays of it."""
    n, m = trainer["cell"]["units"], trainer["inputs"]["size"]
    shapes = {"cell.W": (n, n), "cell.r": (m, n), "readout.W": (n, trainer["readout"]["symbols"])}
    if "rank" in trainer:
        shapes["estimator.v"] = (trainer["rank"], trainer["blocks"], n)
    if "window" in trainer:
        shapes["window.h"] = (trainer["window"], n)
    for name, shape in shapes.items():
        found = tensors[name].shape if name in tensors else "nothing"
        if found != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {found}")


def _digest(head: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name, array in sorted(tensors.items()):
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _replace(path: str | os.PathLike[str], data: bytes) -> None:
    """Put `data` in the place of a file, at once and for good."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = f"{target}.{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _sync_folder(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
