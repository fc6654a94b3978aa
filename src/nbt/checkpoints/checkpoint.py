"""A trainer in one file, from which learning goes on bit for bit.

The file is a safetensors file. Its arrays are those of `state_dict()`, and where there are any

- "stream.alphabet", the symbols: code points (uint32) of characters, bytes, or words in JSON
  (uint8),
- "history.*", what was measured: `History.state_dict()`.

Its head (`nbt.storage.container`) has

- "trainer", the description from which the trainer is built anew,
- "stream", "history": name and position of what was read; settings of the run; or null,
- "estimator": what an estimator has beside its trainer, or null.

A folder of checkpoints has last.safetensors, the newest, and step-….safetensors, older ones; it is
in a run's folder. Which class makes what is in a file, the registry knows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
OPTIONAL = {"missing", "window"}  # left out of descriptions where they are the defaults


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to go on: what learns, what it has read, what was measured.

    Parameters
    ----------
    trainer : Trainer or HMM
        What learns.
    alphabet : Alphabet or None
        What its symbols stand for.
    stream : dict or None
        ``{"name": str, "state": dict}``: where the stream was; `Stream.load_state_dict` takes the
        state, and refuses it if what comes before that place has another hash.
    history : History or None
        `nbt.train(..., history=history)` goes on with it.
    estimator : dict or None
        What an `nbt.RNNClassifier` or `nbt.RNNRegressor` has beside its trainer.

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
        """The present moment of a trainer, and of the stream and the history that go with it.

        Parameters
        ----------
        trainer : Trainer or HMM
            What learns.
        stream, history : optional
            What it learned from, and what `nbt.train` gave.

        Raises
        ------
        TypeError
            A stream that cannot say where it is, or no history.
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
        """Write it to a file, as `nbt.Trainer.save` does.

        Parameters
        ----------
        path : str or path-like
            Where to.
        aside : str, optional
            A name in the same folder under which the file that was there is kept.

        Raises
        ------
        CheckpointError
            An array holds NaN or an infinity: nothing is written.
        OSError
            The file cannot be written; it names the path.
        """
        replace(path, encoded(self, path), aside)

    @classmethod
    def load(cls, path: str | os.PathLike[str], cell: Any = None) -> Checkpoint:
        """Read a file that `save` wrote, or the newest of a run's folder.

        Parameters
        ----------
        path, cell
            As in `nbt.load`.

        Raises
        ------
        TypeError, CheckpointError, OSError
            As `nbt.load`.
        """
        path = _arguments.path("path", path)
        if os.path.isdir(path):
            checkpoint = _newest_of_run(path, cell)
            if checkpoint is None:
                raise CheckpointError(f"{path}: there is no checkpoint in this folder")
            return checkpoint
        return read(path, cell)


def encoded(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> bytes:
    """What is written to a file of that name.

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
    """The checkpoint in a file; `handle`, where it is open, is closed.

    Raises
    ------
    TypeError, CheckpointError, OSError
        As `nbt.load`.
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
    """See `Trainer.save`: of what has `state_dict()`, arrays, and `describe()`, what JSON holds."""
    path = _arguments.path("path", path)
    checkpoint = Checkpoint.of(trainer, stream, history)
    checkpoint.save(path, aside=os.path.realpath(path) + ".previous")


def load(path: str | os.PathLike[str], cell: Any = None) -> Any:
    """Build the trainer, the estimator or the HMM that was saved to a file.

    Parameters
    ----------
    path : str or path-like
        What `save` wrote, or the folder of a run (``nbt train -o RUN``), whose newest checkpoint it
        is. `Checkpoint.load` also gives the alphabet, the place in the stream and the history.
    cell : System or CompiledSystem, optional
        The system that was trained, whose functions are in no file.

    Returns
    -------
    NoBackTrack, RTRL, TruncatedBPTT, RNNClassifier, RNNRegressor or HMM
        It goes on as if it had never stopped.

    Raises
    ------
    CheckpointError
        The file is not a checkpoint, is damaged, was altered, or is of another schema; the message
        says which.
    TypeError, OSError
        It is no path; the file cannot be read.
    """
    return model_of(path, Checkpoint.load(path, cell))


def model_of(path: str | os.PathLike[str], checkpoint: Checkpoint) -> Any:
    """What was saved in a checkpoint that was read from that path: its trainer, or an estimator
    around it."""
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
    """The newest checkpoint of a folder of them that is sound, and what is wrong with newer ones;
    `cell` as in `nbt.load`.

    Raises
    ------
    CheckpointError
        There are some, and none is sound.
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
    """Checkpoints before the last one, the oldest first."""
    return [name for name in folder.names() if OLDER.fullmatch(name)]


def _newest_of_run(path: str, cell: Any) -> Checkpoint | None:
    """The same of a run, which may be another process's."""
    try:
        with opened(path, CheckpointError) as run, run.sub(CHECKPOINTS) as folder:
            return newest_in(folder, cell)[0]
    except (FileNotFoundError, NotADirectoryError):
        return None


# ---- what is in the file -------------------------------------------------------------------------


def _moment(trainer: Any) -> tuple[Mapping[str, Any], Mapping[str, np.ndarray]]:
    """What it is, and its state, while no other thread makes another of it."""
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
    """What was saved of everything, and finite."""
    head, tensors = unseal(path, _shapes, handle)
    for name, array in tensors.items():
        if not name.startswith(HISTORY) and not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} is not finite")
    return head, tensors


def _shapes(head: Mapping[str, Any], layout: Mapping[str, Any]) -> Mapping[str, tuple[int, ...]]:
    """The arrays that the file must have for what it says it holds."""
    return LEARNERS[head["trainer"].get("trainer")].shapes(head["trainer"], layout)


def _built(description: Mapping[str, Any], cell: Any) -> Any:
    """What is described, as it was when new."""
    given = description | ({} if cell is None else {"cell": cell})
    trainer = LEARNERS[description.get("trainer")].made(given)
    unknown = description.keys() - trainer.describe().keys() - OPTIONAL
    if unknown:  # an argument that is none of a description's: threads, say
        raise ValueError(f"trainer: expected what describe() gives, got {named(min(unknown))}")
    return trainer


def _place_in(stream: Any) -> dict[str, Any] | None:
    """Name and state of a stream; what is in the state, the stream itself checks."""
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
