"""Display while a network learns: a table, a live line, a summary.

A line is printed for each row of the history. On a terminal a further line is rewritten in place
and shows the present moment. Elsewhere there are only plain lines, without control characters.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import IO, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nbt.display.visible import visible
from nbt.streams.counts import noted
from nbt.training.history import History
from nbt.training.rows import UNITS, HistoryRow, loss_text

REFRESH = 0.1  # seconds between two updates of the live line

COLUMNS = (  # two lines of heading, and a width
    ("average", "", 9),
    ("since", "last line", 11),
    ("step", "", 13),
    ("symbols", "per second", 12),
    ("elapsed", "", 11),
    ("entropy", "rate", 10),
)

FIRST_TO_GO = ("entropy", "elapsed", "symbols", "since")  # left out on a narrow terminal
LEAST = 24  # fewest columns for the values of facts

STOPPED = {
    "end": "end of the source",
    "steps": "all steps done",
    "seconds": "time is up",
    "interrupt": "interrupted",
    "terminated": "terminated",
    "divergence": "diverged",
    "error": "stopped by an error",
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def open_console(file: IO[str]) -> Console:
    """Return a console that prints to a text stream, with colours only on a terminal."""
    return _Console(file=file, force_terminal=file.isatty(), highlight=False)


def line_of(text: object, style: str = "") -> Text:
    """Return a line that is safe to show. All text from data goes this way to a terminal."""
    return Text(visible(text), style=style)


def print_facts(console: Console, pairs: dict[str, str], least: int = 10) -> None:
    """Print lines of a name and its value. On a terminal they are wrapped between words."""
    width = max(least, *(len(name) + 1 for name in pairs))
    for name, value in pairs.items():
        lines = [line_of(value)]
        if console.is_terminal:
            lines = line_of(value).wrap(console, max(LEAST, console.width - width))
        for k, line in enumerate(lines):
            line.rstrip()
            said = Text.assemble((f"{'' if k else visible(name):<{width}}", "bold"), line)
            console.print(said, soft_wrap=True)


class Screen:
    """Display of a history on a text stream; a context manager.

    Parameters
    ----------
    file : text stream
        Where to print.
    entropy_rate : float or None
        Entropy rate, shown in each line if it is known.
    unit : {"bits", "nats"}
        Unit of the losses: bits per symbol, or nats per step of numbers.
    live : bool
        Whether to show a live line if `file` is a terminal.
    steps, seconds : number or None
        Where the run will stop.
    shown : int
        Number of rows of the history that were shown before.
    """

    def __init__(
        self,
        file: IO[str],
        *,
        entropy_rate: float | None = None,
        unit: str = "bits",
        live: bool = True,
        steps: int | None = None,
        seconds: float | None = None,
        shown: int = 0,
    ) -> None:
        terminal = file.isatty()
        self._console = open_console(file)
        self._entropy = "" if entropy_rate is None else f"{entropy_rate:.4f}"
        columns = COLUMNS if self._entropy else COLUMNS[:-1]
        self._columns = fitting(columns, FIRST_TO_GO, self._console)
        self._steps, self._seconds = steps, seconds
        self._unit = unit
        self.shown = shown
        self._next_look = 0.0
        self._live = None
        if live and terminal:  # rich does not use it on dumb terminals
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )

    def __enter__(self) -> Screen:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, line: str = "", style: str = "") -> None:
        """Print one line."""
        self._console.print(line_of(line, style), soft_wrap=True)

    def facts(self, pairs: dict[str, str]) -> None:
        """Print lines of a name and its value."""
        print_facts(self._console, pairs)

    def heading(self) -> None:
        """Print the names of the columns."""
        for i in (0, 1):
            names = (f"{self._name(column[0], column[i]):>{column[2]}}" for column in self._columns)
            self.say("".join(names).rstrip(), "bold")

    def _name(self, column: str, said: str) -> str:
        if column == "average":
            return said or self._unit
        return "steps" if (said, self._unit) == ("symbols", "nats") else said

    def update(self, history: History, row: HistoryRow) -> None:
        """Print the new rows and rewrite the live line; for `nbt.train(progress=...)`."""
        self.rows(history)
        now = time.monotonic()
        if self._live and now >= self._next_look:
            self._next_look = now + REFRESH
            text = f"{self._line(row)}  {self._left(row)}".rstrip()
            self._live.update(
                Text(text, style="cyan", no_wrap=True, overflow="ellipsis"), refresh=True
            )

    def now(self, history: History) -> None:
        """Print the line of this moment."""
        self.say(self._line(history.live()))

    def rows(self, history: History) -> None:
        """Print the new rows."""
        for i in range(self.shown, len(history)):
            self.say(self._line(history[i]))
        self.shown = len(history)

    def _line(self, row: HistoryRow) -> str:
        values = {
            "average": loss_text(row.average),
            "since": loss_text(row.since),
            "step": str(row.step),
            "symbols": speed(row.symbols_per_second),
            "elapsed": duration(row.seconds),
            "entropy": self._entropy,
        }
        return "".join(f"{values[name]:>{width}}" for name, _, width in self._columns)

    def _left(self, row: HistoryRow) -> str:
        left = []
        if self._steps is not None and row.step:
            left.append(row.seconds * (self._steps - row.step) / row.step)
        if self._seconds is not None:
            left.append(max(0.0, self._seconds - row.seconds))
        return f"{duration(min(left))} left" if left else ""


def fitting(columns: tuple[Any, ...], first_to_go: Sequence[str], console: Console) -> Any:
    """Return the columns (name, …, width) for which the terminal is wide enough; those in
    `first_to_go` are left out first."""
    for name in first_to_go:
        if not console.is_terminal or sum(column[-1] for column in columns) < console.width:
            break
        columns = tuple(column for column in columns if column[0] != name)
    return columns


def network(cell: Any, name: str = "network") -> dict[str, str]:
    """Return a cell as lines of a name and its value. A stack has a line for each layer, or for
    several equal ones in a row."""
    from nbt.cells import Stack

    if not isinstance(cell, Stack):
        return {name: str(cell)}
    skip = "" if cell.skip else ", the first one alone sees the input"
    lines, first = {name: f"{len(cell.cells)} layers, {cell.units} units{skip}"}, 1
    for layer, same in itertools.groupby(map(str, cell.cells)):
        last = first + len(list(same)) - 1
        lines[f"layer {first}" if first == last else f"layer {first}-{last}"] = layer
        first = last + 1
    return lines


def speed(per_second: float) -> str:
    """Return a number of symbols per second as short text."""
    return "-" if math.isnan(per_second) else f"{per_second:,.0f}"


def duration(seconds: float) -> str:
    """Return a time as short text: 1.2 ms, 12.3 s, or hours:minutes:seconds."""
    if seconds < 0.1:
        return f"{1000 * seconds:.1f} ms"
    if seconds < 1000:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def summary(history: History, trainer: Any, entropy_rate: float | None) -> dict[str, str]:
    """Return the summary at the end, as lines of a name and its value."""
    end = history.live()
    lines = {"stopped": STOPPED.get(history.stopped, str(history.stopped))}
    per = UNITS[history.unit]
    steps = "steps" if history.unit == "nats" else "symbols"
    learned = steps.removesuffix("s") if end.step == 1 else steps
    lines["learned"] = f"{end.step:,} {learned} in {duration(end.seconds)}"
    if said := noted(end.counts):
        lines["faults"] = said
    if end.step:
        start, loss = history.tail()
        lines["average"] = f"{loss_text(end.average)} {per}"
        if start:
            lines["since"] = f"{loss_text(loss)} {per} since step {start:,}"
        if entropy_rate is not None:
            lines["entropy"] = f"{entropy_rate:.4f} bits per symbol"
        if end.seconds > 0:
            rate = end.step / end.seconds
            lines["speed"] = f"{rate:,.0f} {steps} per second ({1e6 / rate:.2f} us each)"
    return {**lines, "size": f"{trainer.parameter_count:,} parameters"}


def optimizers(trainer: Any) -> dict[str, str]:
    """Return the optimizer as a line of a name and its value; two where the readout has its own."""
    first, second = trainer.optimizer, trainer.readout_optimizer
    lines = {"optimizer": str(first)}
    return lines if first == second else lines | {"of the readout": str(second)}
