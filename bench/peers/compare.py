"""Times every tool on the same job in one process, one thread each, in alternation.

Only ratios within one run mean something: machines differ, and so does one machine from hour to
hour. In every repetition each tool learns from one block, in a random order; a figure is the median
over repetitions of its microseconds a step, a ratio the median of the ratios to ours within a
repetition.
"""

from __future__ import annotations

import gc
import importlib
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from bench import machine
from bench.peers import report
from bench.peers.job import FORWARD_STEPS, WINDOW, Job

__all__ = ["Case", "main", "measure"]

TOOLS = ("numpy", "numba", "jax", "torch")
OURS = {
    "forward": "forward only",
    "euclidean": "rank 1, Euclidean",
    "kalman": "rank 1, Kalman",
    "default": "default",
    "tbptt": "TBPTT-15",
}
CHART = Path(__file__).with_name("peers.png")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass
class Case:
    """One tool on one job under one rule. `times`: seconds a step by each clock, by repetition."""

    tool: str
    rule: str
    variant: str
    job: Job
    learn: Callable[..., np.ndarray]
    reset: Callable[[], None] = lambda: None
    steps: int = 20 * WINDOW
    blocks: int = 1
    times: dict[str, list[float]] = field(default_factory=lambda: {clock: [] for clock in CLOCKS})

    def __str__(self) -> str:
        return f"{self.tool}, {self.rule}, {self.variant}, {self.job.units} units"

    def run(self) -> tuple[float, float]:
        """Seconds by both clocks, wall and CPU, that one block takes."""
        symbols = self.job.stream(self.steps + 1)
        pairs = self.rule == "tbptt"
        block = (symbols[:-1], symbols[1:]) if pairs else (symbols[:-1],)
        self.reset()
        begun = [clock() for clock in CLOCKS.values()]
        losses = self.learn(*block)
        wall, cpu = (clock() - start for clock, start in zip(CLOCKS.values(), begun, strict=True))
        if not np.isfinite(losses).all():
            raise FloatingPointError(f"{self}: a loss is not finite")
        return wall, cpu

    def prepare(self, seconds: float) -> None:
        """Compiles, and sets the block's length to whole windows of about that many seconds."""
        if self.rule == "forward":
            self.steps, self.blocks = FORWARD_STEPS, 40
        for _ in range(3):  # another length may be another compilation
            self.run()
            taken = min(self.run()[0] for _ in range(2))
            if self.rule == "forward" or 0.5 < taken / seconds < 2:
                return
            self.steps = max(1, round(self.steps * seconds / taken / WINDOW)) * WINDOW
        self.run()

    def record(self) -> None:
        """One repetition."""
        taken = np.mean([self.run() for _ in range(self.blocks)], axis=0) / self.steps
        for times, value in zip(self.times.values(), taken, strict=True):
            times.append(float(value))


def ours(job: Job) -> list[Case]:
    """This package's cases."""
    cases = []
    for rule, variant in OURS.items():
        trainer = job.trainer(rule)
        case = Case("nbt", rule, variant, job, trainer.learn)
        if rule == "forward":
            begin = trainer.state_dict()
            case.learn = trainer.observe
            case.reset = lambda trainer=trainer, begin=begin: trainer.load_state_dict(begin)
        cases.append(case)
    return cases


def theirs(job: Job, tools: tuple[str, ...]) -> list[Case]:
    """The other tools' cases; a tool that is not installed is named on stderr and left out."""
    cases = []
    for tool in tools:
        try:
            peer = importlib.import_module(f"bench.peers.{tool}_peer")
        except ImportError as error:
            click.echo(f"left out: {tool} ({error})", err=True)
            continue
        for rule, variants in peer.RULES.items():
            for variant, make in variants.items():
                learner = make(*job.weights(), job.scale, job.seed)
                cases.append(Case(tool, rule, variant, job, learner.learn))
    return cases


def measure(cases: list[Case], repeats: int, seconds: float) -> list[Case]:
    """Prepares every case and times them in alternation; those that do not work are left out."""
    ready = []
    for case in cases:
        click.echo(f"preparing {case}", err=True)
        try:
            case.prepare(seconds)
        except Exception as error:
            if case.tool == "nbt":
                raise
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            click.echo(f"left out: {case} ({reason})", err=True)
        else:
            ready.append(case)
    order = random.Random(0)
    click.echo(f"timing {len(ready)} cases {repeats} times", err=True)
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        for case in order.sample(ready, len(ready)):
            case.record()
        gc.enable()
    return ready


@click.command(help=__doc__.splitlines()[0])
@click.option("--units", type=int, multiple=True, default=(20, 128), show_default=True)
@click.option("--symbols", type=int, default=64, show_default=True)
@click.option("--repeats", type=int, default=25, show_default=True)
@click.option("--milliseconds", type=float, default=20.0, show_default=True, help="Of a block.")
@click.option("--tools", default=",".join(TOOLS), show_default=True, help="Others to compare with.")
@click.option(
    "--clock",
    type=click.Choice(list(CLOCKS)),
    default="wall",
    show_default=True,
    help="cpu: what the process used, for a machine that others use too.",
)
@click.option("--chart", type=Path, default=CHART, show_default=True)
@click.option("--markdown", type=Path, help="Also write the table there.")
def main(units, symbols, repeats, milliseconds, tools, clock, chart, markdown) -> None:
    how = f"{clock} clock, median of {repeats} repetitions, A = {symbols}, float32"
    facts = [*machine.facts(), how]
    cases = []
    for n in units:
        job = Job(n, symbols)
        chosen = tuple(tool for tool in tools.split(",") if tool)
        cases += ours(job) + theirs(job, chosen)
    rows = report.rows(measure(cases, repeats, milliseconds / 1e3), clock)
    report.show(rows, facts, sys.stdout)
    if markdown:
        markdown.write_text(report.as_markdown(rows, facts), encoding="utf-8")
    try:
        report.draw(rows, facts, chart)
    except ImportError as error:
        click.echo(f"no chart: {error}", err=True)
    else:
        click.echo(f"chart: {chart}", err=True)
