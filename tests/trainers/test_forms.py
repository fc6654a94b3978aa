"""What a form says of a state's shapes is what the state has, for a file too."""

import json
from typing import get_args

import numpy as np
import pytest
from helpers import systems

import nbt
from nbt import _core
from nbt.registry import LEARNERS
from nbt.systems import system
from nbt.trainers import forms, plan

RING = nbt.Graph.of(np.eye(5, k=1) + np.eye(5, k=-4))
CELLS = {
    "dense": nbt.LeakyRNN(5),
    "graph": nbt.RNN(5, graph=RING),
    "learned": nbt.LeakyRNN(5, "tanh", learn_leak=True),
    "time": nbt.Continuous(nbt.CTRNN(5), dt=0.5),
    "stack": nbt.Stack([nbt.RNN(3), nbt.LeakyRNN(2, graph=np.ones((2, 2)))], skip=False),
    "system": systems.ring(),
}
OPTIMIZERS = {
    "sgd": nbt.SGD(),
    "kalman": nbt.Kalman(),
    "diagonal": nbt.Kalman(reduction="diagonal"),
    "block": nbt.Kalman(reduction="block"),
    "full": nbt.Kalman(reduction="full"),
}
RULES = {
    "plain": lambda *of, **more: nbt.NoBackTrack(*of, rank=3, norm="euclidean", **more),
    "split": lambda *of, **more: nbt.NoBackTrack(*of, rank=3, split="blocks", **more),
    "rtrl": nbt.RTRL,
    "bptt": lambda *of, **more: nbt.TruncatedBPTT(*of, window=6, **more),
}
SOME = ("estimator.rows.", "estimator.pair", "waiting.")  # as many as there happen to be
STANDARDIZED = ("inputs.", "targets.")  # may be absent from older files


def stated(trainer, state):
    """The shapes that a file of this trainer must have."""
    described = json.loads(json.dumps(trainer.describe()))
    layout = {
        key: {"shape": list(value.shape), "data_offsets": [0, 2**20]}
        for key, value in state.items()
    }
    return LEARNERS[described["trainer"]].shapes(described, layout)


def check(trainer):
    state = trainer.state_dict()
    form, live = trainer._live.plan.form, trainer._live
    arrays = {
        key: value.shape
        for key, value in state.items()
        if value.shape and not key.startswith(SOME) and (key, form.rule) != ("window.moved", "bptt")
    }
    arrays = {
        key: shape for key, shape in arrays.items() if key != "window.x" or live.learner.one_hot < 1
    }
    shapes = form.shapes(live.plan.sizes(live.plan.bind(trainer.seed)))
    assert shapes == arrays
    assert list(shapes) == [key for key in state if key in shapes]
    known = stated(trainer, state)
    unknown = {key for key in shapes if key.startswith(STANDARDIZED)}
    if isinstance(trainer.cell, nbt.System):
        unknown.add("optimizer.theta.blocks")
    assert known.items() <= shapes.items()
    assert shapes.keys() - known.keys() <= unknown


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cell", CELLS)
def test_shapes(cell, optimizer, rule):
    if rule == "split" and optimizer in ("block", "full"):
        pytest.skip("refused")
    made = RULES[rule]
    of, way = CELLS[cell], OPTIMIZERS[optimizer]
    if cell != "system":
        trainer = made(of, nbt.Softmax(4), way, seed=2)
        trainer.learn([0, 1, 3, 2, 1, 0, 3])
        check(trainer)
    trainer = made(of, nbt.Gaussian(3), way, inputs=2, seed=2)
    rng = np.random.default_rng(0)
    trainer.learn(rng.standard_normal((9, 2)), rng.standard_normal((9, 3)))
    check(trainer)


@pytest.mark.parametrize("norm", ["fisher", "kalman", "euclidean", "none"])
@pytest.mark.parametrize(
    "own", [{}, {"exact_self": False}, {"window": 3}, {"window": 2, "rank": 2}]
)
@pytest.mark.parametrize("readout", [nbt.Softmax(4), nbt.Bernoulli(3)])
def test_shapes_of_dense_cells(readout, own, norm):
    trainer = nbt.NoBackTrack(nbt.RNN(7), readout, norm=norm, blocks=2, **own)
    check(trainer)


@pytest.mark.parametrize("rule", ["plain", "rtrl", "bptt"])
@pytest.mark.parametrize("optimizer", ["sgd", "kalman", "diagonal"])
def test_shapes_of_a_loss_of_its_own(optimizer, rule):
    for inputs in (2, nbt.Vector(2, standardize=True)):
        check(RULES[rule](systems.ring(), None, OPTIMIZERS[optimizer], inputs=inputs))


def test_a_file_that_promises_a_whole_metric_is_asked_for_it():
    """A description of few characters, and J of p² numbers."""
    trainer = nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(3), nbt.Kalman(), split="blocks")
    state, described = trainer.state_dict(), trainer.describe()
    layout = {key: {"shape": value.shape, "data_offsets": [0, 9]} for key, value in state.items()}
    p = 5 * (1 + 5 + 3)
    for reduction, size in (("full", p**2), ("block", 5 * 9**2)):
        described["optimizer"]["reduction"] = reduction
        shapes = LEARNERS["NoBackTrack"].shapes(described, layout)
        assert shapes["optimizer.theta.blocks"] == (size,)


def test_names_are_those_of_the_core():
    assert set(get_args(forms.Norm)) == set(_core.NORMS)
    assert set(get_args(plan.Missing)) == set(_core.MISSING)
    assert set(get_args(get_args(plan.DType)[0])) == set(_core.DTYPES)
    assert {*get_args(system.Activation)} == set(_core.ACTIVATIONS)


def test_forms_are_values():
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(3), rank=2)
    form = trainer._live.plan.form
    assert form == nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(3), rank=2, seed=3)._live.plan.form
    assert trainer.form == {"rank": 2, "blocks": 4, "exact_self": True, "norm": "fisher"}
    described = trainer.describe()
    assert type(form).described(described) == form
    with pytest.raises(AttributeError):
        form.rank = 3
