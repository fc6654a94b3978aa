"""The public names of a learner's counts of symbols (csrc/shared/counts.h)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nbt import _core
from nbt.trainers.state.checks import integers, numbers, within

__all__ = ["CountsTable", "new_counts"]

PREFIX = "counts."
NAMES = ("symbols", "context", "weights", "squares", "places", "slots")


def new_counts(
    symbols: int, orders: int, memory: int, of_inputs: bool
) -> _core.SymbolCounts | None:
    """Return counts of that many orders in a table of at most `memory` bytes; None for no order."""
    if not orders:
        return None
    buckets = 1 << (memory // _core.COUNTS_BUCKET).bit_length() - 1
    return _core.SymbolCounts(symbols=symbols, orders=orders, buckets=buckets, of_inputs=of_inputs)


class CountsTable:
    """Table of the counts: it reads copies, and checks and writes new ones.

    Parameters
    ----------
    core : _core.SymbolCounts or None
        The counts. None: it has no names.
    """

    def __init__(self, core: _core.SymbolCounts | None) -> None:
        self._core = core

    def read(self) -> dict[str, np.ndarray]:
        """Return copies of all arrays, by public name. Of the slots only those in use."""
        if self._core is None:
            return {}
        arrays = self._core.arrays
        places = np.flatnonzero(arrays["slots"][:, 1]).astype(np.uint32)
        return {
            "counts.symbols": arrays["seen"].copy(),
            "counts.context": arrays["context"].copy(),
            "counts.weights": arrays["beta"].copy(),
            "counts.squares": arrays["squares"].copy(),
            "counts.places": places,
            "counts.slots": arrays["slots"][places],
        }

    def grown(self, symbols: int) -> dict[str, np.ndarray]:
        """Return the state with room for that many more symbols, which were never counted."""
        state = self.read()
        if state:
            state["counts.symbols"] = np.pad(state["counts.symbols"], (0, symbols))
        return state

    def split(
        self, state: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], Mapping[str, np.ndarray]]:
        """Return the arrays of this table, by the part of their names after "counts.", and all
        others."""
        if self._core is None:
            return {}, state
        own = {PREFIX + name for name in NAMES}
        missing = sorted(own - set(state))
        if missing:
            raise ValueError(
                "state: expected the names of this trainer's state_dict(), got one that lacks "
                f"{missing}"
            )
        rest = {key: value for key, value in state.items() if key not in own}
        return {name: state[PREFIX + name] for name in NAMES}, rest

    def write(self, state: Mapping[str, np.ndarray]) -> None:
        """Check what `split` returned, then write it over counts that are new."""
        if self._core is None:
            return
        arrays, symbols = self._core.arrays, self._core.symbols
        seen = integers("counts.symbols", state["symbols"], (symbols,))
        within("counts.symbols", seen, 0, _core.COUNTS_MOST + 1)
        context = self._checked_context(state["context"])
        weights, squares = (
            numbers(f"counts.{name}", state[name], arrays["beta"].shape, np.float64)
            for name in ("weights", "squares")
        )
        if (squares < 0).any():
            raise ValueError(
                f"counts.squares: expected sums of squares, at least 0, got {squares.min()}"
            )
        places, slots = self._checked_slots(state["places"], state["slots"])
        arrays["seen"][:], arrays["context"][:] = seen, context
        arrays["beta"][...], arrays["squares"][...] = weights, squares
        arrays["slots"][places] = slots
        self._core.refresh()

    def _checked_context(self, value: np.ndarray) -> np.ndarray:
        key = "counts.context"
        context = integers(key, value, self._core.arrays["context"].shape)
        within(key, context, -1, self._core.symbols)
        known = context >= 0
        if (known[1:] & ~known[:-1]).any():
            raise ValueError(f"{key}: expected -1 only after all symbols, got {context}")
        return context

    def _checked_slots(
        self, places: np.ndarray, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        most = len(self._core.arrays["slots"])
        places = np.asarray(places)
        places = within("counts.places", integers("counts.places", places, (places.size,)), 0, most)
        if (np.diff(places.astype(np.int64)) <= 0).any():
            raise ValueError("counts.places: expected places that rise, got some that do not")
        key = "counts.slots"
        slots = integers(key, slots, (len(places), 4))
        slots = np.ascontiguousarray(within(key, slots, 0, 2**32), np.uint32)
        bad = self._core.first_bad(slots)
        if bad < len(slots):
            raise ValueError(f"{key}: expected slots of counted symbols, got {slots[bad]} at {bad}")
        return places, slots
