"""One step at a time: estimators that take features by name and labels of any kind."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.cells import RNN, Cell, LeakyRNN
from nbt.descriptions import value_in, value_out
from nbt.features import KEYS, Features
from nbt.history import BITS_PER_NAT
from nbt.inputs import Vector
from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import Gaussian, Readout, Softmax
from nbt.showing import table
from nbt.trainers import RTRL, NoBackTrack, Trainer, TruncatedBPTT

__all__ = ["RNNClassifier", "RNNRegressor", "make_trainer"]

RULES = {kind.__name__: kind for kind in (NoBackTrack, RTRL, TruncatedBPTT)}
UNITS = 20
SAFE = 1e38  # of any type
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
    if cell is not None:
        _arguments.instance("cell", cell, RNN, LeakyRNN)
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


class _Online:
    """What the two estimators share: features, a trainer made at the first step, the verbs."""

    _unit = ""

    def __init__(self, cell, optimizer, rule, options, max_features, seed) -> None:
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
        """Time passes without a target: the state moves on x, nothing is learned."""
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
        new = self._features.learn(x)
        if self._trainer is None:
            self._adopt(self._made())
        elif new and len(self._features) > self._trainer.inputs.size:
            self._trainer.grow(inputs=len(self._features))
            self._adopt(self._trainer)
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
    def step(self) -> int:
        """Steps taken so far, learned or observed."""
        return 0 if self._trainer is None else self._trainer.step

    @property
    def loss(self) -> float:
        """The mean loss of all that was learned, in nats, each measured before its own update; NaN
        before there is one."""
        return self._nats / self._learned if self._learned else math.nan

    def parameters(self) -> dict[str, Any]:
        """The arguments it was made with."""
        names = ("cell", "optimizer", "rule", "options", "max_features", "seed")
        return {name: getattr(self, name) for name in names}

    def _rows(self) -> list[tuple[str, str]]:
        """What a notebook shows."""
        trainer = self._trainer or self._made()
        return [
            ("network", repr(trainer.cell)),
            ("learns by", f"{self.rule}, {trainer.optimizer}"),
            ("features", _some(self.features)),
            *self._own_rows(),
            ("parameters", f"{trainer.parameters:,}" if self._trainer else "–"),
            ("steps", f"{self.step:,}, {self._learned:,} of them with a target"),
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
        given = {k: v for k, v in self.parameters().items() if v != defaults[k].default}
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        facts = [_count(len(self.features), "feature"), *self._own_facts()]
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
        """Everything but the trainer, as JSON holds it."""
        return {
            "estimator": self._kind,
            "parameters": {name: _plain(value) for name, value in self.parameters().items()},
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
        """Writes a checkpoint, as trainers do; `nbt.load` takes it back and goes on to the bit."""
        from nbt.checkpoint import Checkpoint

        trainer = self._trainer or self._made()
        Checkpoint(trainer, estimator=self.describe()).save(
            path, aside=os.path.realpath(path) + ".previous"
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]):
        """The estimator that was saved to a file; `nbt.load` says what it raises."""
        from nbt.checkpoint import Checkpoint
        from nbt.errors import CheckpointError

        checkpoint = Checkpoint.load(path)
        kind = (checkpoint.estimator or {}).get("estimator", "a trainer")
        if kind != cls._kind:
            raise CheckpointError(f"{os.fspath(path)}: expected {cls._kind}, got {kind}")
        return cls.from_description(checkpoint.estimator, checkpoint.trainer)

    @classmethod
    def from_description(cls, description: Mapping[str, Any], trainer: Trainer):
        """The estimator that `describe` described, with its trainer.

        Raises
        ------
        KeyError, TypeError, ValueError
            The description is not one, or not one of this trainer.
        """
        plain = {k: v for k, v in description["parameters"].items() if k != "options"}
        estimator = cls(
            **{k: value_in(v) for k, v in plain.items()},
            options=description["parameters"]["options"],
        )
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
            expected = (max(1, len(columns)), estimator._outputs())
            if (trainer.inputs.size, trainer.readout.outputs) != expected:
                raise ValueError(f"estimator: expected a trainer of {expected} inputs and outputs")
            estimator._adopt(trainer)
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_row"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        if self._trainer is not None:
            self._adopt(self._trainer)


class RNNClassifier(_Online):
    """A recurrent network that learns labels one step at a time.

    `learn_one(x, y)` moves the state on x, predicts the label and learns from the one that came.
    `predict_one` and `predict_proba_one` do the same up to the prediction, in a copy: they change
    nothing. So a step counts once, when it is learned (or observed, with `observe_one`), and what
    comes next depends on all that came before.

    Features are numbers, which are standardised as they come, or strings. One that is absent, None
    or NaN is read as its mean; a new one starts with zero weights, and so does a new label.

    Parameters
    ----------
    cell : RNN or LeakyRNN, optional
        Default: ``RNN(20)``. `LeakyRNN` remembers longer.
    optimizer : Kalman or SGD, optional
        Default: that of the rule.
    rule : {"NoBackTrack", "RTRL", "TruncatedBPTT"}
    options : mapping, optional
        Further arguments of the rule, ``{"rank": 4}``, say.
    max_features : int
        Columns at most; features that come after are not taken in.
    max_labels : int
        Labels at most.
    seed : int

    Examples
    --------
    >>> model = RNNClassifier(seed=1)
    >>> for t in range(300):
    ...     model.learn_one({"t": t % 3}, "tick" if t % 3 else "tock")
    >>> model.predict_one({"t": 0})
    'tock'
    """

    _kind = "RNNClassifier"

    def __init__(
        self,
        cell: Cell | None = None,
        optimizer: Optimizer | None = None,
        rule: str = "NoBackTrack",
        options: Mapping[str, Any] | None = None,
        max_features: int = 1000,
        max_labels: int = 1000,
        seed: int = 0,
    ) -> None:
        self.max_labels = _arguments.whole("max_labels", max_labels)
        self._labels: dict[Any, int] = {}  # and their numbers
        self._names: list[Any] = []
        super().__init__(cell, optimizer, rule, options, max_features, seed)

    def learn_one(self, x: Any, y: Any) -> None:
        """The state moves on x, the network predicts, and learns from the label y.

        Parameters
        ----------
        x : mapping, number, string or sequence
            Features by name; anything else has features named 0, 1, …
        y
            The label: anything hashable that equals itself.

        Raises
        ------
        TypeError, ValueError
            For features or a label that are not as above. Nothing was learned.
        """
        number = self._labels.get(y)
        if number is None:
            number = self._new_label(x, y)
        self._learn(x, number)

    def _new_label(self, x: Any, y: Any) -> int:
        if y is None or y != y:
            raise TypeError(f"y: expected a label, got {y!r}; observe_one(x) takes none")
        number = len(self._labels)
        if number == self.max_labels:
            raise ValueError(f"y: expected at most {self.max_labels} labels, got one more: {y!r}")
        self._ready(x)
        self._trainer.predict(self._row)  # nothing is wrong with x
        if number:
            self._trainer.grow(number + 1)
        self._labels[y.item() if isinstance(y, np.generic) else y] = number
        self._names = list(self._labels)
        return number

    def predict_proba_one(self, x: Any) -> dict[Any, float]:
        """The probability of each label seen so far, {} before there is one; changes nothing."""
        p = self._predict(x) if self._labels else None
        if p is None:
            return {}
        p = p.tolist()
        total = sum(p)  # 1, up to the rounding of float32
        return {label: value / total for label, value in zip(self._names, p, strict=True)}

    def predict_one(self, x: Any) -> Any:
        """The most probable label, None before there is one; changes nothing."""
        p = self._predict(x) if self._labels else None
        return None if p is None else self._names[p.argmax()]

    @property
    def labels(self) -> list:
        """The labels seen so far, in the order in which they came."""
        return list(self._labels)

    def parameters(self) -> dict[str, Any]:
        return super().parameters() | {"max_labels": self.max_labels}

    def _readout(self) -> Softmax:
        return Softmax(max(1, len(self._labels)))

    def _outputs(self) -> int:
        return max(1, len(self._labels))

    def _own_rows(self) -> list[tuple[str, str]]:
        return [("labels", _some(self.labels))]

    def _own_facts(self) -> list[str]:
        return [_count(len(self._labels), "label")]

    def _loss_text(self) -> str:
        return f"{self.loss * BITS_PER_NAT:.4f} bits per label"

    def _own_description(self) -> dict[str, Any]:
        for label in self._labels:
            if type(label) not in KEYS:
                raise TypeError(f"labels: only strings and numbers can be saved, not {label!r}")
        return {"labels": list(self._labels)}

    def _take(self, description: Mapping[str, Any]) -> None:
        labels = description["labels"]
        if not (isinstance(labels, list) and all(type(label) in KEYS for label in labels)):
            raise TypeError("labels: expected strings and numbers")
        self._labels, self._names = {label: k for k, label in enumerate(labels)}, labels


class RNNRegressor(_Online):
    """A recurrent network that learns numbers one step at a time: a mean and a variance, both
    functions of the state.

    It takes features as `RNNClassifier` does and moves its state as that does. Targets are
    standardised as they come.

    Parameters
    ----------
    cell, optimizer, rule, options, max_features, seed
        As in `RNNClassifier`.

    Examples
    --------
    >>> import math
    >>> model = RNNRegressor()
    >>> for t in range(2000):
    ...     model.learn_one(math.sin(t / 10), math.sin(t / 10 + 0.1))
    >>> abs(model.predict_one(math.sin(200)) - math.sin(200.1)) < 0.1
    True
    """

    _kind = "RNNRegressor"

    def __init__(
        self,
        cell: Cell | None = None,
        optimizer: Optimizer | None = None,
        rule: str = "NoBackTrack",
        options: Mapping[str, Any] | None = None,
        max_features: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(cell, optimizer, rule, options, max_features, seed)

    def learn_one(self, x: Any, y: float) -> None:
        """The state moves on x, the network predicts, and learns from the number y.

        Parameters
        ----------
        x : mapping, number, string or sequence
            Features by name; anything else has features named 0, 1, …
        y : float
            The target; NaN: there is none, and nothing is learned.

        Raises
        ------
        TypeError, ValueError
            For features or a target that are not as above. Nothing was learned.
        """
        known = type(y) is float and -SAFE < y < SAFE
        self._learn(x, y if known else _target(y, self._features.dtype))

    def predict_one(self, x: Any, *, return_std: bool = False) -> Any:
        """The mean of the target, 0.0 before anything was learned; changes nothing.

        Parameters
        ----------
        x : mapping, number, string or sequence
            As in `learn_one`.
        return_std : bool
            Give the pair of mean and standard deviation.
        """
        p = self._predict(x)
        mean, variance = (0.0, math.nan) if p is None else (p.item(0), p.item(1))
        return (mean, math.sqrt(variance)) if return_std else mean

    def _readout(self) -> Gaussian:
        return Gaussian(1, standardize=True)

    def _outputs(self) -> int:
        return 2

    def _loss_text(self) -> str:
        return f"{self.loss:.4f} nats per target"


ESTIMATORS = {kind._kind: kind for kind in (RNNClassifier, RNNRegressor)}


def _plain(value: Any) -> Any:
    """A parameter as JSON holds it."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value.item() if isinstance(value, np.generic) else value_out(value)


def _target(y: Any, dtype: str) -> float:
    """A number of that type, or NaN."""
    try:
        if isinstance(y, str | bytes) or np.ndim(y):
            raise TypeError
        result = float(y)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"y: expected a number, got {y!r}") from None
    if abs(result) > float(np.finfo(dtype).max):
        raise ValueError(f"y: expected a finite {dtype} number, got {y!r}")
    return result


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _some(values: list, most: int = 8) -> str:
    """How many, and the first of them."""
    names = ", ".join(str(value) for value in values[:most])
    more = ", …" if len(values) > most else ""
    return f"{len(values)}: {names}{more}" if values else "0"
