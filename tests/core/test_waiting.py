"""Rows of symbols that wait (dense/lazy.h): the same as if they did not, however long and wherever
the state is looked at, saved, resumed or edited."""

import numpy as np
import pytest

import nbt

SYMBOLS = 12
OFTEN = np.r_[np.full(8, 0.115), 0.04, 0.02, 0.015, 0.005]


def make(inputs, units=20, rank=1, norm="euclidean", dtype="float64", symbols=SYMBOLS):
    return nbt.NoBackTrack(
        nbt.LeakyRNN(units),
        nbt.Softmax(symbols),
        nbt.SGD(nbt.InverseSqrt(0.3)),
        inputs=inputs,
        blocks=1,
        exact_self=False,
        norm=norm,
        rank=rank,
        dtype=dtype,
    )


def without_waiting(state):
    return {key: value for key, value in state.items() if not key.startswith("waiting.")}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("norm", ["euclidean", "fisher", "none"])
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize(("units", "steps"), [(20, 300), (7, 300), (6, 9000)])
def test_as_if_no_row_waited(units, steps, rank, norm, dtype):
    """The same symbols as one-hot vectors, where nothing waits."""
    if norm == "none":
        steps = 50  # unbalanced estimates grow
    lazy, plain = (
        make(kind, units, rank, norm, dtype)
        for kind in (nbt.Symbols(SYMBOLS), nbt.Vector(SYMBOLS, False))
    )
    plain.load_state_dict(without_waiting(lazy.state_dict()))
    rng = np.random.default_rng(0)
    x, y = rng.choice(SYMBOLS, steps, p=OFTEN), rng.integers(0, SYMBOLS, steps)
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    losses = lazy.learn(x, y), plain.learn(np.eye(SYMBOLS)[x], y)
    np.testing.assert_allclose(*losses, rtol=0, atol=tolerance)
    state = without_waiting(lazy.state_dict())
    for key, value in plain.state_dict().items():
        scale = np.abs(value).max(initial=1e-6)
        np.testing.assert_allclose(state[key], value, rtol=0, atol=tolerance * scale, err_msg=key)
    for symbol in range(SYMBOLS):
        np.testing.assert_allclose(
            lazy.predict(symbol), plain.predict(np.eye(SYMBOLS)[symbol]), rtol=0, atol=tolerance
        )


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("cut", [0, 1, 50, 64, 777, 8191, 8192, 8193, 8500])
def test_looked_at_saved_and_resumed(cut, rank):
    """At every place of an epoch and an era: the same bits as never looked at."""
    x = np.random.default_rng(1).integers(0, 30, 9000)
    whole, watched = (make(None, 6, rank, symbols=30) for _ in range(2))
    losses = whole.learn(x)
    watched.learn(x[:cut])
    state = watched.state_dict()
    watched.predict(3), watched.influence()
    resumed = make(None, 6, rank, symbols=30)
    resumed.load_state_dict(state)
    for key, value in resumed.state_dict().items():
        np.testing.assert_array_equal(value, state[key], err_msg=key)
    for trainer in (watched, resumed):
        np.testing.assert_array_equal(trainer.learn(x[cut:]), losses[cut:])
        for key, value in trainer.state_dict().items():
            np.testing.assert_array_equal(value, whole.state_dict()[key], err_msg=key)


@pytest.mark.parametrize("key", ["cell.r", "estimator.w", "estimator.z"])
def test_an_edited_state_is_what_it_says(key):
    """Rows that wait do not come back over what was written."""
    trainer = make(None)
    x = np.random.default_rng(2).integers(0, SYMBOLS, 200)
    trainer.learn(x)
    state = trainer.state_dict()
    state[key] = state[key] + 0.125
    edited, stripped = make(None), make(None)
    edited.load_state_dict(state)
    stripped.load_state_dict(without_waiting(state))
    np.testing.assert_array_equal(edited.state_dict()[key], state[key])
    np.testing.assert_array_equal(edited.learn(x), stripped.learn(x))
    for name, value in stripped.state_dict().items():
        np.testing.assert_array_equal(edited.state_dict()[name], value, err_msg=name)


@pytest.mark.parametrize("since", [-3, 8192])
def test_a_stamp_out_of_range_is_refused(since):
    trainer = make(None)
    state = trainer.state_dict()
    state["waiting.since"] = state["waiting.since"].copy()
    state["waiting.since"][3] = since
    with pytest.raises(ValueError, match=r"waiting\.since: expected integers in"):
        trainer.load_state_dict(state)


@pytest.mark.parametrize("rank", [1, 3])
def test_another_sequence(rank):
    """What was learned of rows that waited stays; nothing of the sequence before waits on."""
    trainer, random = make(None, 7, rank), np.random.default_rng(5)
    trainer.learn(random.choice(SYMBOLS, 300, p=OFTEN))
    before = trainer.state_dict()
    assert (before["waiting.since"] >= 0).any()
    trainer.reset_state()
    after = without_waiting(trainer.state_dict())
    for key in ("cell.W", "cell.r", "readout.W", "step"):
        assert after[key].tobytes() == before[key].tobytes()
    assert not trainer.influence().any()
    fresh = make(None, 7, rank)
    fresh.load_state_dict(after)
    x = random.choice(SYMBOLS, 300, p=OFTEN)
    assert trainer.learn(x).tobytes() == fresh.learn(x).tobytes()
