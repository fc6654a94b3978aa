"""Times several things in alternation, so that a ratio survives a noisy machine.

Machines differ, and so does one machine from minute to minute. In every repetition each contender
does one block of steps, in a random order; a ratio is taken within a repetition, and its median
over repetitions is the figure.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import click
import numpy as np

__all__ = ["CLOCKS", "Contender", "alternate", "spread"]

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def nothing() -> None:
    """What has to be put back before a block: nothing."""


@dataclass
class Contender:
    """Something that takes steps. `block(steps)` is a function that takes that many when called.

    `steps` is the first guess at a block's length, which `prepare` adapts, in multiples of `unit`;
    with a `fixed` length, a repetition is that many blocks instead. `times`: seconds a step by each
    clock, by repetition.
    """

    name: str
    block: Callable[[int], Callable[[], object]]
    steps: int = 300
    unit: int = 1
    fixed: int = 0
    reset: Callable[[], object] = nothing
    times: dict[str, list[float]] = field(default_factory=lambda: {clock: [] for clock in CLOCKS})

    def __post_init__(self) -> None:
        self._run = self.block(self.steps)

    def run(self) -> np.ndarray:
        """Seconds by each clock that one block takes."""
        self.reset()
        begun = [clock() for clock in CLOCKS.values()]
        result = self._run()
        ended = [clock() for clock in CLOCKS.values()]
        if isinstance(result, np.ndarray) and not np.isfinite(result).all():
            raise FloatingPointError(f"{self.name}: a loss is not finite")
        return np.subtract(ended, begun)

    def prepare(self, seconds: float) -> None:
        """Compiles, fills caches, and sets the block's length to about that many seconds."""
        for _ in range(4):  # another length may be another compilation
            self.run()
            if self.fixed:
                return
            taken = min(self.run()[0] for _ in range(2))
            if 0.5 < taken / seconds < 2 or (taken > seconds and self.steps == self.unit):
                break
            self.steps = max(1, round(self.steps * seconds / taken / self.unit)) * self.unit
            self._run = self.block(self.steps)
        self.run()

    def record(self) -> None:
        """One repetition."""
        taken = np.mean([self.run() for _ in range(self.fixed or 1)], axis=0) / self.steps
        for times, value in zip(self.times.values(), taken, strict=True):
            times.append(float(value))


def alternate(contenders: Iterable[Contender], repeats: int, seconds: float) -> list[Contender]:
    """Prepares all, times them in alternation and returns those that work; the rest is named."""
    ready = []
    for contender in contenders:
        click.echo(f"preparing {contender.name}", err=True)
        try:
            contender.prepare(seconds)
        except Exception as error:
            if contender.name.startswith("nbt"):
                raise
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            click.echo(f"left out: {contender.name} ({reason})", err=True)
        else:
            ready.append(contender)
    order = random.Random(0)
    click.echo(f"timing {len(ready)} cases {repeats} times", err=True)
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        for contender in order.sample(ready, len(ready)):
            contender.record()
        gc.enable()
    return ready


def spread(values: np.ndarray) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)
