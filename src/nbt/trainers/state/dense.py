"""The state's public names, and where each lives in the padded arrays that C uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nbt.trainers.state.checks import integers, numbers, within
from nbt.trainers.state.panels import Panels

__all__ = ["StateTable"]

ACTIVE = -2  # a row that does not wait (csrc/dense/lazy.h)
LAST_STEP = 2**63 - 1  # a step a state may be at: none is ever reached that 64 bits do not hold

# What has a place for each output, on its last axis; and for each input, on which axis.
OUTPUTS = {
    *("readout.b", "readout.W", "optimizer.phi.J", "optimizer.phi.J0"),
    *("window.delta", "window.g_phi"),
}
INPUTS = {
    **dict.fromkeys(("cell.r", "optimizer.theta.J", "optimizer.theta.J0", "window.g_theta"), 0),
    **{"estimator.d": 0, "estimator.z": 0, "estimator.w": 1, "estimator.G": 1},
}
VECTORS = {"window.x": 1, "inputs.count": 0, "inputs.mean": 0, "inputs.variance": 0}


def padded(array: np.ndarray, axis: int, more: int) -> np.ndarray:
    """With so many zeros more at the end of an axis."""
    shape = list(array.shape)
    shape[axis] = more
    return np.concatenate([array, np.zeros(shape, array.dtype)], axis)


@dataclass(frozen=True)
class _Entry:
    """An array's public shape, and how that part of the padded one is read and written."""

    array: str
    shape: tuple[int, ...]
    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray, np.ndarray], None]


def _plain(array, shape, view) -> _Entry:
    """An entry that a view of the padded array shows whole."""

    def write(x, value):
        view(x)[...] = value

    return _Entry(array, shape, lambda x: view(x).copy(), write)


class StateTable:
    """What a learner's state consists of: reads it as copies, checks a new one and writes it.

    Shapes are those of design letters: n units, m inputs, A outputs, P = 1 + n + m, K rank, S
    blocks, T window.
    """

    def __init__(
        self,
        core,
        rule: str,
        kalman: bool,
        *,
        rank=1,
        blocks=1,
        exact_self=False,
        norm="euclidean",
        window=0,
    ) -> None:
        self._core = core
        self._entries: dict[str, _Entry] = {}
        self._waiting: dict[str, _Entry] = {}
        self._window, self._rule = window, rule
        self._theta, self._phi = Panels(**core.panels("theta")), Panels(**core.panels("phi"))
        self._add_cell(kalman)
        self._add_readout(kalman)
        self._add_rule(
            rule, rank=rank, blocks=blocks, exact_self=exact_self, norm=norm, window=window
        )

    def _add_cell(self, kalman: bool) -> None:
        n, m = self._core.units, self._core.inputs
        self._add_plain("cell.b", "theta", (n,), lambda x: x[0, :n])
        self._add_rows("cell.W", "theta", self._theta, 1, 1 + n)
        self._add_rows("cell.r", "theta", self._theta, 1 + n, 1 + n + m)
        self._add_plain("cell.alpha", "alpha", (n,), lambda x: x[0, :n])
        self._add_plain("state.h", "h", (n,), lambda x: x[0, :n])
        if kalman:
            for name in ("J", "J0"):
                self._add_whole(f"optimizer.theta.{name}", f"theta_{name}", self._theta)

    def _add_readout(self, kalman: bool) -> None:
        n, outputs = self._core.units, self._core.outputs
        self._add_plain("readout.b", "phi", (outputs,), lambda x: x[0, :outputs])
        self._add_rows("readout.W", "phi", self._phi, 1, 1 + n)
        sizes = (("inputs", "x", self._core.inputs), ("targets", "y", self._core.targets))
        for name, prefix, size in sizes:
            if f"{prefix}_seen" in self._core.arrays:
                self._add_scaler(name, prefix, size)
        if kalman:
            for name in ("J", "J0"):
                self._add_whole(f"optimizer.phi.{name}", f"phi_{name}", self._phi)

    def _add_rule(self, rule, *, rank, blocks, exact_self, norm, window) -> None:
        n, m, outputs = self._core.units, self._core.inputs, self._core.outputs
        if rule == "nobacktrack":
            self._add_nobacktrack(n, 1 + n + m, rank, blocks, exact_self, norm)
            if window:
                self._add_ring(n, m, rank, blocks)
        elif rule == "rtrl":
            self._add_rtrl(n, 1 + n + m)
        elif rule == "bptt":
            self._add_plain("window.h", "window_h", (window, n), lambda x: x[:, :n])
            if not self._core.one_hot:
                self._add_plain("window.x", "window_x", (window, m), lambda x: x[:, :m])
            self._add_plain(
                "window.delta", "window_delta", (window, outputs), lambda x: x[:, :outputs]
            )
            self._add_whole("window.g_theta", "g_theta", self._theta)
            self._add_whole("window.g_phi", "g_phi", self._phi)

    def _add_plain(self, key, array, shape, view) -> None:
        self._entries[key] = _plain(array, shape, view)

    def _add_rows(self, key, array, panels: Panels, first: int, last: int) -> None:
        """Rows first … last - 1 of a matrix in panels."""
        self._entries[key] = _Entry(
            array,
            (last - first, panels.columns),
            lambda x: panels.read(x[0], first, last),
            lambda x, value: panels.write(x[0], value, first),
        )

    def _add_whole(self, key, array, panels: Panels) -> None:
        self._add_rows(key, array, panels, 0, 1 + panels.rows)

    def _add_scaler(self, name, prefix, size) -> None:
        """What is known of numbers that are standardised (csrc/shared/scaler.h)."""
        keys = [("count", "seen"), ("mean", "mean"), ("variance", "variance")]
        keys += [("error", "error"), ("limited", "limited")] if name == "targets" else []
        for key, array in keys:
            self._add_plain(f"{name}.{key}", f"{prefix}_{array}", (size,), lambda x: x[0])

    def _add_nobacktrack(self, n, n_parameters, rank, blocks, exact_self, norm) -> None:
        def write_w(x, value):
            for flat, pair in zip(x, value, strict=True):
                self._theta.write(flat, pair, 0)

        self._add_plain(
            "estimator.v", "v", (rank, blocks, n), lambda x: x.reshape(rank, blocks, -1)[:, :, :n]
        )
        self._entries["estimator.w"] = _Entry(
            "w",
            (rank, n_parameters, n),
            lambda x: np.stack([self._theta.read(flat, 0, n_parameters) for flat in x]),
            write_w,
        )
        if exact_self:
            self._add_whole("estimator.d", "d", self._theta)
        else:
            self._add_plain("estimator.z", "z", (n_parameters,), lambda x: x[0, :n_parameters])
        if norm == "fisher":
            self._add_plain("estimator.fisher", "fisher", (n,), lambda x: x[0, :n])
        if self._core.lazy:
            self._add_waiting(n, rank)

    def _add_ring(self, n, m, rank, blocks) -> None:
        """The last T steps (window.h), newest first: F of the transition, (1, a, x) before it,
        and the terms of the pairs that began in it. A ring; its newest slot is the core's head."""
        core, steps = self._core, self._window

        def add(key, array, axis, shape, view) -> None:
            def read(x):
                return np.roll(view(x), -core.head, axis)

            def write(x, value):
                view(x)[...] = np.roll(value, core.head, axis)

            self._entries[key] = _Entry(array, shape, read, write)

        def states(x):
            return x.reshape(steps, n, -1)[:, :, :n].swapaxes(1, 2)

        add("window.F", "past_F", 0, (steps, n, n), states)
        add("window.a", "past_a", 0, (steps, n), lambda x: x[:, :n])
        if not core.one_hot:
            add("window.x", "past_x", 0, (steps, m), lambda x: x[:, :m])
        pairs, parts = (rank, steps, blocks, n), (rank, steps, n)
        add("window.v", "hop", 1, pairs, lambda x: x.reshape(rank, steps, blocks, -1)[..., :n])
        add("window.scale", "hop_right", 1, parts, lambda x: x.reshape(rank, steps, -1)[..., :n])

    def _add_waiting(self, n, rank) -> None:
        """How rows of symbols wait (dense/lazy.h), beside what they should be now: to go on from
        the latter would round differently."""
        first, last = 1 + n, 1 + self._theta.rows

        def read_w(x):
            return np.stack([self._theta.read(flat, first, last) for flat in x])

        def write_w(x, value):
            for flat, pair in zip(x, value, strict=True):
                self._theta.write(flat, pair, first)

        m, table = last - first, self._core.arrays["lazy_q"].shape[1]
        self._waiting = {
            "waiting.r": _Entry(
                "theta",
                (m, n),
                lambda x: self._theta.read(x[0], first, last),
                lambda x, value: self._theta.write(x[0], value, first),
            ),
            "waiting.w": _Entry("w", (rank, m, n), read_w, write_w),
            "waiting.norm": _plain("lazy_norm", (rank,), lambda x: x[0]),
            "waiting.keep": _plain("lazy_q", (rank, table), lambda x: x),
            "waiting.step": _plain("lazy_r", (rank, table), lambda x: x),
        }

    def _add_rtrl(self, n, n_parameters) -> None:
        """G (n, P n), whose columns lie in strips (csrc/dense/rtrl.h)."""
        strip, count = self._core.strip, n_parameters * n

        def read(x):
            states = x.reshape(-1, n, strip).transpose(1, 0, 2).reshape(n, -1)
            return states[:, :count].reshape(n, n_parameters, n).copy()

        def write(x, value):
            states = np.zeros((n, x.size // n), x.dtype)
            states[:, :count] = value.reshape(n, count)
            x[...] = states.reshape(n, -1, strip).transpose(1, 0, 2).reshape(x.shape)

        self._entries["estimator.G"] = _Entry("G", (n, n_parameters, n), read, write)

    def _counters(self, moved: bool = False) -> dict[str, np.ndarray]:
        """moved: whether a step of a window of vectors began with a transition, even where all of
        them do: not where inputs are what is predicted, or were until they grew."""
        values = self._core.counters()
        counters = {"step": np.uint64(values["step"]), "seed": np.uint64(values["seed"])}
        if self._window:
            counters["window.length"] = np.int64(values["length"])
            bptt = self._rule == "bptt"
            if bptt:
                counters["window.entered"] = np.int64(values["entered"])
            if self._core.one_hot:
                counters["window.x"] = values["symbols"]
            elif bptt and (moved or self._core.predicts_inputs or self._unmoved(values)):
                counters["window.moved"] = values["symbols"] + 1
        return {key: np.asarray(value) for key, value in counters.items()}

    def _all_moved(self, values: Mapping[str, int]) -> np.ndarray:
        """window.moved where every step of the window began with a transition, as far as it is
        filled."""
        slots = max(self._window, 1)
        if self._rule != "bptt":
            return np.ones(slots, np.int32)
        begun = values["window.length"] + values["window.entered"]
        return (np.arange(slots) < begun).astype(np.int32)

    @staticmethod
    def _unmoved(counters) -> bool:
        return bool((counters["symbols"][: counters["length"]] < 0).any())

    def read(self, key: str) -> np.ndarray:
        """A copy of one array, by public name."""
        entry = self._entries[key]
        arrays = self._core.arrays
        if self._waiting and entry.array in ("theta", "w"):
            arrays = self._core.brought_up()
        return entry.read(arrays[entry.array])

    def read_all(self) -> dict[str, np.ndarray]:
        """Copies of everything, by public name. -0 is shown as 0: which of them there is may depend
        on when the state was last looked at, and nothing depends on which."""
        arrays = dict(self._core.arrays)
        state = {key: entry.read(arrays[entry.array]) for key, entry in self._waiting.items()}
        if self._waiting:
            arrays |= self._core.brought_up()
            state["waiting.since"] = self._core.stamp.copy()
        state |= {key: entry.read(arrays[entry.array]) + 0 for key, entry in self._entries.items()}
        return state | self._counters()

    def write(self, key: str, value: np.ndarray) -> None:
        """One array, already checked."""
        entry = self._entries[key]
        entry.write(self._core.arrays[entry.array], np.asarray(value))

    def write_all(self, state: Mapping[str, np.ndarray]) -> None:
        """Checks everything, then writes everything."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state: expected a mapping of names to arrays, got {state!r}")
        state = self._with_errors(state)
        expected = set(self._entries) | set(self._counters(moved="window.moved" in state))
        waiting = {*self._waiting, "waiting.since"} if self._waiting else set()
        waits = bool(waiting) and waiting <= set(state)
        missing, unknown = expected - set(state), set(state) - expected - waiting
        if missing or unknown:
            names = sorted(map(str, missing or unknown))
            problem = f"lacks {names}" if missing else f"has unknown {names}"
            raise ValueError(
                f"state: expected the names of this trainer's state_dict(), got one that {problem}"
            )
        values = {
            key: numbers(key, state[key], entry.shape, self._core.arrays[entry.array].dtype)
            for key, entry in self._entries.items()
        }
        counters = self._checked_counters(state)
        since = self._checked_since(state) if waits else None
        rows = {
            key: numbers(key, state[key], entry.shape, self._core.dtype)
            for key, entry in self._waiting.items()
            if waits
        }
        for array in self._core.arrays.values():  # padding and scratch too
            array.fill(0)
        for key, value in values.items():
            self.write(key, value)
        self._core.set_counters(**counters)
        self._core.refresh()
        if waits and not self._resume_waiting(values, rows, since):
            for key in ("cell.r", "estimator.w"):
                self.write(key, values[key])
            self._core.refresh()

    def _with_errors(self, state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Older states do not say how large errors are: as targets vary: that predicts the same."""
        added = {"targets.error", "targets.limited"} & set(self._entries) - set(state)
        if len(added) < 2 or "targets.variance" not in state:
            return state
        return {**state, **dict.fromkeys(added, state["targets.variance"])}

    def grown(self, outputs: int, inputs: int) -> dict[str, np.ndarray]:
        """The settled state with zeros for so many more outputs and inputs. Nothing waits in it."""
        state = {key: self.read(key) for key in self._entries}
        for key, value in state.items():
            if key in OUTPUTS:
                state[key] = padded(value, -1, outputs)
            elif inputs and (key in INPUTS or key in VECTORS):
                state[key] = padded(value, (INPUTS | VECTORS)[key], inputs)
        return state | self._counters(moved=True)

    def _resume_waiting(self, values, rows, since) -> bool:
        """Lets rows wait as they did. False if they are not what the state says: it was edited."""
        active = self._core.stamp == ACTIVE
        if ((since == ACTIVE) != active).any():
            return False
        for key, entry in self._waiting.items():
            entry.write(self._core.arrays[entry.array], rows[key])
        self._core.stamp[:] = since
        self._core.refresh(resumed=True)
        return all((self.read(key) == values[key]).all() for key in ("cell.r", "estimator.w"))

    def _checked_since(self, state) -> np.ndarray:
        """When each symbol's row was left to wait."""
        key, core = "waiting.since", self._core
        return within(key, integers(key, state[key], core.stamp.shape), ACTIVE, core.era)

    def _checked_counters(self, state) -> dict[str, object]:
        limit = {
            "step": LAST_STEP,
            "seed": 2**64 - 1,
            "window.length": self._window - (self._rule == "bptt"),
            "window.entered": 1,
        }
        values = {}
        for key, present in self._counters(moved="window.moved" in state).items():
            array = integers(key, state[key], present.shape)
            if key in limit and not 0 <= int(array) <= limit[key]:
                raise ValueError(f"{key}: expected an integer in [0, {limit[key]}], got {array}")
            values[key] = array if array.shape else int(array)
        moved = values.get("window.moved", self._all_moved(values))
        if ((moved < 0) | (moved > 1)).any():
            raise ValueError(f"window.moved: expected 0 or 1, got {moved}")
        free = np.full(max(self._window, 1), -1 if self._core.one_hot else 0, np.int32)
        symbols = values.get("window.x", free + (moved - 1))
        if ((symbols < -1) | (symbols >= self._core.inputs)).any():
            raise ValueError(
                f"window.x: expected symbols in [-1, {self._core.inputs}), got {symbols}"
            )
        return {
            "step": values["step"],
            "seed": values["seed"],
            "length": values.get("window.length", 0),
            "entered": values.get("window.entered", 0),
            "symbols": symbols,
        }
