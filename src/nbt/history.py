"""What was measured while a network learned."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nbt import _arguments, showing
from nbt.counts import COUNTS
from nbt.errors import DataError
from nbt.history_rows import BITS_PER_NAT, HistoryRow, Sum, shown_unit

__all__ = ["History"]

FORMAT = "nbt-history"
SCHEMA = 1
KINDS = dict.fromkeys(HistoryRow._fields, np.float64) | dict.fromkeys(("step", *COUNTS), np.int64)
_NOW = {f"now.{name}": name for name in COUNTS}


class History:
    """Losses summed up at the steps 1, 2, 4, 8, ... (or denser) and at the end.

    The columns are arrays: `step`, `replaced`, `unknown`, `skipped` (int64), `average_bits`,
    `since_bits`, `seconds` and `symbols_per_second` (float64), see `HistoryRow`. Sums are float64,
    added up in the order of the steps, so that they do not depend on how a stream was cut into
    blocks.

    Parameters
    ----------
    settings : mapping, optional
        What was run; anything that JSON holds.
    per_octave : int
        Rows from a step to its double, at least 1: they are at the whole parts of
        2^(k / per_octave).

    Attributes
    ----------
    settings : dict
        The same.
    stopped : str or None
        Why it ended: "end" (of the stream), "steps", "seconds", "interrupt", "error",
        "divergence"; None while it runs.
    counts : dict of str to int
        What the stream has met so far and went on after: `Stream.counts`.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> history = History()
    >>> history.add(np.log([2.0, 2.0, 4.0]), seconds=0.5)
    >>> history.finish("end")
    >>> history.step.tolist(), history.since_bits.tolist()
    ([1, 2, 3], [1.0, 1.0, 2.0])
    """

    def __init__(self, settings: Mapping[str, Any] | None = None, per_octave: int = 1) -> None:
        self.settings = dict(settings or {})
        self.per_octave = _arguments.whole("per_octave", per_octave, high=1000)
        self.stopped: str | None = None
        self._columns = {name: np.zeros(32, kind) for name, kind in KINDS.items()}
        self._rows = 0
        self.counts = dict.fromkeys(COUNTS, 0)
        self._now = self._last = Sum(0, 0.0, 0.0)  # of everything; as it was at the last row
        self._open = (0, self._last)  # rows and last row, without the one that `finish` adds

    def add(
        self, losses: np.ndarray, seconds: float, counts: Mapping[str, int] | None = None
    ) -> None:
        """Take in the losses (nats, in order) of the steps up to now, `seconds` since the start.

        The time of a row within them is interpolated. NaN is a step without a loss: it counts as a
        step, and not in the averages.

        Parameters
        ----------
        losses : array (steps,)
            In nats, in order.
        seconds : float
            Time from the start to their end.
        counts : mapping of str to int, optional
            What the stream had met by then: `Stream.counts`.
        """
        self.counts |= counts or {}
        losses = np.asarray(losses, np.float64)
        if not losses.size:
            return
        self._reopen()
        before = self._now
        none = np.isnan(losses)
        sums = np.cumsum(np.concatenate([[before.nats], np.where(none, 0.0, losses)]))
        gaps = np.cumsum(np.concatenate([[before.unscored], none]), dtype=np.int64)
        for step in _marks(before.step, before.step + losses.size, self.per_octave):
            part = (step - before.step) / losses.size
            at = before.seconds + part * (seconds - before.seconds)
            k = step - before.step
            self._row(Sum(step, float(sums[k]), at, int(gaps[k])))
        self._open = self._rows, self._last
        self._now = Sum(before.step + losses.size, float(sums[-1]), float(seconds), int(gaps[-1]))

    def finish(self, stopped: str) -> None:
        """Add the row of the last step, if it is not there yet, and note why it ended.

        A history that goes on after all loses that row again.

        Parameters
        ----------
        stopped : str
            Why; see `stopped`.
        """
        if self._now.step > self._last.step:
            self._row(self._now)
        self.stopped = stopped

    def _reopen(self) -> None:
        self._rows, self._last = self._open
        self.stopped = None

    @property
    def unit(self) -> str:
        """Of what is shown to a person: "bits" per symbol, or "nats" per step of numbers."""
        return "nats" if self.settings.get("unit") == "nats" else "bits"

    def live(self) -> HistoryRow:
        """The row of this moment."""
        return self._now.since(self._last)._replace(**self.counts)

    def tail(self) -> tuple[int, float]:
        """The last row at or before half of the steps, and the bits per symbol since then; the
        beginning where some steps had no loss."""
        if self._now.unscored:
            return 0, self.live().average_bits
        i = int(np.searchsorted(self.step, self._now.step // 2, side="right")) - 1
        start, before = (self[i].step, self[i].average_bits) if i >= 0 else (0, 0.0)
        steps, bits = self._now.step - start, self._now.nats * BITS_PER_NAT
        return start, (bits - before * start) / steps if steps else math.nan

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, i: int) -> HistoryRow:
        i = range(self._rows)[i]
        return HistoryRow(*(self._columns[name][i].item() for name in HistoryRow._fields))

    def __iter__(self) -> Iterator[HistoryRow]:
        return (self[i] for i in range(self._rows))

    def __repr__(self) -> str:
        row, scale, per = self.live(), *shown_unit(self.unit)
        bits = f", {row.average_bits * scale:.4f} {per}" if self._now.step else ""
        return f"<History: {self._now.step} steps{bits}, {self._rows} rows>"

    def _repr_html_(self) -> str:
        now, (scale, per) = self.live(), shown_unit(self.unit)
        rows = [("steps", f"{now.step:,}"), ("rows", f"{len(self):,}")]
        if now.step:
            start, bits = self.tail()
            rows += [(per, f"{now.average_bits * scale:.4f}")]
            rows += [(f"since step {start:,}", f"{bits * scale:.4f}")]
            rows += [("seconds", f"{now.seconds:.1f}")]
        return showing.table("History", [*rows, ("ended by", self.stopped or "nothing yet")])

    @property
    def step(self) -> np.ndarray:
        """Symbols learned at each row, int64."""
        return self._column("step")

    @property
    def average_bits(self) -> np.ndarray:
        """Bits per symbol from the start to each row."""
        return self._column("average_bits")

    @property
    def since_bits(self) -> np.ndarray:
        """Bits per symbol from the row before to each row."""
        return self._column("since_bits")

    @property
    def average_nats(self) -> np.ndarray:
        """Nats per step from the start to each row."""
        return self.average_bits / BITS_PER_NAT

    @property
    def since_nats(self) -> np.ndarray:
        """Nats per step from the row before to each row."""
        return self.since_bits / BITS_PER_NAT

    @property
    def seconds(self) -> np.ndarray:
        """Time from the start to each row."""
        return self._column("seconds")

    @property
    def symbols_per_second(self) -> np.ndarray:
        """Speed from the row before to each row."""
        return self._column("symbols_per_second")

    @property
    def replaced(self) -> np.ndarray:
        """Bytes that were no characters, up to each row, int64; see `HistoryRow`."""
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
        """The loss over the steps: the average, and since the row before.

        Parameters
        ----------
        path : str or path-like, optional
            Write it there, in the format of the suffix (.png, .svg, .pdf).

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingExtra
            matplotlib is not installed: ``pip install "nobacktrack[plot]"``.
        """
        from nbt import drawing

        return drawing.learning_curve(self, path, shown_unit(self.unit)[0])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON lines: first the settings, then one object per row.

        Parameters
        ----------
        path : str or path-like
            Where to.

        Raises
        ------
        TypeError, OSError
            It is no path; the file cannot be written.
        """
        head = {"format": FORMAT, "schema": SCHEMA, "settings": self.settings}
        head |= {"stopped": self.stopped, "per_octave": self.per_octave}
        with open(_arguments.path("path", path), "w", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(head) + "\n")
            file.writelines(row.to_json() + "\n" for row in self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or path-like
            Where from.

        Raises
        ------
        DataError
            It is something else; the message names the line.
        TypeError, OSError
            It is no path; the file cannot be read.
        """
        path = _arguments.path("path", path)
        with open(path, "rb") as file:
            objects = [_parsed(path, i, line) for i, line in enumerate(file, 1)]
        if not objects or (objects[0].get("format"), objects[0].get("schema")) != (FORMAT, SCHEMA):
            raise DataError(f"{path}: line 1: not a history of schema {SCHEMA}")
        try:
            history = cls(objects[0].get("settings"), objects[0].get("per_octave", 1))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: line 1: not a history ({error})") from None
        for i, row in enumerate(objects[1:], 2):
            history._load_row(path, i, row)
        history.stopped = objects[0].get("stopped")
        return history

    def state_dict(self) -> dict[str, np.ndarray]:
        """What is needed to go on as if it had never stopped: the columns, and the sums."""
        rows, last = self._open
        gaps = self._now.unscored > 0  # the same arrays as ever where there are none
        state = {name: column[:rows].copy() for name, column in self._columns.items()}
        for now, name in _NOW.items():  # not there where there is nothing to count
            if self.counts[name]:
                state[now] = np.array(self.counts[name], np.int64)
            else:
                del state[name]
        state["per_octave"] = np.array(self.per_octave, np.int64)
        for name, total in (("now", self._now), ("last", last)):
            state[f"{name}.step"] = np.array(total.step, np.int64)
            state |= {f"{name}.unscored": np.array(total.unscored, np.int64)} if gaps else {}
            state[f"{name}.sums"] = np.array([total.nats, total.seconds])
        return state

    @classmethod
    def from_state(
        cls, state: Mapping[str, np.ndarray], settings: Mapping[str, Any] | None = None
    ) -> History:
        """The history whose `state_dict` this is.

        Parameters
        ----------
        state : mapping of str to array
            What `state_dict` gave.
        settings : mapping, optional
            As in `History`.

        Raises
        ------
        TypeError, ValueError
            It is none.
        """
        history = cls(settings)
        expected = history.state_dict()
        for now, name in _NOW.items():
            if now in state:
                expected |= {now: np.array(0, np.int64), name: np.zeros(0, np.int64)}
        if "now.unscored" in state:
            expected |= {f"{name}.unscored": np.array(0, np.int64) for name in ("now", "last")}
        if state.keys() != expected.keys():
            raise ValueError(f"history: expected {sorted(expected)}, got {sorted(state)}")
        if np.shape(state["per_octave"]) == ():
            history.per_octave = _arguments.whole(
                "history.per_octave", state["per_octave"].item(), high=1000
            )
        rows = state["step"].size
        for name, empty in expected.items():
            shape = (rows,) if name in KINDS else empty.shape
            if (state[name].dtype, state[name].shape) != (empty.dtype, shape):
                raise ValueError(f"history.{name}: expected {empty.dtype} of shape {shape}")
        now, last = (
            Sum(
                int(state[f"{name}.step"]),
                *map(float, state[f"{name}.sums"]),
                int(state.get(f"{name}.unscored", 0)),
            )
            for name in ("now", "last")
        )
        steps = [0, *state["step"].tolist()]
        if not (all(map(int.__lt__, steps, steps[1:])) and steps[-1] == last.step <= now.step):
            raise ValueError("history.step: expected steps that grow up to the present")
        if not 0 <= last.unscored <= now.unscored <= now.step:
            raise ValueError("history.unscored: expected counts of steps")
        if any(state[name].min(initial=0) < 0 for name in (*COUNTS, *_NOW) if name in state):
            raise ValueError("history.counts: expected counts of at least 0")
        if not np.isfinite([*now, *last]).all():
            raise ValueError("history.sums: expected finite numbers")
        history.counts = {name: int(state.get(now, 0)) for now, name in _NOW.items()}
        columns = [name for name in HistoryRow._fields if name in state]
        for row in zip(*(state[name].tolist() for name in columns), strict=True):
            history._append(HistoryRow(**dict(zip(columns, row, strict=True))))
        history._now, history._last, history._open = now, last, (rows, last)
        return history

    def _column(self, name: str) -> np.ndarray:
        column = self._columns[name][: self._rows]
        column.flags.writeable = False
        return column

    def _row(self, now: Sum) -> None:
        self._append(now.since(self._last)._replace(**self.counts))
        self._last = now

    def _append(self, row: HistoryRow) -> None:
        if self._rows == len(self._columns["step"]):
            self._columns = {k: np.concatenate([v, v]) for k, v in self._columns.items()}
        for name, value in row._asdict().items():
            self._columns[name][self._rows] = value
        self._rows += 1

    def _load_row(self, path: Any, line: int, values: dict[str, Any]) -> None:
        try:
            row = HistoryRow(
                **{k: math.nan if v is None else KINDS[k](v) for k, v in values.items()}
            )
            if not row.step > self._last.step:
                raise ValueError("step does not grow")
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise DataError(f"{path}: line {line}: not a row of a history ({error})") from None
        self._append(row)
        self.counts = row.counts
        nats = float(row.average_bits) * int(row.step) / BITS_PER_NAT
        self._now = self._last = Sum(int(row.step), nats, float(row.seconds))
        self._open = self._rows, self._last


def _marks(after: int, last: int, per_octave: int) -> Iterator[int]:
    """The whole parts of 2^(k / per_octave) above `after`, up to `last`, each once."""
    k = max(0, math.floor(per_octave * math.log2(max(after, 1))) - 1)
    while (step := int(2.0 ** (k / per_octave))) <= last:
        if step > after:
            yield step
            after = step
        k += 1


def _parsed(path: Any, line: int, text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DataError(f"{path}: line {line}: not a JSON object")
    return value
