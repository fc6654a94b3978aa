"""Rows of a history, the sums that they are made of, and the units of losses."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from nbt.streams.counts import COUNTS

__all__ = ["BITS_PER_NAT", "LOSSES", "UNITS", "HistoryRow", "Sum", "converted", "loss_text", "mean"]

BITS_PER_NAT = 1 / math.log(2)
UNITS = {"bits": "bits per symbol", "nats": "nats per step"}  # the words for a person
LOSSES = ("average", "since")  # the fields with this unit


class HistoryRow(NamedTuple):
    """Row of a `History`.

    Attributes
    ----------
    step : int
        Number of symbols, or of steps of numbers, learned so far.
    average : float
        Mean loss of the steps so far that had a loss, in `unit`.
    since : float
        The same since the previous row.
    seconds : float
        Time so far.
    symbols_per_second : float
        Speed since the previous row.
    unscored : int
        Number of steps so far without a loss, which are in no mean; -1 where an older version did
        not count them.
    replaced, unknown, skipped : int
        Faults that the stream had met once the chunk with this step was read: `Stream.counts`.
    unit : {"bits", "nats"}
        Bits per symbol, or nats per step of numbers.
    """

    step: int
    average: float
    since: float
    seconds: float
    symbols_per_second: float
    unscored: int = 0
    replaced: int = 0
    unknown: int = 0
    skipped: int = 0
    unit: str = "bits"

    @property
    def average_bits(self) -> float:
        """`average` in bits, whatever its unit."""
        return converted(self.average, self.unit, "bits")

    @property
    def since_bits(self) -> float:
        """`since` in bits."""
        return converted(self.since, self.unit, "bits")

    @property
    def average_nats(self) -> float:
        """`average` in nats, whatever its unit."""
        return converted(self.average, self.unit, "nats")

    @property
    def since_nats(self) -> float:
        """`since` in nats."""
        return converted(self.since, self.unit, "nats")

    @property
    def counts(self) -> dict[str, int]:
        """`replaced`, `unknown` and `skipped` by name."""
        return {name: getattr(self, name) for name in COUNTS}

    def as_dict(self) -> dict[str, Any]:
        """Return the values by name, without counts that are 0.

        The names of losses contain their unit, for example ``average_nats``.
        """
        values = self._asdict()
        del values["unit"]
        return {
            f"{name}_{self.unit}" if name in LOSSES else name: value
            for name, value in values.items()
            if value or name not in ("unscored", *COUNTS)
        }

    def to_json(self) -> str:
        """Return `as_dict` as one line of JSON, with null for what could not be measured."""
        good = {k: v if math.isfinite(v) else None for k, v in self.as_dict().items()}
        return json.dumps(good)

    def __repr__(self) -> str:
        parts = (f"{name}={value!r}" for name, value in self.as_dict().items())
        return f"HistoryRow({', '.join(parts)})"


def converted(value: Any, unit: str, wanted: str) -> Any:
    """Return a loss, or an array of losses, in the wanted unit."""
    if unit == wanted:
        return value
    return value * BITS_PER_NAT if wanted == "bits" else value / BITS_PER_NAT


def loss_text(value: float) -> str:
    """Return a loss as text of at most ten characters: four digits after the point, or four digits
    in all if it is large. A dash says that nothing was measured."""
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3e}"


class Sum(NamedTuple):
    """Sums over all steps up to a moment; `unscored` of them had no loss.

    `recent` is the sum of the losses since the last row, in nats. It is kept apart because after
    one huge loss, a difference of two sums would lose all later losses.
    """

    step: int
    nats: float
    seconds: float
    unscored: int = 0
    recent: float = 0.0

    def since(self, last: Sum, unit: str) -> HistoryRow:
        """Return the row of this moment, `last` being the sums at the previous row."""
        steps, seconds = self.step - last.step, self.seconds - last.seconds
        return HistoryRow(
            self.step,
            mean(self.nats, self.step - self.unscored, unit),
            mean(self.recent, steps - (self.unscored - last.unscored), unit),
            self.seconds,
            steps / seconds if seconds > 0 else math.nan,
            self.unscored,
            unit=unit,
        )


def mean(nats: float, scored: int, unit: str) -> float:
    """Return the mean of `scored` losses, in the unit; NaN if there are none."""
    return converted(nats / scored, "nats", unit) if scored else math.nan
