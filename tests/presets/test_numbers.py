"""What the preset for numbers promises: how well it predicts, and numbers as they come."""

import numpy as np
import pytest
from scipy.signal import lfilter

import nbt

EFFORTS = ("fast", "default", "best")


def preset(y, effort="default", **more):
    return nbt.preset("numbers", effort, readout=nbt.Gaussian(y.shape[1]), **more)


def plain(y):
    """What the package had for numbers before, and has for lines."""
    return nbt.preset("lines") | {"readout": nbt.Gaussian(y.shape[1])}


def errors_of(y, setting, seed=1):
    """Of one step ahead, (steps, numbers)."""
    trainer = nbt.NoBackTrack(**setting, missing="mask", seed=seed)
    means = np.array([(trainer.predict()[0], trainer.learn(row))[0] for row in y])
    return means - y


def late(errors):
    return np.sqrt(np.nanmean(errors[len(errors) // 2 :] ** 2, axis=0)).mean()


def noise(steps, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, columns))


def walk(steps, seed=0):
    """A random walk on a sine."""
    sine = 20 * np.sin(np.arange(steps) / 8)[:, np.newaxis]
    return sine + noise(steps, 2, seed).cumsum(axis=0)


def autoregression(steps, columns, seed=0):
    return lfilter([1.0], [1, -1.6, 0.8], noise(steps, columns, seed), axis=0)


BETTER = {
    "walk": (lambda: noise(3000, 1).cumsum(axis=0), 1.05),
    "walk and sine": (lambda: walk(4000), 1.0),
    "many numbers": (lambda: noise(2000, 40).cumsum(axis=0), 0.4),
    "autoregression": (lambda: autoregression(3000, 4), 0.92),
    "Mackey-Glass": (lambda: nbt.datasets.mackey_glass(seed=1).read(4000), 0.5),
    "Lorenz": (lambda: nbt.datasets.lorenz(seed=1).read(4000), 0.8),
}


@pytest.mark.parametrize("name", BETTER)
def test_it_predicts_better_than_plain_units(name):
    make, most = BETTER[name]
    y = make()
    for effort in EFFORTS[:2]:
        assert late(errors_of(y, preset(y, effort))) < most * late(errors_of(y, plain(y)))


@pytest.mark.parametrize(("steps", "most"), [(300, 1.12), (3000, 1.04)])
def test_noise_is_hardly_fitted(steps, most):
    for columns in (1, 8):
        y = noise(steps, columns)
        for effort in EFFORTS[:2]:
            assert late(errors_of(y, preset(y, effort))) < most * late(errors_of(y, plain(y)))


def test_events_are_predicted_by_those_before():
    rng = np.random.default_rng(0)
    y = np.column_stack([np.arange(3000) % 7 == 0, rng.random(3000) < 0.1]).astype(float)
    losses = nbt.NoBackTrack(**nbt.preset("numbers", readout=nbt.Bernoulli(2))).learn(y)
    least = -(0.1 * np.log(0.1) + 0.9 * np.log(0.9))  # of the second column, which is noise
    assert losses[1500:].mean() < least + 0.1  # 0.41 more if the first were noise


@pytest.mark.parametrize("effort", EFFORTS)
def test_an_outlier_is_forgotten(effort):
    """1000 to 2000 steps later; without noise it takes longer, as with plain units."""
    for y in (walk(3000), autoregression(3000, 2), noise(3000, 2)):
        spoiled = y.copy()
        spoiled[1000, 0] = 1e6
        with_it, without = (errors_of(one, preset(y, effort))[2000:] for one in (spoiled, y))
        assert np.isfinite(with_it).all()
        assert (np.abs(with_it).mean(axis=0) < 1.5 * np.abs(without).mean(axis=0)).all()


@pytest.mark.parametrize("effort", EFFORTS)
def test_neither_offset_nor_scale_matters(effort):
    y = walk(2000)
    errors = late(errors_of(y, preset(y, effort)))
    for a, b in ((1.0, 1e5), (1e-3, 0.0), (1e4, -1e6)):
        assert late(errors_of(a * y + b, preset(y, effort))) / a == pytest.approx(errors, rel=0.1)


def test_gaps_and_columns_that_never_change():
    whole = walk(3000)
    y = np.column_stack([whole, np.full(3000, 3.0), np.full(3000, np.nan)])
    y[500:600, 0] = y[700::50, 1] = np.nan
    errors = errors_of(y, preset(y))
    assert np.isfinite(errors[:, :3][np.isfinite(y[:, :3])]).all()
    assert late(errors[:, :2]) < 3 * late(errors_of(whole, preset(whole)))


@pytest.mark.parametrize("effort", EFFORTS)
def test_the_same_bits_however_it_is_cut(effort, tmp_path, assert_same_state):
    y = walk(90)
    whole, cut = (nbt.NoBackTrack(**preset(y, effort), seed=3) for _ in range(2))
    expected, losses, at = whole.learn(y), [], 0
    for size in (1, 2, 5, 11, 23, 48):
        losses.append(cut.learn(y[at : at + size]))
        cut.predict()
        cut.save(tmp_path / "model")
        cut, at = nbt.load(tmp_path / "model"), at + size
    assert np.concatenate(losses).tobytes() == expected.tobytes()
    assert_same_state(cut.state_dict(), whole.state_dict())


def test_further_ahead():
    """The inputs are given beside the targets, the same numbers five steps later."""
    y = walk(4000)
    found = []
    for setting in (preset(y), plain(y)):
        trainer = nbt.NoBackTrack(**setting, seed=1)
        pairs = zip(y[:-5], y[5:], strict=True)
        found.append([(trainer.predict(a)[0] - b, trainer.learn(a, b))[0] for a, b in pairs])
    ours, before = (late(np.array(errors)) for errors in found)
    assert ours < 0.8 * before
