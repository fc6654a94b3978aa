"""A value that is far off, in a target or a feature; a new level; what variance is predicted."""

import math

import numpy as np
import pytest

import nbt

RULES = {
    "default": lambda **more: nbt.NoBackTrack(nbt.LeakyRNN(20), seed=1, **more),
    "sgd": lambda **more: nbt.NoBackTrack(nbt.LeakyRNN(20), optimizer=nbt.SGD(), seed=1, **more),
    "rtrl": lambda **more: nbt.RTRL(nbt.LeakyRNN(8), seed=1, **more),
    "rtrl-sgd": lambda **more: nbt.RTRL(nbt.LeakyRNN(8), optimizer=nbt.SGD(), seed=1, **more),
    "bptt": lambda **more: nbt.TruncatedBPTT(nbt.LeakyRNN(20), window=15, seed=1, **more),
    "bptt-kalman": lambda **more: nbt.TruncatedBPTT(
        nbt.LeakyRNN(20), optimizer=nbt.Kalman(), window=15, seed=1, **more
    ),
    "network": lambda **more: nbt.NoBackTrack(
        nbt.RNN(20, graph=nbt.Graph.random(20, 3, seed=0)), seed=1, **more
    ),
}
SIZES = (1e3, 1e5, 2.0**32 - 1, 1e10, 1e20, 1e30)
BEFORE, AFTER = 500, 1500


def data(steps=BEFORE + AFTER):
    """A target that two features explain but for noise of a tenth of its deviation."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps, 2))
    return x, (20 + 3 * x @ [0.8, 0.6] + 0.3 * rng.normal(size=steps))


def errors(rule, x, y, clean):
    """Root of the mean squared error of the predictions, over the steps from 1 000 after on."""
    trainer = RULES[rule](readout=nbt.Gaussian(1), inputs=2)
    begun = BEFORE + 1000
    trainer.learn(x[:begun], y[:begun])
    squares = []
    for k in range(begun, len(x)):
        squares.append((trainer.predict(x[k])[0, 0] - clean[k]) ** 2)
        trainer.learn(x[k : k + 1], y[k : k + 1])
    return math.sqrt(np.mean(squares))


@pytest.mark.parametrize("rule", RULES)
def test_within_a_thousand_steps_it_is_as_if_it_had_not_been(rule):
    x, y = data()
    usual = errors(rule, x, y, y)
    for size in SIZES:
        for place in (BEFORE, 5):
            of_target = y.copy()
            of_target[place] = size
            assert errors(rule, x, of_target, y) <= 1.5 * usual, (size, place)
            of_feature = x.copy()
            of_feature[place, 1] = size
            assert errors(rule, of_feature, y, y) <= 1.5 * usual, (size, place)
        two = y.copy()
        two[BEFORE : BEFORE + 2] = size
        assert errors(rule, x, two, y) <= 1.5 * usual, size


@pytest.mark.parametrize("rule", RULES)
def test_a_new_level_is_learned(rule):
    """After 3 000 steps at a level that is 1 000 deviations away, errors are a hundredth of it."""
    rng = np.random.default_rng(0)
    y = 20 + 3 * rng.normal(size=4000)
    y[1000:] += 3000
    trainer = RULES[rule](readout=nbt.Gaussian(1))
    trainer.learn(y)
    mean, variance = trainer.predict()[:, 0]
    assert abs(mean - 3020) < 30
    assert math.sqrt(variance) < 300


def series(name, n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    if name == "counts":
        return rng.poisson(3, n).astype(float)
    if name == "bursts":
        return rng.poisson(2, n) + np.where(rng.random(n) < 0.003, rng.poisson(200, n), 0.0)
    return (rng.random(n) < float(name)).astype(float)


@pytest.mark.parametrize("name", ["0.3", "0.03", "0.003", "0.001", "counts", "bursts"])
@pytest.mark.parametrize("rule", RULES)
def test_never_worse_than_the_best_constant_gaussian(rule, name):
    y = series(name)
    losses = RULES[rule](readout=nbt.Gaussian(1)).learn(y)
    late = y[len(y) // 2 :]
    best = (math.log(2 * math.pi * late.var()) + 1) / 2
    assert losses[len(y) // 2 :].mean() < best + 0.1


@pytest.mark.parametrize("rule", RULES)
def test_a_constant_has_a_small_deviation(rule):
    for value in (7.0, -1e9, 1e-9):
        trainer = RULES[rule](readout=nbt.Gaussian(1))
        losses = trainer.learn(np.full(20_000, value))
        assert np.isnan(losses).all()  # there is no scale by which to say how likely it is
        mean, variance = trainer.predict()[:, 0]
        assert mean == pytest.approx(value, rel=1e-12)
        assert math.sqrt(variance) < 1e-3 * abs(value)


@pytest.mark.parametrize("offset", [3e6, 1.7e9])
def test_an_offset_does_not_matter_to_a_feature(offset):
    """In float32, numbers near 10⁹ are 64 apart."""
    rng = np.random.default_rng(0)
    x, y = rng.random((4000, 1)), np.zeros(4000, int)
    y[:] = x[:, 0] > 0.5

    def accuracy(x):
        trainer = nbt.NoBackTrack(nbt.RNN(10), nbt.Softmax(2), inputs=1, seed=0)
        losses = trainer.learn(x, y)
        return (losses[2000:] < math.log(2)).mean()

    assert accuracy(x + offset) >= 0.98 * accuracy(x)


@pytest.mark.parametrize("offset", [1013e2, 1e9])
@pytest.mark.parametrize("rule", ["default", "bptt"])
def test_an_offset_does_not_matter_to_a_target(rule, offset):
    x, y = data(4000)

    def explained(y):
        trainer = RULES[rule](readout=nbt.Gaussian(1), inputs=2)
        trainer.learn(x[:3500], y[:3500])
        found = [trainer.predict(one)[0, 0] for one in x[3500:]]
        return 1 - np.mean((found - y[3500:]) ** 2) / y[3500:].var()

    plain = explained(y)
    assert plain > 0.5
    assert explained(y + offset) >= 0.98 * plain


def test_air_pressure_is_predicted_in_its_own_units():
    rng = np.random.default_rng(0)
    y = np.empty(8000)
    y[0] = level = 1013.0
    for k in range(1, len(y)):
        level += 0.5 * rng.normal() - 0.01 * (level - 1013)
        y[k] = level
    trainer = nbt.NoBackTrack(nbt.LeakyRNN(20), nbt.Gaussian(1), inputs=nbt.Vector(1), seed=0)
    trainer.learn(y[:7000])
    squares = []
    for k in range(7000, len(y)):
        squares.append((trainer.predict()[0, 0] - y[k]) ** 2)
        trainer.learn(y[k : k + 1])
    assert math.sqrt(np.mean(squares)) < 0.6
