"""Times the same job in other tools, and our own modes, against the targets; prints and draws.

In every repetition each of the things that are compared does one block, in a random order; a ratio
is the median of the ratios within a repetition. Only ratios within one run mean something.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from bench import machine, scaling
from bench.alternate import CLOCKS, Contender, alternate
from bench.peers import limits, modes, report, targets, tools
from bench.peers.job import Job
from bench.peers.lstm import LSTMJob

__all__ = ["main"]

CHART = Path(__file__).with_name("peers.png")


def compare_tools(jobs, chosen, repeats, seconds) -> list[Contender]:
    """Every tool and what the machine allows for every job; a job at a time."""
    found = []
    for job in jobs:
        contenders = tools.ours(job) + tools.theirs(job, chosen)
        contenders += limits.of(job) if isinstance(job, Job) else []
        found += alternate(contenders, repeats, seconds)
    return found


def compare_modes(repeats: int, longer: float, clock: str) -> dict[str, np.ndarray]:
    """Seconds a step of everything in `modes`, group by group, and in `scaling`."""
    times = {}
    for group in modes.GROUPS:
        some = max(3, round(group.share * repeats))
        for contender in alternate(group.make(), some, longer * group.seconds):
            times[contender.name] = np.array(contender.times[clock])
    points = scaling.measure(max(3, round(0.4 * repeats)), longer * 0.02, clock)
    return times | scaling.in_cache(points)


@click.command(help=__doc__.splitlines()[0])
@click.option(
    "--units",
    type=int,
    multiple=True,
    default=(20, 128),
    show_default=True,
    help="Other sizes than these have no targets.",
)
@click.option(
    "--lstm-units",
    type=int,
    multiple=True,
    default=(64,),
    show_default=True,
    help="Of the second job; other sizes have no targets.",
)
@click.option("--symbols", type=int, default=64, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=25, show_default=True)
@click.option("--milliseconds", type=float, default=20.0, show_default=True, help="Of a block.")
@click.option(
    "--tools",
    "chosen",
    default=",".join(tools.TOOLS),
    show_default=True,
    help="Others to compare with; '' for none.",
)
@click.option("--modes/--no-modes", "own", default=True, help="Our own modes, too.  [default: yes]")
@click.option(
    "--clock",
    type=click.Choice(list(CLOCKS)),
    default="wall",
    show_default=True,
    help="cpu: what the process used, for a machine that others use too.",
)
@click.option("--chart", type=Path, default=CHART, show_default=True, help="And beside it, as SVG.")
@click.option("--markdown", type=Path, help="Also write the tables there.")
def main(
    units, lstm_units, symbols, repeats, milliseconds, chosen, own, clock, chart, markdown
) -> None:
    facts = [
        *machine.facts(),
        f"{clock} clock, median of {repeats} repetitions, A = {symbols}, float32",
    ]
    seconds = milliseconds / 1e3
    others = tuple(tool for tool in chosen.split(",") if tool)
    jobs = [Job(n, symbols) for n in units] + [LSTMJob(n, symbols) for n in lstm_units]
    contenders = compare_tools(jobs, others, repeats, seconds)
    times = {one.name: np.array(one.times[clock]) for one in contenders}
    cases = [one for one in contenders if isinstance(one, tools.Case)]
    if own:
        times |= compare_modes(repeats, milliseconds / 20, clock)
    facts.append(f"load average when it ended: {machine.load()}")
    rows, outcomes = report.rows(cases, clock), targets.outcomes(times)
    report.show(rows, outcomes, facts, sys.stdout)
    if markdown:
        markdown.write_text(report.as_markdown(rows, outcomes, facts), encoding="utf-8")
    try:
        for job, path in ((Job, chart), (LSTMJob, chart.with_stem(f"{chart.stem}_lstm"))):
            shown = [row for row in rows if row.rule in job.ours]
            saved = report.draw(shown, facts, path) if shown else []
            click.echo(f"chart: {', '.join(map(str, saved))}", err=True)
    except ImportError as error:
        click.echo(f"no chart: {error}", err=True)
