"""History of the losses that were measured while a network learned."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.display import notebooks
from nbt.display.plots import figure, legend
from nbt.display.visible import visible
from nbt.errors import DataError
from nbt.streams.counts import COUNTS
from nbt.training import arrays, lines
from nbt.training.rows import UNITS, HistoryRow, Sum, converted, loss_text, mean

__all__ = ["History"]


class History(_arguments.Closed):
    """History of losses, with rows at the steps 1, 2, 4, 8, ... (or more of them) and at the end.

    The columns are arrays, int64 for counts and else float64, see `HistoryRow`. Losses are in
    `unit`: bits per symbol, or nats per step of numbers. `average_bits` and the like are in the
    unit that they name. Losses are added up in the order of the steps, so the sums do not depend on
    how a stream is cut into chunks.

    Parameters
    ----------
    settings : mapping, optional
        Settings of the run; anything that JSON can hold. ``{"unit": "nats"}`` makes a history of
        numbers.
    per_octave : int
        Number of rows from a step to its double, from 1 to 1000. They are at the integer parts of
        2^(k / per_octave).

    Attributes
    ----------
    settings : dict
        A copy of the argument.
    stopped : str or None
        Why the run ended: "end" (of the stream), "steps", "seconds", "interrupt", "terminated",
        "error" or "divergence". None while it runs.
    counts : dict of str to int
        Faults that the stream has met so far and went on after: `Stream.counts`.

    Raises
    ------
    TypeError
        `settings` is no mapping, `per_octave` no integer.
    ValueError
        `per_octave` is not in [1, 1000].

    Examples
    --------
    >>> history = History()
    >>> history.add(np.log([2.0, 2.0, 4.0]), seconds=0.5)
    >>> history.finish("end")
    >>> history.step.tolist(), history.since_bits.tolist()
    ([1, 2, 3], [1.0, 1.0, 2.0])
    """

    _more = ("stopped", "counts")

    def __init__(self, settings: Mapping[str, Any] | None = None, per_octave: int = 1) -> None:
        self.settings = dict(settings or {})
        self.per_octave = _arguments.integer("per_octave", per_octave, high=1000)
        self.stopped: str | None = None
        self._columns = {name: np.zeros(32, kind) for name, kind in arrays.COLUMNS.items()}
        self._rows = 0
        self.counts = dict.fromkeys(COUNTS, 0)
        self._now = self._last = Sum(0, 0.0, 0.0)  # sums up to now; up to the last row
        self._open = (0, self._last)  # rows, and sums there, without the row that `finish` adds

    def add(
        self, losses: np.ndarray, seconds: float, counts: Mapping[str, int] | None = None
    ) -> None:
        """Add the losses of the next steps.

        The times of rows within these steps are interpolated. NaN stands for a step without a loss:
        it counts as a step, but not in the averages.

        Parameters
        ----------
        losses : array (steps,)
            Losses in nats, in order.
        seconds : float
            Time from the start of the run to the end of these steps.
        counts : mapping of str to int, optional
            Faults that the stream had met by then: `Stream.counts`.
        """
        self.counts |= counts or {}
        losses = np.asarray(losses, np.float64)
        if not losses.size:
            return
        self._reopen()
        before = self._now
        none = np.isnan(losses)
        known = np.where(none, 0.0, losses)
        sums = np.cumsum(np.concatenate([[before.nats], known]))
        gaps = np.cumsum(np.concatenate([[before.unscored], none]), dtype=np.int64)
        begin, recent = 0, before.recent
        for step in _marks(before.step, before.step + losses.size, self.per_octave):
            part = (step - before.step) / losses.size
            at = before.seconds + part * (seconds - before.seconds)
            k = step - before.step
            recent = _added(recent, known[begin:k])
            self._row(Sum(step, float(sums[k]), at, int(gaps[k]), recent))
            begin, recent = k, 0.0
        self._open = self._rows, self._last
        recent = _added(recent, known[begin:])
        step = before.step + losses.size
        self._now = Sum(step, float(sums[-1]), float(seconds), int(gaps[-1]), recent)

    def finish(self, stopped: str) -> None:
        """Add the row of the last step, if it is missing, and record why the run ended. `add`
        removes it again.

        Parameters
        ----------
        stopped : str
            The reason; see `stopped`.
        """
        if self._now.step > self._last.step:
            self._row(self._now)
        self.stopped = stopped

    def _reopen(self) -> None:
        self._rows, self._last = self._open
        self.stopped = None

    @property
    def unit(self) -> str:
        """Unit of the losses that are shown: "bits" per symbol, or "nats" per step of numbers."""
        return "nats" if self.settings.get("unit") == "nats" else "bits"

    @property
    def entropy_rate(self) -> float | None:
        """Entropy rate of the stream in bits per symbol; None where the settings do not have it."""
        rate = self.settings.get("entropy_rate")
        known = isinstance(rate, int | float) and abs(rate) < 1e9  # a file may say anything
        return float(rate) if known else None

    def live(self) -> HistoryRow:
        """Return the row of this moment."""
        return self._now.since(self._last, self.unit)._replace(**self.counts)

    def tail(self) -> tuple[int, float]:
        """Return the last row at or before half of the steps, and the mean loss since then, in
        `unit`. It is NaN if no step since then had a loss. If an older version did not record the
        steps without a loss, the row is step 0."""
        i = int(np.searchsorted(self.step, self._now.step // 2, side="right")) - 1
        if i < 0 or self.unscored[i] < 0:
            return 0, self.live().average
        row, end = self[i], self._open[0]
        scored = np.diff(self.step[i:end] - self.unscored[i:end])
        nats = float((self.since_nats[i + 1 : end] * scored)[scored > 0].sum()) + self._now.recent
        count = self._now.step - self._now.unscored - (row.step - row.unscored)
        return row.step, mean(nats, count, self.unit)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, i: int) -> HistoryRow:
        i = range(self._rows)[i]
        return HistoryRow(*(c[i].item() for c in self._columns.values()), unit=self.unit)

    def __iter__(self) -> Iterator[HistoryRow]:
        return (self[i] for i in range(self._rows))

    def __repr__(self) -> str:
        loss = f", {loss_text(self.live().average)} {UNITS[self.unit]}" if self._now.step else ""
        return f"<History: {self._now.step} steps{loss}, {self._rows} rows>"

    def _repr_html_(self) -> str:
        now = self.live()
        rows = [("steps", f"{now.step:,}"), ("rows", f"{len(self):,}")]
        if now.step:
            start, loss = self.tail()
            rows += [(UNITS[self.unit], loss_text(now.average))]
            rows += [(f"since step {start:,}", loss_text(loss))]
            rows += [("seconds", f"{now.seconds:.1f}")]
        return notebooks.table("History", [*rows, ("ended by", self.stopped or "nothing yet")])

    @property
    def step(self) -> np.ndarray:
        """Symbols learned up to each row, int64."""
        return self._column("step")

    @property
    def average(self) -> np.ndarray:
        """Mean loss from the start to each row, in `unit`."""
        return self._column("average")

    @property
    def since(self) -> np.ndarray:
        """Mean loss from the previous row to each row, in `unit`."""
        return self._column("since")

    @property
    def average_bits(self) -> np.ndarray:
        """`average` in bits, whatever `unit` is."""
        return converted(self.average, self.unit, "bits")

    @property
    def since_bits(self) -> np.ndarray:
        """`since` in bits."""
        return converted(self.since, self.unit, "bits")

    @property
    def average_nats(self) -> np.ndarray:
        """`average` in nats, whatever `unit` is."""
        return converted(self.average, self.unit, "nats")

    @property
    def since_nats(self) -> np.ndarray:
        """`since` in nats."""
        return converted(self.since, self.unit, "nats")

    @property
    def seconds(self) -> np.ndarray:
        """Time from the start to each row."""
        return self._column("seconds")

    @property
    def symbols_per_second(self) -> np.ndarray:
        """Speed from the previous row to each row."""
        return self._column("symbols_per_second")

    @property
    def unscored(self) -> np.ndarray:
        """Steps without a loss up to each row, int64; see `HistoryRow`."""
        return self._column("unscored")

    @property
    def replaced(self) -> np.ndarray:
        """Bytes that were no valid characters, up to each row, int64; see `HistoryRow`."""
        return self._column("replaced")

    @property
    def unknown(self) -> np.ndarray:
        """Symbols outside the alphabet, up to each row, int64."""
        return self._column("unknown")

    @property
    def skipped(self) -> np.ndarray:
        """Records that could not be read, up to each row, int64."""
        return self._column("skipped")

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Plot the loss over the steps: the average, and the loss since the previous row.

        Parameters
        ----------
        path : str or path-like, optional
            File to write the plot to, in the format of its suffix (.png, .svg, .pdf).

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingExtra
            matplotlib is not installed: ``pip install "nobacktrack[plot]"``.
        """
        picture = figure(7, 4)
        axes = picture.subplots()
        for losses, label in ((self.average, "average"), (self.since, "since the row before")):
            axes.plot(self.step, losses, marker="o", ms=3, label=label)
        if (entropy := self.entropy_rate) is not None:
            axes.axhline(entropy, color="gray", linestyle="--", label="entropy rate")
        axes.set_xscale("log")
        name = visible(self.settings.get("stream", ""))
        axes.set_title(name, parse_math=False)  # a dollar sign is shown as such
        axes.set(
            xlabel="steps" if self.unit == "nats" else "symbols",
            ylabel=UNITS[self.unit],
        )
        legend(axes, 3)
        if path is not None:
            picture.savefig(path)
        return picture

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON lines: first the settings, then one object per row.

        Parameters
        ----------
        path : str or path-like
            File to write.

        Raises
        ------
        TypeError
            `path` is no path.
        OSError
            The file cannot be written.
        """
        lines.write(self, _arguments.path("path", path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Return the history that `save` wrote.

        Parameters
        ----------
        path : str or path-like
            File to read.

        Raises
        ------
        DataError
            The file is not a history; the message names the line.
        TypeError
            `path` is no path.
        OSError
            The file cannot be read.
        """
        path = _arguments.path("path", path)
        head, rows = lines.read_rows(path)
        try:
            history = cls(head.get("settings"), head.get("per_octave", 1))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: line 1: not a history ({error})") from None
        for i, values in enumerate(rows, 2):
            try:
                row, now = lines.row_of(values, history.unit, history._now.step)
            except (TypeError, ValueError, KeyError, OverflowError) as error:
                raise DataError(f"{path}: line {i}: not a row of a history ({error})") from None
            history._append(row)
            history.counts, history._now, history._last = row.counts, now, now
            history._open = history._rows, now
        history.stopped = head.get("stopped")
        return history

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return all that is needed to go on as if the run had never stopped: the columns and the
        sums."""
        return arrays.taken(self)

    @classmethod
    def from_state(
        cls, state: Mapping[str, np.ndarray], settings: Mapping[str, Any] | None = None
    ) -> History:
        """Return the history whose `state_dict` this is.

        Parameters
        ----------
        state : mapping of str to array
            What `state_dict` returned.
        settings : mapping, optional
            As in `History`.

        Raises
        ------
        TypeError
            `state` is no mapping to arrays.
        ValueError
            `state` is not the state of a history: it has other names, types or shapes, or its
            numbers contradict each other.
        """
        history = cls(settings)
        arrays.put(history, state)
        return history

    def _column(self, name: str) -> np.ndarray:
        column = self._columns[name][: self._rows]
        column.flags.writeable = False
        return column

    def _row(self, now: Sum) -> None:
        self._append(now.since(self._last, self.unit)._replace(**self.counts))
        self._last = now

    def _append(self, row: HistoryRow) -> None:
        if self._rows == len(self._columns["step"]):
            self._columns = {k: np.concatenate([v, v]) for k, v in self._columns.items()}
        for name, value in zip(self._columns, row, strict=False):  # all but the unit
            self._columns[name][self._rows] = value
        self._rows += 1


def _added(total: float, losses: np.ndarray) -> float:
    """Return the total with the losses added one after the other, whatever the chunks."""
    return float(np.cumsum(np.concatenate([[total], losses]))[-1])


def _marks(after: int, last: int, per_octave: int) -> Iterator[int]:
    """Yield the integer parts of 2^(k / per_octave) above `after`, up to `last`, each once."""
    k = max(0, math.floor(per_octave * math.log2(max(after, 1))) - 1)
    while (step := int(2.0 ** (k / per_octave))) <= last:
        if step > after:
            yield step
            after = step
        k += 1
