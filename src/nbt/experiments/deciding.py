"""Decide sentences of the paper from curves: one function for each kind of sentence.

Every function takes curves of several seeds by label, in the order of the seeds, and returns a
`Verdict`. Its attribute `rule` says in words how it decides. Losses are average bits per symbol
from the start, as in the paper's figures. A run that diverged has infinite loss. Medians over seeds
are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from nbt.experiments.curves import Curve, median

__all__ = [
    "HELD",
    "MIXED",
    "NOT_HELD",
    "NOT_RUN",
    "Verdict",
    "ahead",
    "alike",
    "cost",
    "learns",
    "on_par",
    "stable",
    "tracks",
    "unstable",
]

HELD, NOT_HELD, MIXED, NOT_RUN = "held", "did not hold", "mixed", "not run"

RISE = 0.1  # bits per symbol; a run is unstable if an octave exceeds an earlier one by more
FIRST = 1024  # earlier symbols are not judged
PAR = 0.05  # largest relative difference of losses at which two rules are on par
SLIGHT = 0.10  # ... at which one is slightly ahead, or still tracks another loosely
MOST = 0.75  # share of the seeds that counts as most of them

UNSTABLE = (
    f"A run is unstable if it diverged, or if its loss over some octave, from t to 2t symbols with "
    f"t at least {FIRST}, exceeds that over an earlier one by more than {RISE:g} bits. "
)

Curves = Sequence[Curve]
Decision = TypeVar("Decision", bound=Callable[..., "Verdict"])


class Verdict(NamedTuple):
    """Outcome (held, did not hold, mixed or not run), and what was measured, in words."""

    outcome: str
    measured: str


def _by(rule: str) -> Callable[[Decision], Decision]:
    """Return a decorator that sets in words how a function decides."""

    def say(function: Decision) -> Decision:
        function.rule = rule  # type: ignore[attr-defined]
        return function

    return say


def is_unstable(curve: Curve) -> bool:
    """Return whether a run diverged, or lost more than RISE between two octaves of the steps from
    FIRST on."""
    if curve.diverged:
        return True
    octaves = curve.octaves(FIRST) if curve.steps >= FIRST else np.zeros(0)
    rise = octaves - np.minimum.accumulate(octaves) if octaves.size else octaves
    return bool((rise > RISE).any())


def _unstable_share(curves: Curves) -> float:
    return sum(map(is_unstable, curves)) / len(curves)


def _counts(rules: Mapping[str, Curves]) -> str:
    parts = []
    for label, curves in rules.items():
        diverged = sum(curve.diverged for curve in curves)
        text = f"{label} {sum(map(is_unstable, curves))} of {len(curves)}"
        parts.append(text + (f" ({diverged} diverged)" if diverged else ""))
    return "unstable runs: " + ", ".join(parts)


@_by(
    f"{UNSTABLE}Held: so are at least half of the runs of every rank, and less than half of "
    "RTRL's. Did not hold: less than half of the runs of every rank are."
)
def unstable(noisy: Mapping[str, Curves], exact: Mapping[str, Curves]) -> Verdict:
    """Decide: the rules are unstable, and a higher rank does not cure it."""
    measured = _counts({**noisy, **exact})
    shares = [_unstable_share(curves) for curves in noisy.values()]
    control = all(_unstable_share(curves) < 0.5 for curves in exact.values())
    if all(share < 0.5 for share in shares):
        return Verdict(NOT_HELD, measured)
    return Verdict(HELD if control and all(s >= 0.5 for s in shares) else MIXED, measured)


@_by(f"{UNSTABLE}Held: no run is. Did not hold: at least half of the runs of some rank are.")
def stable(rules: Mapping[str, Curves]) -> Verdict:
    """Decide: the instability is gone."""
    shares = [_unstable_share(curves) for curves in rules.values()]
    outcome = HELD if not any(shares) else NOT_HELD if max(shares) >= 0.5 else MIXED
    return Verdict(outcome, _counts(rules))


@_by(
    f"The medians over seeds are compared after the same number of symbols, from {FIRST} to "
    f"the end of the shorter curve. Held: they differ by at most {PAR:.0%} of RTRL's "
    f"everywhere. Did not hold: somewhere by more than {SLIGHT:.0%}."
)
def tracks(curves: Curves, exact: Curves) -> Verdict:
    """Decide: the median follows the exact rule's median."""
    reach = _reach(curves, exact)
    if reach < FIRST:
        return Verdict(NOT_RUN, f"fewer than {FIRST} common symbols")
    steps = np.geomspace(FIRST, reach, 50)
    here = np.array([median([curve.at(t) for curve in curves]) for t in steps])
    there = np.array([median([curve.at(t) for curve in exact]) for t in steps])
    gap = np.where(np.isfinite(here) & np.isfinite(there), np.abs(here - there) / there, math.inf)
    worst = int(np.argmax(gap))
    outcome = HELD if gap[worst] <= PAR else NOT_HELD if gap[worst] > SLIGHT else MIXED
    return Verdict(
        outcome,
        f"largest difference {_percent(gap[worst])}, at {steps[worst]:,.0f} of {reach:,} common "
        f"symbols; {_percent(gap[-1])} at the end",
    )


@_by(
    "The medians over seeds are compared after the same time, and after the same number of "
    f"symbols. Held: no rank is worse than RTRL by more than {PAR:.0%} in either. Did not "
    "hold: every rank is in both."
)
def on_par(rules: Mapping[str, Curves], exact: Curves) -> Verdict:
    """Decide: the rules are at least on par with the exact rule."""
    parts, worse = [], []
    for label, curves in rules.items():
        reach = _reach(curves, exact)
        time = _excess(_final(curves), _final(exact))
        symbols = _excess(_at(curves, reach), _at(exact, reach)) if reach else math.inf
        worse += [time > PAR, symbols > PAR]
        parts.append(f"{label} {_signed(time)} and {_signed(symbols)}")
    outcome = HELD if not any(worse) else NOT_HELD if all(worse) else MIXED
    return Verdict(outcome, "loss against RTRL, same time and same symbols: " + ", ".join(parts))


@_by(
    "The times a symbol are compared, in the median. Held: the quotient is within a factor 2 "
    "of 20. Did not hold: not within a factor 4."
)
def cost(curves: Curves, exact: Curves, times: float = 20.0) -> Verdict:
    """Decide: the exact rule costs about `times` as much time a symbol."""
    cheap, dear = (median([c.microseconds for c in side if c.steps]) for side in (curves, exact))
    if not (cheap > 0 and dear > 0):
        return Verdict(NOT_RUN, "nothing was learned")
    off = max(dear / cheap / times, times * cheap / dear)
    outcome = HELD if off <= 2 else NOT_HELD if off > 4 else MIXED
    return Verdict(outcome, f"{dear / cheap:.1f} times: {dear:.2f} µs a symbol against {cheap:.2f}")


@_by(
    "Truncated BPTT is compared with the best rank, after the same time. Held: it is better "
    f"on at least {MOST:.0%} of the seeds, and by at most {SLIGHT:.0%} in the median. Did not "
    f"hold: it is worse on at least {MOST:.0%} of the seeds."
)
def ahead(leaders: Mapping[str, Curves], rules: Mapping[str, Curves]) -> Verdict:
    """Decide: the one leader is slightly ahead of the best of the rules, after the same time."""
    ((name, leader),) = leaders.items()
    label, best = min(rules.items(), key=lambda pair: _final(pair[1]))
    wins, losses = _wins(leader, best), _wins(best, leader)
    lead = -_excess(_final(leader), _final(best))
    outcome = MIXED
    if losses >= MOST:
        outcome = NOT_HELD
    elif wins >= MOST and 0 <= lead <= SLIGHT:
        outcome = HELD
    return Verdict(
        outcome,
        f"{name} {_final(leader):.3f} bits, {label} {_final(best):.3f} ({_signed(-lead)}): "
        f"better on {wins:.0%} of the seeds",
    )


@_by(
    f"Held: after the same time every rank is better by more than {PAR:.0%} in the median and "
    f"on at least {MOST:.0%} of the seeds; and over the last half of its symbols truncated "
    "BPTT is nearer to the rate of aⁿbᵖ than to that of aⁿbⁿ. Did not hold: no rank is better"
    " so."
)
def learns(
    rules: Mapping[str, Curves], others: Mapping[str, Curves], floor: float, without: float
) -> Verdict:
    """Decide: the rules clearly beat the one other, which stays nearer to `without` than to
    `floor`."""
    ((name, truncated),) = others.items()
    clear = [
        _excess(_final(curves), _final(truncated)) < -PAR and _wins(curves, truncated) >= MOST
        for curves in rules.values()
    ]
    late = median([curve.last_half() for curve in truncated])
    stays = abs(late - without) < abs(late - floor)
    outcome = HELD if all(clear) and stays else NOT_HELD if not any(clear) else MIXED
    finals = ", ".join(f"{label} {_final(curves):.3f}" for label, curves in rules.items())
    return Verdict(
        outcome,
        f"{finals} against {_final(truncated):.3f} bits of {name}; its last half "
        f"{late:.3f}, between {floor:.3f} and {without:.3f}",
    )


@_by(
    f"Held: after the same time the medians of all rules differ by at most {PAR:.0%} of the "
    "best, and context tree weighting, on one pass over the file, is below them. Did not "
    "hold: neither."
)
def alike(rules: Mapping[str, Curves], better: float) -> Verdict:
    """Decide: all rules are alike, and a baseline beats them."""
    finals = {label: _final(curves) for label, curves in rules.items()}
    best, worst = min(finals.values()), max(finals.values())
    spread = _excess(worst, best)
    close, beaten = spread <= PAR, better < best
    outcome = HELD if close and beaten else MIXED if close or beaten else NOT_HELD
    listed = ", ".join(f"{label} {final:.3f}" for label, final in finals.items())
    return Verdict(outcome, f"{listed} (spread {_percent(spread)}); CTW {better:.3f} bits")


# ---- arithmetic ---------------------------------------------------------------------------------


def _final(curves: Curves) -> float:
    return median([curve.final for curve in curves])


def _at(curves: Curves, step: float) -> float:
    return median([curve.at(step) for curve in curves])


def _reach(*sides: Curves) -> int:
    """Return the number of steps that all runs have made which did not diverge."""
    return min((c.steps for side in sides for c in side if not c.diverged), default=0)


def _excess(value: float, reference: float) -> float:
    """Return how much larger the value is, relative to the reference; infinite losses are
    largest."""
    if math.isinf(value):
        return 0.0 if math.isinf(reference) else math.inf
    return -1.0 if math.isinf(reference) else (value - reference) / reference


def _wins(curves: Curves, others: Curves) -> float:
    """Return the share of the seeds on which the first is better."""
    pairs = list(zip(curves, others, strict=False))
    return sum(a.final < b.final for a, b in pairs) / len(pairs)


def _percent(part: float) -> str:
    return "∞" if math.isinf(part) else f"{100 * part:.2g} %"


def _signed(part: float) -> str:
    return "∞" if math.isinf(part) else f"{100 * part:+.1f} %".replace("-", "−")
