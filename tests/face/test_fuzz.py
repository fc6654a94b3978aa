"""Trainers, data and scripts drawn from fixed seeds (tests/fuzz); `make fuzz` draws more."""

import pytest
from fuzz.__main__ import CHECKS, failure
from fuzz.cases import case

import nbt

SEEDS = {
    "bits": 40,
    "oracle": 60,
    "dense": 40,
    "systems": 30,
    "isas": 6,
    "finite": 30,
    "hostile": 40,
    "strangers": 60,
    "threads": 30,
    "dialects": 60,
    "outliers": 20,
}


@pytest.mark.filterwarnings("ignore")  # of the oracle, where a case leaves the range of numbers
@pytest.mark.parametrize("check", CHECKS)
def test_whatever_is_drawn(check):
    found = {seed: failure(check, case(seed)) for seed in range(SEEDS[check])}
    assert not {f"make fuzz ARGS='{s} {s + 1} --check {check}'": w for s, w in found.items() if w}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("rule", "kind"),
    [("nobacktrack", nbt.NoBackTrack), ("rtrl", nbt.RTRL), ("bptt", nbt.TruncatedBPTT)],
)
def test_a_look_that_moves_something_is_noticed(rule, kind, monkeypatch):
    predict = kind.predict

    def moves(trainer, *x):
        trainer._live.learner.arrays["h"][0, 0] += 1e-6
        trainer._live.learner.refresh()
        return predict(trainer, *x)

    monkeypatch.setattr(kind, "predict", moves)
    cases = (one for seed in range(40) if (one := case(seed)).rule == rule)
    assert any(failure("bits", one) for one in cases)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("check", ["oracle", "systems"])
def test_another_rate_is_noticed(check, monkeypatch):
    """The oracle goes by the schedule as Python computes it."""
    monkeypatch.setattr(nbt.InverseSqrt, "__call__", lambda self, t: 1.1 * self.scale)
    assert any(failure(check, case(seed)) for seed in range(40))


@pytest.mark.filterwarnings("ignore")
def test_a_reader_that_forgets_where_it_looked_is_noticed(monkeypatch):
    """As one that took the heading for read after it had looked ahead."""
    from nbt.streams.tables.records import Records

    step = Records._step

    def forgets(stream, count):
        step(stream, count)
        stream._before = None

    monkeypatch.setattr(Records, "_step", forgets)
    monkeypatch.setattr(Records, "_empty", lambda stream: "is empty")
    assert any("looking ahead" in str(failure("dialects", case(seed))) for seed in range(40))
