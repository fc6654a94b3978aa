"""Simulated futures and their quantiles."""

import copy
import statistics

import numpy as np
import pytest
from helpers import systems
from helpers.refusals import expect

import nbt

RULES = (nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT)


def autoregression(steps, seed=0):
    """Two of y' = 0.9 y + noise, of variance 1: plus 5; doubled."""
    rng = np.random.default_rng(seed)
    y = np.zeros((steps, 2))
    for t in range(1, steps):
        y[t] = 0.9 * y[t - 1] + np.sqrt(1 - 0.81) * rng.normal(size=2)
    return y * [1, 2] + [5, 0]


def trainer_of(kind, readout, rule=nbt.NoBackTrack, **more):
    trainer = rule(nbt.LeakyRNN(6), readout, nbt.Kalman(), seed=1, **more)
    data = {
        nbt.Softmax: np.random.default_rng(0).integers(0, 5, 80),
        nbt.Gaussian: autoregression(80),
        nbt.Bernoulli: (autoregression(80) > [5, 0]).astype(float),
    }[kind]
    trainer.learn(data)
    return trainer, data


def trainers():
    for rule in RULES:
        for readout in (
            nbt.Softmax(5),
            nbt.Gaussian(2, False),
            nbt.Gaussian(2, standardize=True),
            nbt.Bernoulli(2),
        ):
            yield trainer_of(type(readout), readout, rule)[0]
        readout = nbt.Gaussian(2)
        yield trainer_of(type(readout), readout, rule, inputs=nbt.Vector(2, lags=3))[0]


def test_nothing_changes_and_a_seed_says_everything(assert_same_state):
    for trainer in trainers():
        before, twin = trainer.state_dict(), copy.copy(trainer)
        one = trainer.simulate(4, paths=5)
        again, other = trainer.simulate(4, paths=5), trainer.simulate(4, paths=5, seed=1)
        assert one.tobytes() == again.tobytes() != other.tobytes()
        assert one.shape[:2] == (5, 4)
        assert_same_state(trainer.state_dict(), before)
        more = np.array([[1, 2]]) if trainer.inputs.size == 5 else np.array([[1.0, 0.0]])
        more = more[0] if trainer.inputs.size == 5 else more
        assert trainer.learn(more).tobytes() == twin.learn(more).tobytes()


def test_a_path_is_a_run_fed_with_itself():
    """Each draw comes from what a copy predicts that has observed the draws before it."""
    for trainer in trainers():
        path = trainer.simulate(5, paths=3, seed=4)[2]
        generator = np.random.default_rng(4)
        normal = isinstance(trainer.readout, nbt.Gaussian)
        noise = (generator.standard_normal if normal else generator.random)((3, *path.shape))[2]
        reader = copy.copy(trainer)
        for k in range(5):
            p = reader.predict()
            if normal:
                expected = p[0] + np.sqrt(p[1]) * noise[k]
                np.testing.assert_allclose(path[k], expected, rtol=1e-5, atol=1e-5)
            elif isinstance(trainer.readout, nbt.Bernoulli):
                assert (path[k] == (noise[k] < p)).all()
            else:
                assert path[k] == np.searchsorted(np.cumsum(p), noise[k] * p.sum())
            reader.observe(path[k : k + 1], ...)


def test_the_first_step_has_the_quantiles_that_are_predicted():
    trainer, _ = trainer_of(nbt.Gaussian, nbt.Gaussian(2, standardize=True))
    levels = (0.1, 0.5, 0.8)
    found = trainer.forecast(1, quantiles=levels, paths=20_000)
    mean, variance = trainer.predict()
    assert found.shape == (3, 1, 2)
    for q, level in enumerate(levels):
        expected = mean + np.sqrt(variance) * statistics.NormalDist().inv_cdf(level)
        assert np.abs((found[q, 0] - expected) / np.sqrt(variance)).max() < 0.03


def test_known_inputs_come_first():
    trainer, data = trainer_of(nbt.Gaussian, nbt.Gaussian(2, False))
    ahead = trainer.simulate(3, x=data[:1], seed=2)
    moved = copy.copy(trainer)
    moved.observe(data[:1], ...)
    np.testing.assert_array_equal(ahead, moved.simulate(3, seed=2))
    np.testing.assert_array_equal(ahead, trainer.simulate(3, x=data[0], seed=2))

    one = nbt.RTRL(nbt.LeakyRNN(6), nbt.Gaussian(1, False), inputs=nbt.Vector(1, False))
    expected = one.forecast(2, x=[[0.5], [1.0]])
    np.testing.assert_array_equal(one.forecast(2, x=[0.5, 1.0]), expected)

    driven = nbt.RTRL(nbt.LeakyRNN(6), nbt.Gaussian(2, False), inputs=nbt.Vector(3, False))
    x = np.random.default_rng(0).normal(size=(4, 3))
    driven.learn(x, data[:4])
    mean = driven.simulate(4, x=x, paths=3000, seed=1).mean(axis=0)
    for k in range(4):
        expected, variance = driven.predict(x[k])
        assert (np.abs(mean[k] - expected) < 5 * np.sqrt(variance / 3000)).all()
        driven.observe(x[k : k + 1], ...)


def test_the_band_holds_what_comes():
    """Nine in ten of the values 1, 4 and 16 steps ahead of a learned autoregression."""
    series = autoregression(14_000)
    model = nbt.NoBackTrack(nbt.LeakyRNN(12), nbt.Gaussian(2, standardize=True), seed=2)
    model.learn(series[:12_000])
    inside, widths = [], []
    for t in range(12_000, 13_980, 18):
        low, _, high = model.forecast(16, paths=100)
        comes = series[t : t + 16]
        inside.append((low <= comes) & (comes <= high))
        widths.append(high - low)
        model.learn(series[t : t + 18])
    inside, widths = np.mean(inside, axis=0), np.mean(widths, axis=0)
    for k in (0, 3, 15):
        assert 0.78 <= inside[k].mean() <= 1.0
    true = 2 * 1.645 * np.sqrt(1 - 0.81 ** np.array([1, 4, 16]))
    np.testing.assert_allclose(widths[[0, 3, 15], 0], true, rtol=0.25)
    np.testing.assert_allclose(widths[[0, 3, 15], 1], 2 * true, rtol=0.25)


def test_what_is_refused(assert_same_state):
    trainer, data = trainer_of(nbt.Gaussian, nbt.Gaussian(2, False))
    driven = nbt.RTRL(nbt.RNN(4), nbt.Gaussian(2, False), inputs=nbt.Vector(3, False))
    symbols, _ = trainer_of(nbt.Softmax, nbt.Softmax(5))
    before = trainer.state_dict()
    for argument, exception, call in [
        ("steps", ValueError, lambda: trainer.forecast(0)),
        ("steps", TypeError, lambda: trainer.forecast(2.5)),
        ("paths", ValueError, lambda: trainer.forecast(3, paths=0)),
        ("paths", ValueError, lambda: trainer.forecast(2**20, paths=2**20)),
        ("quantiles", ValueError, lambda: trainer.forecast(3, quantiles=(0.5, 1.5))),
        ("quantiles", TypeError, lambda: trainer.forecast(3, quantiles=0.5)),
        ("quantiles", TypeError, lambda: trainer.forecast(3, quantiles=["a"])),
        ("seed", ValueError, lambda: trainer.forecast(3, seed=-1)),
        ("x", ValueError, lambda: trainer.forecast(3, x=data[:4])),
        ("x", ValueError, lambda: trainer.forecast(3, x=[[1.0, 2.0, 3.0]])),
        ("x", ValueError, lambda: trainer.forecast(3, x=[[1.0, np.nan]])),
        ("x", ValueError, lambda: driven.forecast(3)),
        ("x", ValueError, lambda: driven.forecast(3, x=np.zeros((2, 3)))),
        ("readout", TypeError, lambda: symbols.forecast(3)),
        ("x", ValueError, lambda: symbols.simulate(3, x=[7])),
    ]:
        expect(exception, argument, call)
    with pytest.raises(TypeError):
        trainer.forecast(3, horizon=2)
    assert_same_state(trainer.state_dict(), before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("system", ["ring", "layers"])
def test_systems_of_the_users_own(system, dtype, assert_same_state):
    """Vector targets, gaps, scales and futures do not care what is trained."""
    y = np.random.default_rng(0).normal(size=(60, 2)).cumsum(axis=0) * 0.1
    y[7], y[20, 1] = np.nan, np.nan
    for rule in RULES:
        whole, cut = (
            rule(
                getattr(systems, system)(),
                nbt.Gaussian(2, standardize=True),
                nbt.Kalman(),
                missing="mask",
                dtype=dtype,
                seed=3,
            )
            for _ in range(2)
        )
        losses = whole.learn(y)
        assert np.flatnonzero(np.isnan(losses)).tolist() == [0, 1, 2, 7]  # 3 have no scale yet
        one_by_one = [cut.learn(y[t : t + 1]) for t in range(60)]
        assert np.concatenate(one_by_one).tobytes() == losses.tobytes()
        assert_same_state(whole.state_dict(), cut.state_dict())
        path = whole.simulate(4, paths=2, seed=1)[1]
        noise = np.random.default_rng(1).standard_normal((2, 4, 2))[1]
        for k in range(4):
            mean, variance = cut.predict()
            expected = mean + np.sqrt(variance) * noise[k]
            np.testing.assert_allclose(path[k], expected, rtol=1e-4, atol=1e-5)
            cut.observe(path[k : k + 1], ...)
