"""The base of estimators that learn one step at a time: features, a trainer, the verbs."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np

from nbt import _arguments
from nbt.cells import RNN, Cell
from nbt.display.notebooks import table
from nbt.divergence import DivergenceError
from nbt.estimators.features import ABSENT, Absent, Features, as_names
from nbt.estimators.saved import UNITS, Saved
from nbt.estimators.undo import HOPELESS, Undo
from nbt.inputs import Vector
from nbt.optimizers import OPTIMIZERS, Optimizer
from nbt.readouts import Gaussian, Readout
from nbt.trainers import RTRL, NoBackTrack, Trainer, TruncatedBPTT
from nbt.trainers.presets import preset

__all__ = ["Estimator", "count", "make_trainer", "some"]

Rule = Literal["NoBackTrack", "RTRL", "TruncatedBPTT"]
RULES = {kind.__name__: kind for kind in (NoBackTrack, RTRL, TruncatedBPTT)}
RESERVED = ("inputs", "missing", "seed")  # arguments of a trainer that an estimator sets itself


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
    grows: bool = True,
) -> Trainer:
    """Return a new trainer by the parameters of an estimator, with standardised vectors as inputs.
    Where nothing is asked for and the number of inputs is settled, numbers have their preset."""
    kind = RULES[_arguments.one_of("rule", rule, RULES)]
    options = {} if options is None else dict(_arguments.instance("options", options, Mapping))
    asked = cell is not None or optimizer is not None or options or kind is not NoBackTrack
    if isinstance(readout, Gaussian) and not grows and not asked:
        setting = preset("numbers", readout=readout, inputs=inputs)
        return NoBackTrack(**setting, missing=missing, seed=seed)
    if optimizer is not None:
        options["optimizer"] = _arguments.instance("optimizer", optimizer, *OPTIMIZERS)
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


class Estimator(Saved):
    """The base of `RNNClassifier` and `RNNRegressor`. The trainer is made at the first step."""

    _kind: str

    def __init__(
        self,
        cell: Cell | None = None,
        optimizer: Optimizer | None = None,
        rule: Rule = "NoBackTrack",
        options: Mapping[str, Any] | None = None,
        max_features: int = 1000,
        seed: int = 0,
        absent: Absent = "zero",
        categorical: Collection | None = None,
    ) -> None:
        self.cell = cell
        self.optimizer = optimizer
        self.rule = rule
        self.options = options
        self.max_features = max_features
        self.seed = seed
        self.absent = absent
        names = as_names("categorical", () if categorical is None else categorical)
        self.categorical = None if categorical is None else sorted(names, key=repr)
        self._learned, self._nats = 0, 0.0
        self._undone = 0, 0, 0  # steps undone; `learned` at the last; how many in a row
        self._features = Features(
            _arguments.integer("max_features", max_features),
            absent=_arguments.one_of("absent", absent, ABSENT),
            categorical=names,
        )
        self._trainer = None
        self._made()  # refuses what is wrong before the first step
        self._adopt(None)

    # ---- the verbs -----------------------------------------------------------------------------

    def observe_one(self, x: Any) -> None:
        """Move the state on x. Nothing is learned: this is a step without a target.

        Parameters
        ----------
        x : mapping, number or sequence
            Features by name. The numbers of a sequence, or a single number, have the names 0, 1, …

        Raises
        ------
        TypeError
            `x` is None, text or a set; a name is no string, number or tuple of these; a value is no
            number, text or date; or `x` has a mask. Nothing was learned.
        ValueError
            A number is infinite, a name is there twice, or `x` has more than one dimension. Nothing
            was learned.
        """
        row = self._ready(x, next(self._undo.rows, None))
        try:
            self._trainer.observe(row, ...)
        except BaseException as error:
            self._failed(error, x, row, ...)
        else:
            self._undo.since.append(...)

    def _learn(self, x: Any, target: Any) -> None:
        """Move the state on x, predict, and learn from the target."""
        undo = self._undo
        row = next(undo.rows, None)
        if row is None or not self._features.fill_known(x, row):
            row = self._ready(x, row)
        try:
            loss = self._trainer.learn(row, target).item()
        except BaseException as error:
            self._failed(error, x, row, target)
            return
        self._undo.since.append(target)
        if loss == loss:  # there was a target
            self._learned += 1
            self._nats += loss

    def _predict(self, x: Any) -> np.ndarray | None:
        """Return what the readout predicts after the state moved on x, in a copy; None before the
        first step."""
        if self._trainer is None:
            self._named(self._features.fill, x, np.empty((1, 0)))  # refuses what is wrong
            return None
        if not self._features.fill_known(x, self._row):
            self._fill(x, self._row)
        try:
            return self._trainer.predict(self._row)
        except ValueError:
            self._fill(x, self._row)  # names what is wrong
            raise

    def _ready(self, x: Any, row: np.ndarray | None) -> np.ndarray:
        """Return the row with x, after the trainer was given a column for all that x has."""
        if self._trainer is not None:
            if row is None:
                self._undo.mark(self._trainer)
                row = next(self._undo.rows)
            if not self._fill(x, row):
                return row
        features, shared = self._features, self._features.shares
        before = features.__getstate__()
        try:
            self._named(features.learn, x)
            if self._trainer is None:
                self._adopt(self._made())
            elif len(features) > self._trainer.inputs.size:
                self._trainer.grow(inputs=len(features))
                self._adopt(self._trainer)
        except BaseException:
            features.__setstate__(before)
            self._undo.forget()
            raise
        if features.shares and not shared:
            self._warn_of_sharing()
        for name, text in features.doubtful(len(before[-1])):
            self._warn_of_commas(name, text)
        self._undo.mark(self._trainer)
        row = next(self._undo.rows)
        self._fill(x, row)
        return row

    def _fill(self, x: Any, row: np.ndarray) -> bool:
        try:
            return self._named(self._features.fill, x, row)
        except BaseException:
            self._undo.forget()  # the row is incomplete
            raise

    def _named(self, call, *arguments):
        """Return what the call returns. Its errors name the step."""
        try:
            return call(*arguments)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{error}, at step {self.step}") from None

    def _warn_of_sharing(self) -> None:
        warnings.warn(
            f"more than {self.max_features} numbers, or as many different strings, came as "
            f"features by step {self.step}; what is new from now on shares columns with others, "
            "by its hash: max_features= allows more",
            stacklevel=5,
        )

    def _warn_of_commas(self, name: Any, text: str) -> None:
        warnings.warn(
            f"x: {name!r}: {text!r} looks like a number with a decimal comma or groups of digits, "
            "and is read as a word, as each other value will be: give numbers, such as "
            f"float(text.replace(',', '.')); categorical=[{name!r}] says that words are meant",
            stacklevel=5,
        )

    def _readout(self) -> Readout:
        raise NotImplementedError

    def _made(self) -> Trainer:
        """Return a new trainer with the present features."""
        return make_trainer(
            self._readout(),
            len(self._features),
            cell=self.cell,
            optimizer=self.optimizer,
            rule=self.rule,
            options=self.options,
            seed=self.seed,
        )

    def _adopt(self, trainer: Trainer | None) -> None:
        self._trainer, self._undo = trainer, Undo()
        if trainer is not None:
            self._row = np.full((1, trainer.inputs.size), math.nan)

    # ---- when learning leaves the range of numbers ---------------------------------------------

    def _failed(self, error: BaseException, x: Any, row: np.ndarray, target: Any) -> None:
        """Undo a step that ended in an error.

        If learning diverged, the error becomes a warning and the step is only observed, unless that
        fails, too. After HOPELESS such steps in a row the network starts anew.
        """
        if not isinstance(error, DivergenceError):
            self._undo.forget()
            if isinstance(error, ValueError):
                self._fill(x, row)  # names what is wrong
            raise error
        self._undo.back(self._trainer, row)
        count, learned, times = self._undone
        times = times + 1 if learned == self._learned else 1
        anew = times == HOPELESS
        self._undone = count + 1, self._learned, times % HOPELESS
        if anew:
            state = {"step": np.uint64(self.step)}
            self._trainer.load_state_dict(self._made().state_dict() | state)
            self._undo.forget()
        elif target is not ...:
            self._undo.pass_over(self._trainer, row)
        if times == 1 or anew:
            self._warn_of(error, row, target, anew)

    def _warn_of(self, error: DivergenceError, row: np.ndarray, target: Any, anew: bool) -> None:
        what = "" if error.array is None else f" ({error.array})"
        what += self._furthest(row) + ("" if target is ... else f"; the target was {target!r}")
        then = (
            f"that was step {HOPELESS} of {HOPELESS} in a row: the network begins anew"
            if anew
            else "nothing was learned from that step, and learning goes on"
        )
        warnings.warn(
            f"learning left the range of numbers at step {error.step}{what}; {then}",
            RuntimeWarning,
            stacklevel=5,
        )

    def _furthest(self, row: np.ndarray) -> str:
        """Return in words the feature that is most deviations from its mean."""
        if not len(self._features):
            return ""
        state, size = self._trainer.state_dict(), len(self._features)
        mean, variance = (state[f"inputs.{key}"].astype(float) for key in ("mean", "variance"))
        far = np.abs(row[0] - mean) / np.sqrt(np.maximum(variance, np.finfo(float).tiny))
        k = int(np.nan_to_num(far[:size]).argmax())
        return f"; feature {self.columns[k]!r} was furthest from its mean, {row[0, k]:.6g}"

    # ---- what it is ----------------------------------------------------------------------------

    @property
    def trainer(self) -> Trainer | None:
        """The trainer that learns; None until the first step."""
        return self._trainer

    @property
    def features(self) -> list:
        """Names of the features seen so far."""
        return self._features.names()

    @property
    def columns(self) -> list[str]:
        """Meaning of each input of the trainer: name for a number, name=string for text, or
        shared=k."""
        return ["=".join(map(str, column)) for column in self._features.columns]

    @property
    def learned(self) -> int:
        """Number of steps with a target that were learned."""
        return self._learned

    @property
    def undone(self) -> int:
        """Number of steps that were undone because learning diverged."""
        return self._undone[0]

    @property
    def step(self) -> int:
        """Number of steps so far, learned or observed."""
        return 0 if self._trainer is None else self._trainer.step

    @property
    def loss(self) -> float:
        """Mean loss of all that was learned, in nats, each measured before its own update; NaN
        before the first."""
        return self._nats / self._learned if self._learned else math.nan

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that the estimator was made with."""
        names = ("cell", "optimizer", "rule", "options", "max_features", "seed")
        names += ("absent", "categorical")
        return {name: getattr(self, name) for name in names}

    def _rows(self) -> list[tuple[str, str]]:
        """Return what a notebook shows."""
        trainer = self._trainer or self._made()
        untaught = f", {self._learned:,} with a target" if self._learned < self.step else ""
        return [
            ("network", repr(trainer.cell)),
            ("learns by", f"{self.rule}, {trainer.optimizer}"),
            ("features", some(self.features)),
            *self._own_rows(),
            ("parameters", f"{trainer.parameter_count:,}" if self._trainer else "-"),
            ("steps", f"{self.step:,}{untaught}"),
            ("loss so far", self._loss_text() if self._learned else "-"),
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
            facts.append(f"{self._trainer.parameter_count} parameters")
        facts.append(f"step {self.step}")
        if self.undone:
            facts.append(f"{count(self.undone, 'step')} taken back")
        if self._learned:
            facts.append(self._loss_text())
        return f"{type(self).__name__}({arguments})  # {', '.join(facts)}"

    def _repr_html_(self) -> str:
        return table(type(self).__name__, self._rows())


def count(number: int, noun: str) -> str:
    """Return a number with its noun: 1 label, 2 labels."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def some(values: list, most: int = 8) -> str:
    """Return in words how many values there are, and the first of them."""
    names = ", ".join(str(value) for value in values[:most])
    more = ", …" if len(values) > most else ""
    return f"{len(values)}: {names}{more}" if values else "0"
