"""Plots of figures: bits per symbol over symbols and over CPU time.

A line is the median over seeds, and a band shows the quartiles. The colours are those of Okabe and
Ito, which colour-blind people can tell apart. Each curve also ends in a mark of its own.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nbt.display.visible import visible
from nbt.errors import DataError, MissingExtra
from nbt.experiments.curves import Band, Curve, band
from nbt.experiments.figures import Figure
from nbt.experiments.labels import spread
from nbt.experiments.rules import RANKS, Rule
from nbt.optimizers import SGD, Adam, Kalman
from nbt.storage.atomic import replace_in
from nbt.storage.folders import opened

__all__ = ["draw", "pyplot"]

SIZE = (13.0, 5.6)  # inches
DPI = 150
SHOWN = 3e3  # ratio of the last symbol shown to the first
LINE = 15.0  # points from one label to the next
GREY = "#5a5a5a"
STYLE = {
    "font.size": 12,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "svg.fonttype": "path",
    "svg.hashsalt": "nbt",
}

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#000000", "#E69F00", "#D55E00", "#CC79A7", "#8a6d00")
MARKS = ("o", "s", "^", "D", "v", "*", "P", "X")
PREFERRED = {  # of a rule (of the package: without optimizer), the place in COLOURS and MARKS
    **{f"euclidean-{rank}": i for i, rank in enumerate(RANKS)},
    **{f"kalman-{rank}": i for i, rank in enumerate(RANKS)},
    "rtrl-kalman": 3,
    "rtrl-euclidean": 3,
    "tbptt-paper": 4,
    "TBPTT-5": 0,
    "TBPTT-50": 2,
    "TBPTT-15": 7,
    "NoBackTrack": 5,
    "RTRL": 6,
    "NoBackTrack rank 0": 5,
    "NoBackTrack rank 1": 0,
    "TBPTT-10": 7,
    "RTRL every 10": 6,
}
DASHES = ((0, (6, 2)), (0, (2, 2)), (0, (7, 2, 1.5, 2)), (0, (1, 1.5)))
LINE_OF = {Kalman: "-", SGD: DASHES[0], Adam: DASHES[1]}  # of the package's rules


class Look(NamedTuple):
    """How a curve is drawn."""

    colour: str
    mark: str
    dashes: Any
    width: float


class Label(NamedTuple):
    """Text at the right edge, for what ends at (x, y) of the right panel."""

    text: str
    x: float
    y: float
    look: Look


def pyplot() -> Any:
    """Return matplotlib.pyplot, which draws only to files. Raise `MissingExtra` if it is not
    installed."""
    try:
        import matplotlib
    except ImportError:
        raise MissingExtra(
            "plots need matplotlib: pip install 'nobacktrack[plot]' or pip install matplotlib"
        ) from None
    matplotlib.use("agg")
    from matplotlib import pyplot as module

    return module


def draw(
    figure: Figure,
    runs: Mapping[str, Sequence[Curve]],
    lines: Mapping[str, float],
    folder: Path,
    subtitle: str,
) -> None:
    """Write NAME.png and NAME.svg.

    Parameters
    ----------
    figure : Figure
        What is drawn.
    runs : mapping
        Curves by the names of the figure's rules. Rules that are missing are left out.
    lines : mapping
        Horizontal lines: bits per symbol by name.
    folder : Path
        Where to write.
    subtitle : str
        The line below the title.
    """
    plt = pyplot()
    with plt.rc_context(STYLE):
        picture = plt.figure(figsize=SIZE)
        try:
            _fill(picture, figure, runs, lines, subtitle)
            for suffix, options in (("png", {"dpi": DPI}), ("svg", {"metadata": {"Date": None}})):
                data = io.BytesIO()
                picture.savefig(data, format=suffix, **options)
                with opened(folder, DataError) as place:
                    replace_in(place, f"{figure.name}.{suffix}", data.getvalue())
        finally:
            plt.close(picture)


def _fill(picture, figure, runs, lines, subtitle) -> None:
    left, right = picture.subplots(1, 2, sharey=True)
    picture.subplots_adjust(left=0.068, right=0.665, bottom=0.135, top=0.82, wspace=0.07)
    title = visible(figure.title)
    picture.text(0.012, 0.945, title, parse_math=False, fontsize=15, fontweight="bold")
    looks = _looks(figure.rules)
    bands = {
        rule.name: (rule, band(runs[rule.name])) for rule in figure.rules if runs.get(rule.name)
    }
    if any(curve.diverged for _, curve in bands.values()):
        subtitle += "; × diverged"
    picture.text(0.012, 0.885, visible(subtitle), parse_math=False, fontsize=12, color=GREY)
    low, high = _axes(left, right, [b for _, b in bands.values()], lines)
    labels = []
    for name, (rule, curve) in bands.items():
        _curve(left, right, curve, looks[name], high)
        _crosses(left, right, runs[name], looks[name], high)
        labels.append(_label(rule, curve, looks[name], high))
    dashed = itertools.cycle(DASHES)
    for name, bits in lines.items():
        dashes = "-" if name == "entropy" else next(dashed)
        look = Look(GREY, "", dashes, 1.3)
        for axes in (left, right):
            axes.axhline(bits, color=GREY, linestyle=dashes, linewidth=1.3, zorder=1)
        labels.append(Label(f"{visible(name)}  {bits:.3f}", right.get_xlim()[1], bits, look))
    _write(right, labels, low, high)


def _looks(rules: Sequence[Rule]) -> dict[str, Look]:
    """Return a look for each rule: its preferred one, or a free one, or a dashed one.

    For the package's rules, colour and mark are those of the rule, and dashes those of the
    optimizer.
    """
    places: dict[str, tuple[int, Any]] = {}
    for rule in rules:
        ours = rule.origin == "package"
        place = PREFERRED.get(rule.method if ours else rule.name.removesuffix("-0.03"))
        look = place, LINE_OF[type(rule.optimizer)] if ours else "-"
        if place is not None and look not in places.values():
            places[rule.name] = look
    used = {place for place, _ in places.values()}
    free = [i for i in range(len(COLOURS)) if i not in used]
    looks = {}
    for number, rule in enumerate(rules):
        if rule.name not in places:
            line = "-" if free else DASHES[0]
            places[rule.name] = free.pop(0) if free else number % len(COLOURS), line
        width = 2.6 if rule.origin == "package" else 1.8
        place, line = places[rule.name]
        looks[rule.name] = Look(COLOURS[place], MARKS[place], line, width)
    return looks


def _axes(left, right, bands: Sequence[Band], lines: Mapping[str, float]) -> tuple[float, float]:
    """Name and scale the axes; return the lowest and the highest loss shown."""
    bands = [b for b in bands if len(b.step)]
    steps = max((b.step[-1] for b in bands), default=1.0)
    seconds = max((b.seconds[-1] for b in bands), default=1.0)
    first = max(1.0, steps / SHOWN)
    begin = min((np.interp(first, b.step, b.seconds) for b in bands), default=seconds / SHOWN)
    low, high = _range([b.median[b.step >= first] for b in bands], list(lines.values()))
    left.set(xscale="log", xlim=(first, steps * 1.25), ylim=(low, high))
    right.set(xscale="log", xlim=(begin, seconds * 1.25))
    left.set_xlabel("symbols read, t")
    right.set_xlabel("CPU time, seconds")
    left.set_ylabel("average log-loss, bits per symbol")
    for axes in (left, right):
        axes.grid(True, which="major", color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", pad=7)
    return low, high


def _range(medians: Sequence[np.ndarray], lines: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest loss shown. A rule far above the others leaves the panel at
    the top."""
    finite = [values[np.isfinite(values)] for values in medians]
    finite = [values for values in finite if values.size] or [np.array([0.0, 1.0])]
    bottom = min([values.min() for values in finite] + list(lines))
    top = 1.1 * max([np.median([values.max() for values in finite]), *lines])
    top = min(top, max([values.max() for values in finite] + list(lines)))
    room = max(top - bottom, 0.05 * top, 0.01)
    return max(0.0, bottom - 0.08 * room), top + 0.05 * room


def _curve(left, right, curve: Band, look: Look, high: float) -> None:
    top = 2 * high  # out of sight
    low, middle, above = (np.minimum(x, top) for x in (curve.low, curve.median, curve.high))
    for axes, x in ((left, curve.step), (right, curve.seconds)):
        axes.fill_between(x, low, above, color=look.colour, alpha=0.15, linewidth=0)
        axes.plot(x, middle, color=look.colour, linewidth=look.width, linestyle=look.dashes)
        if len(x) and curve.median[-1] <= high:
            axes.plot(x[-1:], middle[-1:], look.mark, color=look.colour, markersize=7.5, zorder=5)


def _crosses(left, right, curves: Sequence[Curve], look: Look, high: float) -> None:
    """Draw a cross at the upper edge where a run diverged."""
    for curve in curves:
        if curve.diverged:
            seconds = curve.seconds[-1] if curve.steps else 0.0
            for axes, x in ((left, curve.diverged_at), (right, seconds)):
                axes.plot(
                    [max(x, axes.get_xlim()[0])],
                    [high],
                    "x",
                    color=look.colour,
                    markersize=8,
                    markeredgewidth=2,
                    clip_on=False,
                    zorder=6,
                )


def _label(rule: Rule, curve: Band, look: Look, high: float) -> Label:
    final = curve.median[-1] if len(curve.median) else math.inf
    parts = [rule.label]
    if math.isfinite(final):
        parts.append(f"{final:.3f}" + (" ↑" if final > high else ""))
    if curve.diverged:
        parts.append(f"×{curve.diverged}/{curve.count}")
    x = curve.seconds[-1] if len(curve.seconds) else 0.0
    return Label("  ".join(parts), x, min(final, high), look)


def _write(axes, labels: Sequence[Label], low: float, high: float) -> None:
    """Write the labels at the right of the panel, each joined by a line to the end of its curve."""
    box = axes.get_window_extent()
    height = 72 * box.height / axes.figure.dpi  # points
    wanted = [height * (label.y - low) / (high - low) for label in labels]
    places = spread(wanted, LINE, -LINE, height + 2 * LINE)
    edge = axes.get_xlim()[1]
    for label, place in zip(labels, places, strict=True):
        look = label.look
        y = low + place / height * (high - low)
        start = math.log(max(label.x, axes.get_xlim()[0]) / axes.get_xlim()[0])
        start /= math.log(edge / axes.get_xlim()[0])
        path = [(start, label.y), (1.015, label.y), (1.055, y), (1.085, y)]
        axes.plot(
            *zip(*path, strict=True),
            color=look.colour,
            linewidth=1.1,
            linestyle=look.dashes if not look.mark else "-",
            transform=axes.get_yaxis_transform(),
            clip_on=False,
            zorder=2,
        )
        if look.mark:
            axes.plot(
                [1.085],
                [y],
                look.mark,
                color=look.colour,
                markersize=6.5,
                transform=axes.get_yaxis_transform(),
                clip_on=False,
            )
        axes.text(
            1.112,
            y,
            label.text,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=11,
            color=GREY if not look.mark else "#1a1a1a",
        )
