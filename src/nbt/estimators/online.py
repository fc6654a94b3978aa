"""Estimators that learn one step at a time: features by name, and labels or numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.cells import Cell
from nbt.estimators.base import Estimator, Rule, count, some
from nbt.estimators.features import KEYS, Absent
from nbt.optimizers import Optimizer
from nbt.readouts import Gaussian, Softmax
from nbt.registry import ESTIMATORS
from nbt.streams.tables.numerals import NO_REALS, is_missing, number_in, shown
from nbt.training.rows import BITS_PER_NAT, loss_text

__all__ = ["RNNClassifier", "RNNRegressor"]


class RNNClassifier(Estimator):
    """Recurrent network that learns labels one step at a time.

    `learn_one(x, y)` moves the state on x, predicts the label and learns from the label y.
    `predict_one` and `predict_proba_one` do the same up to the prediction, but in a copy: they
    change nothing. So a step counts only when it is learned, or observed with `observe_one`. Each
    prediction depends on all steps so far.

    Features are numbers, which are standardised as they come, or strings. Text that is a number is
    read as that number, unless the feature is in `categorical`. A date or time is read as its
    seconds since 1970 UTC. None, NaN, NaT, NA, and words such as "" or "NA" are missing values,
    which are read as the mean. A feature that x does not have is 0, unless `absent` says otherwise.
    A new feature starts with zero weights, and so does a new label.

    If learning diverges in a step, that step is undone, with a warning.

    Parameters
    ----------
    cell : RNN, LeakyRNN or another cell, optional
        Default: ``RNN(20)``. `LeakyRNN` remembers longer.
    optimizer : Kalman, SGD or Adam, optional
        Default: that of the rule.
    rule : {"NoBackTrack", "RTRL", "TruncatedBPTT"}
        The trainer that learns.
    options : mapping, optional
        Further arguments of the rule, for example ``{"rank": 4}``.
    max_features : int
        Most columns for numbers, and most columns for strings, each at least 1. A string value
        takes a column of its own. Later features share max_features / 4 further columns, with a
        warning.
    max_labels : int
        Most labels, at least 1.
    seed : int
        Seed of the first weights and of the signs, in [0, 2⁶⁴).
    absent : {"zero", "missing"}
        How a feature is read that x does not have: as 0, which fits words of a text or alarms, or
        as a missing value, which fits an instrument that is silent.
    categorical : collection of names, optional
        Features whose values, numbers too, are read as strings, for example a post code.

    Raises
    ------
    TypeError
        `cell` is no cell, `optimizer` no optimizer, `options` no mapping; `options` has a name that
        the rule does not take, or "inputs", "missing" or "seed"; `rule` or `absent` is no string;
        `max_features`, `max_labels` or `seed` is no integer; `categorical` is no collection of
        names.
    ValueError
        `rule` or `absent` is none of the names above; `max_features`, `max_labels` or `seed` is out
        of range; or the rule refuses a value in `options`.

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
        rule: Rule = "NoBackTrack",
        options: Mapping[str, Any] | None = None,
        max_features: int = 1000,
        max_labels: int = 1000,
        seed: int = 0,
        absent: Absent = "zero",
        categorical: Collection | None = None,
    ) -> None:
        self.max_labels = _arguments.integer("max_labels", max_labels)
        self._labels: dict[Any, int] = {}  # labels and their numbers
        self._names: list[Any] = []
        super().__init__(cell, optimizer, rule, options, max_features, seed, absent, categorical)

    def learn_one(self, x: Any, y: Any) -> None:
        """Move the state on x, predict, and learn from the label y.

        Parameters
        ----------
        x : mapping, number or sequence
            Features by name. The numbers of a sequence, or a single number, have the names 0, 1, …
        y
            The label: any hashable value that equals itself.

        Raises
        ------
        TypeError
            `x` is refused as in `observe_one`; `y` is missing, cannot be hashed, or does not equal
            itself. Nothing was learned.
        ValueError
            `x` is refused as in `observe_one`; `y` is one label more than `max_labels`. Nothing was
            learned.
        """
        try:
            number = self._labels.get(y)
        except TypeError:
            raise TypeError(f"y: expected a label that can be hashed, got {shown(y)}") from None
        if number is None:
            number = self._new_label(x, y)
        self._learn(x, number)

    def _new_label(self, x: Any, y: Any) -> int:
        if not isinstance(y, str) and is_missing(y):
            raise TypeError(f"y: expected a label, got {y!r}; observe_one(x) takes none")
        if y != y:
            raise TypeError(f"y: expected a label that equals itself, got {shown(y)}")
        number = len(self._labels)
        if number == self.max_labels:
            raise ValueError(
                f"y: expected at most {self.max_labels} labels, got one more: {shown(y)}"
            )
        self._ready(x, None)  # raises if x is refused
        if number:
            self._trainer.grow(number + 1)
        self._undo.forget()  # a row was taken from `rows`, but no step was made with it
        self._labels[y.item() if isinstance(y, np.generic) else y] = number
        self._names = list(self._labels)
        return number

    def predict_proba_one(self, x: Any) -> dict[Any, float]:
        """Return the probability of each label seen so far, {} before the first one. Nothing
        changes.

        Parameters
        ----------
        x : mapping, number or sequence
            As in `learn_one`.

        Raises
        ------
        TypeError, ValueError
            `x` is refused as in `observe_one`.
        """
        p = self._predict(x)
        if p is None or not self._labels:
            return {}
        p = p.tolist()
        total = sum(p)  # 1, up to the rounding of float32
        return {label: value / total for label, value in zip(self._names, p, strict=True)}

    def predict_one(self, x: Any) -> Any:
        """Return the most probable label, None before the first one. Nothing changes.

        Parameters
        ----------
        x : mapping, number or sequence
            As in `learn_one`.

        Raises
        ------
        TypeError, ValueError
            `x` is refused as in `observe_one`.
        """
        p = self._predict(x)
        return None if p is None or not self._labels else self._names[p.argmax()]

    @property
    def labels(self) -> list:
        """Labels seen so far, in the order in which they came."""
        return list(self._labels)

    def arguments(self) -> dict[str, Any]:
        return super().arguments() | {"max_labels": self.max_labels}

    def _readout(self) -> Softmax:
        return Softmax(max(1, len(self._labels)))

    def _own_rows(self) -> list[tuple[str, str]]:
        return [("labels", some(self.labels))]

    def _own_facts(self) -> list[str]:
        return [count(len(self._labels), "label")]

    def _loss_text(self) -> str:
        return f"{loss_text(self.loss * BITS_PER_NAT)} bits per label"

    def _own_description(self) -> dict[str, Any]:
        for label in self._labels:
            if type(label) not in KEYS:
                raise TypeError(f"labels: only strings and numbers can be saved, not {label!r}")
        return {"labels": list(self._labels)}

    def _take(self, description: Mapping[str, Any]) -> None:
        labels = description["labels"]
        if not (isinstance(labels, list) and all(type(label) in KEYS for label in labels)):
            raise TypeError("labels: expected strings and numbers")
        if len(set(labels)) < len(labels) or any(label != label for label in labels):
            raise ValueError("labels: expected each once, and no NaN")
        self._labels, self._names = {label: k for k, label in enumerate(labels)}, labels


class RNNRegressor(Estimator):
    """Recurrent network that learns numbers one step at a time: a mean and a variance, both
    functions of the state.

    Features and the state are handled as in `RNNClassifier`. Targets are standardised as they come.

    Parameters
    ----------
    cell, optimizer, rule, options, max_features, seed, absent, categorical
        As in `RNNClassifier`.

    Raises
    ------
    TypeError, ValueError
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

    def learn_one(self, x: Any, y: float) -> None:
        """Move the state on x, predict, and learn from the number y.

        Parameters
        ----------
        x : mapping, number or sequence
            Features by name. The numbers of a sequence, or a single number, have the names 0, 1, …
        y : float
            The target, or text that is a number. With NaN or pandas' NA there is no target, and
            nothing is learned.

        Raises
        ------
        TypeError
            `x` is refused as in `observe_one`, or `y` is no number. Nothing was learned.
        ValueError
            `x` is refused as in `observe_one`, or `y` is infinite. Nothing was learned.
        """
        known = type(y) is float and -math.inf < y < math.inf
        self._learn(x, y if known else _target(y))

    def predict_one(self, x: Any, *, return_std: bool = False) -> Any:
        """Return the mean of the target, 0.0 before anything was learned. Nothing changes.

        Parameters
        ----------
        x : mapping, number or sequence
            As in `learn_one`.
        return_std : bool
            Whether to return the pair of mean and standard deviation.

        Raises
        ------
        TypeError, ValueError
            `x` is refused as in `observe_one`.
        """
        p = self._predict(x)
        mean, variance = (0.0, math.nan) if p is None else (p.item(0), p.item(1))
        return (mean, math.sqrt(variance)) if return_std else mean

    def _readout(self) -> Gaussian:
        return Gaussian(1, standardize=True)

    def _loss_text(self) -> str:
        return f"{loss_text(self.loss)} nats per target"


ESTIMATORS.add("RNNClassifier", RNNClassifier)
ESTIMATORS.add("RNNRegressor", RNNRegressor)


def _target(y: Any) -> float:
    """Return a target as a finite number, or NaN."""
    if isinstance(y, str):
        number = number_in(y)
        number = math.nan if number is None and is_missing(y) else number
    elif y is None or np.ndim(y):
        number = None
    elif is_missing(y):
        number = math.nan
    else:
        number = None if isinstance(y, NO_REALS) else _real(y)
    if number is None:
        raise TypeError(f"y: expected a number, got {shown(y)}")
    if math.isinf(number):
        raise ValueError(f"y: expected a finite number, got {shown(y)}")
    return number


def _real(y: Any) -> float | None:
    try:
        return float(y)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return None
