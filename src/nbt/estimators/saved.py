"""The state of estimators: as JSON and arrays, in a file, in a pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from nbt import _arguments
from nbt.cells import RNN, Cell
from nbt.checkpoints.checkpoint import Checkpoint
from nbt.descriptions import value_in, value_out
from nbt.errors import CheckpointError
from nbt.estimators.features import KEYS, SHARED, Features
from nbt.storage.strangers import named, words
from nbt.trainers import Trainer

__all__ = ["Saved"]

UNITS = 20  # units of the default network
#: Arguments of earlier versions, whose files do not have them.
EARLIER = {"absent": "missing", "categorical": None}


class Saved(_arguments.Closed):
    """State of an estimator; `Estimator` adds the verbs."""

    _kind: str
    _trainer: Trainer | None
    _features: Features

    def describe(self) -> dict[str, Any]:
        """Return all but the trainer, as JSON can hold it.

        Raises
        ------
        TypeError
            A label is neither a string nor a number.
        """
        return {
            "estimator": self._kind,
            "parameters": {name: _plain(value) for name, value in self.arguments().items()},
            "features": [list(column) for column in self._features.columns],
            "started": self._trainer is not None,
            "learned": self._learned,
            "nats": self._nats,
            "undone": list(self._undone),
            **self._own_description(),
        }

    def _own_description(self) -> dict[str, Any]:
        return {}

    def _take(self, description: Mapping[str, Any]) -> None:
        """Take what only this kind of estimator has."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint, as trainers do. `nbt.load` reads it and goes on to the bit.

        Parameters
        ----------
        path : str or path-like
            File to write.

        Raises
        ------
        CheckpointError, OSError
            As in `nbt.NoBackTrack.save`.
        TypeError
            `path` is no path, or a label is neither a string nor a number.
        """
        path = _arguments.path("path", path)
        trainer = self._trainer or self._made()
        Checkpoint(trainer, estimator=self.describe()).save(
            path, aside=os.path.realpath(path) + ".previous"
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], cell: Cell | None = None) -> Self:
        """Return the estimator that was saved to a file.

        Parameters
        ----------
        path, cell
            As in `nbt.load`.

        Raises
        ------
        TypeError, OSError
            As in `nbt.load`.
        CheckpointError
            As in `nbt.load`; also if the file holds another kind of model.
        """
        return cls.restored(path, Checkpoint.load(path, cell))

    @classmethod
    def restored(cls, path: str | os.PathLike[str], checkpoint: Checkpoint) -> Self:
        """Return the estimator of a checkpoint that was read.

        Parameters
        ----------
        path : str or path-like
            Where the checkpoint was read from, for messages.
        checkpoint : nbt.Checkpoint
            The checkpoint.

        Raises
        ------
        CheckpointError
            The checkpoint holds something else.
        """
        path, description = os.fspath(path), checkpoint.estimator
        kind = "a trainer" if description is None else description.get("estimator")
        if kind != cls._kind:
            kind = kind if isinstance(kind, str) else named(kind)
            raise CheckpointError(f"{path}: expected {cls._kind}, got {kind[:80]}")
        try:
            return cls.from_description(description, checkpoint.trainer)
        except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError,
                TypeError, ValueError) as error:  # fmt: skip
            raise CheckpointError(
                f"{path}: holds no estimator of this version: {words(error)}"
            ) from error

    @classmethod
    def from_description(cls, description: Mapping[str, Any], trainer: Trainer) -> Self:
        """Return the estimator that `describe` described, with its trainer.

        Parameters
        ----------
        description : mapping
            What `describe` returned.
        trainer : nbt.NoBackTrack, nbt.RTRL or nbt.TruncatedBPTT
            The trainer of the estimator.

        Raises
        ------
        KeyError
            `description` lacks an entry.
        TypeError
            An entry of `description` is of a wrong type.
        ValueError
            An entry of `description` is not allowed, or does not fit `trainer`.
        """
        given = EARLIER | dict(description["parameters"])
        if given["cell"] == value_out(trainer.cell):  # a system's functions are only there
            given["cell"] = trainer.cell
        own = {"options": given.pop("options"), "categorical": given.pop("categorical")}
        if own["categorical"] is not None:
            own["categorical"] = [_name(name) for name in own["categorical"]]
        _check_sizes(own["options"], given, trainer)
        estimator = cls(**{k: value_in(v) for k, v in given.items()}, **own)
        estimator._features.take(_columns(description["features"]))
        estimator._take(description)
        estimator._learned = _arguments.integer("learned", description["learned"], 0, 2**63)
        estimator._nats = _arguments.real("nats", description["nats"])
        undone = description.get("undone", [0, 0, 0])
        if not (isinstance(undone, list) and len(undone) == 3):
            raise TypeError("undone: expected three numbers")
        estimator._undone = tuple(_arguments.integer("undone", one, 0, 2**63) for one in undone)
        if _arguments.flag("started", description["started"]):
            fresh = estimator._made()
            if (trainer.inputs, trainer.readout) != (fresh.inputs, fresh.readout):
                raise ValueError(f"trainer: expected {fresh}, got {trainer}")
            estimator._adopt(trainer)
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_row", "_undo")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._adopt(self._trainer)


def _check_sizes(
    options: Mapping[str, Any] | None, given: Mapping[str, Any], trainer: Trainer
) -> None:
    """Check that the described sizes are those of the trainer, before another trainer is made."""
    described = trainer.describe()
    cell = described["cell"] if given["cell"] is not None else value_out(RNN(UNITS))
    if given["cell"] not in (None, trainer.cell, cell) or described["cell"] != cell:
        raise ValueError("cell: expected that of the trainer")
    if given.get("rule") != described["trainer"]:
        raise ValueError(f"rule: expected {described['trainer']}, got {named(given.get('rule'))}")
    for name in ("rank", "blocks", "window"):
        if name in (options or {}) and options[name] != described.get(name, 0):
            raise ValueError(f"options: expected the trainer's {name}, got {named(options[name])}")


def _plain(value: Any) -> Any:
    """Return a parameter as JSON can hold it."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value_out(value)


def _columns(columns: Any) -> list[tuple]:
    """Return the columns of features in a file.

    Raises
    ------
    TypeError, ValueError
        They are malformed.
    """
    if not isinstance(columns, list):
        raise TypeError("features: expected a list of columns")
    result, shared = [], []
    for column in columns:
        if not (isinstance(column, list) and len(column) in (1, 2)):
            raise TypeError("features: expected names, or pairs of a name and a string")
        name, *rest = column
        if rest and type(rest[0]) is int and name == SHARED:
            shared.append((len(result), rest[0]))
        elif rest and type(rest[0]) is not str:
            raise TypeError("features: expected names, or pairs of a name and a string")
        result.append((_name(name), *rest))
    if len(set(result)) < len(result):
        raise ValueError("features: expected each once")
    if shared and [k for k, _ in shared] != list(range(shared[0][0], shared[0][0] + len(shared))):
        raise ValueError("features: expected shared columns side by side")
    return result


def _name(name: Any) -> Any:
    """Return a name that JSON held; a list was a tuple."""
    if isinstance(name, list) and name:
        return tuple(_name(part) for part in name)
    if type(name) not in KEYS:
        raise TypeError(f"features: expected names that are strings or numbers, got {name!r}")
    return name
