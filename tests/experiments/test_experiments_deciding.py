"""Verdicts on made-up results of each outcome."""

import math

import numpy as np
import pytest

from nbt.experiments import deciding
from nbt.experiments.claims import CLAIMS, Evidence
from nbt.experiments.curves import Curve
from nbt.experiments.deciding import HELD, MIXED, NOT_HELD, NOT_RUN

OCTAVES = 17


def curve(loss, octaves=OCTAVES, microseconds=1.0, diverged_at=None):
    """A run of 2^octaves symbols whose loss in the octave that ends at 2^k is loss(k), in bits."""
    step = 2 ** np.arange(octaves + 1)
    since = np.array([loss(k) for k in range(octaves + 1)])
    widths = np.diff(step, prepend=0)
    return Curve(step, np.cumsum(since * widths) / step, step * microseconds * 1e-6, diverged_at)


def flat(bits, seeds=8, spread=0.0, **more):
    """Runs of a constant loss, a little different on each seed."""
    return [curve(lambda k, s=s: bits + spread * s, **more) for s in range(seeds)]


def falling(**more):
    return [curve(lambda k: 1.0 + 2.0 * 0.8**k, **more)]


def rising(**more):
    return [curve(lambda k: 1.0 + (0.3 if k == 14 else 0.0), **more)]


def diverging(seeds=8):
    return flat(1.0, seeds, octaves=12, diverged_at=5000)


# ---- what an unstable run is --------------------------------------------------------------------


def test_a_run_that_diverged_is_unstable():
    assert deciding.is_unstable(diverging(1)[0])


def test_a_loss_that_falls_is_stable_and_one_that_rises_is_not():
    assert not deciding.is_unstable(falling()[0])
    assert deciding.is_unstable(rising()[0])


@pytest.mark.parametrize(("rise", "expected"), [(0.09, False), (0.11, True)])
def test_how_much_it_must_rise(rise, expected):
    run = curve(lambda k: 1.0 + (rise if k == 14 else 0.0))
    assert deciding.is_unstable(run) is expected


def test_what_happens_early_is_not_judged():
    assert not deciding.is_unstable(curve(lambda k: 3.0 if k == 9 else 1.0))
    assert not deciding.is_unstable(curve(lambda k: 3.0 if k == 5 else 1.0, octaves=8))


# ---- each decision, each outcome ----------------------------------------------------------------

BAD, GOOD = rising() * 8, falling() * 8
HALF = rising() * 4 + falling() * 4
FEW = rising() * 3 + falling() * 5


@pytest.mark.parametrize(
    ("ranks", "exact", "outcome"),
    [
        ((BAD, BAD, BAD), GOOD, HELD),
        ((BAD, HALF, diverging()), GOOD, HELD),
        ((BAD, BAD, FEW), GOOD, MIXED),  # rank cures it
        ((BAD, BAD, BAD), BAD, MIXED),  # it is not the noise
        ((FEW, GOOD, GOOD), GOOD, NOT_HELD),
    ],
)
def test_unstable(ranks, exact, outcome):
    named = dict(zip("abc", ranks, strict=True))
    verdict = deciding.unstable(named, {"exact": exact})
    assert verdict.outcome == outcome
    assert all(f"{name} " in verdict.measured for name in (*named, "exact"))


def test_diverged_runs_are_counted():
    verdict = deciding.unstable({"a": diverging(3) + BAD}, {"b": GOOD})
    assert "a 11 of 11 (3 diverged)" in verdict.measured


@pytest.mark.parametrize(
    ("ranks", "outcome"),
    [((GOOD, GOOD), HELD), ((GOOD, FEW), MIXED), ((GOOD, HALF), NOT_HELD)],
)
def test_stable(ranks, outcome):
    assert deciding.stable(dict(zip("ab", ranks, strict=True))).outcome == outcome


@pytest.mark.parametrize(
    ("bits", "outcome"), [(1.04, HELD), (0.96, HELD), (1.07, MIXED), (1.11, NOT_HELD)]
)
def test_tracks(bits, outcome):
    assert deciding.tracks(flat(bits), flat(1.0, octaves=13)).outcome == outcome


def test_tracks_is_about_the_whole_way():
    astray = [curve(lambda k: 2.0 if k == 12 else 1.0)]
    verdict = deciding.tracks(astray, falling())
    assert verdict.outcome == NOT_HELD
    assert deciding.tracks(diverging(), flat(1.0)).outcome == NOT_HELD
    assert deciding.tracks(diverging(3) + flat(1.0, 5), flat(1.0)).outcome == HELD
    assert deciding.tracks(flat(1.0, octaves=9), flat(1.0)).outcome == NOT_RUN


@pytest.mark.parametrize(
    ("ranks", "outcome"),
    [
        ((1.0, 1.04), HELD),
        ((0.5, 1.0), HELD),
        ((1.0, 1.06), MIXED),
        ((1.06, 1.2), NOT_HELD),
    ],
)
def test_on_par(ranks, outcome):
    rules = {str(bits): flat(bits) for bits in ranks}
    assert deciding.on_par(rules, flat(1.0, octaves=13)).outcome == outcome


def test_on_par_at_the_same_time_only():
    late = {"late": [curve(lambda k: 1.2 if k <= 13 else 0.9)]}
    exact = flat(1.0, octaves=13)
    verdict = deciding.on_par(late, exact)
    assert verdict.outcome == MIXED
    assert "late −" in verdict.measured
    assert "+20.0 %" in verdict.measured


def test_on_par_with_divergence():
    assert deciding.on_par({"a": flat(1.0), "b": diverging()}, flat(1.0)).outcome == MIXED
    assert deciding.on_par({"a": diverging()}, flat(0.5)).outcome == NOT_HELD


@pytest.mark.parametrize(
    ("times", "outcome"),
    [(20, HELD), (11, HELD), (39, HELD), (9, MIXED), (79, MIXED), (4.9, NOT_HELD), (81, NOT_HELD)],
)
def test_cost(times, outcome):
    verdict = deciding.cost(flat(1.0, microseconds=0.5), flat(1.0, microseconds=0.5 * times))
    assert verdict.outcome == outcome
    assert verdict.measured.startswith(f"{times:.1f} times")


@pytest.mark.parametrize(
    ("leader", "outcome"),
    [
        (flat(0.95), HELD),
        (flat(0.85), MIXED),  # more than slightly
        (flat(1.05), NOT_HELD),
        (flat(0.95, 4) + flat(1.05, 4), MIXED),
        (diverging(), NOT_HELD),
    ],
)
def test_ahead(leader, outcome):
    rules = {"worse": flat(1.5), "best": flat(1.0), "gone": diverging()}
    verdict = deciding.ahead({"leader": leader}, rules)
    assert verdict.outcome == outcome
    assert verdict.measured.startswith("leader ")
    assert "bits, best 1.000 (" in verdict.measured


@pytest.mark.parametrize(
    ("ranks", "truncated", "outcome"),
    [
        ((0.15, 0.16), 0.26, HELD),
        ((0.15, 0.16), 0.20, MIXED),  # it learned
        ((0.15, 0.255), 0.26, MIXED),  # not clearly
        ((0.255, 0.3), 0.26, NOT_HELD),
    ],
)
def test_learns(ranks, truncated, outcome):
    rules = {str(bits): flat(bits) for bits in ranks}
    assert deciding.learns(rules, {"b": flat(truncated)}, 0.1429, 0.2857).outcome == outcome


def test_learns_on_most_seeds():
    lucky = {"a": flat(0.15, 5) + flat(0.3, 3)}
    assert deciding.learns(lucky, {"b": flat(0.26)}, 0.1429, 0.2857).outcome == NOT_HELD


def test_learns_looks_at_the_last_half():
    late = [curve(lambda k: 0.28 if k <= OCTAVES - 1 else 0.15)] * 8
    assert deciding.learns({"a": flat(0.1)}, {"b": late}, 0.1429, 0.2857).outcome == MIXED


@pytest.mark.parametrize(
    ("rules", "ctw", "outcome"),
    [
        ((3.0, 3.1), 2.1, HELD),
        ((3.0, 3.2), 2.1, MIXED),
        ((3.0, 3.1), 3.05, MIXED),
        ((3.0, 3.2), 3.05, NOT_HELD),
    ],
)
def test_alike(rules, ctw, outcome):
    named = {str(bits): flat(bits) for bits in rules}
    assert deciding.alike(named, ctw).outcome == outcome


def test_a_rule_that_diverges_is_not_like_the_others():
    assert deciding.alike({"a": flat(3.0), "b": diverging()}, 2.1).outcome == MIXED


# ---- the claims ---------------------------------------------------------------------------------


def test_every_sentence_has_a_decision_in_words():
    assert len(CLAIMS) == 11
    for claim in CLAIMS:
        assert claim.rule.startswith(("Held", "A run", "The", "Truncated"))
        assert "Did not hold" in claim.rule
        assert "{" not in claim.rule


def test_without_results_nothing_is_decided():
    empty = Evidence({}, {})
    for claim in CLAIMS:
        for verdict in claim.verdicts(empty):
            assert verdict.outcome == NOT_RUN
            assert verdict.measured.startswith("no results of ")


def results(paper, package):
    """Evidence where the paper's NoBackTrack has these runs, and the package's those."""
    runs = {}
    for rank in (1, 2, 10):
        runs |= {("music", f"{kind}-{rank}"): paper for kind in ("euclidean", "kalman")}
        runs |= {("music", f"euclidean-{rank}-0.03"): paper}
        runs |= {(source, f"kalman-{rank}"): paper for source in ("anbn", "shakespeare")}
    runs |= {("music", f"nobacktrack-sgd{suffix}"): package for suffix in ("", "-0.03")}
    runs |= {(source, "nobacktrack"): package for source in ("music", "anbn", "shakespeare")}
    exact = falling(microseconds=20.0) * 8
    runs |= {("music", name): exact for name in ("rtrl-euclidean", "rtrl-euclidean-0.03", "rtrl")}
    runs |= {("music", "rtrl-kalman"): exact, ("shakespeare", "rtrl-euclidean"): exact}
    runs |= {("music", "tbptt-paper"): exact, ("anbn", "tbptt-paper"): exact}
    runs |= {("shakespeare", "tbptt-paper"): exact}
    runs |= {(source, "tbptt-kalman"): exact for source in ("music", "anbn", "shakespeare")}
    lines = {"anbn": {"entropy": 0.14, "aⁿbᵖ": 0.28}, "shakespeare": {"CTW": 0.1}}
    return Evidence(runs, lines)


@pytest.mark.parametrize("swapped", [False, True])
def test_both_sides_are_judged_by_their_own_runs(swapped):
    sides = (GOOD, diverging())
    evidence = results(*(reversed(sides) if swapped else sides))
    verdicts = {claim.name: claim.verdicts(evidence) for claim in CLAIMS}
    good, bad = (1, 0) if swapped else (0, 1)
    assert verdicts["stable"][good].outcome == HELD
    assert verdicts["stable"][bad].outcome == NOT_HELD
    assert verdicts["unstable"][good].outcome == NOT_HELD
    assert verdicts["unstable"][bad].outcome == HELD
    assert verdicts["on par"][good].outcome == HELD
    assert verdicts["on par"][bad].outcome == NOT_HELD
    assert verdicts["tracks"][good].outcome == HELD
    assert verdicts["cost"][good].outcome == HELD
    assert verdicts["alike"][good].outcome == HELD
    assert verdicts["alike"][bad].outcome == MIXED


def test_our_side_compares_rules_under_the_same_optimizer():
    ours, theirs, other = flat(0.15), flat(0.16), flat(0.27)
    runs = {("anbn", "nobacktrack"): ours, ("anbn", "tbptt-kalman"): theirs}
    runs |= {("anbn", "tbptt-paper"): other, ("anbn", "tbptt"): other}
    lines = {"anbn": {"entropy": 0.14, "aⁿbᵖ": 0.28}}
    claim = next(claim for claim in CLAIMS if claim.name == "learns")
    verdict = claim.verdicts(Evidence(runs, lines))[1]
    assert verdict.measured.startswith(
        "Kalman NoBackTrack 0.150 against 0.160 bits of Kalman TBPTT"
    )


def test_cost_comes_from_the_kalman_runs_where_the_others_are_missing():
    runs = {("music", "kalman-1"): flat(1.0), ("music", "rtrl-kalman"): flat(1.0, microseconds=19)}
    claim = next(claim for claim in CLAIMS if claim.name == "cost")
    paper, package = claim.verdicts(Evidence(runs, {}))
    assert paper.measured.startswith("19.0 times")
    assert package.outcome == NOT_RUN
    assert not math.isnan(runs["music", "kalman-1"][0].final)
