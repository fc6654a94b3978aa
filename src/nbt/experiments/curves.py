"""Runs as curves, and several seeds as a median with a band.

From where a run diverged on, its loss counts as infinite: it is a result, not a gap. So medians and
quartiles of a rule that diverges on many seeds are infinite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Band", "Common", "Curve", "band", "median", "quartiles"]


@dataclass(frozen=True)
class Curve:
    """Measurements of one run.

    Parameters
    ----------
    step : array (rows,) of int
        Symbols learned, increasing.
    bits : array (rows,)
        Average bits per symbol from the start.
    seconds : array (rows,)
        CPU time from the start.
    diverged_at : int or None
        The step at which the run diverged.
    """

    step: np.ndarray
    bits: np.ndarray
    seconds: np.ndarray
    diverged_at: int | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Curve:
        """Return the curve of a record of the file of results."""
        columns = (record["step"], record["average_bits"], record["seconds"])
        step, bits, seconds = (np.array(column, float) for column in columns)
        return cls(step.astype(np.int64), bits, seconds, record["diverged_at"])

    @property
    def diverged(self) -> bool:
        """Whether the run diverged."""
        return self.diverged_at is not None

    @property
    def steps(self) -> int:
        """Number of symbols learned."""
        return int(self.step[-1]) if len(self.step) else 0

    @property
    def final(self) -> float:
        """Average bits per symbol at the end; infinite where the run diverged."""
        return math.inf if self.diverged or not self.steps else float(self.bits[-1])

    @property
    def microseconds(self) -> float:
        """CPU time a symbol."""
        return 1e6 * float(self.seconds[-1]) / self.steps if self.steps else math.nan

    def at(self, step: float) -> float:
        """Return the average bits per symbol up to a step, linear in its logarithm between two
        rows."""
        if self.diverged and (not self.steps or step > self.steps):
            return math.inf
        return float(np.interp(math.log(step), np.log(self.step), self.bits))

    def after(self, seconds: float) -> float:
        """Return the average bits per symbol up to a CPU time, linear in its logarithm between two
        rows."""
        if self.diverged and (not self.steps or seconds > self.seconds[-1]):
            return math.inf
        clock = np.log(np.maximum(self.seconds, 1e-9))
        return float(np.interp(math.log(max(seconds, 1e-9)), clock, self.bits))

    def since(self, step: float) -> float:
        """Return the bits per symbol from the last row at or before a step to the end."""
        if self.diverged or not self.steps:
            return math.inf
        i = int(np.searchsorted(self.step, step, side="right")) - 1
        before, so_far = (self.step[i], self.bits[i]) if i >= 0 else (0, 0.0)
        if before == self.steps:
            return float(self.bits[-1])
        return float((self.bits[-1] * self.steps - so_far * before) / (self.steps - before))

    def last_half(self) -> float:
        """Return the bits per symbol over about the last half of the steps."""
        return self.since(self.steps / 2)

    def octaves(self, first: int) -> np.ndarray:
        """Return the bits per symbol from `first` steps to twice as many, from there to four times,
        ..."""
        steps = [first]
        while steps[-1] * 2 <= self.steps:
            steps.append(steps[-1] * 2)
        sums = np.array([self.at(step) * step for step in steps])
        return np.diff(sums) / np.diff(steps)


@dataclass(frozen=True)
class Common:
    """Number of symbols, and CPU time, that all runs have reached which did not diverge."""

    symbols: int
    seconds: float

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Common:
        """Return that of these curves; if all diverged, that of the longest one."""
        whole = [curve for curve in curves if curve.steps and not curve.diverged]
        if not whole:
            whole = sorted((curve for curve in curves if curve.steps), key=lambda c: c.steps)[-1:]
        ends = [(curve.steps, float(curve.seconds[-1])) for curve in whole]
        symbols, seconds = zip(*ends, strict=True) if ends else ((0,), (0.0,))
        return cls(min(symbols), min(seconds))


@dataclass(frozen=True)
class Band:
    """Several runs of a rule: arrays (rows,), and how many of how many diverged."""

    step: np.ndarray
    seconds: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    diverged: int
    count: int


def quartiles(values: Sequence[float] | np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return lower and upper quartile. Each is one of the values, so that infinite values do no
    harm."""
    return np.quantile(values, [0.25, 0.75], axis=axis, method="inverted_cdf")


def median(values: Sequence[float] | np.ndarray) -> float:
    """Return the median: infinite if half of the values are, NaN if there are none."""
    return float(np.median(values)) if len(values) else math.nan


def band(curves: Sequence[Curve]) -> Band:
    """Return median and quartiles at the steps that all runs have reached which did not diverge.

    The last row is the end of the runs: the medians of their steps, seconds and losses.
    """
    whole = [curve for curve in curves if not curve.diverged and curve.steps]
    reach = min((curve.steps for curve in whole), default=0)
    if not whole:
        reach = max((curve.steps for curve in curves), default=0)
    longest = max(curves, key=lambda curve: curve.steps)
    step = longest.step[longest.step <= reach].astype(float)
    table = np.array([[curve.at(t) for t in step] for curve in curves]).reshape(len(curves), -1)
    clocks = [np.interp(step, c.step, c.seconds) for c in whole or curves if c.steps]
    seconds = np.median(clocks, axis=0) if clocks else np.zeros(0)
    if whole:
        step = np.append(step, np.median([curve.steps for curve in whole]))
        seconds = np.append(seconds, np.median([curve.seconds[-1] for curve in whole]))
        table = np.column_stack([table, [curve.final for curve in curves]])
    low, high = quartiles(table, axis=0) if table.size else (np.zeros(0), np.zeros(0))
    diverged = sum(curve.diverged for curve in curves)
    return Band(step, seconds, low, np.median(table, axis=0), high, diverged, len(curves))
