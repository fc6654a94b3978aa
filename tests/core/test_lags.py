"""Lagged inputs: the network reads the last vectors at once."""

import copy

import numpy as np
import pytest
from helpers.refusals import expect
from oracle.scaler import Scaler

import nbt

M, K, A = 2, 3, 4  # numbers of a vector, lags, symbols
GRAPH = nbt.Graph.random(5, 2)
CELLS = {
    "dense": nbt.LeakyRNN(5),
    "graph": nbt.LeakyRNN(5, graph=GRAPH),
    "stack": nbt.Stack([nbt.RNN(5), nbt.RNN(3, "tanh")]),
    "no skip": nbt.Stack([nbt.RNN(5), nbt.RNN(3, "tanh")], skip=False),
    "time": nbt.Continuous(nbt.CTRNN(5), 0.2),
}
RULES = {
    "exact": lambda *values, **more: nbt.NoBackTrack(*values, **more),
    "window": lambda *values, **more: nbt.NoBackTrack(*values, window=2, blocks=2, **more),
    "descent": lambda *values, **more: nbt.NoBackTrack(
        *values, nbt.SGD(0.1), blocks=1, exact_self=False, norm="euclidean", **more
    ),
    "rtrl": nbt.RTRL,
    "bptt": lambda *values, **more: nbt.TruncatedBPTT(*values, window=4, **more),
}
PLACES = [("dense", rule) for rule in RULES]
PLACES += [(cell, rule) for cell in CELLS for rule in ("rtrl", "bptt") if cell != "dense"]
PLACES += [(cell, "exact") for cell in ("graph", "stack", "time")]


def made(cell, rule, lags=K, size=M, readout=None, standardize=True, **more):
    inputs = nbt.Vector(size, standardize, lags=lags)
    return RULES[rule](CELLS[cell], readout or nbt.Softmax(A), inputs=inputs, **more)


def data(steps, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, [2, 0.1], size=(steps, M))
    x[rng.random((steps, M)) < 0.1] = np.nan
    return x, rng.integers(0, A, steps)


def as_fed(x, lags, standardize=True):
    """What the network reads at each step: the last vectors, newest first, each as it was read when
    it came."""
    scaler = Scaler(
        {f"x.{key}": np.zeros(x.shape[1]) for key in ("count", "mean", "variance")}, "x"
    )
    read = []
    for row in x:
        read.append(scaler.read_input(row) if standardize else np.nan_to_num(row))
        scaler.follow(row)
    read = np.array(read)
    before = [np.vstack([np.zeros((k, x.shape[1])), read])[: len(x)] for k in range(lags)]
    return np.hstack(before)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(("cell", "rule"), PLACES)
def test_lags_are_columns_of_shifted_inputs(cell, rule, standardize):
    x, y = data(60)
    more = {"missing": "mask", "dtype": "float64", "seed": 3}
    lagged = made(cell, rule, standardize=standardize, **more)
    plain = made(cell, rule, lags=1, size=K * M, standardize=False, **more)
    wide = as_fed(x, K, standardize)
    np.testing.assert_allclose(lagged.learn(x, y), plain.learn(wide, y), rtol=1e-9)
    theta = {key: value for key, value in lagged.state_dict().items() if key[:5] == "cell."}
    for key, value in theta.items():
        np.testing.assert_allclose(value, plain.state_dict()[key], rtol=1e-9, err_msg=key)
    np.testing.assert_allclose(lagged.state_dict()["state.lags"], wide[-1, :4].reshape(2, M))


def test_one_lag_is_the_vector_itself(assert_same_state):
    x, y = data(40)
    one, other = (
        nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(A), inputs=inputs, missing="mask")
        for inputs in (nbt.Vector(M), nbt.Vector(M, lags=1))
    )
    assert one.learn(x, y).tobytes() == other.learn(x, y).tobytes()
    assert_same_state(one.state_dict(), other.state_dict())
    assert "state.lags" not in one.state_dict()


def test_what_is_predicted_can_be_the_lagged_input():
    x = np.nan_to_num(data(50)[0])
    trainer = made("dense", "exact", dtype="float64", readout=nbt.Gaussian(M))
    assert trainer.predicts_inputs
    assert np.isfinite(trainer.learn(x)[3:]).all()
    lags = trainer.state_dict()["state.lags"]
    np.testing.assert_allclose(lags, as_fed(x, K)[-1, :4].reshape(2, M), rtol=1e-12)


@pytest.mark.parametrize(
    ("cell", "rule"), [("dense", "exact"), ("stack", "bptt"), ("graph", "rtrl")]
)
def test_predicting_looks_ahead_and_changes_nothing(cell, rule, assert_same_state):
    x, y = data(30)
    trainer = made(cell, rule, missing="mask")
    trainer.learn(x[:20], y[:20])
    before = trainer.state_dict()
    ahead, along = trainer.predict(x[20]), trainer.predict_along(x[20:])
    assert_same_state(trainer.state_dict(), before)
    assert ahead.tobytes() == along[0].tobytes()
    for row, known in zip(x[20:], along, strict=True):
        trainer.observe(row, ...)
        np.testing.assert_array_equal(trainer.predict(), known)


def test_observed_vectors_are_lags_too():
    x, y = data(30)
    trainer = made("dense", "exact", missing="mask")
    trainer.learn(x[:20], y[:20])
    scales = trainer.state_dict()
    trainer.observe(x[20:22], ...)
    z = (x[20:22] - scales["inputs.mean"]) / np.sqrt(scales["inputs.variance"])
    z = np.nan_to_num(z[::-1])
    np.testing.assert_allclose(trainer.state_dict()["state.lags"], z, rtol=1e-6)


def test_another_sequence_has_no_lags():
    x, y = data(30)
    trainer = made("dense", "exact", missing="mask")
    trainer.learn(x, y)
    assert trainer.state_dict()["state.lags"].any()
    trainer.reset_state()
    assert not trainer.state_dict()["state.lags"].any()
    assert trainer.state_dict()["inputs.count"].any()


@pytest.mark.parametrize("skip", ["skip", "mask"])
def test_a_missing_number_is_0_now_and_later(skip):
    trainer = made("dense", "exact", missing=skip)
    x, y = np.nan_to_num(data(20)[0], nan=3.0), data(20)[1]
    trainer.learn(x, y)
    trainer.learn([[np.nan, 2.0]], [1])
    first = trainer.state_dict()["state.lags"][0]
    assert first[0] == 0 != first[1]


@pytest.mark.parametrize(("cell", "rule"), PLACES)
def test_longer_vectors_get_a_row_for_each_lag(cell, rule):
    """New numbers that are 0 change nothing; those known keep their weights."""
    x, y = data(40)
    x = np.nan_to_num(x, nan=3.0)
    trainer = made(cell, rule, dtype="float64", standardize=False)
    trainer.learn(x[:20], y[:20])
    other = copy.deepcopy(trainer)
    other.grow(inputs=M + 1)
    wide = np.hstack([x, np.zeros((40, 1))])
    old = other.state_dict()
    assert old["state.lags"].shape == (K - 1, M + 1)
    np.testing.assert_allclose(
        other.learn(wide[20:], y[20:]), trainer.learn(x[20:], y[20:]), rtol=1e-9
    )
    other.learn(wide + 1, y)
    key = "cell.0.r" if cell in ("stack", "no skip") else "cell.r"
    new = np.arange(K) * (M + 1) + M
    assert other.state_dict()[key][new].all()
    assert not old[key][new].any()


def test_a_system_receives_all_lags():
    seen = []

    def step(h, x, theta):
        seen.append(np.array(x))
        return theta * h + x.sum()

    system = nbt.System(
        step,
        jvp=lambda h, x, theta, v: theta * v,
        rows=lambda h, x, theta: (np.arange(3), np.arange(2), h.copy()),
        state=np.ones(2),
        theta=np.full(2, 0.1),
    )
    trainer = nbt.RTRL(system, nbt.Softmax(A), inputs=nbt.Vector(M, False, lags=K), dtype="float64")
    x = np.arange(8.0).reshape(4, M)
    trainer.observe(x, ...)
    np.testing.assert_array_equal(seen[-1], x[:0:-1].ravel())


@pytest.mark.parametrize("lags", [0, 4097, -1])
def test_lags_are_in_range(lags):
    expect(ValueError, "lags", lambda: nbt.Vector(2, lags=lags))


@pytest.mark.parametrize("lags", [2.5, "3", None, True])
def test_lags_are_an_integer(lags):
    expect(TypeError, "lags", lambda: nbt.Vector(2, lags=lags))


def test_all_lags_together_are_bounded():
    expect(ValueError, "lags", lambda: nbt.Vector(2**20, lags=17))
    assert nbt.Vector(2**20, lags=16).width == 2**24
