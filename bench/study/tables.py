"""Lines of a table: medians and worsts over seeds, at equal steps or at equal CPU time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.study.runs import PARTS, Result, Run

HEADINGS = ["stream", "variant", "steps", "seeds", "all", "worst", "last half", "worst"]
HEADINGS += ["last tenth", "worst", "peak", "µs", "diverged"]
NAMES = 2  # columns of text
Lines = dict[tuple[str, str], list[tuple[Run, Result]]]


def lines_of(runs: Iterable[Run], known: dict[Run, Result]) -> Lines:
    """The runs that were made, by stream and variant."""
    lines: Lines = {}
    for run in runs:
        if run in known:
            lines.setdefault((run.stream, run.variant), []).append((run, known[run]))
    return lines


def longest(runs: Iterable[Run], known: dict[Run, Result]) -> list[Run]:
    """The runs of these streams, variants and seeds that were made, each as long as there is."""
    wanted = {(run.stream, run.variant, run.seed): run for run in runs}
    for run in known:
        key = run.stream, run.variant, run.seed
        if key in wanted and (wanted[key] not in known or run.steps > wanted[key].steps):
            wanted[key] = run
    return list(wanted.values())


def cost(results: Iterable[tuple[Run, Result]]) -> float:
    """Microseconds a step, in the median; NaN if all diverged."""
    times = [1e6 * made.seconds / run.steps for run, made in results if made.seconds is not None]
    return float(np.median(times)) if times else math.nan


def common_time(lines: Lines, stream: str) -> float:
    """The CPU seconds that every variant on a stream has at least run."""
    of_stream = [results for (name, _), results in lines.items() if name == stream]
    return float(np.nanmin([cost(each) * min(r.steps for r, _ in each) / 1e6 for each in of_stream]))


def curve(run: Run, made: Result, steps: float) -> np.ndarray:
    """Bits in each hundredth of the first so many steps; infinite where it diverged."""
    if made.bits is None:
        return np.full(PARTS, np.inf)
    total = np.concatenate([[0.0], np.cumsum(made.bits)])
    at = np.interp(np.linspace(0, steps / run.steps * PARTS, PARTS + 1), range(PARTS + 1), total)
    return np.diff(at) * run.steps / steps


def figures(results: list[tuple[Run, Result]], steps: float) -> list[str]:
    """Over all, the last half and the last tenth, median and worst; the worst hundredth of the last
    half of all; microseconds; how many diverged."""
    curves = [curve(run, made, steps) for run, made in results]
    cells = [f"{steps:.2g}", str(len(results))]
    for part in (1, 2, 10):
        values = [bits[-(PARTS // part) :].mean() for bits in curves]
        cells += [f"{np.median(values):.3f}", f"{max(values):.3f}"]
    cells.append(f"{max(bits[PARTS // 2 :].max() for bits in curves):.3f}")
    diverged = sum(made.bits is None for _, made in results)
    return [*cells, f"{cost(results):.1f}", str(diverged)]


def rows(lines: Lines, equal_time: bool, seconds: float | None = None) -> list[list[str]]:
    out = []
    for (stream, name), results in lines.items():
        steps = float(min(run.steps for run, _ in results))
        if equal_time:
            at = common_time(lines, stream) if seconds is None else seconds
            steps = min(steps, 1e6 * at / cost(results))
        out.append([stream, name, *figures(results, steps)])
    return out


def show(lines: list[list[str]], markdown: Path | None) -> None:
    table = Table(*HEADINGS)
    for column in table.columns[NAMES:]:
        column.justify = "right"
    for line in lines:
        table.add_row(*line)
    Console(width=150).print(table)
    if markdown:
        ruled = ["---"] * NAMES + ["---:"] * (len(HEADINGS) - NAMES)
        whole = [HEADINGS, ruled, *lines]
        markdown.write_text("\n".join(f"| {' | '.join(line)} |" for line in whole) + "\n")
