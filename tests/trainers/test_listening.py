"""Listeners: what predicts in a trainer's place without learning, whatever was trained and how."""

import numpy as np
import pytest
from helpers import systems

import nbt

DENSE = nbt.RNN(5, "tanh")
METRIC = nbt.Kalman(reduction="block", outlier=None)
TRAINERS = {  # dense cells by the path for systems; a system that cannot be backpropagated through
    "reference": lambda: nbt.RTRL(nbt.LeakyRNN(5), nbt.Gaussian(2, False), METRIC, inputs=2),
    "no leaks": lambda: nbt.NoBackTrack(DENSE, nbt.Gaussian(2, False), METRIC, inputs=2),
    "split": lambda: nbt.NoBackTrack(
        DENSE, nbt.Gaussian(2, False), inputs=2, rank=2, split="blocks", dtype="float64"
    ),
    "no vjp": lambda: nbt.NoBackTrack(systems.ring(vjp=None), nbt.Gaussian(2, False), inputs=2),
    "field": lambda: nbt.NoBackTrack(
        nbt.Continuous(systems.ring(vjp=None), 0.1), nbt.Gaussian(2, False), inputs=2
    ),
}


@pytest.mark.parametrize("name", TRAINERS)
def test_a_listener_is_the_trainer_to_the_bit(name, assert_same_state):
    trainer = TRAINERS[name]()
    x, y = np.random.default_rng(1).normal(size=(2, 20, 2))
    trainer.learn(x, y)
    before = trainer.state_dict()
    along = trainer.predict_along(x)
    assert trainer.simulate(3, paths=2, x=x[:3]).shape == (2, 3, 2)
    assert_same_state(trainer.state_dict(), before)
    for step, prediction in zip(x, along, strict=True):
        np.testing.assert_array_equal(trainer.predict(step), prediction)
        trainer.observe(step, ...)


def test_without_a_readout_nothing_is_drawn():
    trainer = nbt.NoBackTrack(systems.ring(), None, inputs=2)
    with pytest.raises(TypeError, match="readout: expected Softmax or Gaussian or Bernoulli, got"):
        trainer.simulate(2, paths=2, x=np.zeros((2, 2)))
