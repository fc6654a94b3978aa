"""A readout that sees the last input as well: C against the oracle, and what it is for."""

import numpy as np
import pytest
from helpers.pairs import FEW, INPUTS, TOLERANCE, few
from helpers.refusals import expect

import nbt
from nbt.descriptions import value_in
from nbt.trainers import from_description

RULES = {
    "nobacktrack": nbt.NoBackTrack,
    "rtrl": nbt.RTRL,
    "bptt": lambda *a, **b: nbt.TruncatedBPTT(*a, window=3, **b),
}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("optimizer", ["sgd", "kalman", "adam"])
@pytest.mark.parametrize("name", FEW)
def test_array_by_array(name, optimizer, inputs, dtype):
    for kind, standardize in (
        ("softmax", False),
        ("bernoulli", False),
        ("gaussian", False),
        ("gaussian", True),
    ):
        pair = few(
            name,
            optimizer,
            readout=kind,
            inputs=inputs,
            dtype=dtype,
            direct=True,
            standardize=standardize,
        )
        pair.tolerance *= 3  # what e^-s makes of the last bits of s
        assert not pair.follow(4 if name == "window" else 8), (kind, standardize)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("isa", nbt.build_info()["isas"])
def test_every_instruction_set(isa, dtype, monkeypatch):
    monkeypatch.setenv("NBT_ISA", isa)
    for name in ("default", "plain", "bptt"):
        for n, A, m in ((1, 3, 2), (8, 37, 5), (6, 5, 33), (12, 4, 3)):
            for optimizer in ("sgd", "kalman"):
                for inputs in ("other", "vector"):
                    choices = {"n": n, "A": A, "m": m, "inputs": inputs, "dtype": dtype}
                    assert not few(name, optimizer, direct=True, **choices).follow(4), choices


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_missing_numbers(dtype):
    for name in ("default", "rtrl", "bptt"):
        for missing in ("skip", "mask"):
            pair = few(
                name, "kalman", readout="gaussian", missing=missing, direct=True, dtype=dtype,
                inputs="vector", standardize=True,
            )  # fmt: skip
            pair.tolerance *= 3
            assert not pair.follow(12), (name, missing)


@pytest.mark.parametrize("reduction", ["diagonal", "block", "full"])
@pytest.mark.parametrize("rule", RULES)
def test_a_block_of_the_metric_has_the_input(rule, reduction):
    """J of φ is about (1, a, x): with the whole matrix, x and a copy of it as a unit share what is
    learned; and the state has room for it."""
    trainer = RULES[rule](
        nbt.RNN(3), nbt.Gaussian(2, False, direct=True), nbt.Kalman(reduction=reduction),
        inputs=nbt.Vector(4, False), dtype="float64",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
    trainer.learn(x, y)
    state = trainer.state_dict()
    assert state["readout.r"].shape == (4, 4)
    assert state["readout.r"].any(axis=1).all()
    if reduction == "block":
        assert state["optimizer.phi.blocks"].shape == (4 * 8**2,)


# ---- what x is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_the_input_is_added(rule):
    """Of symbols, of vectors as they are read; before the first input there is none."""
    trainer = RULES[rule](nbt.RNN(4), nbt.Softmax(5, direct=True), seed=2)
    state = trainer.state_dict()
    assert state["state.x"] == -1
    state["readout.r"][:] = np.log([[1, 2, 3, 4, 5]] * 5) * np.arange(5)[:, None]
    trainer.load_state_dict(state)
    np.testing.assert_allclose(trainer.predict(), [0.2] * 5)
    for symbol in range(5):
        expected = np.arange(1, 6.0) ** symbol
        np.testing.assert_allclose(trainer.predict(symbol), expected / expected.sum(), rtol=1e-5)
    assert trainer.state_dict()["state.x"] == -1  # looking ahead is no step
    trainer.observe([3], ...)
    np.testing.assert_allclose(trainer.predict(), trainer.predict_along([3])[0])
    assert trainer.state_dict()["state.x"] == 3
    trainer.reset_state()
    assert trainer.state_dict()["state.x"] == -1


def test_a_vector_is_the_one_that_the_network_reads():
    """Standardised by what was known before it; what is missing is 0."""
    trainer = nbt.NoBackTrack(
        nbt.RNN(4), nbt.Gaussian(1, direct=True), inputs=2, missing="mask", dtype="float64"
    )
    rng = np.random.default_rng(1)
    x, y = 100 + 7 * rng.normal(size=(50, 2)), rng.normal(size=(50, 1))
    trainer.learn(x, y)
    before = trainer.state_dict()
    trainer.learn([[93.0, np.nan]], [[1.0]])
    mean, variance = before["inputs.mean"], before["inputs.variance"]
    expected = [(93 - mean[0]) / np.sqrt(variance[0]), 0]
    np.testing.assert_allclose(trainer.state_dict()["state.x"], expected)
    trainer.reset_state()
    assert not trainer.state_dict()["state.x"].any()


def test_futures_begin_with_the_present_input():
    """Each path begins where the trainer is, x too: so all first steps are drawn alike."""
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(3, direct=True), seed=1)
    state = trainer.state_dict()
    state["readout.r"][:] = 50 * np.roll(np.eye(3), 1, axis=1)  # z + 1 follows z
    trainer.load_state_dict(state)
    trainer.observe([1])
    futures = trainer.simulate(5, paths=7)
    np.testing.assert_array_equal(futures, [[2, 0, 1, 2, 0]] * 7)


@pytest.mark.parametrize("cell", [nbt.RNN(4), nbt.Stack([nbt.RNN(2), nbt.RNN(2)])])
@pytest.mark.parametrize("rule", RULES)
def test_more_inputs(rule, cell):
    """What is new has no weight, and no prediction changes."""
    trainer = RULES[rule](cell, nbt.Gaussian(2, direct=True), nbt.Kalman(), inputs=3)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    trainer.learn(x, y)
    before, expected = trainer.state_dict(), trainer.predict()
    trainer.grow(inputs=5)
    after = trainer.state_dict()
    np.testing.assert_array_equal(trainer.predict(), expected)
    np.testing.assert_array_equal(after["readout.r"][:3], before["readout.r"])
    assert not after["readout.r"][3:].any()
    assert not after["state.x"][3:].any()
    assert after["optimizer.phi.J"].shape == (1 + 4 + 5, 4)
    trainer.learn(rng.normal(size=(20, 5)), y)
    assert trainer.state_dict()["readout.r"][3:].all()


@pytest.mark.parametrize("rule", RULES)
def test_more_symbols(rule):
    trainer = RULES[rule](nbt.RNN(4), nbt.Softmax(3, direct=True), nbt.Kalman())
    trainer.learn(np.random.default_rng(0).integers(0, 3, 50))
    before = trainer.state_dict()
    trainer.grow(5)
    after = trainer.state_dict()
    np.testing.assert_array_equal(after["readout.r"][:3, :3], before["readout.r"])
    assert after["readout.r"].shape == (5, 5)
    assert after["state.x"] == before["state.x"]
    trainer.learn([4, 3, 4, 4, 3, 4, 3])
    assert trainer.state_dict()["readout.r"][3:].any()


def test_a_row_moves_when_its_symbol_is_the_last_input():
    """However many symbols there are: a step is O(A)."""
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(9, direct=True), nbt.Kalman(), seed=1)
    trainer.learn(np.random.default_rng(0).integers(0, 9, 100))
    before = trainer.state_dict()
    last = int(before["state.x"])
    trainer.learn([0])
    after = trainer.state_dict()
    for key, rows in (("readout.r", 0), ("optimizer.phi.J", 5)):
        changed = (before[key][rows:] != after[key][rows:]).any(axis=1)
        np.testing.assert_array_equal(changed, np.arange(9) == last)


# ---- the face ----------------------------------------------------------------------------------


def test_descriptions():
    """Files say what was chosen; those of a version that could not choose mean no."""
    for readout in (nbt.Softmax(4, direct=True), nbt.Gaussian(2, direct=True), nbt.Bernoulli(3)):
        trainer = nbt.NoBackTrack(nbt.RNN(3), readout)
        described = trainer.describe()
        assert described["readout"].get("direct", False) is bool(readout.direct)
        assert from_description(described).describe() == described
        older = {key: value for key, value in described["readout"].items() if key != "direct"}
        assert value_in(older).direct is False
    assert repr(nbt.Softmax(4, direct=True)) == "Softmax(symbols=4, direct=True)"
    assert repr(nbt.Softmax(4)) == "Softmax(symbols=4)"


@pytest.mark.parametrize("kind", [nbt.Softmax, nbt.Gaussian, nbt.Bernoulli])
@pytest.mark.parametrize("direct", [1, "yes", 0.0])
def test_neither_true_nor_false(kind, direct):
    expect(TypeError, "direct", lambda: kind(3, direct=direct))


@pytest.mark.parametrize("x", [-2, 5, 2**40])
def test_a_last_input_that_is_none(x):
    trainer = nbt.TruncatedBPTT(nbt.RNN(4), nbt.Softmax(5, direct=True), window=3)
    state = trainer.state_dict()
    expect(ValueError, "state.x", lambda: trainer.load_state_dict({**state, "state.x": x}))
    expect(
        ValueError,
        "window.x",
        lambda: trainer.load_state_dict({**state, "window.x": np.full(3, -7)}),
    )


# ---- what it is for ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_what_only_the_input_says(rule):
    """A network whose only unit is always 1/2 learns the step from symbol to symbol, and a line."""
    rng = np.random.default_rng(0)
    follows = np.array([3, 0, 1, 2])
    x = rng.integers(0, 4, 4000)
    trainer = RULES[rule](
        nbt.RNN(1), nbt.Softmax(4, direct=True), nbt.Kalman(), inputs=nbt.Symbols(4)
    )
    losses = trainer.learn(x, follows[x])
    assert losses[-500:].mean() < 0.05
    x = rng.normal(size=(4000, 2))
    y = x @ [[2.0], [-1.0]] + 0.1 * rng.normal(size=(4000, 1))
    trainer = RULES[rule](
        nbt.RNN(1), nbt.Gaussian(1, direct=True), nbt.Kalman(), inputs=nbt.Vector(2)
    )
    trainer.learn(x, y)
    mean, _ = trainer.predict_along(x[-200:])[:, :, 0].T
    assert np.sqrt(np.mean((mean - y[-200:, 0]) ** 2)) < 0.2
