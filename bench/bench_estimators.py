"""Estimators that take one step at a time: what a live call costs, beside what it is made of."""

import numpy as np
import pytest

import nbt

LABELS = ("a", "b", "c")
X = {f"feature {k}": 0.1 * k for k in range(5)}
Y = {"classifier": "b", "regressor": 1.5}
MAKE = {"classifier": nbt.RNNClassifier, "regressor": nbt.RNNRegressor}
CALLS = {
    "learn_one": lambda model, y: lambda: model.learn_one(X, y),
    "predict_one": lambda model, y: lambda: model.predict_one(X),
    "observe_one": lambda model, y: lambda: model.observe_one(X),
}


def learned(kind):
    """20 units, 5 features, that have varied."""
    model, rng = MAKE[kind](), np.random.default_rng(0)
    for step in range(300):
        x = {name: float(rng.normal()) for name in X}
        model.learn_one(x, LABELS[step % 3] if kind == "classifier" else float(rng.normal()))
    return model


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", MAKE)
def test_online(time_steps, kind, call):
    model = learned(kind)
    time_steps(CALLS[call](model, Y[kind]), 1, trainer=repr(model))


@pytest.mark.parametrize("kind", MAKE)
def test_in_blocks(time_steps, kind):
    """The same steps without a call each: what is left is the price of the face."""
    trainer, rng = learned(kind).trainer, np.random.default_rng(1)
    x = rng.normal(size=(2000, 5)).astype(trainer.dtype)
    y = rng.integers(3, size=2000) if kind == "classifier" else rng.normal(size=2000)
    time_steps(lambda: trainer.learn(x, y), 2000, trainer=repr(trainer))


def test_symbol(time_steps):
    """What one live symbol costs the default trainer."""
    trainer = nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(64))
    time_steps(lambda: trainer.learn(5), 1, trainer=repr(trainer))
