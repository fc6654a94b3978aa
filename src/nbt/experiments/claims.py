"""The sentences of the paper's section 2 that are tested.

Each is decided twice: with the paper's settings, and with the package's defaults. Where the paper
compares NoBackTrack with Kalman and truncated BPTT with SGD, the second verdict uses Kalman for
both, so that it is about the rules. The functions that decide are in `deciding`.

Three of them are decided again for cells with gates: first for rank 1 and Kalman, as the paper has
them, then for rank 0 and Adam, the defaults. Every rule then has the same optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nbt.experiments import deciding
from nbt.experiments.curves import Curve
from nbt.experiments.deciding import NOT_RUN, Verdict
from nbt.experiments.rules import RULES

__all__ = ["CLAIMS", "Claim", "Evidence"]


class MissingError(LookupError):
    """A rule, or the baselines, were not run."""


@dataclass(frozen=True)
class Evidence:
    """All that was measured.

    Parameters
    ----------
    runs : mapping
        Curves in the order of the seeds, by the names (source, rule).
    lines : mapping
        Bits per symbol by name (compressors, "CTW", "entropy"), by the name of the source.
    """

    runs: Mapping[tuple[str, str], Sequence[Curve]]
    lines: Mapping[str, Mapping[str, float]]

    def one(self, source: str, rule: str) -> Sequence[Curve]:
        """Return the curves of a rule."""
        curves = self.runs.get((source, rule), ())
        if not curves:
            raise MissingError(rule)
        return curves

    def some(self, source: str, rules: Sequence[str]) -> dict[str, Sequence[Curve]]:
        """Return the curves of several rules, by their labels."""
        return {RULES[rule].short: self.one(source, rule) for rule in rules}

    def line(self, source: str, name: str) -> float:
        """Return a known rate."""
        if name not in self.lines.get(source, {}):
            raise MissingError(name)
        return self.lines[source][name]


@dataclass(frozen=True)
class Claim:
    """Sentence of the paper, and how it is decided.

    Parameters
    ----------
    name : str
        Its name.
    figures : tuple of str
        The figures that it is about.
    sentence : str
        The sentence in our words.
    by : callable
        The function of `deciding` that decides.
    paper, package : callable
        Return the verdict from the evidence: with the paper's settings, with the package's
        defaults.
    """

    name: str
    figures: tuple[str, ...]
    sentence: str
    by: Callable[..., Verdict]
    paper: Callable[[Evidence], Verdict]
    package: Callable[[Evidence], Verdict]

    @property
    def rule(self) -> str:
        """How the claim is decided, in words."""
        return self.by.rule  # type: ignore[attr-defined]

    def verdicts(self, evidence: Evidence) -> tuple[Verdict, Verdict]:
        """Return the verdicts with the paper's settings and with the package's."""
        return _settled(self.paper, evidence), _settled(self.package, evidence)


def _settled(decide: Callable[[Evidence], Verdict], evidence: Evidence) -> Verdict:
    try:
        return decide(evidence)
    except MissingError as missing:
        return Verdict(NOT_RUN, f"no results of {missing}")


EUCLIDEAN = ("euclidean-1", "euclidean-2", "euclidean-10")
KALMAN = ("kalman-1", "kalman-2", "kalman-10")
OURS = ("nobacktrack",)
OF_GATES = "With an LSTM (rank 1 and Kalman; rank 0 and Adam)"


def _unstable(rules: Sequence[str]) -> Callable[[Evidence], Verdict]:
    return lambda e: deciding.unstable(e.some("music", rules), e.some("music", ["rtrl-euclidean"]))


def _tracks(rule: str) -> Callable[[Evidence], Verdict]:
    return lambda e: deciding.tracks(e.one("music", rule), e.one("music", "rtrl-euclidean-0.03"))


def _stable(rules: Sequence[str]) -> Callable[[Evidence], Verdict]:
    return lambda e: deciding.stable(e.some("music", rules))


def _on_par(
    rules: Sequence[str], exact: str, source: str = "music"
) -> Callable[[Evidence], Verdict]:
    return lambda e: deciding.on_par(e.some(source, rules), e.one(source, exact))


def _cost(*pairs: tuple[str, str]) -> Callable[[Evidence], Verdict]:
    """Return a function that decides by the first pair that was run: a rule and the exact rule."""

    def decide(e: Evidence) -> Verdict:
        there = [pair for pair in pairs if all(e.runs.get(("music", rule)) for rule in pair)]
        rule, exact = (there or pairs)[0]
        return deciding.cost(e.one("music", rule), e.one("music", exact))

    return decide


def _ahead(truncated: str, rules: Sequence[str]) -> Callable[[Evidence], Verdict]:
    return lambda e: deciding.ahead(e.some("music", [truncated]), e.some("music", rules))


def _learns(
    rules: Sequence[str], truncated: str, source: str = "anbn"
) -> Callable[[Evidence], Verdict]:
    return lambda e: deciding.learns(
        e.some(source, rules),
        e.some(source, [truncated]),
        e.line(source, "entropy"),
        e.line(source, "aⁿbᵖ"),
    )


def _alike(*rules: str, source: str = "shakespeare") -> Callable[[Evidence], Verdict]:
    return lambda e: deciding.alike(e.some(source, rules), e.line(source, "CTW"))


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "unstable",
        ("fig1",),
        "Euclidean NoBackTrack at 1/√t is unstable, and a higher rank does not cure it.",
        deciding.unstable,
        _unstable(EUCLIDEAN),
        _unstable(["nobacktrack-sgd"]),
    ),
    Claim(
        "tracks",
        ("fig2",),
        "At 0.03/√t rank two tracks RTRL closely.",
        deciding.tracks,
        _tracks("euclidean-2-0.03"),
        _tracks("nobacktrack-sgd-0.03"),
    ),
    Claim(
        "stable",
        ("fig3", "music"),
        "The Kalman version fully removes the instability.",
        deciding.stable,
        _stable(KALMAN),
        _stable(OURS),
    ),
    Claim(
        "on par",
        ("fig3", "music"),
        "Low rank is roughly on par with Kalman RTRL.",
        deciding.on_par,
        _on_par(KALMAN, "rtrl-kalman"),
        _on_par(OURS, "rtrl"),
    ),
    Claim(
        "cost",
        ("fig1", "fig3", "fig4", "music"),
        "RTRL costs roughly 20 times more with 20 units.",
        deciding.cost,
        _cost(("euclidean-1", "rtrl-euclidean"), ("kalman-1", "rtrl-kalman")),
        _cost(("nobacktrack", "rtrl")),
    ),
    Claim(
        "ahead",
        ("fig4", "music"),
        "Truncated BPTT is slightly ahead of Kalman NoBackTrack on music.",
        deciding.ahead,
        _ahead("tbptt-paper", KALMAN),
        _ahead("tbptt-kalman", OURS),
    ),
    Claim(
        "learns",
        ("fig5", "anbn"),
        "On aⁿbⁿ Kalman NoBackTrack clearly beats truncated BPTT, which stays nearer to the rate "
        "of aⁿbᵖ.",
        deciding.learns,
        _learns(KALMAN, "tbptt-paper"),
        _learns(OURS, "tbptt-kalman"),
    ),
    Claim(
        "alike",
        ("fig6", "shakespeare"),
        "On Shakespeare all rules are alike, and context tree weighting beats them.",
        deciding.alike,
        _alike(*KALMAN, "rtrl-euclidean", "tbptt-paper"),
        _alike(*OURS, "tbptt-kalman"),
    ),
    Claim(
        "on par, with gates",
        ("fig7-music",),
        f"{OF_GATES} low rank is roughly on par with RTRL.",
        deciding.on_par,
        _on_par(["nobacktrack-1"], "rtrl-10", "music-lstm"),
        _on_par(["nobacktrack-0-adam"], "rtrl-10-adam", "music-lstm"),
    ),
    Claim(
        "learns, with gates",
        ("fig7-anbn",),
        f"{OF_GATES} on aⁿbⁿ NoBackTrack clearly beats truncated BPTT, which stays nearer to the "
        "rate of aⁿbᵖ.",
        deciding.learns,
        _learns(["nobacktrack-1"], "tbptt-10-kalman", "anbn-lstm"),
        _learns(["nobacktrack-0-adam"], "tbptt-10-adam", "anbn-lstm"),
    ),
    Claim(
        "alike, with gates",
        ("fig7-shakespeare",),
        f"{OF_GATES} on Shakespeare all rules are alike, and context tree weighting beats them.",
        deciding.alike,
        _alike("nobacktrack-1", "tbptt-10-kalman", "rtrl-10", source="shakespeare-lstm"),
        _alike("nobacktrack-0-adam", "tbptt-10-adam", "rtrl-10-adam", source="shakespeare-lstm"),
    ),
)
