"""The public names of the state, and where each array lies in the padded arrays that C uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nbt import _core
from nbt.trainers.form import Form
from nbt.trainers.state import growth, influence
from nbt.trainers.state.checks import blind, integers, numbers, within
from nbt.trainers.state.entries import Entry, flat, matrices_of, plain, row_of, rows_of
from nbt.trainers.state.layered import layer_in, without_layer
from nbt.trainers.state.panels import Panels
from nbt.trainers.state.sizes import KEPT, LAST_ROWS, MOMENTS, TYPICAL, Shape, Sizes

__all__ = ["DenseTable"]

ACTIVE = -2  # mark of a row that does not wait (csrc/dense/lazy.h)
CALLED = {"count": "seen"}  # names of csrc/shared/scaler.h that differ
UPDATES = {f"optimizer.{name}.updates": f"{name}_updates" for name in ("theta", "phi")}
LAST_STEP = 2**63 - 1  # largest step of a state, so that 64 bits always hold the step
LAST = [f"cell.{name}" for name in LAST_ROWS]

# The array of the core that holds each array of the state.
ARRAYS = {
    **dict.fromkeys(("cell.b", *LAST, "cell.W", "cell.r"), "theta"),
    "cell.alpha": "alpha",
    **{"readout.b": "phi", "readout.W": "phi", "readout.r": "phi"},
    **{"state.h": "h", "state.lags": "x_before", "state.x": "last_x"},
    **{"state.c": "h", "state.y": "a"},  # what a unit with gates carries, and shows
    **{f"optimizer.{name}.J": f"{name}_J" for name in ("theta", "phi")},
    **{f"optimizer.{name}.J0": f"{name}_J0" for name in ("theta", "phi")},
    **{f"optimizer.{name}.blocks": f"{name}_J" for name in ("theta", "phi")},
    **{f"optimizer.{name}.{key}": f"{name}_{key}" for name in ("theta", "phi") for key in "mv"},
    "optimizer.phi.P": "phi_P",
    **{f"inputs.{key}": f"x_{CALLED.get(key, key)}" for key in MOMENTS},
    **{key: f"x_{key.removeprefix('inputs.')}" for key in KEPT},
    **{f"targets.{key}": f"y_{CALLED.get(key, key)}" for key in MOMENTS + TYPICAL},
    **{"estimator.v": "v", "estimator.w": "w", "estimator.d": "d", "estimator.z": "z"},
    **{"estimator.fisher": "fisher", "estimator.G": "G"},
    **{"window.h": "window_h", "window.x": "window_x", "window.delta": "window_delta"},
    **{"window.g_theta": "g_theta", "window.g_phi": "g_phi"},
    **{"window.c": "window_h", "window.y": "window_a", "window.H": "window_H"},
    **{"window.slope": "first_slope"},
}
FIXED = ("alpha", "tau")  # parts of θ that are not learned, so nothing is kept for them
AS_IT_IS = {  # not kept in panels
    *("estimator.v", "window.h", "window.x", "window.delta", "window.c", "window.y", "window.H"),
    "optimizer.phi.P",
}
PAST = {  # NoBackTrack's window: which array, and the axis of the steps
    "window.F": ("past_F", 0),
    "window.a": ("past_a", 0),
    "window.x": ("past_x", 0),
    "window.v": ("hop", 1),
    "window.scale": ("hop_right", 1),
}


class DenseTable:
    """Table of a learner's state: it reads copies, and checks and writes a new state.

    Parameters
    ----------
    core : _core.Learner
        The learner.
    form : Form
        Form of its rule.
    sizes : Sizes
        Sizes of the trainer, from which the shapes of the form follow.
    """

    def __init__(self, core: _core.Learner, form: Form, sizes: Sizes) -> None:
        self._core, self._form = core, form
        self._window, self._rule = form.steps, form.rule
        self._phi = Panels(**core.panels("phi"))
        self._gated, self._sizes, shapes = sizes.gated, sizes, form.shapes(sizes)
        self._layers = sizes.layers or (sizes,)
        self._thetas = [
            Panels(**one.panels("theta"), last_row=not own.cell.keys().isdisjoint(LAST_ROWS))
            for one, own in zip(core.layers or (core,), self._layers, strict=True)
        ]
        self._theta = self._thetas[0]
        self._entries = {key: self._entry(key, shape) for key, shape in shapes.items()}
        names = set(map(without_layer, shapes))
        self._updates = [key for key in UPDATES if key.replace("updates", "m") in names]
        self._waiting = self._rows_that_wait() if core.lazy else {}

    def _entry(self, key: str, shape: Shape) -> Entry:
        """Return how an array of the state lies. Of a stack each layer has its own; what comes in
        lies in the first one's window."""
        layer = 0 if key == "window.x" else layer_in(key)
        if not self._sizes.layers or layer is None:
            return self._of_one(key, shape, 0)
        entry = self._of_one(without_layer(key), shape, layer)
        return replace(entry, array=f"{layer}.{entry.array}")

    def _of_one(self, key: str, shape: Shape, layer: int) -> Entry:
        """Return how an array of a layer lies, or of the whole."""
        theta, sizes = self._thetas[layer], self._layers[layer]
        if key in PAST and not self._form.enters:
            return self._in_ring(key, shape)
        if key == "estimator.G" and not self._form.enters:
            return self._in_strips(shape)
        if key == "state.lags":
            return flat(ARRAYS[key], shape)
        if key in ("estimator.w", "estimator.G"):
            return matrices_of(theta, ARRAYS[key], shape, 0, self._gated)
        array = ARRAYS[key]
        if len(shape) == 1 or key in AS_IT_IS:
            return plain(array, shape)
        if key == "cell.b":
            return flat(array, shape)
        if "phi" in array:
            first = {"readout.W": 1, "readout.r": 1 + self._core.units}.get(key, 0)
            return rows_of(self._phi, array, shape, first)
        own = sizes.rows.get(key.removeprefix("cell."))
        first = own.start if own else 0
        if key in LAST:
            return row_of(theta, array, shape, first)
        return rows_of(theta, array, shape, first, self._gated)

    def _in_ring(self, key: str, shape: Shape) -> Entry:
        """Return an entry of the last T steps (csrc/dense/window.h), newest first. The newest
        slot is the core's head."""
        core, (array, axis) = self._core, PAST[key]
        whole = plain(array, shape)

        def turned(value: np.ndarray) -> np.ndarray:
            return value.swapaxes(1, 2) if key == "window.F" else value

        def read(x: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(np.roll(turned(whole.read(x)), -core.head, axis))

        def write(x: np.ndarray, value: np.ndarray) -> None:
            whole.write(x, turned(np.roll(value, core.head, axis)))

        return Entry(array, shape, read, write)

    def _rows_that_wait(self) -> dict[str, Entry]:
        """Return entries of the waiting rows of symbols (csrc/dense/lazy.h), as they were when
        they began to wait. Going on from their present values would round differently."""
        (m, n), (rank, *_) = (self._entries[key].shape for key in ("cell.r", "estimator.w"))
        table = (rank, self._core.arrays["lazy_q"].shape[1])
        return {
            "waiting.r": rows_of(self._theta, "theta", (m, n), 1 + n),
            "waiting.w": matrices_of(self._theta, "w", (rank, m, n), 1 + n),
            "waiting.norm": plain("lazy_norm", (rank,)),
            "waiting.keep": plain("lazy_q", table),
            "waiting.step": plain("lazy_r", table),
        }

    def _in_strips(self, shape: Shape) -> Entry:
        """Return an entry of G (n, P n), whose columns lie in strips (csrc/dense/rtrl.h)."""
        strip, (n, rows, _) = self._core.strip, shape
        count = rows * n

        def read(x):
            states = x.reshape(-1, n, strip).transpose(1, 0, 2).reshape(n, -1)
            return states[:, :count].reshape(shape).copy()

        def write(x, value):
            states = np.zeros((n, x.size // n), x.dtype)
            states[:, :count] = value.reshape(n, count)
            x[...] = states.reshape(n, -1, strip).transpose(1, 0, 2).reshape(x.shape)

        return Entry("G", shape, read, write)

    def _counters(self, moved: bool = False) -> dict[str, np.ndarray]:
        """Return the counters. `moved` adds to a window of vectors which steps began with a
        transition, even if all did. (Not all do where inputs are what is predicted, or were until
        they grew.)"""
        values = self._core.counters()
        counters = {"step": np.uint64(values["step"]), "seed": np.uint64(values["seed"])}
        counters |= {key: np.uint64(values[UPDATES[key]]) for key in self._updates}
        if self._core.direct and self._core.one_hot:
            counters["state.x"] = np.int64(values["seen"])
        if self._window:
            counters["window.length"] = np.int64(values["length"])
            enters = self._form.enters
            if enters:
                counters["window.entered"] = np.int64(values["entered"])
            if self._core.one_hot:
                counters["window.x"] = values["symbols"]
            elif enters and (moved or self._core.predicts_inputs or self._unmoved(values)):
                counters["window.moved"] = values["symbols"] + 1
        return {key: np.asarray(value) for key, value in counters.items()}

    def _all_moved(self, values: Mapping[str, int]) -> np.ndarray:
        """Return window.moved for a window in which every step, as far as it is filled, began with
        a transition."""
        slots = max(self._window, 1)
        if not self._form.enters:
            return np.ones(slots, np.int32)
        begun = values["window.length"] + values["window.entered"]
        return (np.arange(slots) < begun).astype(np.int32)

    @staticmethod
    def _unmoved(counters) -> bool:
        return bool((counters["symbols"][: counters["length"]] < 0).any())

    def read(self, key: str) -> np.ndarray:
        """Return a copy of one array, by public name."""
        entry = self._entries[key]
        arrays = self._core.arrays
        if self._waiting and entry.array in ("theta", "w"):
            arrays = self._core.brought_up()
        return entry.read(arrays[entry.array])

    def read_all(self) -> dict[str, np.ndarray]:
        """Return copies of all arrays, by public name.

        -0 is returned as 0: which of the two there is may depend on when the state was last read,
        and no result depends on it.
        """
        arrays = dict(self._core.arrays)
        state = {key: entry.read(arrays[entry.array]) for key, entry in self._waiting.items()}
        if self._waiting:
            arrays |= self._core.brought_up()
            state["waiting.since"] = self._core.stamp.copy()
        state |= {key: entry.read(arrays[entry.array]) + 0 for key, entry in self._entries.items()}
        return state | self._counters()

    def learned(self) -> dict[str, np.ndarray]:
        """Return copies of what is learned: parts of θ, and φ."""
        parts = ("readout.",) if self._rule == "fixed" else ("cell.", "readout.")
        names = [key for key in self._entries if key.startswith(parts)]
        return {key: self.read(key) + 0 for key in names if key.rpartition(".")[2] not in FIXED}

    def influence(self) -> np.ndarray:
        """Return NoBackTrack's estimate of ∂h/∂θ, (n, P, n), float64; with gates that of (c, y) at
        the begin of the window, (2, n, gates, P, n)."""
        state = self.read_all()
        if self._sizes.layers:
            return influence.of_stack(state, len(self._layers), influence.estimated_before)
        if self._core.windowed:
            estimate = influence.estimated_before(state) + influence.own_paths(state)
            return estimate if self._gated else estimate[0].copy()
        return influence.estimated(state) + self._exact(state)

    def exact_influence(self) -> np.ndarray:
        """Return the exact part of `influence`."""
        if self._sizes.layers:
            return influence.of_stack(self.read_all(), len(self._layers))
        if self._core.windowed:
            exact = influence.own_paths(self.read_all())
            return exact if self._gated else exact[0].copy()
        return self._exact(self.read_all())

    def _exact(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        core = self._core
        return influence.exact(state, self._window, core.inputs if core.one_hot else None)

    def write(self, key: str, value: np.ndarray) -> None:
        """Write one array, which has been checked."""
        entry = self._entries[key]
        entry.write(self._core.arrays[entry.array], np.asarray(value))

    def go_to(self, state: Mapping[str, np.ndarray]) -> None:
        """Write the state of the network, of which the keys begin with "state."."""
        for key in self._entries:
            if key.startswith("state."):
                self.write(key, state[key])
        if self._core.one_hot and self._core.direct:
            self._core.seen = int(state["state.x"])

    def write_all(self, state: Mapping[str, np.ndarray]) -> None:
        """Check everything, then write everything."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state: expected a mapping of names to arrays, got {state!r}")
        state = self._completed(state)
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
        if self._sizes.blind is not None:
            for key in values:
                if without_layer(key) in (*growth.INPUTS, "cell.W"):
                    blind(key, values[key], self._layers[layer_in(key) or 0])
        counters = self._checked_counters(state)
        since = self._checked_since(state) if waits else None
        rows = {
            key: numbers(key, state[key], entry.shape, self._core.dtype)
            for key, entry in self._waiting.items()
            if waits
        }
        for array in self._core.arrays.values():  # including padding and scratch
            array.fill(0)
        for key, value in values.items():
            self.write(key, value)
        self._core.set_counters(**counters)
        self._core.refresh()
        if waits and not self._resume_waiting(values, rows, since):
            for key in ("cell.r", "estimator.w"):
                self.write(key, values[key])
            self._core.refresh()

    def _completed(self, state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the state with what older states lack.

        The size of errors is set to the variance of the targets, which predicts the same. Without a
        readout, the scales of inputs begin anew.
        """
        scales = {key for key in self._entries if key.startswith("inputs.")}
        if not self._core.has_readout and not scales & set(state):
            state = {**state, **{key: np.zeros(self._entries[key].shape) for key in scales}}
        added = {"targets.error", "targets.limited"} & set(self._entries) - set(state)
        if len(added) < 2 or "targets.variance" not in state:
            return state
        return {**state, **dict.fromkeys(added, state["targets.variance"])}

    def grown(self, outputs: int, inputs: int) -> dict[str, np.ndarray]:
        """Return the settled state with zeros for that many more outputs and inputs. No rows wait
        in it."""
        state = {key: growth.with_outputs(key, self.read(key), outputs) for key in self._entries}
        return self._with_inputs(state, inputs) | self._counters(moved=True)

    def _with_inputs(self, state: Mapping[str, np.ndarray], more: int) -> dict[str, np.ndarray]:
        old, lags = self._core.inputs, self._core.lags
        return {
            key: growth.with_inputs(key, x, old, lags, more, self._core.direct)
            for key, x in state.items()
        }

    def _resume_waiting(self, values, rows, since) -> bool:
        """Let rows wait as they did. Return False if they contradict the state, which was then
        edited."""
        active = self._core.stamp == ACTIVE
        if ((since == ACTIVE) != active).any():
            return False
        for key, entry in self._waiting.items():
            entry.write(self._core.arrays[entry.array], rows[key])
        self._core.stamp[:] = since
        self._core.refresh(resumed=True)
        return all((self.read(key) == values[key]).all() for key in ("cell.r", "estimator.w"))

    def _checked_since(self, state) -> np.ndarray:
        """Return since when each symbol's row waits."""
        key, core = "waiting.since", self._core
        return within(key, integers(key, state[key], core.stamp.shape), ACTIVE, core.era)

    def _checked_counters(self, state) -> dict[str, object]:
        limit = {
            "step": LAST_STEP,
            "seed": 2**64 - 1,
            **dict.fromkeys(UPDATES, LAST_STEP),
            "window.length": self._window - self._form.enters,
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
        m, seen = self._core.inputs, values.get("state.x", -1)
        least = -1 - m if "state.x" in values and self._rule == "bptt" else -1
        symbols = values.get("window.x", free + (moved - 1))
        if ((symbols < least) | (symbols >= m)).any():
            raise ValueError(f"window.x: expected symbols in [{least}, {m}), got {symbols}")
        if not -1 <= seen < m:
            raise ValueError(f"state.x: expected a symbol in [-1, {m}), got {seen}")
        return {
            "step": values["step"],
            "seed": values["seed"],
            **{name: values.get(key, 0) for key, name in UPDATES.items()},
            "seen": seen,
            "length": values.get("window.length", 0),
            "entered": values.get("window.entered", 0),
            "symbols": symbols,
        }
