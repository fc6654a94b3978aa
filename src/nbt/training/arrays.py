"""A history as the arrays that a checkpoint holds, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.streams.counts import COUNTS
from nbt.training.rows import LOSSES, HistoryRow, Sum, converted

__all__ = ["COLUMNS", "put", "taken"]

COLUMNS = {  # all fields of a row but its unit
    name: np.int64 if name in ("step", "unscored", *COUNTS) else np.float64
    for name in HistoryRow._fields[:-1]
}
COUNTED = {f"now.{name}": name for name in COUNTS}


def taken(history: Any) -> dict[str, np.ndarray]:
    """Return the columns and the sums as arrays. Counts are left out where they are all 0."""
    rows, last = history._open
    now, unit = history._now, history.unit
    state = {_key(name, unit): c[:rows].copy() for name, c in history._columns.items()}
    for counted, name in COUNTED.items():
        if history.counts[name]:
            state[counted] = np.array(history.counts[name], np.int64)
        else:
            del state[name]
    if not now.unscored:
        del state["unscored"]
    state["per_octave"] = np.array(history.per_octave, np.int64)
    for name, total in (("now", now), ("last", last)):
        state[f"{name}.step"] = np.array(total.step, np.int64)
        if now.unscored:
            state[f"{name}.unscored"] = np.array(total.unscored, np.int64)
        state[f"{name}.sums"] = np.array([total.nats, total.seconds])
    state["now.recent"] = np.array(now.recent)
    return state


def put(history: Any, state: Mapping[str, np.ndarray]) -> None:
    """Put what `taken` returned into a new history. Raise TypeError or ValueError if it is not
    that."""
    state = _renewed(state, history.unit)
    _check(state, history)
    now, last = (
        Sum(
            int(state[f"{name}.step"]),
            *map(float, state[f"{name}.sums"]),
            int(state.get(f"{name}.unscored", 0)),
            float(state["now.recent"]) if name == "now" else 0.0,
        )
        for name in ("now", "last")
    )
    _check_sums(state, now, last)
    history.per_octave = _arguments.integer(
        "history.per_octave", state["per_octave"].item(), high=1000
    )
    history.counts = {name: int(state.get(key, 0)) for key, name in COUNTED.items()}
    columns = {name: state[key] for name in COLUMNS if (key := _key(name, history.unit)) in state}
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        history._append(HistoryRow(**dict(zip(columns, row, strict=True)), unit=history.unit))
    history._now, history._last, history._open = now, last, (len(state["step"]), last)


def _key(name: str, unit: str) -> str:
    return f"{name}_{unit}" if name in LOSSES else name


def _renewed(state: Mapping[str, np.ndarray], unit: str) -> dict[str, np.ndarray]:
    """Return the state in the present form.

    Older versions kept bits for numbers, too. They did not record in which rows the steps without a
    loss came, nor the sum of the losses since the last row.
    """
    state = dict(state)
    for name in LOSSES:
        if unit == "nats" and (old := f"{name}_bits") in state and _key(name, unit) not in state:
            state[_key(name, unit)] = converted(state.pop(old), "bits", unit)
    if "now.unscored" in state and "unscored" not in state and "step" in state:
        state["unscored"] = np.full(np.shape(state["step"]), -1, np.int64)
    sums = [state.get(f"{name}.sums") for name in ("now", "last")]
    if "now.recent" not in state and all(np.shape(total) == (2,) for total in sums):
        state["now.recent"] = np.asarray(np.float64(sums[0][0] - sums[1][0]))
    return state


def _check(state: Mapping[str, np.ndarray], history: Any) -> None:
    expected = taken(history)
    for key, name in COUNTED.items():
        if key in state:
            expected |= {key: np.array(0, np.int64), name: np.zeros(0, np.int64)}
    if "now.unscored" in state:
        expected |= {f"{name}.unscored": np.array(0, np.int64) for name in ("now", "last")}
        expected["unscored"] = np.zeros(0, np.int64)
    if state.keys() != expected.keys():
        raise ValueError(f"history: expected {sorted(expected)}, got {sorted(state)}")
    columns = {_key(name, history.unit) for name in COLUMNS}
    for name, empty in expected.items():
        shape = (state["step"].size,) if name in columns else empty.shape
        if (state[name].dtype, state[name].shape) != (empty.dtype, shape):
            raise ValueError(f"history.{name}: expected {empty.dtype} of shape {shape}")


def _check_sums(state: Mapping[str, np.ndarray], now: Sum, last: Sum) -> None:
    steps = [0, *state["step"].tolist()]
    if not (all(map(int.__lt__, steps, steps[1:])) and steps[-1] == last.step <= now.step):
        raise ValueError("history.step: expected steps that grow up to the present")
    gaps = state.get("unscored", np.zeros(0, np.int64))
    if not 0 <= last.unscored <= now.unscored <= now.step or any(
        not -1 <= gap <= step for gap, step in zip(gaps.tolist(), steps[1:], strict=False)
    ):
        raise ValueError("history.unscored: expected counts of steps")
    if any(state[name].min(initial=0) < 0 for name in (*COUNTS, *COUNTED) if name in state):
        raise ValueError("history.counts: expected counts of at least 0")
    if not np.isfinite([*now, *last]).all():
        raise ValueError("history.sums: expected finite numbers")
