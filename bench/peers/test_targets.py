"""Every target finds what it compares, and is judged as it says."""

import numpy as np
import pytest

from bench.alternate import Contender, alternate
from bench.peers import limits, modes, targets, tools
from bench.peers.job import Job
from bench.peers.lstm import LSTMJob


class Trainer:
    """Costs nothing, whatever its size."""

    def learn(self, *_) -> None:
        """Nothing."""

    load_state_dict = observe = learn

    def state_dict(self) -> dict:
        return {}


class Times(dict):
    """Remembers the names that were asked for."""

    def __getitem__(self, name):
        self.setdefault(name, np.ones(3))
        return super().__getitem__(name)


@pytest.fixture
def names(monkeypatch):
    """The names of all that is timed."""
    monkeypatch.setattr(modes, "trainer", lambda *_, **__: Trainer())
    monkeypatch.setattr(modes, "can_thread", lambda: True)
    monkeypatch.setattr(modes.nbt, "learn_many", lambda *_: None, raising=False)
    monkeypatch.setattr(modes.os, "cpu_count", lambda: 2)
    made = [contender for group in modes.GROUPS for contender in group.make()]
    for job in (Job(20), Job(128), LSTMJob(64)):
        made += tools.ours(job)
        made += tools.theirs(job, tools.TOOLS)
        made += limits.of(job) if isinstance(job, Job) else []
    return {contender.name for contender in made}


def test_every_name_is_timed(names):
    for tool in ("jax", "torch", "numba"):
        pytest.importorskip(tool)
    times = Times()
    for target in targets.TARGETS:
        if target.value is targets.flatness:
            continue
        target.value(times)
        if target.best:
            target.best(times)
    assert set(times) - names == set()


def test_verdicts():
    def outcome(bound, most, figure):
        target = targets.Target("", "", bound, "×", most, lambda times: None)
        return targets.Outcome(target, figure and (0, figure, 9))

    assert outcome(2.0, True, 2.0).met
    assert not outcome(2.0, True, 2.01).met
    assert outcome(2.0, False, 2.0).met
    assert not outcome(2.0, False, 1.99).met
    assert outcome(2.0, True, None).met is False
    assert outcome(None, True, 5.0).met is None


def test_what_the_machine_allows():
    """The larger of arithmetic and traffic: here that of arithmetic, then that of traffic."""
    job = Job(2, 64)
    adds, moved = limits.least("euclidean", job)
    assert (adds, moved) == (7 * 6 + 3 * 192, 8 * (2 * 6 + 192))
    assert limits.least("kalman", job) == (
        26.5 * 6 + 18.5 * 128 + 14.5 * 192,
        8 * (4 * (6 + 128) + 3 * 192),
    )
    times = {"limit: multiply-adds, 2": np.full(3, 3.0), "limit: bytes, euclidean, 2": np.ones(3)}
    times |= {"nbt, forward, 2": np.full(3, 4.0), "theirs": np.full(3, 1e4)}
    assert 3 * adds > moved
    assert (targets.limit_over_forward("euclidean", 2, times) == 3 * adds / 4).all()
    assert (targets.against_limit("theirs", "euclidean", 2, times) == 1e4 / (3 * adds)).all()
    times["limit: multiply-adds, 2"] = np.ones(3)
    assert adds < moved
    assert (targets.limit_over_forward("euclidean", 2, times) == moved / 4).all()


def test_flatness_is_of_the_worst_rule():
    times = {f"a parameter, {rule} {n}": np.ones(3) for rule in targets.RULES for n in (64, 128)}
    times["a parameter, kalman 128"] = np.full(3, 3.0)
    np.testing.assert_array_equal(targets.flatness(times), [3, 3, 3])
    times |= {f"a loop, {rule} {n}": np.full(3, 1.5) for rule in targets.RULES for n in (64, 128)}
    np.testing.assert_array_equal(targets.flatness(times, "a loop"), [1.5, 1.5, 1.5])
    with pytest.raises(KeyError):
        targets.flatness({})
    with pytest.raises(KeyError):
        targets.flatness(
            {f"a parameter, {rule} 64": np.ones(3) for rule in targets.RULES}, "a loop"
        )


def test_what_does_not_work_is_left_out(capsys):
    def broken(steps):
        raise RuntimeError("not today")

    works = Contender("works", lambda steps: lambda: sum(range(100 * steps)))
    fails = Contender("fails", lambda steps: lambda: broken(steps))
    ready = alternate([fails, works], 3, 1e-4)
    assert [contender.name for contender in ready] == ["works"]
    assert len(works.times["wall"]) == len(works.times["cpu"]) == 3
    assert "left out: fails (RuntimeError: not today)" in capsys.readouterr().err
    ours = Contender("nbt, fails", lambda steps: lambda: broken(steps))
    with pytest.raises(RuntimeError):
        alternate([ours], 3, 1e-4)
