"""The paper's six figures, section 2, and two figures of our own for each source, with their rules.

Our figures have each rule with each optimizer, for the paper's cells and for cells with gates
(figure 7). A run that two figures share is made only once.
"""

from __future__ import annotations

from dataclasses import dataclass

from nbt.experiments.rules import GATED, PAIRS, RULES, Rule
from nbt.experiments.sources import SOURCES, Source, with_gates

__all__ = ["FIGURES", "SEVENTH", "Figure"]


@dataclass(frozen=True)
class Figure:
    """Figure: a source and the rules that are compared on it.

    Parameters
    ----------
    name : str
        "fig1" to "fig6", "fig7-…", or the name of the source; also the name of its files.
    title : str
        Its title.
    source : Source
        What is learned from.
    rules : tuple of Rule
        The rules, the paper's first.
    note : str
        What the paper says of it, in our words.
    lines : tuple of str or None
        Baselines and rates that are drawn. None: all.
    """

    name: str
    title: str
    source: Source
    rules: tuple[Rule, ...]
    note: str = ""
    lines: tuple[str, ...] | None = None


KALMAN = ("kalman-1", "kalman-2", "kalman-10")
LINES = ("gzip", "CTW", "entropy", "aⁿbᵖ")
WITHOUT_METRIC = ("euclidean-1", "euclidean-2", "euclidean-10", "rtrl-euclidean", "nobacktrack-sgd")


def _pairs(source: str) -> Figure:
    """Return a figure of each rule with each optimizer, which is not in the paper."""
    title = f"Each rule with each optimizer, {SOURCES[source].title}"
    return Figure(source, title, SOURCES[source], PAIRS, lines=LINES)


def _gated(source: Source) -> Figure:
    """Return a part of figure 7: the paper's source, learned by cells with gates."""
    title = f"Figure 7: LSTM, each rule with each optimizer, {source.title}"
    return Figure(f"fig7-{source.name}", title, with_gates(source), GATED, lines=LINES)


def _figure(name: str, title: str, source: str, rules: tuple[str, ...], note: str) -> Figure:
    title = f"Figure {name.removeprefix('fig')}: {title}"
    return Figure(name, title, SOURCES[source], tuple(RULES[rule] for rule in rules), note, LINES)


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        _figure(
            "fig1",
            "Euclidean, rate 1/√t, synthetic music",
            "music",
            WITHOUT_METRIC,
            "with a large learning rate Euclidean NoBackTrack is unstable, whatever its rank.",
        ),
        _figure(
            "fig2",
            "Euclidean, rate 0.03/√t, synthetic music",
            "music",
            tuple(f"{rule}-0.03" for rule in WITHOUT_METRIC),
            "with a small rate the noise is averaged out: rank two follows RTRL closely.",
        ),
        _figure(
            "fig3",
            "Kalman, decay 1/√t, synthetic music",
            "music",
            (*KALMAN, "rtrl-kalman", "nobacktrack", "rtrl"),
            "Kalman removes the instability; low rank is on par with RTRL.",
        ),
        _figure(
            "fig4",
            "Kalman and truncated BPTT, synthetic music",
            "music",
            (
                *(*KALMAN, "rtrl-kalman", "rtrl-euclidean", "tbptt-paper"),
                *("nobacktrack", "tbptt-kalman"),
            ),
            "truncated BPTT is slightly ahead: long dependencies do not matter here.",
        ),
        _figure(
            "fig5",
            "Kalman and truncated BPTT, aⁿbⁿ, leaky network",
            "anbn",
            (*KALMAN, "rtrl-kalman", "tbptt-paper", "nobacktrack", "tbptt-kalman", "rtrl"),
            "Kalman NoBackTrack learns most of the dependency, truncated BPTT does not.",
        ),
        _figure(
            "fig6",
            "Kalman and truncated BPTT, Shakespeare",
            "shakespeare",
            (*KALMAN, "rtrl-euclidean", "tbptt-paper", "nobacktrack", "tbptt-kalman"),
            "all rules are alike, and context tree weighting is far ahead of them.",
        ),
        *map(_pairs, SOURCES),
        *map(_gated, SOURCES.values()),
    )
}
"""Every figure by its name."""

SEVENTH: tuple[str, ...] = tuple(name for name in FIGURES if name.startswith("fig7-"))
"""The names of the parts of figure 7."""
