"""What csrc/arrays.h says of each array: what lies in it, and so what must be kept of it."""

import numpy as np

from nbt import _core

STEPS = 30


def learners(core):
    """The learner and its layers, with what the names of their arrays begin with."""
    return [("", core), *((f"{k}.", layer) for k, layer in enumerate(core.layers))]


def test_each_array_has_one_kind(subject):
    core = subject.build()._live.learner
    kinds = [core.named(kind) for kind in _core.KINDS]
    assert sorted(name for names in kinds for name in names) == sorted(core.arrays)


def test_a_kind_of_some_parts(subject):
    core = subject.build()._live.learner
    begins = [begin for begin, _ in learners(core)]
    carried = {begin + name for begin in begins for name in ("h", "a", "slope")}
    assert core.named("carried", "network") == carried
    learned = {begin + name for begin in begins for name in ("theta", "alpha", "phi")}
    assert core.named("learned", "network", "readout") == learned


def test_what_is_learned_stays_where_nothing_learns(subject):
    """And moves where something does, but for leaks and what no target came for."""
    trainer = subject.build()
    x, y = subject.data(2 * STEPS, form="pairs")
    core = trainer._live.learner
    names = core.named("learned")
    trainer.learn(x[:STEPS], y[:STEPS])
    core.settle()
    before = {name: core.arrays[name].copy() for name in names}
    trainer.observe(x[STEPS:], y[STEPS:])
    core.settle()
    for name in names:
        assert core.arrays[name].tobytes() == before[name].tobytes(), name
    trainer.learn(x[STEPS:], y[STEPS:])
    core.settle()
    still = {"alpha", "theta"} if subject.rule == "fixed" else {"alpha"}
    moving = {name for name in names if name.rpartition(".")[2] not in still}
    theta = set() if "theta" in still else {"0.theta" if core.layers else "theta"}
    assert {"phi"} | theta <= moving
    for name in moving:
        if core.arrays[name].size == 0:  # θ of a stack is that of its layers, and φ its own
            continue
        assert (core.arrays[name] != before[name]).any(), name


def test_scratch_says_nothing_of_the_state(subject, assert_same_state):
    """Whatever is in it: no later bit changes, and no step is taken for one that diverged."""
    plain, spoiled = subject.build(), subject.build()
    x, y = subject.data(STEPS, form="pairs")
    core = spoiled._live.learner
    used = {}  # columns of each that are not padding, which is 0 and stays it
    for begin, one in learners(core):
        of_one = {
            **dict.fromkeys(("h_next", "a_next", "slope_next"), one.units),
            **dict.fromkeys(("delta", "information"), one.outputs),
            **{
                "input": one.units if one.one_hot else min(one.units, one.inputs * one.lags),
                "x_read": one.inputs * one.lags,
                "y": one.targets,
                "features": one.units + one.inputs,
            },
            **dict.fromkeys(("gates", "local_next"), one.units),
            "sums": 0 if one.layers else one.panels("theta")["columns"],
        }
        used |= {begin + name: columns for name, columns in of_one.items()}
    names = core.named("scratch")
    assert {"h_next", "input", "delta"} <= names
    for t in range(STEPS):
        for name in names:
            core.arrays[name][:, : used[name]] = np.nan
        a, b = (one.learn(x[t : t + 1], y[t : t + 1]) for one in (plain, spoiled))
        assert a.tobytes() == b.tobytes()
    assert_same_state(plain.state_dict(), spoiled.state_dict())
