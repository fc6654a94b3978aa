"""What was measured, as rows, as tables and as a chart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import picture
from bench.alternate import spread

__all__ = ["Row", "as_markdown", "draw", "rows", "show"]

RULES = {
    "forward": "forward only",
    "euclidean": "NoBackTrack rank 1, Euclidean",
    "kalman": "NoBackTrack rank 1, Kalman",
    "euclidean, every=10": "rank 1, Euclidean, every=10",
    "kalman, every=10": "rank 1, Kalman, every=10",
    "default": "NoBackTrack, default",
    "tbptt": "TBPTT-15",
    "lstm forward": "LSTM, forward only",
    "lstm": "LSTM, TBPTT-10, Adam",
    "lstm default": "LSTM, NoBackTrack, default",
}
NAMES = {"nbt": "nbt", "numpy": "NumPy", "numba": "Numba", "jax": "JAX", "torch": "PyTorch"}
COLORS = {
    "nbt": "#d1495b",
    "numpy": "#8d99ae",
    "numba": "#3a7ca5",
    "jax": "#66a182",
    "torch": "#edae49",
}
TARGET_COLUMNS = ("target", "units", "wanted", "measured", "quartiles", "at best", "")
VERDICTS = {"met": "[green]met[/]", "not met": "[bold red]not met[/]"}
COLUMNS = ("units", "rule", "tool", "µs/step", "quartiles", "× nbt", "× forward", "CPU/wall")


@dataclass(frozen=True)
class Row:
    """One case's figures. `ratio`: to ours under the same rule; `forward`: to our forward step."""

    units: int
    rule: str
    tool: str
    label: str
    microseconds: float
    quartiles: tuple[float, float]
    ratio: float
    forward: float
    busy: float

    def cells(self) -> list[str]:
        """One string for each of `COLUMNS`."""
        low, high = self.quartiles
        return [
            str(self.units),
            RULES[self.rule],
            self.label,
            f"{self.microseconds:.3g}",
            f"{low:.3g}–{high:.3g}",
            f"{self.ratio:.3g}" if self.tool != "nbt" else "",
            f"{self.forward:.3g}" if self.tool == "nbt" else "",
            f"{self.busy:.2f}",
        ]


def rows(cases, clock: str) -> list[Row]:
    """One row for each case, by units, rule and speed. Ratios are taken within repetitions."""
    ours = {(case.job.units, case.rule): case for case in cases if case.tool == "nbt"}
    found = []
    for case in cases:
        seconds = np.array(case.times[clock])
        own = ours[case.job.units, case.rule]
        forward = ours[case.job.units, case.job.forward]
        low, middle, high = spread(1e6 * seconds)
        variant = f" {case.variant}" if case.tool != "nbt" else ""
        row = Row(
            case.job.units,
            case.rule,
            case.tool,
            NAMES[case.tool] + variant,
            middle,
            (low, high),
            float(np.median(seconds / own.times[clock])),
            float(np.median(seconds / forward.times[clock])),
            sum(case.times["cpu"]) / sum(case.times["wall"]),
        )
        found.append(row)
    order = list(RULES)
    return sorted(found, key=lambda row: (row.units, order.index(row.rule), row.microseconds))


def show(rows: list[Row], outcomes, facts: list[str], file) -> None:
    """Prints a table of the tools, one of the targets, and the facts below them."""
    table = Table(*COLUMNS)
    for column in table.columns[3:]:
        column.justify = "right"
    last = None
    for row in rows:
        if last is not None and last != row.units:
            table.add_section()
        table.add_row(*row.cells())
        last = row.units
    aims = Table(*TARGET_COLUMNS)
    for column in aims.columns[1:6]:
        column.justify = "right"
    for outcome in outcomes:
        *cells, verdict = outcome.cells()
        aims.add_row(*cells, VERDICTS.get(verdict, verdict))
    console = Console(file=file, width=None if file.isatty() else 130)
    for one in (table, aims):
        console.print(one)
    met = [outcome.met for outcome in outcomes if outcome.met is not None]
    console.print(f"{sum(met)} of {len(met)} targets met", highlight=False)
    for line in facts:
        console.print(line, highlight=False)


def markdown_table(lines: list, right: range) -> str:
    """Lines of cells, the first one the heading; columns in `right` are aligned there."""
    head = lines[0]
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines[1:]])


def as_markdown(rows: list[Row], outcomes, facts: list[str]) -> str:
    """The same as Markdown."""
    tools = markdown_table([COLUMNS, *(row.cells() for row in rows)], range(3, len(COLUMNS)))
    aims = markdown_table([TARGET_COLUMNS, *(o.cells() for o in outcomes)], range(1, 6))
    return f"{tools}\n\n{aims}\n\n{'; '.join(facts)}.\n"


def draw(rows: list[Row], facts: list[str], path) -> list:
    """Bars of microseconds a step, log scale, a panel for each number of units; what was saved."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    sizes = sorted({row.units for row in rows})
    rules = [rule for rule in RULES if any(row.rule == rule for row in rows)]
    places, headings, labels, place = {}, {}, {}, 0.0
    for rule in rules:
        headings[rule] = place
        place += 1.0
        of_rule = {}
        for row in rows:  # the order of the first size, in every panel
            if row.rule == rule:
                of_rule.setdefault(row.label)
        for label in of_rule:
            places[rule, label], labels[place] = place, label
            place += 1.0
        place += 0.5

    figure, panels = plt.subplots(
        1,
        len(sizes),
        figsize=(3.6 + 6.2 * len(sizes), 1.6 + 0.42 * place),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    left = 0.6 * min(row.microseconds for row in rows)
    right = max(row.microseconds for row in rows)
    for panel, units in zip(panels[0], sizes, strict=True):
        shown = [row for row in rows if row.units == units]
        at = [places[row.rule, row.label] for row in shown]
        times = [row.microseconds for row in shown]
        panel.barh(at, times, 0.82, color=[COLORS[row.tool] for row in shown])
        for y, row in zip(at, shown, strict=True):
            digits = f"{row.microseconds:#.2g}".rstrip(".")
            number = digits if row.microseconds < 99 else f"{row.microseconds:.0f}"
            ratio = f"{row.ratio:.0f}" if row.ratio > 9.95 else f"{row.ratio:.1f}"
            ratio = "" if row.tool == "nbt" else f"   ({ratio} ×)"
            panel.annotate(
                number + ratio,
                (row.microseconds, y),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=15,
            )
        for rule, y in headings.items():
            panel.annotate(
                RULES[rule],
                (0, y),
                (4, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                fontsize=15,
                weight="bold",
            )
        panel.set(xscale="log", xlim=(left, right * 8), ylim=(place - 0.5, -0.7))
        panel.set_title(f"{units} units", fontsize=18, weight="bold", loc="left")
        panel.set_xlabel("µs a step, log scale (in brackets: × nbt)", fontsize=15)
        panel.xaxis.set_major_formatter("{x:g}")
        panel.tick_params("x", labelsize=14)
        panel.tick_params("y", length=0)
        panel.set_yticks(list(labels), labels.values(), fontsize=15)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.grid(axis="x", color="0.88", linewidth=0.8)
        panel.set_axisbelow(True)
    saved = picture.save(figure, facts, path)
    plt.close(figure)
    return saved
