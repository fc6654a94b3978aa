"""Time a parameter over sizes, from 64 units to beyond the last level of cache: table and picture.

The cost of a step is to grow as the number of parameters, so the curves are to be flat up to where
the arrays that a step reads and writes no longer fit.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench import machine, picture
from bench.alternate import CLOCKS, Contender, alternate, spread
from bench.peers.job import Job
from bench.peers.modes import trainer

__all__ = ["Point", "in_cache", "measure"]

UNITS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
# of the size of theta, read or written: theta and w; J and J0; d and the window's four of F
ARRAYS = {"euclidean": 2, "kalman": 4, "default": 9}
NAMES = {"euclidean": "rank 1, Euclidean", "kalman": "rank 1, Kalman", "default": "the default"}
CHART = Path(__file__).with_name("scaling.png")


@dataclass(frozen=True)
class Point:
    """Seconds a parameter (of network and readout), by repetition."""

    rule: str
    units: int
    bytes: int
    seconds: np.ndarray


def measure(repeats: int, seconds: float, clock: str, units=UNITS) -> list[Point]:
    """Every rule at every size."""
    points, facts = [], {}
    for n in units:
        for rule, arrays in ARRAYS.items():
            learner = trainer(rule, n)
            # the trainer is the contender's alone, and is gone with it
            contender = Contender(
                f"nbt, {rule} {n} units",
                lambda steps, learner=learner: partial(learner.learn, Job(1).stream(steps)),
                steps=1,
            )
            size = arrays * 4 * n * (1 + n + 64)
            facts[contender.name] = rule, n, size, learner.parameters
            points.append(contender)
    found = []
    for contender in alternate(points, repeats, seconds):
        rule, n, size, parameters = facts[contender.name]
        taken = np.array(contender.times[clock]) / parameters
        found.append(Point(rule, n, size, taken))
    return found


def in_cache(points: list[Point]) -> dict[str, np.ndarray]:
    """The times of those whose arrays fit the last level of cache, by name; {} if unknown."""
    last = max(machine.caches().values(), default=0)
    return {
        f"a parameter, {point.rule} {point.units}": point.seconds
        for point in points
        if point.bytes <= last
    }


def show(points: list[Point], facts: list[str]) -> None:
    """Prints nanoseconds a parameter: median and quartiles."""
    table = Table("units", *(NAMES[rule] for rule in ARRAYS), caption="\n".join(facts))
    table.caption_justify = "left"
    for column in table.columns:
        column.justify = "right"
    for units in dict.fromkeys(point.units for point in points):
        cells = []
        for rule in ARRAYS:
            of = [p for p in points if (p.rule, p.units) == (rule, units)]
            low, middle, high = (1e9 * x for x in spread(of[0].seconds))
            cells.append(f"{middle:.3f} ({low:.3f}–{high:.3f})")
        table.add_row(str(units), *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def draw(points: list[Point], facts: list[str], path: Path) -> list[Path]:
    """Nanoseconds a parameter over the bytes that a step moves through, with the cache's levels."""
    with picture.figure(facts, path, figsize=(10, 6.2)) as (panel, saved):
        for rule, color in zip(ARRAYS, picture.LINES, strict=True):
            of = [point for point in points if point.rule == rule]
            size = [point.bytes / 2**20 for point in of]
            low, middle, high = np.array([spread(1e9 * point.seconds) for point in of]).T
            panel.fill_between(size, low, high, color=color, alpha=0.25, linewidth=0)
            panel.plot(size, middle, "o-", color=color, markersize=4, label=NAMES[rule])
            for point, x, y in zip(of, size, middle, strict=True):
                if point.units in (64, 128, 256, 512, 1024, 2048):
                    panel.annotate(
                        str(point.units),
                        (x, y),
                        (0, 6),
                        textcoords="offset points",
                        ha="center",
                        fontsize=8,
                        color=color,
                    )
        panel.set(xscale="log", ylim=(0, None))
        for level, size in machine.caches().items():
            panel.axvline(size / 2**20, color="0.6", linewidth=0.8, linestyle="--")
            panel.annotate(
                level,
                (size / 2**20, 1),
                (3, -12),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                fontsize=9,
                color="0.4",
            )
        panel.set_xlabel("arrays that a step reads and writes, MiB (numbers: units)")
        panel.set_ylabel("ns a parameter and step")
        panel.set_title("Time a parameter", loc="left", weight="bold")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, loc="lower right")
    return saved


@click.command(help=__doc__.splitlines()[0])
@click.option("--repeats", type=click.IntRange(1), default=15, show_default=True)
@click.option("--milliseconds", type=float, default=20.0, show_default=True, help="Of a block.")
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", show_default=True)
@click.option("--chart", type=Path, default=CHART, show_default=True)
def main(repeats, milliseconds, clock, chart) -> None:
    facts = [*machine.facts(), f"{clock} clock, median of {repeats} repetitions, A = 64, float32"]
    points = measure(repeats, milliseconds / 1e3, clock)
    show(points, facts)
    try:
        saved = draw(points, facts, chart)
    except ImportError as error:
        click.echo(f"no picture: {error}", err=True)
    else:
        click.echo(f"picture: {', '.join(map(str, saved))}", err=True)


if __name__ == "__main__":
    main()
