"""Time a parameter over sizes, from 64 units to beyond the last level of cache: table and picture.

The cost of a step is to grow as the number of parameters, so the curves are to be flat up to where
the arrays that a step reads and writes no longer fit. Beside each, a loop that does nothing else
than read and write as many bytes: where it rises, the machine does.
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
from bench.peers import limits
from bench.peers.job import Job
from bench.peers.modes import trainer

__all__ = ["Point", "in_cache", "measure"]

UNITS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
RULES = ("euclidean", "kalman", "default")
NAMES = {"euclidean": "rank 1, Euclidean", "kalman": "rank 1, Kalman", "default": "the default"}
CHART = Path(__file__).with_name("scaling.png")


def visited(rule: str, units: int) -> int:
    """Bytes that a step reads and writes; of the default's the larger arrays: θ, w̄, J, J0, d, and
    the window's four of F, of which it writes one."""
    if rule == "default":
        return 4 * (5 * units * (1 + units + 64) + 5 * units * units // 2)
    return limits.least(rule, Job(units))[1] // 2


@dataclass(frozen=True)
class Point:
    """Seconds a parameter (of network and readout), by repetition: of a step, and of a loop over as
    many bytes, if it could be compiled."""

    rule: str
    units: int
    bytes: int
    seconds: np.ndarray
    loop: np.ndarray | None


def measure(repeats: int, seconds: float, clock: str, units=UNITS) -> list[Point]:
    """Every rule at every size."""
    contenders, facts = [], {}
    for n in units:
        for rule in RULES:
            learner = trainer(rule, n)
            # the trainer is the contender's alone, and is gone with it
            contender = Contender(
                f"nbt, {rule} {n} units",
                lambda steps, learner=learner: partial(learner.learn, Job(1).stream(steps)),
                steps=1,
            )
            size = visited(rule, n)
            loop = limits.read_and_write(size // 8, f", {rule} {n} units")
            contenders += [contender, loop]
            facts[contender.name] = rule, n, size, learner.parameter_count, loop.name
    done = alternate(contenders, repeats, seconds)
    times = {one.name: np.array(one.times[clock]) for one in done}
    found = []
    for name, (rule, n, size, parameters, loop) in facts.items():
        moved = 2 * size * times[loop] / parameters if loop in times else None
        found.append(Point(rule, n, size, times[name] / parameters, moved))
    return found


def in_cache(points: list[Point]) -> dict[str, np.ndarray]:
    """The times of those whose arrays fit the last level of cache, by name, and of their loops; {}
    if unknown."""
    last = max(machine.caches().values(), default=0)
    found = {}
    for point in points:
        if point.bytes <= last:
            found[f"a parameter, {point.rule} {point.units}"] = point.seconds
            if point.loop is not None:
                found[f"a loop, {point.rule} {point.units}"] = point.loop
    return found


def show(points: list[Point], facts: list[str]) -> None:
    """Prints nanoseconds a parameter: median and quartiles, and the loop's."""
    heads = (f"{NAMES[rule]} · loop" for rule in RULES)
    table = Table("units", *heads, caption="\n".join(facts))
    table.caption_justify = "left"
    for column in table.columns:
        column.justify = "right"
    for units in dict.fromkeys(point.units for point in points):
        cells = []
        for rule in RULES:
            of = [p for p in points if (p.rule, p.units) == (rule, units)]
            low, middle, high = (1e9 * x for x in spread(of[0].seconds))
            loop = "" if of[0].loop is None else f"{1e9 * np.median(of[0].loop):.3f}"
            cells.append(f"{middle:.3f} ({low:.3f}–{high:.3f}) {loop}")
        table.add_row(str(units), *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def draw(points: list[Point], facts: list[str], path: Path) -> list[Path]:
    """Nanoseconds a parameter over the bytes that a step moves through, with the cache's levels."""
    with picture.figure(facts, path, figsize=(10, 6.2)) as (panel, saved):
        for rule, color in zip(RULES, picture.LINES, strict=True):
            of = [point for point in points if point.rule == rule]
            size = [point.bytes / 2**20 for point in of]
            low, middle, high = np.array([spread(1e9 * point.seconds) for point in of]).T
            panel.fill_between(size, low, high, color=color, alpha=0.25, linewidth=0)
            panel.plot(size, middle, "o-", color=color, markersize=4, label=NAMES[rule])
            loop = [np.nan if p.loop is None else 1e9 * np.median(p.loop) for p in of]
            name = "a loop over as many bytes" if rule == "default" else None
            panel.plot(size, loop, ":", color=color, linewidth=1, label=name)
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
        panel.set_xlabel("what a step reads and writes, MiB (numbers: units)")
        panel.set_ylabel("ns a parameter and step")
        panel.set_title("Time a parameter", loc="left", weight="bold")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, loc="center left")
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
