"""Lines of a table: medians and worsts over seeds, at equal steps or at equal CPU time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.study.runs import PARTS, Kept, Result, Run

HEADINGS = ["stream", "variant", "steps", "seeds", "all", "worst", "last half", "worst"]
HEADINGS += ["last tenth", "worst", "peak", "µs", "diverged"]
Lines = dict[tuple[str, str], list[tuple[Run, Result]]]
Rows = list[list[str]]


def lines_of(runs: Iterable[Run], kept: Kept) -> Lines:
    """What was made of these runs, by stream and variant."""
    lines: Lines = {}
    for run in runs:
        if made := kept.of(run):
            lines.setdefault(run.line, []).append(made)
    return lines


def cost(results: Iterable[tuple[Run, Result]]) -> float:
    """Microseconds a step, the least over seeds: what else runs only adds. NaN if all diverged."""
    times = [1e6 * made.seconds / run.steps for run, made in results if made.seconds is not None]
    return min(times, default=math.nan)


def within(results: list[tuple[Run, Result]], seconds: float) -> float:
    """How many steps that time is enough for."""
    per_step = cost(results)
    return math.inf if math.isnan(per_step) else 1e6 * seconds / per_step


def curve(run: Run, made: Result, steps: float) -> np.ndarray:
    """Bits in each hundredth of the first so many steps; infinite where it diverged."""
    if made.bits is None:
        return np.full(PARTS, np.inf)
    total = np.concatenate([[0.0], np.cumsum(made.bits)])
    at = np.interp(np.linspace(0, steps / run.steps * PARTS, PARTS + 1), range(PARTS + 1), total)
    return np.diff(at) * run.steps / steps


def spread(results: list[tuple[Run, Result]], steps: float, part: int) -> list[str]:
    """Bits over the last so-many-th part of the first steps: median and worst over seeds."""
    values = [curve(run, made, steps)[-(PARTS // part) :].mean() for run, made in results]
    return [f"{np.median(values):.3f}", f"{max(values):.3f}"]


def figures(results: list[tuple[Run, Result]], steps: float) -> list[str]:
    """Over all, the last half and the last tenth; the worst hundredth of the last half of all;
    microseconds; how many diverged."""
    parts = [cell for part in (1, 2, 10) for cell in spread(results, steps, part)]
    peak = max(curve(run, made, steps)[PARTS // 2 :].max() for run, made in results)
    diverged = sum(made.bits is None for _, made in results)
    cells = [f"{steps:.3g}", str(len(results)), *parts]
    return [*cells, f"{peak:.3f}", f"{cost(results):.1f}", str(diverged)]


def length(results: list[tuple[Run, Result]], steps: int, seconds: float | None) -> float:
    """So many steps, or what the CPU time is enough for; no more than were run."""
    wanted = steps if seconds is None else within(results, seconds)
    return min(wanted, *(run.steps for run, _ in results))


def rows(lines: Lines, steps: int, seconds: dict[str, float]) -> Rows:
    """Headings, and a row for each stream and variant; `seconds`: the CPU time for a stream."""
    out = [HEADINGS]
    for (stream, name), results in lines.items():
        at = length(results, steps, seconds.get(stream))
        out.append([stream, name, *figures(results, at)])
    return out


def wide_rows(lines: Lines, steps: int, seconds: dict[str, float]) -> Rows:
    """Headings, and a row for each variant: median and worst on each stream, over all; at equal
    CPU time over the last half."""
    streams = list(dict.fromkeys(stream for stream, _ in lines))
    out = [["variant", *(cell for stream in streams for cell in (stream, "worst"))]]
    for name in dict.fromkeys(name for _, name in lines):
        row = [name]
        for stream in streams:
            results = lines.get((stream, name))
            at = results and length(results, steps, seconds.get(stream))
            row += spread(results, at, 2 if seconds else 1) if results else ["", ""]
        out.append(row)
    return out


def time_of(lines: Lines, name: str, steps: int) -> dict[str, float]:
    """The CPU seconds that a variant takes for so many steps, by stream."""
    return {
        stream: cost(results) * steps / 1e6
        for (stream, variant), results in lines.items()
        if variant == name
    }


def show(rows: Rows, markdown: Path | None) -> None:
    texts = rows[0].index("variant") + 1  # columns of text, before those of numbers
    table = Table(*rows[0])
    for column in table.columns[texts:]:
        column.justify = "right"
    for row in rows[1:]:
        table.add_row(*row)
    Console(width=150).print(table)
    if markdown:
        ruled = [rows[0], ["---"] * texts + ["---:"] * (len(rows[0]) - texts), *rows[1:]]
        markdown.write_text("\n".join(f"| {' | '.join(row)} |" for row in ruled) + "\n")
