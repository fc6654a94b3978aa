"""What `nbt reproduce` and `nbt compare` have in common: progress, tables, results."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from nbt.cli.screen import duration, line_of
from nbt.display.visible import visible

if TYPE_CHECKING:
    from nbt.experiments import Figure, Study
    from nbt.experiments.report import Ruling
    from nbt.experiments.workers import Done, Workers

MARKS = {"held": "green", "did not hold": "red", "mixed": "yellow", "not run": "dim"}
WIDTH = 110  # columns if the width is not known


def conduct(figures: Sequence[Figure], title: str, given: dict[str, Any]) -> int:
    """Run what is missing, draw, and report; return the exit code."""
    from nbt.experiments import Limits, RunError, Study, plots, report

    plots.pyplot()  # first, so that a missing extra is reported before the long part
    budget = given["budget"] or (None if given["steps"] else 20.0)
    study = Study(figures, given["seeds"], Limits(budget, given["steps"]), given["output"])
    console = Console(stderr=True, highlight=False)
    try:
        _run(study, given["jobs"] or cpus(), console)
    except KeyboardInterrupt:
        study.reload()
        left, all_jobs = len(study.left()), len(study.jobs)
        text = (
            f"interrupted: {all_jobs - left} of {all_jobs} runs are kept in {given['output']}; "
            "the same command goes on from there"
        )
        console.print(line_of(text), soft_wrap=True)
        return 130
    except BlockingIOError:
        raise click.UsageError(f"-o: {given['output']} is in use by another process") from None
    except RunError as error:
        raise click.ClickException(str(error)) from error
    path = report.write(study, title, command())
    _show(study, path)
    return 0


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def command() -> str:
    """Return the present command with all its options, as one would type it."""
    context = click.get_current_context()
    words, options = context.command_path.split(), []
    for parameter in context.command.params:
        value = context.params.get(parameter.name)  # None for an older word
        if value is None:
            continue
        texts = [_typed(part) for part in (value if isinstance(value, tuple) else [value])]
        if isinstance(parameter, click.Argument):
            words += texts
        else:
            options += [parameter.opts[-1], ",".join(texts)]
    return shlex.join([*words, *options])


def _typed(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}s"
    return str(getattr(value, "name", value))


# ---- progress -----------------------------------------------------------------------------------


def _run(study: Study, processes: int, console: Console) -> None:
    left = study.left()
    kept = len(study.jobs) - len(left)
    many = f"{len(study.jobs)} runs of {study.limits} or less, {processes} at a time"
    console.print(line_of(f"{many}, to {study.folder}"), soft_wrap=True)
    if kept:
        console.print(f"{kept} of them are there already")
    if not left:
        return
    columns = (
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[now]}", style="dim", markup=False),
    )
    progress = Progress(*columns, console=console, transient=True, expand=True)
    with progress:
        watch = _Watch(progress, console, len(left), study.limits.budget, processes)
        study.run(processes, watch)


class _Watch:
    """Progress bar: how many runs are done, the time left, what is running."""

    def __init__(self, progress, console, total: int, budget: float | None, processes: int) -> None:
        self.progress, self.console, self.total, self.budget = progress, console, total, budget
        self.processes = processes
        self.start, self.done = time.monotonic(), 0
        self.spent = 0.0  # by the runs that have ended
        self.task = progress.add_task("", total=total, left="", now="")

    def __call__(self, workers: Workers, done: Done | None) -> None:
        if done:
            self.done += 1
            if not self.console.is_terminal:
                text = f"{self.done} of {self.total}: {_outcome(done)}"
                self.console.print(line_of(text), soft_wrap=True)
        running = workers.running()
        names = [str(job) for job, _ in running]
        self.progress.update(
            self.task,
            completed=self.done,
            left=self._left(running),
            now=visible("; ".join(names[:1])),
        )

    def _left(self, running: list[tuple[Any, float]]) -> str:
        """Return in words the time left, estimated from the runs that ended and the progress of the
        others."""
        now = time.monotonic() - self.start
        if self.done:
            each = now * min(self.processes, self.total) / (self.done + 0.5 * len(running))
        elif self.budget:
            each = 1.2 * self.budget
        else:
            return ""
        waiting = self.total - self.done - len(running)
        rest = waiting * each + sum(max(0.0, each - since) for _, since in running)
        return f"{duration(max(1.0, rest / min(self.processes, self.total)))} left"


def _outcome(done: Done) -> str:
    if done.failure:
        return f"{done.job}: {done.failure}"
    record = done.result
    if "bits" in record:
        return f"{done.job}: " + ", ".join(f"{k} {v:.3f}" for k, v in record["bits"].items())
    if record["diverged_at"] is not None:
        return f"{done.job}: diverged at step {record['diverged_at']:,}"
    return f"{done.job}: {record['average_bits'][-1]:.4f} bits in {record['step'][-1]:,} symbols"


# ---- tables -------------------------------------------------------------------------------------


def _show(study: Study, path: Any) -> None:
    from nbt.experiments import report

    console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH)
    evidence = study.evidence()
    for figure in study.figures:
        console.print(_fitting(figure, report.rows(figure, evidence), evidence, console))
    found = report.rulings(study.figures, evidence)
    if found:
        console.print(_verdicts(found))
    click.echo(visible(path) if sys.stdout.isatty() else path)


def _number(bits: float) -> str:
    from nbt.experiments.report import number

    return number(bits)


COLUMNS: dict[str, Callable[[Any], str]] = {
    "optimizer": lambda line: line.rule.optimized,
    "bits, all": lambda line: _number(line.final),
    "quartiles": lambda line: f"{_number(line.low)} {_number(line.high)}",
    "same symbols": lambda line: _number(line.same_symbols),
    "same time": lambda line: _number(line.same_time),
    "last half": lambda line: _number(line.last_half),
    "symbols": lambda line: f"{line.symbols:,.0f}",
    "µs each": lambda line: f"{line.microseconds:.2f}",
    "diverged": lambda line: f"{line.diverged} of {line.runs}",
}
# Left out on a narrow terminal:
FIRST_TO_GO = ("quartiles", "symbols", "last half", "µs each", "bits, all", "diverged")


def _fitting(figure: Figure, lines: Sequence[Any], evidence: Any, console: Console) -> Table:
    """Return the table of a figure with the columns for which there is room."""
    columns, wide = dict(COLUMNS), console.options.update(width=1000)
    for name in (*FIRST_TO_GO, None):
        table = _figure(figure, lines, evidence, columns)
        if name is None or console.measure(table, options=wide).maximum <= console.width:
            break
        del columns[name]
    return table


def _figure(figure: Figure, lines: Sequence[Any], evidence: Any, columns: Any) -> Table:
    from nbt.experiments import AS_RUNS, report

    said = report.alike(report.common(figure, evidence))
    title = line_of(figure.title, "bold")
    table = Table(title=title, title_justify="left", expand=False)
    table.caption, table.caption_justify = line_of(said or ""), "left"
    table.add_column("rule", overflow="fold")
    for head in columns:
        text = head == "optimizer"
        table.add_column(head, justify="left" if text else "right", no_wrap=True)
    for line in lines:
        paper = " (paper)" if line.rule.origin == "paper" else ""
        table.add_row(line.rule.method + paper, *(shown(line) for shown in columns.values()))
    table.add_section()
    known = evidence.lines.get(figure.source.name, {})
    column = "same symbols" if figure.source.file == AS_RUNS else "bits, all"
    place = list(columns).index(column if column in columns else "same symbols")
    for name, bits in sorted(known.items(), key=lambda pair: pair[1]):
        table.add_row(line_of(name), *[""] * place, _number(bits))
    return table


def _verdicts(found: Sequence[Ruling]) -> Table:
    table = Table(title="Did it hold?", title_justify="left", title_style="bold", show_lines=True)
    table.add_column("the paper says", ratio=2)
    table.add_column("its settings", ratio=3)
    table.add_column("our defaults", ratio=3)
    for claim, paper, package in found:
        cells = [f"[{MARKS[v.outcome]}]{v.outcome}[/]\n{v.measured}" for v in (paper, package)]
        table.add_row(claim.sentence, *cells)
    return table
