"""Recursive least squares in the readout: against least squares in one piece, and the oracle."""

import copy
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.pairs import TOLERANCE, few
from helpers.refusals import expect
from oracle.optimizer import least_squares as step

import nbt

SHARED = "shared"


def least_squares(**more):
    return nbt.Kalman(reduction=SHARED, **more)


# ---- the oracle against least squares in one piece ----------------------------------------------


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.9])
def test_the_oracle_is_weighted_ridge_regression(decay):
    """φ minimises the decayed squares; P⁻¹ is their matrix and what was put back of the prior, each
    time with φ as it was then."""
    rng = np.random.default_rng(0)
    F, Y, prior = 5, 2, 0.3
    P, phi = np.eye(F) / prior, np.zeros((F, Y))
    matrix, right = prior * np.eye(F), np.zeros((F, Y))
    gamma = min(decay, 1 / F)
    for t in range(60):
        f, y = rng.normal(size=F), rng.normal(size=Y)
        matrix = (1 - gamma) * matrix + np.outer(f, f)
        right = (1 - gamma) * right + np.outer(f, y)
        P, phi = step(P, phi, f, phi.T @ f - y, t, decay, prior)
        np.testing.assert_allclose(phi, np.linalg.solve(matrix, right), rtol=0, atol=1e-10)
        if gamma:
            i, back = t % F, prior * F * gamma
            matrix[i, i] += back
            right[i] += back * phi[i]
        np.testing.assert_allclose(P, np.linalg.inv(matrix), rtol=0, atol=1e-10)


# ---- C against it ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("inputs", ["own", "other", "vector"])
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("name", ["default", "plain", "rtrl"])
def test_array_by_array(name, direct, inputs, dtype):
    for optimizer in ("sgd", "kalman", "adam"):
        for standardize in (False, True):
            for n, A in ((7, 3), (12, 2)):
                pair = few(
                    name, optimizer, n, A=A, readout="gaussian", readout_optimizer=SHARED,
                    inputs=inputs, dtype=dtype, direct=direct, standardize=standardize,
                )  # fmt: skip
                pair.tolerance *= 10
                assert not pair.follow(8), (optimizer, standardize, n)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("isa", nbt.build_info()["isas"])
def test_every_instruction_set(isa, dtype, monkeypatch):
    monkeypatch.setenv("NBT_ISA", isa)
    for n in (1, 6, 15, 33):
        pair = few(
            "default", "kalman", n, A=2, readout="gaussian", readout_optimizer=SHARED,
            inputs="vector", dtype=dtype, direct=True,
        )  # fmt: skip
        pair.tolerance *= 10
        assert not pair.follow(6), n


@pytest.mark.parametrize("missing", ["skip", "mask"])
def test_missing_numbers(missing):
    pair = few(
        "default", "kalman", readout="gaussian", readout_optimizer=SHARED, inputs="vector",
        direct=True, missing=missing, standardize=True,
    )  # fmt: skip
    pair.tolerance *= 10
    assert not pair.follow(12)


# ---- promises ----------------------------------------------------------------------------------


def made(cell=None, optimizer=None, readout=None, **more):
    return nbt.NoBackTrack(
        cell or nbt.RNN(6),
        readout or nbt.Gaussian(2, direct=True),
        nbt.Kalman(),
        readout_optimizer=optimizer or least_squares(decay=0.01),
        inputs=3,
        **more,
    )


def data(steps, seed=0, inputs=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, inputs))
    return x, x[:, :2] - 0.5 * x[:, 1:3] + 0.1 * rng.normal(size=(steps, 2))


@pytest.mark.parametrize("cell", [nbt.RNN(6), nbt.LSTM(6), nbt.Stack([nbt.RNN(3), nbt.RNN(3)])])
def test_cut_and_resumed_anywhere(cell, tmp_path, assert_same_state):
    """What waits for the next pass is applied when the state is read: no later bit changes."""
    x, y = data(60)
    whole, cut = made(cell), made(cell)
    expected = whole.learn(x, y)
    losses = []
    for t in range(60):
        losses.append(cut.learn(x[t], y[t]))
        cut.predict(x[t])
        if t % 3 == 0:
            cut.state_dict()
        if t % 17 == 5:
            cut.save(tmp_path / "c.nbt")
            cut = nbt.load(tmp_path / "c.nbt")
    assert np.concatenate(losses).tobytes() == expected.tobytes()
    assert_same_state(cut.state_dict(), whole.state_dict())
    P = whole.state_dict()["optimizer.phi.P"]
    assert P.dtype == np.float64
    assert P.shape == (10, 10)
    np.testing.assert_array_equal(P, P.T)
    np.linalg.cholesky(P)


def test_observing_and_growing():
    trainer = made()
    x, y = data(40)
    np.testing.assert_array_equal(trainer.state_dict()["optimizer.phi.P"], np.eye(10) / 1e-3)
    trainer.learn(x, y)
    before = trainer.state_dict()["optimizer.phi.P"]
    trainer.observe(x, y)
    np.testing.assert_array_equal(trainer.state_dict()["optimizer.phi.P"], before)
    expected = trainer.predict()
    trainer.grow(inputs=5)
    np.testing.assert_array_equal(trainer.predict(), expected)
    after = trainer.state_dict()["optimizer.phi.P"]
    np.testing.assert_array_equal(after[:10, :10], before)
    np.testing.assert_array_equal(after[10:], np.eye(12)[10:] / 1e-3)


@pytest.mark.parametrize("decay", [0.0, 1e-4, 0.02, 1.0])
def test_features_that_do_not_vary(decay):
    """Collinear, constant and absent features, for a long time: P stays bounded and positive."""
    cell = nbt.RNN(3)
    trainer = made(cell, least_squares(decay=decay), nbt.Gaussian(2, False, direct=True))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50_000, 1)) * [[1.0, 2.0, 0.0]]
    y = np.hstack([x[:, :1], -x[:, :1]])
    for _ in range(4):
        losses = trainer.learn(x, y)
    P = trainer.state_dict()["optimizer.phi.P"]
    values = np.linalg.eigvalsh(P)
    assert values.min() > 0
    assert values.max() < 3 / 1e-3
    mean = trainer.predict_along(x[:50])[:, 0]
    np.testing.assert_allclose(mean, y[:50], atol=1e-2)  # inputs were scaled otherwise at first
    assert np.isfinite(losses).all()


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("optimizer", lambda: nbt.NoBackTrack(nbt.RNN(3), nbt.Gaussian(1), least_squares())),
        ("readout_optimizer", lambda: made(readout=nbt.Softmax(3))),
        ("readout_optimizer", lambda: made(readout=nbt.Bernoulli(3))),
        ("readout_optimizer", lambda: made(nbt.RNN(2048))),
        (
            "readout_optimizer",
            lambda: nbt.TruncatedBPTT(
                nbt.RNN(3), nbt.Gaussian(1), nbt.SGD(), readout_optimizer=least_squares()
            ),
        ),
    ],
)
def test_where_there_is_none(argument, call):
    expect(ValueError, argument, call)


def test_a_covariance_that_is_none():
    trainer = made()
    state = trainer.state_dict()
    for bad in (np.arange(100.0).reshape(10, 10), -np.eye(10)):
        changed = {**state, "optimizer.phi.P": bad}
        expect(ValueError, "optimizer.phi.P", lambda: trainer.load_state_dict(changed))  # noqa: B023


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e6, 1e12])
def test_what_rounding_leaves_can_be_loaded(scale, dtype):
    """Huge inputs that repeat each other, not standardised: P loses its digits, and soon learning
    diverges. The state that comes before can be saved and copied."""
    b = np.random.default_rng(0).normal(size=60)
    x, y = scale * np.stack([b, b, 2 * b], axis=1), b[:, np.newaxis]
    trainer = nbt.NoBackTrack(
        nbt.LSTM(4),
        nbt.Gaussian(1, False, direct=True),
        readout_optimizer=least_squares(decay=0.01),
        inputs=nbt.Vector(3, False),
        dtype=dtype,
    )
    steps = iter(zip(x, y, strict=True))
    while np.diag(trainer.state_dict()["optimizer.phi.P"]).min() >= 0:
        trainer.learn(*next(steps))
    state = trainer.state_dict()
    trainer.load_state_dict(state)
    again = copy.copy(trainer).state_dict()
    assert all(again[key].tobytes() == value.tobytes() for key, value in state.items())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", [nbt.RNN(3, learn=False), nbt.LSTM(4)], ids=repr)
def test_what_a_call_leaves_is_finite(cell, dtype):
    """What waits for the next pass would overflow there: the step that makes it says so."""
    diverged = 0
    for scale in (1e6, 1e8, 1e12, 1e15):
        for decay, seed in ((0.0, 1), (0.01, 0), (0.01, 1), (0.01, 2), (0.5, 1), (0.5, 2)):
            b = np.random.default_rng(seed).normal(size=40)
            x, y = scale * np.stack([b, b, 2 * b], axis=1), b[:, np.newaxis]
            trainer = nbt.NoBackTrack(
                cell, nbt.Gaussian(1, False, direct=True),
                readout_optimizer=least_squares(decay=decay), inputs=nbt.Vector(3, False),
                dtype=dtype,
            )  # fmt: skip
            try:
                for t in range(40):
                    trainer.learn(x[t], y[t])
                    for key, value in trainer.state_dict().items():
                        assert np.isfinite(value).all(), (scale, decay, seed, t, key)
            except nbt.DivergenceError as error:
                diverged += 1
                assert f"step {t}" in str(error)  # noqa: PT017
                whole = nbt.NoBackTrack(**_same(trainer))
                with pytest.raises(nbt.DivergenceError, match=rf"step {t}\b"):
                    whole.learn(x, y)
    assert diverged > 5


def _same(trainer):
    names = "cell", "readout", "optimizer", "readout_optimizer", "inputs", "dtype"
    return {name: getattr(trainer, name) for name in names}


# ---- what it is for ----------------------------------------------------------------------------


def test_a_line_from_ten_lagged_positions():
    """Breathing: φ is what numpy's least squares make of (1, a, the last ten positions)."""
    folder = Path(os.environ.get("NBT_DATA_DIR", "../shared/data")) / "breathing"
    files = sorted(folder.glob("*.csv"))
    if not files:
        pytest.skip(f"needs the series in {folder}")
    lines = files[0].read_text(encoding="utf-8-sig", errors="replace").splitlines()
    rows = [line.replace(",", ".").split(";") for line in lines]
    series = np.array([[float(z) for z in row[-3:]] for row in rows if _numbers(row[-3:])])[:600]
    series = (series - series.mean(0)) / series.std(0)
    x, y, prior = series[:-1], series[1:], 1e-2
    trainer = nbt.NoBackTrack(
        nbt.RNN(4, learn=False), nbt.Gaussian(3, False, direct=True),
        readout_optimizer=least_squares(decay=0.0, readout_prior=prior),
        inputs=nbt.Vector(3, False, lags=10), dtype="float64", seed=1,
    )  # fmt: skip
    seen, state = [], None
    for t in range(len(x)):
        trainer.learn(x[t], y[t])
        state = trainer.state_dict()
        a = 1 / (1 + np.exp(-state["state.h"]))
        seen.append(np.concatenate([[1.0], a, state["state.x"]]))
    f = np.array(seen)
    expected = np.linalg.solve(f.T @ f + prior * np.eye(f.shape[1]), f.T @ y)
    phi = np.vstack([state["readout.b"], state["readout.W"], state["readout.r"]])[:, :3]
    np.testing.assert_allclose(phi, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def errors_on_mackey_glass(readout, y, **more):
    """Of one step ahead, in the second half."""
    trainer = nbt.NoBackTrack(
        nbt.RNN(100, activation="tanh", learn=False), readout,
        readout_optimizer=least_squares(decay=0.0), inputs=nbt.Vector(1, False), seed=1, **more,
    )  # fmt: skip
    x = nbt.datasets.mackey_glass(seed=0).read(len(y))
    x = (x - x.mean()) / x.std()
    found = np.empty(len(y))
    for t in range(len(y) - 1):
        found[t + 1] = trainer.predict(x[t])[0, 0] - y[t + 1]
        trainer.learn(x[t], y[t + 1])
    return np.sqrt(np.mean(found[len(y) // 2 :] ** 2))


def mackey_glass(steps):
    y = nbt.datasets.mackey_glass(seed=0).read(steps).reshape(-1)
    return (y - y.mean()) / y.std()


def test_targets_that_are_standardised_are_learned_as_well():
    """Their unit changes with each of them; least squares in a unit that drifts would be 4 times as
    far off."""
    y = mackey_glass(3000)
    plain = errors_on_mackey_glass(nbt.Gaussian(1, False), y)
    scaled = errors_on_mackey_glass(nbt.Gaussian(1), 1000 + 50 * y) / 50
    assert scaled < 1.3 * plain


def test_variances_of_many_features_follow_the_errors():
    """Their prior is that of a network with so many units. With that of the covariance, 0.001, they
    were learned so fast that the loss was far above that of constant variances."""
    trainer = nbt.NoBackTrack(
        nbt.RNN(100, activation="tanh", learn=False, input_scaling=0.2, bias_scaling=0.3),
        nbt.Gaussian(3), readout_optimizer=least_squares(), seed=1,
    )  # fmt: skip
    y, means, losses = nbt.datasets.lorenz(noise=1.0, seed=1).read(3000), [], []
    for row in y:
        means.append(trainer.predict()[0])
        losses.append(trainer.learn(row)[0])
    errors = (y - np.array(means))[1500:]
    constant = 0.5 * np.sum(np.log(2 * np.pi * np.mean(errors**2, axis=0)) + 1)
    assert np.mean(losses[1500:]) < constant + 0.3


def test_one_target_that_is_far_off():
    y = mackey_glass(3000)
    usual = errors_on_mackey_glass(nbt.Gaussian(1), y)
    y[700] = 1e6
    assert errors_on_mackey_glass(nbt.Gaussian(1), y) < 1.5 * usual


def _numbers(row):
    try:
        return len([float(z) for z in row]) == 3
    except ValueError:
        return False
