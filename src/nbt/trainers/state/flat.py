"""The public names of the state where a system is trained instead of a dense cell."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from nbt import _core
from nbt.trainers.binding import BoundSystem
from nbt.trainers.form import Form
from nbt.trainers.forms import NoBackTrackForm
from nbt.trainers.state.checks import integers, numbers, within
from nbt.trainers.state.dense import ARRAYS, FIXED, DenseTable
from nbt.trainers.state.entries import Entry, plain
from nbt.trainers.state.growth import OF_PHI, VECTORS
from nbt.trainers.state.sizes import Shape, Sizes

__all__ = ["FlatTable"]

FLAT = {
    *("optimizer.theta.J", "optimizer.theta.J0", "optimizer.theta.m", "optimizer.theta.v"),
    *("estimator.w", "estimator.G", "window.g_theta"),
}
BLOCKS = "optimizer.theta.blocks"
PAIR = "estimator.pair"
ROWS = ("estimator.rows.indptr", "estimator.rows.indices", "estimator.rows.data")


def _in_places(places: np.ndarray) -> Entry:
    """Return an entry of some numbers of θ."""

    def write(x: np.ndarray, value: np.ndarray) -> None:
        x[0, places] = value

    return Entry("theta", places.shape, lambda x: x[0, places], write)


class FlatTable(DenseTable):
    """Table of a state in which θ, and what has its shape, is flat, (p,).

    `parts` has the places of the named arrays in θ. The rows w_i of the last transition are CSR
    arrays with as many entries as there are now.

    Parameters
    ----------
    core, form, sizes
        As in `DenseTable`.
    system : BoundSystem
        The system.
    starts : array of int
        First parameter of each group of J.
    """

    def __init__(
        self,
        core: _core.Learner,
        form: Form,
        sizes: Sizes,
        system: BoundSystem,
        starts: Sequence[int] | np.ndarray,
    ) -> None:
        self._split, self._grown = bool(form.split), system.grown
        self._parts = system.parts or {"theta": np.arange(core.parameters)}
        self._fixed = np.zeros(core.parameters, bool)
        for name, places in self._parts.items():
            self._fixed[places] |= name.rpartition(".")[2] in FIXED
        self._ends = np.append(starts, core.parameters).astype(np.int64)
        super().__init__(core, form, sizes)

    def _entry(self, key: str, shape: Shape) -> Entry:
        if key.startswith("cell."):
            return _in_places(self._parts[key.removeprefix("cell.")])
        if key in ("estimator.w", "estimator.G"):
            return plain(ARRAYS[key], shape)
        return super()._entry(key, shape)

    def begin(self, state: np.ndarray, random: np.random.Generator) -> None:
        """Set h as it is before the first step, and which pair covers each parameter, if pairs
        share them."""
        if isinstance(self._form, NoBackTrackForm) and self._split:
            self._core.pair[:] = random.permutation(self._core.parameters) % self._form.rank
        self._core.arrays["h"][0, : len(state)] = state

    def grown(self, outputs: int, inputs: int) -> dict[str, np.ndarray]:
        """Return the grown state, as `DenseTable` does. The cell says where the weights of a new
        input lie."""
        state = super().grown(outputs, 0) | self._rows()
        if not inputs:
            return state
        vectors = (VECTORS | OF_PHI).keys() & self._entries.keys()
        state |= self._with_inputs({key: state[key] for key in vectors}, inputs)
        old, lags = self._core.inputs, self._core.lags
        kept = np.add.outer(np.arange(lags) * (old + inputs), np.arange(old)).ravel()
        moved, parts = self._grown(kept, lags * (old + inputs))
        size = len(np.concatenate([places.ravel() for places in parts.values()]))

        def spread(flat):
            wide = np.zeros((*flat.shape[:-1], size), flat.dtype)
            wide[..., moved] = flat
            return wide

        theta = spread(self._core.arrays["theta"][0, : len(moved)])
        state |= {f"cell.{name}": theta[places] for name, places in parts.items()}
        state |= {key: spread(state[key]) for key in FLAT & state.keys()}
        if self._split:
            pair = np.arange(size) % len(state["estimator.v"])
            pair[moved] = state[PAIR]
            state[PAIR] = pair
        if self._has_rows:
            state[ROWS[1]] = moved[state[ROWS[1]]].astype(np.int32)
        return state

    # ---- the rows ------------------------------------------------------------------------------

    @property
    def _has_rows(self) -> bool:
        return self._rule == "nobacktrack"

    def _rows(self) -> dict[str, np.ndarray]:
        if not self._has_rows:
            return {}
        pair = {PAIR: self._core.pair.copy()} if self._split else {}
        used = self._core.indptr[-1]
        values = self._core.arrays["values"][0, :used].copy()
        parts = self._core.indptr.copy(), self._core.indices[:used].copy(), values
        return dict(zip(ROWS, parts, strict=True)) | pair

    def read_all(self) -> dict[str, np.ndarray]:
        return super().read_all() | self._rows()

    def write_all(self, state: Mapping[str, np.ndarray]) -> None:
        if isinstance(state, Mapping):
            self._check_fixed(state)
        if not self._has_rows or not isinstance(state, Mapping):
            super().write_all(state)
            return
        own = (*ROWS, PAIR) if self._split else ROWS
        missing = [key for key in own if key not in state]
        if missing:
            raise ValueError(
                "state: expected the names of this trainer's state_dict(), got one that lacks "
                f"{missing}"
            )
        indptr, indices, data = self._checked_rows(state)
        pair = self._checked_pair(state) if self._split else self._core.pair
        super().write_all({key: value for key, value in state.items() if key not in own})
        self._core.pair[:] = pair
        self._core.indptr[:], used = indptr, len(indices)
        self._core.indices[:used] = indices
        self._core.arrays["values"][0, :used] = data
        self._core.refresh()

    def _check_fixed(self, state) -> None:
        """Check that all arrays are 0 for numbers that are not learned; otherwise these would
        change."""
        if not self._fixed.any():
            return
        for key in (FLAT | {BLOCKS}) & self._entries.keys() & state.keys():
            entry = self._entries[key]
            value = numbers(key, state[key], entry.shape, self._core.arrays[entry.array].dtype)
            fixed = self._fixed if key != BLOCKS else self._fixed_of_blocks()
            if value[..., fixed].any():
                raise ValueError(f"{key}: expected 0 for numbers that are not learned, such as α")

    def _fixed_of_blocks(self) -> np.ndarray:
        """Return which entries of the groups' matrices in J are in the row or the column of a fixed
        number."""
        pairs = itertools.pairwise(self._ends)
        parts = (self._fixed[first:last] for first, last in pairs)
        return np.concatenate([(one[:, None] | one).ravel() for one in parts])

    def _checked_pair(self, state) -> np.ndarray:
        pair = integers(PAIR, state[PAIR], (self._core.parameters,))
        return within(PAIR, pair, 0, self._entries["estimator.v"].shape[0])

    def _checked_rows(self, state):
        indptr, indices = (np.asarray(state[key]) for key in ROWS[:2])
        n, p, most = self._core.units, self._core.parameters, self._core.entries
        for key, array in zip(ROWS, (indptr, indices), strict=False):
            if array.dtype.kind not in "iu" or array.ndim != 1:
                raise ValueError(f"{key}: expected a vector of integers, got {array!r}")
        if indptr.shape != (n + 1,) or indptr[0] != 0 or (np.diff(indptr.astype(int)) < 0).any():
            raise ValueError(f"{ROWS[0]}: expected {n + 1} integers from 0 that never fall")
        if len(indices) != indptr[-1] or len(indices) > most:
            raise ValueError(
                f"{ROWS[1]}: expected {indptr[-1]} columns, at most {most}, got {len(indices)}"
            )
        if ((indices < 0) | (indices >= p)).any():
            raise ValueError(f"{ROWS[1]}: expected columns in [0, {p})")
        places = np.repeat(np.arange(n), np.diff(indptr.astype(int))) * p + indices
        if len(np.unique(places)) < len(places):
            raise ValueError(f"{ROWS[1]}: expected each column once in a row")
        data = numbers(ROWS[2], state[ROWS[2]], indices.shape, self._core.dtype)
        if data[self._fixed[indices]].any():
            raise ValueError(f"{ROWS[2]}: expected 0 for numbers that are not learned, such as α")
        return indptr, indices, data

    def influence(self) -> np.ndarray:
        """Return ∂h/∂θ (n, p), float64: the mean of the pairs' products, or all of them if split,
        plus the rows, if there are some."""
        v, w = (self.read(key).astype(np.float64) for key in ("estimator.v", "estimator.w"))
        if not self._has_rows:
            return v.T @ w / len(v)
        estimate = v[self._core.pair].T * w if self._split else v.T @ w / len(v)
        return estimate + self.exact_influence()

    def exact_influence(self) -> np.ndarray:
        """Return ∂f/∂θ of the last transition (n, p), float64: the rows w_i."""
        indptr, indices, data = (self._rows()[key] for key in ROWS)
        dense = np.zeros((self._core.units, self._core.parameters))
        dense[np.repeat(np.arange(len(dense)), np.diff(indptr)), indices] = data
        return dense
