"""What estimators that take one step at a time share: features, a trainer, the verbs."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.cells import RNN, Cell
from nbt.descriptions import value_in, value_out
from nbt.errors import CheckpointError
from nbt.features import KEYS, Features
from nbt.inputs import Vector
from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import Readout
from nbt.showing import table
from nbt.strangers import named, words
from nbt.trainers import RTRL, NoBackTrack, Trainer, TruncatedBPTT

__all__ = ["Estimator", "count", "make_trainer", "some"]

RULES = {kind.__name__: kind for kind in (NoBackTrack, RTRL, TruncatedBPTT)}
UNITS = 20
RESERVED = ("inputs", "missing", "seed")  # of a trainer's arguments, what an estimator decides


def make_trainer(
    readout: Readout,
    inputs: int,
    *,
    cell: Cell | None,
    optimizer: Optimizer | None,
    rule: str,
    options: Mapping[str, Any] | None,
    seed: int,
    missing: str = "mask",
) -> Trainer:
    """A new trainer as an estimator's parameters say, with standardised vectors as inputs."""
    kind = RULES[_arguments.one_of("rule", rule, RULES)]
    options = {} if options is None else dict(_arguments.instance("options", options, Mapping))
    if optimizer is not None:
        options["optimizer"] = _arguments.instance("optimizer", optimizer, SGD, Kalman)
    for name in RESERVED:
        if name in options:
            raise TypeError(f"options: expected other arguments than {name!r}")
    return kind(
        RNN(UNITS) if cell is None else cell,
        readout,
        inputs=Vector(max(1, inputs), standardize=True),
        missing=missing,
        seed=seed,
        **options,
    )


class Estimator:
    """What `RNNClassifier` and `RNNRegressor` share. The trainer is made at the first step."""

    _kind: str

    def __init__(
        self,
        cell: Cell | None = None,
        optimizer: Optimizer | None = None,
        rule: str = "NoBackTrack",
        options: Mapping[str, Any] | None = None,
        max_features: int = 1000,
        seed: int = 0,
    ) -> None:
        self.cell = cell
        self.optimizer = optimizer
        self.rule = rule
        self.options = options
        self.max_features = max_features
        self.seed = seed
        self._trainer: Trainer | None = None
        self._learned, self._nats = 0, 0.0
        self._features = Features(_arguments.whole("max_features", max_features), "float32")
        self._features.dtype = self._made().dtype  # and refuses what is wrong before the first step

    # ---- the verbs -----------------------------------------------------------------------------

    def observe_one(self, x: Any) -> None:
        """Time passes without a target: the state moves on x, nothing is learned.

        Parameters
        ----------
        x : mapping, number, string or sequence
            Features by name; anything else has features named 0, 1, …

        Raises
        ------
        TypeError, ValueError
            For features that are not as above. Nothing was learned.
        """
        self._ready(x)
        self._trainer.observe(self._row, ...)

    def _learn(self, x: Any, target: Any) -> None:
        """The state moves on x, predicts, and learns from the target."""
        self._ready(x)
        loss = self._trainer.learn(self._row, target).item()
        if loss == loss:  # there was a target
            self._learned += 1
            self._nats += loss

    def _predict(self, x: Any) -> np.ndarray | None:
        """What the readout says once the state has moved on x, in a copy; None before anything
        came."""
        if self._trainer is None:
            return None
        self._features.fill(x, self._row)
        return self._trainer.predict(self._row)

    def _ready(self, x: Any) -> None:
        """A trainer with a column for everything in x, and x in the row."""
        if self._trainer is not None and self._features.fill_known(x, self._row):
            return
        before = self._features.__getstate__()
        new = self._features.learn(x)
        try:
            if self._trainer is None:
                self._adopt(self._made())
            elif new and len(self._features) > self._trainer.inputs.size:
                self._trainer.grow(inputs=len(self._features))
                self._adopt(self._trainer)
        except BaseException:
            self._features.__setstate__(before)
            raise
        self._features.fill(x, self._row)

    def _readout(self) -> Readout:
        raise NotImplementedError

    def _made(self) -> Trainer:
        """A new trainer of the present features."""
        return make_trainer(
            self._readout(),
            len(self._features),
            cell=self.cell,
            optimizer=self.optimizer,
            rule=self.rule,
            options=self.options,
            seed=self.seed,
        )

    def _adopt(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._row = np.full((1, trainer.inputs.size), math.nan, trainer.dtype)

    # ---- what it is ----------------------------------------------------------------------------

    @property
    def trainer(self) -> Trainer | None:
        """What learns; None until the first step."""
        return self._trainer

    @property
    def features(self) -> list:
        """The names that it has taken in."""
        return self._features.names()

    @property
    def columns(self) -> list[str]:
        """What the inputs of the trainer stand for: a number's name, or name=string."""
        return ["=".join(map(str, column)) for column in self._features.columns]

    @property
    def learned(self) -> int:
        """Steps with a target that were learned."""
        return self._learned

    @property
    def step(self) -> int:
        """Steps taken so far, learned or observed."""
        return 0 if self._trainer is None else self._trainer.step

    @property
    def loss(self) -> float:
        """The mean loss of all that was learned, in nats, each measured before its own update; NaN
        before there is one."""
        return self._nats / self._learned if self._learned else math.nan

    def arguments(self) -> dict[str, Any]:
        """The arguments it was made with."""
        names = ("cell", "optimizer", "rule", "options", "max_features", "seed")
        return {name: getattr(self, name) for name in names}

    def _rows(self) -> list[tuple[str, str]]:
        """What a notebook shows."""
        trainer = self._trainer or self._made()
        untaught = f", {self._learned:,} with a target" if self._learned < self.step else ""
        return [
            ("network", repr(trainer.cell)),
            ("learns by", f"{self.rule}, {trainer.optimizer}"),
            ("features", some(self.features)),
            *self._own_rows(),
            ("parameters", f"{trainer.parameters:,}" if self._trainer else "–"),
            ("steps", f"{self.step:,}{untaught}"),
            ("loss so far", self._loss_text() if self._learned else "–"),
        ]

    def _own_rows(self) -> list[tuple[str, str]]:
        return []

    def _own_facts(self) -> list[str]:
        return []

    def _loss_text(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        given = {k: v for k, v in self.arguments().items() if v != defaults[k].default}
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        facts = [count(len(self.features), "feature"), *self._own_facts()]
        if self._trainer is not None:
            facts.append(f"{self._trainer.parameters} parameters")
        facts.append(f"step {self.step}")
        if self._learned:
            facts.append(self._loss_text())
        return f"{type(self).__name__}({arguments})  # {', '.join(facts)}"

    def _repr_html_(self) -> str:
        return table(type(self).__name__, self._rows())

    # ---- the state -----------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Everything but the trainer, as JSON holds it.

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
            **self._own_description(),
        }

    def _own_description(self) -> dict[str, Any]:
        return {}

    def _take(self, description: Mapping[str, Any]) -> None:
        """What only this kind of estimator has."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint, as trainers do; `nbt.load` takes it back and goes on to the bit.

        Parameters
        ----------
        path : str or path-like
            Where to.

        Raises
        ------
        CheckpointError, OSError
            As `nbt.NoBackTrack.save`.
        TypeError
            A label is neither a string nor a number.
        """
        from nbt.checkpoint import Checkpoint

        path = _arguments.path("path", path)
        trainer = self._trainer or self._made()
        Checkpoint(trainer, estimator=self.describe()).save(
            path, aside=os.path.realpath(path) + ".previous"
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], cell: Cell | None = None):
        """The estimator that was saved to a file.

        Parameters
        ----------
        path, cell
            As in `nbt.load`.

        Raises
        ------
        CheckpointError, OSError
            As `nbt.load`; also for a file that holds another kind.
        """
        from nbt.checkpoint import Checkpoint

        return cls.restored(path, Checkpoint.load(path, cell))

    @classmethod
    def restored(cls, path: str | os.PathLike[str], checkpoint):
        """The estimator of a checkpoint that was read.

        Parameters
        ----------
        path : str or path-like
            Where it was read from, for messages.
        checkpoint : nbt.Checkpoint
            What was read.

        Raises
        ------
        CheckpointError
            It holds something else.
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
    def from_description(cls, description: Mapping[str, Any], trainer: Trainer):
        """The estimator that `describe` described, with its trainer.

        Parameters
        ----------
        description : mapping
            What `describe` gave.
        trainer : nbt.NoBackTrack, nbt.RTRL or nbt.TruncatedBPTT
            The one that learned.

        Raises
        ------
        KeyError, TypeError, ValueError
            The description is not one, or not one of this trainer.
        """
        given = dict(description["parameters"])
        if given["cell"] == value_out(trainer.cell):  # a system has its functions there alone
            given["cell"] = trainer.cell
        options = given.pop("options")
        _check_sizes(options, given, trainer)
        estimator = cls(**{k: value_in(v) for k, v in given.items()}, options=options)
        columns = [tuple(column) for column in description["features"]]
        if not all(len(c) in (1, 2) and all(type(p) in KEYS for p in c) for c in columns):
            raise TypeError("features: expected names, or pairs of a name and a string")
        if len(set(columns)) < len(columns):
            raise ValueError("features: expected each once")
        features = estimator._features
        features.__setstate__((features.most, features.dtype, columns))
        estimator._take(description)
        estimator._learned = _arguments.whole("learned", description["learned"], 0, 2**63)
        estimator._nats = _arguments.real("nats", description["nats"])
        if _arguments.flag("started", description["started"]):
            fresh = estimator._made()
            if (trainer.inputs, trainer.readout) != (fresh.inputs, fresh.readout):
                raise ValueError(f"trainer: expected {fresh}, got {trainer}")
            estimator._adopt(trainer)
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_row"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        if self._trainer is not None:
            self._adopt(self._trainer)


def _check_sizes(
    options: Mapping[str, Any] | None, given: Mapping[str, Any], trainer: Trainer
) -> None:
    """See, before another trainer of these sizes is made, that they are those of the trainer."""
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
    """A parameter as JSON holds it."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value.item() if isinstance(value, np.generic) else value_out(value)


def count(number: int, noun: str) -> str:
    """1 label, 2 labels."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def some(values: list, most: int = 8) -> str:
    """How many, and the first of them."""
    names = ", ".join(str(value) for value in values[:most])
    more = ", …" if len(values) > most else ""
    return f"{len(values)}: {names}{more}" if values else "0"
