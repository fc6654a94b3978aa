"""Plots by matplotlib, where it is installed: no window, no global state."""

from __future__ import annotations

from typing import Any

from nbt.errors import MissingExtra

__all__ = ["figure", "legend"]


def figure(width: float = 10, height: float = 7) -> Any:
    """Return an empty figure of this size in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra('plots need matplotlib: pip install "nobacktrack[plot]"') from None
    return Figure(figsize=(width, height), layout="constrained")


def legend(axes: Any, columns: int) -> None:
    """Put the legend below the axes, where it hides nothing."""
    lower = -0.17 if axes.get_xlabel() else -0.1
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, lower)}
    axes.legend(fontsize="small", frameon=False, ncols=columns, **place)
