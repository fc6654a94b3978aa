"""Pictures by matplotlib, where it is installed: no window, no global state."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nbt.errors import MissingExtra
from nbt.history_rows import UNITS
from nbt.visible import visible

if TYPE_CHECKING:
    from nbt.history import History

__all__ = ["figure", "learning_curve", "legend"]


def figure(width: float = 10, height: float = 7) -> Any:
    """An empty picture of so many inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra('plots need matplotlib: pip install "nobacktrack[plot]"') from None
    return Figure(figsize=(width, height), layout="constrained")


def legend(axes: Any, columns: int) -> None:
    """What the lines are, below them, where it hides nothing."""
    lower = -0.17 if axes.get_xlabel() else -0.1
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, lower)}
    axes.legend(fontsize="small", frameon=False, ncols=columns, **place)


def learning_curve(history: History, path: str | os.PathLike[str] | None) -> Any:
    """See `History.plot`."""
    picture = figure(7, 4)
    axes = picture.subplots()
    for losses, label in ((history.average, "average"), (history.since, "since the row before")):
        axes.plot(history.step, losses, marker="o", ms=3, label=label)
    if (entropy := history.entropy_rate) is not None:
        axes.axhline(entropy, color="gray", linestyle="--", label="entropy rate")
    axes.set_xscale("log")
    name = visible(history.settings.get("stream", ""))
    axes.set_title(name, parse_math=False)  # a dollar is one
    axes.set(
        xlabel="steps" if history.unit == "nats" else "symbols",
        ylabel=UNITS[history.unit],
    )
    legend(axes, 3)
    if path is not None:
        picture.savefig(path)
    return picture
