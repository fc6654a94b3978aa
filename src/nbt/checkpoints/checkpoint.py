"""A trainer in one file, from which learning goes on to the bit.

The file is a safetensors file. Its arrays are those of `state_dict()`, and if there are any

- "stream.alphabet", the symbols: code points (uint32) of characters, bytes, or words in JSON
  (uint8),
- "history.*", the history: `History.state_dict()`.

Its head (`nbt.storage.container`) has

- "trainer", the description from which the trainer is built anew,
- "stream", "history": name and position of what was read; settings of the run; or null,
- "estimator": what an estimator has beside its trainer, or null.

A run's folder has a folder of checkpoints: last.safetensors, the newest, and step-….safetensors,
older ones. The registry knows which class makes what is in a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import numpy as np

from nbt import _arguments
from nbt.checkpoints.alphabet import ALPHABET, alphabet_in, alphabet_out
from nbt.descriptions import is_system
from nbt.errors import CheckpointError
from nbt.registry import ESTIMATORS, LEARNERS
from nbt.storage.atomic import replace
from nbt.storage.container import MALFORMED, seal, unseal
from nbt.storage.folders import Folder, UnfitError, opened
from nbt.storage.strangers import named, words
from nbt.streams.alphabets import Alphabet
from nbt.training.history import History

__all__ = ["Checkpoint", "load", "model_of", "newest_in", "older", "save"]

CHECKPOINTS = "checkpoints"  # the folder in that of a run
LAST, OLDER = "last.safetensors", re.compile(r"step-\d{20}\.safetensors")
HISTORY = "history."
Model = TypeVar("Model")
OPTIONAL = {"missing", "window"}  # left out of descriptions where they have their defaults


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to go on: what learns, how far it has read, what was measured.

    Parameters
    ----------
    trainer : Trainer or HMM
        The model that learns.
    alphabet : Alphabet or None
        The symbols that its numbers stand for.
    stream : dict or None
        ``{"name": str, "state": dict}``: the place in the stream. `Stream.load_state_dict` takes
        the state, and refuses it if the data before that place has another hash.
    history : History or None
        What was measured; `nbt.train(..., history=history)` goes on with it.
    estimator : dict or None
        What an `nbt.RNNClassifier` or `nbt.RNNRegressor` has besides its trainer.

    Examples
    --------
    >>> Checkpoint.of(trainer, stream, history).save("model.safetensors")  # doctest: +SKIP
    >>> checkpoint = Checkpoint.load("model.safetensors")  # doctest: +SKIP
    >>> stream.load_state_dict(checkpoint.stream["state"])  # doctest: +SKIP
    >>> nbt.train(checkpoint.trainer, stream, history=checkpoint.history)  # doctest: +SKIP
    """

    trainer: Any
    alphabet: Alphabet | None = None
    stream: Mapping[str, Any] | None = None
    history: History | None = None
    estimator: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, trainer: Any, stream: Any = None, history: History | None = None) -> Checkpoint:
        """Return a checkpoint of a trainer at this moment, and of its stream and history.

        Parameters
        ----------
        trainer : Trainer or HMM
            The model that learns.
        stream, history : optional
            The stream that it learned from, and what `nbt.train` returned.

        Raises
        ------
        TypeError
            `trainer` or `stream` is a class; `stream` has no `state_dict`; `history` is no
            `History`.
        """
        _arguments.not_called("trainer", trainer)
        _arguments.not_called("stream", stream)
        if history is not None:
            _arguments.instance("history", history, History)
        if stream is None:
            return cls(trainer, history=history)
        if not hasattr(stream, "state_dict"):
            raise TypeError(f"stream: expected one that has state_dict(), got {stream!r}")
        place = {"name": stream.name, "state": stream.state_dict()}
        return cls(trainer, stream.alphabet, place, history)

    def save(self, path: str | os.PathLike[str], aside: str | None = None) -> None:
        """Write the checkpoint to a file, as `nbt.Trainer.save` does.

        Parameters
        ----------
        path : str or path-like
            File to write.
        aside : str, optional
            Name in the same folder under which the previous file is kept.

        Raises
        ------
        CheckpointError
            An array holds NaN or an infinity. Nothing is written.
        OSError
            The file cannot be written. The error names the path.
        """
        replace(path, encoded(self, path), aside)

    @classmethod
    def load(cls, path: str | os.PathLike[str], cell: Any = None) -> Checkpoint:
        """Return the checkpoint in a file that `save` wrote, or the newest one in a run's folder.

        Parameters
        ----------
        path, cell
            As in `nbt.load`.

        Raises
        ------
        TypeError, CheckpointError, OSError
            As in `nbt.load`.
        """
        path = _arguments.path("path", path)
        if os.path.isdir(path):
            checkpoint = _newest_of_run(path, cell)
            if checkpoint is None:
                raise CheckpointError(f"{path}: there is no checkpoint in this folder")
            return checkpoint
        return read(path, cell)


def encoded(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> bytes:
    """Return the bytes to write to a file of that name.

    Raises
    ------
    CheckpointError
        An array holds NaN or an infinity.
    """
    description, state = _moment(checkpoint.trainer)
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{os.fspath(path)}: not written: {name} is not finite")
    return _encode(checkpoint, description, state)


def read(path: str, cell: Any = None, handle: int | None = None) -> Checkpoint:
    """Return the checkpoint in a file. If the file is open, `handle` is its descriptor, which is
    closed.

    Raises
    ------
    TypeError, CheckpointError, OSError
        As in `nbt.load`.
    """
    head, tensors = _parts(path, handle)
    size = sum(array.nbytes for array in tensors.values())
    symbols = tensors.pop(ALPHABET, None)
    rows = {k[len(HISTORY) :]: tensors.pop(k) for k in list(tensors) if k.startswith(HISTORY)}
    if cell is None and is_system(head["trainer"].get("cell", {})):
        raise CheckpointError(
            f"{path}: the functions of a system are in no checkpoint; "
            "expected nbt.load(path, cell=...)"
        )
    try:
        trainer = _built(head["trainer"], cell)
        trainer.load_state_dict(tensors)  # checks names, shapes and ranges
        return Checkpoint(
            trainer,
            alphabet_in(_mapping("stream", head.get("stream")), symbols, size),
            _place_in(head.get("stream")),
            None if head.get("history") is None else History.from_state(rows, head["history"]),
            _mapping("estimator", head.get("estimator")),
        )
    except MALFORMED as error:
        raise CheckpointError(
            f"{path}: holds no trainer of this version: {words(error)}"
        ) from error


def save(
    trainer: Any,
    path: str | os.PathLike[str],
    stream: Any = None,
    history: History | None = None,
) -> None:
    """Save as `Trainer.save` does.

    The model needs `state_dict()`, which returns arrays, and `describe()`, which returns what JSON
    can hold.
    """
    path = _arguments.path("path", path)
    checkpoint = Checkpoint.of(trainer, stream, history)
    checkpoint.save(path, aside=os.path.realpath(path) + ".previous")


@overload
def load(path: str | os.PathLike[str], cell: Any = None) -> Any: ...


@overload
def load(path: str | os.PathLike[str], cell: Any = None, *, kind: type[Model]) -> Model: ...


def load(path: str | os.PathLike[str], cell: Any = None, *, kind: type[Any] = object) -> Any:
    """Return the trainer, the estimator or the HMM that was saved to a file.

    Parameters
    ----------
    path : str or path-like
        A file that `save` wrote, or the folder of a run (``nbt train -o RUN``), whose newest
        checkpoint is loaded. `Checkpoint.load` also gives the alphabet, the place in the stream and
        the history.
    cell : System or CompiledSystem, optional
        The system that was trained. It is needed because no file has its functions.
    kind : type, optional
        What the file must hold, such as ``nbt.NoBackTrack`` or ``nbt.Trainer``: it tells a checker
        of types what is returned. Default: any of these below.

    Returns
    -------
    NoBackTrack, RTRL, TruncatedBPTT, RNNClassifier, RNNRegressor or HMM
        The model, which goes on as if it had never stopped.

    Raises
    ------
    CheckpointError
        The file is not a checkpoint, is damaged, was altered, has another schema, or does not fit
        `cell`, or holds something else than a `kind`; the message says which. Or the folder has no
        checkpoint.
    TypeError
        `path` is no path, or `kind` no class.
    OSError
        The file cannot be read.
    """
    if not isinstance(kind, type):
        raise TypeError(f"kind: expected a class such as NoBackTrack, got {kind!r}")
    model = model_of(path, Checkpoint.load(path, cell))
    if not isinstance(model, kind):
        found = type(model).__name__
        raise CheckpointError(f"{os.fspath(path)}: expected {kind.__name__}, got {found}")
    return model


def model_of(path: str | os.PathLike[str], checkpoint: Checkpoint) -> Any:
    """Return the model of a checkpoint that was read from that path: its trainer, or the estimator
    with this trainer."""
    if checkpoint.estimator is None:
        return checkpoint.trainer
    try:
        kind = ESTIMATORS[checkpoint.estimator.get("estimator")]
    except ValueError as error:
        raise CheckpointError(
            f"{os.fspath(path)}: holds no estimator of this version: {words(error)}"
        ) from error
    return kind.restored(path, checkpoint)


def newest_in(folder: Folder, cell: Any = None) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest sound checkpoint in a folder of them, and what is wrong with newer ones.

    `cell` is as in `nbt.load`. None is returned if there are no checkpoints.

    Raises
    ------
    CheckpointError
        There are checkpoints, but none is sound.
    """
    troubles: list[str] = []
    for name in [LAST, *reversed(older(folder))]:
        try:
            return read(folder.file(name), cell, folder.open(name)), troubles
        except FileNotFoundError:
            continue
        except UnfitError as error:
            troubles.append(f"{error.filename}: {error.strerror}")
        except (CheckpointError, OSError) as error:
            troubles.append(str(error))
    if troubles:
        raise CheckpointError(
            f"{os.path.dirname(folder.path)}: no sound checkpoint; {'; '.join(troubles)}"
        )
    return None, []


def older(folder: Folder) -> list[str]:
    """Return the names of the checkpoints before the last one, oldest first."""
    return [name for name in folder.names() if OLDER.fullmatch(name)]


def _newest_of_run(path: str, cell: Any) -> Checkpoint | None:
    """Return the newest sound checkpoint of a run, which another process may be writing."""
    try:
        with opened(path, CheckpointError) as run, run.sub(CHECKPOINTS) as folder:
            return newest_in(folder, cell)[0]
    except (FileNotFoundError, NotADirectoryError):
        return None


# ---- what is in the file -------------------------------------------------------------------------


def _moment(trainer: Any) -> tuple[Mapping[str, Any], Mapping[str, np.ndarray]]:
    """Return description and state of one moment: no other thread changes the trainer in
    between."""
    if hasattr(trainer, "_moment"):
        return trainer._moment()
    return trainer.describe(), trainer.state_dict()


def _encode(
    checkpoint: Checkpoint, description: Mapping[str, Any], state: Mapping[str, np.ndarray]
) -> bytes:
    tensors = {name: np.asarray(array, order="C") for name, array in state.items()}
    stream, history = checkpoint.stream, checkpoint.history
    if checkpoint.alphabet is not None:
        stream = {**(stream or {"name": None, "state": None})}
        stream["alphabet"], symbols = alphabet_out(checkpoint.alphabet)
        if symbols is not None:
            tensors[ALPHABET] = symbols
    if history is not None:
        tensors |= {HISTORY + name: array for name, array in history.state_dict().items()}
    head = {
        "trainer": description,
        "stream": stream,
        "history": None if history is None else history.settings,
        "estimator": checkpoint.estimator,
    }
    return seal(head, tensors)


def _parts(path: str, handle: int | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the head and the arrays of a file. Those of the model must be finite."""
    head, tensors = unseal(path, _shapes, handle)
    for name, array in tensors.items():
        if not name.startswith(HISTORY) and not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} is not finite")
    return head, tensors


def _shapes(head: Mapping[str, Any], layout: Mapping[str, Any]) -> Mapping[str, tuple[int, ...]]:
    """Return the arrays that the file must have, by its head."""
    return LEARNERS[head["trainer"].get("trainer")].shapes(head["trainer"], layout)


def _built(description: Mapping[str, Any], cell: Any) -> Any:
    """Return a new trainer by its description."""
    given = description | ({} if cell is None else {"cell": cell})
    trainer = LEARNERS[description.get("trainer")].made(given)
    unknown = description.keys() - trainer.describe().keys() - OPTIONAL
    if unknown:  # an argument that no description has, such as threads
        raise ValueError(f"trainer: expected what describe() gives, got {named(min(unknown))}")
    return trainer


def _place_in(stream: Any) -> dict[str, Any] | None:
    """Return name and state of a stream. The stream itself checks what is in the state."""
    if stream is None:
        return None
    name, state = stream["name"], _mapping("stream.state", stream["state"])
    if not isinstance(name, str | None):
        raise TypeError(f"stream.name: expected text, got {named(name)}")
    return {"name": name, "state": state}


def _mapping(name: str, value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict | None):
        raise TypeError(f"{name}: expected a mapping, got {named(value)}")
    return value
