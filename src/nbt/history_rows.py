"""A row of a history, the sums it is made of, and the unit in which it is shown."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from nbt.counts import COUNTS

__all__ = ["BITS_PER_NAT", "HistoryRow", "Sum", "shown_unit"]

BITS_PER_NAT = 1 / math.log(2)


class HistoryRow(NamedTuple):
    """One row of a `History`.

    Attributes
    ----------
    step : int
        Symbols learned so far.
    average_bits : float
        Bits per symbol over all of them.
    since_bits : float
        Bits per symbol since the row before.
    seconds : float
        Time so far.
    symbols_per_second : float
        Speed since the row before.
    replaced, unknown, skipped : int
        What the stream had met so far, once the block was read in which the step is:
        `Stream.counts`.
    """

    step: int
    average_bits: float
    since_bits: float
    seconds: float
    symbols_per_second: float
    replaced: int = 0
    unknown: int = 0
    skipped: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """`replaced`, `unknown` and `skipped` by name."""
        return {name: getattr(self, name) for name in COUNTS}

    def to_json(self, unit: str = "bits") -> str:
        """One line of JSON; null for what could not be measured; counts only where they are not 0.

        Parameters
        ----------
        unit : {"bits", "nats"}
            Of the losses.
        """
        values = {k: v for k, v in self._asdict().items() if v or k not in COUNTS}
        good = {k: v if math.isfinite(v) else None for k, v in values.items()}
        if unit == "nats":
            good = {k.replace("bits", "nats"): _in_nats(k, v) for k, v in good.items()}
        return json.dumps(good)


def _in_nats(name: str, value: float | None) -> float | None:
    return value / BITS_PER_NAT if value is not None and name.endswith("_bits") else value


class Sum(NamedTuple):
    """Everything from the start up to some step; `unscored` steps had no loss."""

    step: int
    nats: float
    seconds: float
    unscored: int = 0

    def since(self, last: Sum) -> HistoryRow:
        steps, seconds = self.step - last.step, self.seconds - last.seconds
        scored = self.step - self.unscored
        fresh = steps - (self.unscored - last.unscored)
        return HistoryRow(
            self.step,
            self.nats / scored * BITS_PER_NAT if scored else math.nan,
            (self.nats - last.nats) / fresh * BITS_PER_NAT if fresh else math.nan,
            self.seconds,
            steps / seconds if seconds > 0 else math.nan,
        )


def shown_unit(unit: str) -> tuple[float, str]:
    """What bits are multiplied by to be shown, and what is said then."""
    return (1 / BITS_PER_NAT, "nats per step") if unit == "nats" else (1.0, "bits per symbol")
