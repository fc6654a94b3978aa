"""What cells with gates have in common: which sums a unit makes, and how long it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nbt import _arguments

__all__ = ["MEMORY", "Gates", "check_memory", "first_odds"]

MEMORY = 1.0, 32.0
LONGEST = 10**9  # steps; beyond, a gate could not be told from one that is never closed


@dataclass(frozen=True)
class Gates:
    """Which sums a_g a unit makes of (1, y, x), in the order of `names` (csrc/gated/gates.h).

    Attributes
    ----------
    kind : str
        The cell's name in the core.
    names : tuple of str
        A name for each.
    kept : int
        The carried number c depends on so many of them, which come first.
    keeps : int
        The one that keeps c: its first biases follow from `memory`.
    sign : int
        1 if c is kept where it is large, -1 if where it is small.
    blind : (int, int), optional
        One that does not see y, and one that does not see x.
    """

    kind: str
    names: tuple[str, ...]
    kept: int
    keeps: int = 0
    sign: int = 1
    blind: tuple[int, int] | None = None


def check_memory(cell: Any) -> None:
    """Check the range of time constants of a cell, and make it a pair of floats."""
    pair = cell.memory
    if not isinstance(pair, (list, tuple, np.ndarray)) or len(pair) != 2:
        raise TypeError(f"memory: expected a pair of numbers, such as (1, 32), got {pair!r}")
    shortest, longest = (_arguments.real("memory", one, low=1, high=LONGEST) for one in pair)
    if shortest > longest:
        raise ValueError(f"memory: expected the shorter time first, got {pair!r}")
    object.__setattr__(cell, "memory", (shortest, longest))


def first_odds(memory: tuple[float, float], units: int, random: np.random.Generator) -> np.ndarray:
    """Return ln(F / (1 - F)), (units,), where F = 1 - 1/(τ + 0.3) is how much of c a unit keeps at
    first, and the time constant τ is drawn with a uniform logarithm."""
    keep = 1 - 1 / (np.exp(random.uniform(*np.log(memory), units)) + 0.3)
    return np.log(keep) - np.log1p(-keep)
