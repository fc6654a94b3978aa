"""Stacks of cells with gates: C against the oracle, and what a stack promises beside."""

import numpy as np
import pytest
from helpers.pairs import INPUTS, TOLERANCE
from helpers.refusals import expect
from helpers.windows import STACKS, WindowedPair

import nbt


@pytest.fixture(params=STACKS)
def cell(request):
    return request.param


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_nobacktrack(cell, every, rank, dtype):
    """All inputs, optimizers and both norms, from states of their own."""
    wrong = {}
    for k, inputs in enumerate(INPUTS):
        optimizer = ("sgd", "kalman", "adam")[(k + every) % 3]
        norm = ("euclidean", "none")[(k + every + rank) % 2]
        pair = WindowedPair(
            cell=cell,
            every=every,
            rank=rank,
            norm=norm,
            inputs=inputs,
            optimizer=optimizer,
            dtype=dtype,
            n=9,
            seed=10 * k + every,
        )
        wrong[inputs, optimizer, norm] = pair.follow(9)
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_truncated_bptt(cell, dtype):
    wrong = {}
    for k, inputs in enumerate(INPUTS):
        pair = WindowedPair("bptt", cell=cell, every=1 + k, inputs=inputs, dtype=dtype, n=9, seed=k)
        wrong[inputs] = pair.follow(9)
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.mark.parametrize("readout", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("missing", ["error", "skip", "mask"])
def test_numbers(readout, missing):
    wrong = {}
    for k, cell in enumerate(STACKS):
        pair = WindowedPair(
            cell=cell,
            every=3,
            rank=k % 2,
            readout=readout,
            inputs=("own", "vector")[k % 2],
            optimizer=("kalman", "sgd")[k % 2],
            standardize=k % 3 == 0,
            missing=missing,
            n=9,
            seed=k,
        )
        wrong[cell] = pair.follow(9)
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n", "A", "m"), [(32, 8, 9), (33, 6, 5), (67, 3, 2)])
def test_sizes(n, A, m, dtype):
    """Layers of whole vecs, and with a rest; more signs than one block of them."""
    for cell in ("stack of lstm", "stack of gru"):
        for inputs in INPUTS:
            sizes = {"n": n, "A": A, "m": m}
            pair = WindowedPair(cell=cell, every=2, rank=1, inputs=inputs, dtype=dtype, **sizes)
            assert not pair.follow(4), (cell, inputs)


def test_runs_on(cell):
    """40 steps, after which the errors of each have had their effect on all."""
    for rank in (0, 1):
        pair = WindowedPair(cell=cell, every=4, rank=rank, n=9)
        pair.tolerance = 1e-8
        assert not pair.follow(20, together=False)
        assert pair.trainer.step >= 40


def test_a_flush_closes_the_window(cell):
    """In the midst of a window, after a target or a transition, and twice."""
    pair = WindowedPair(cell=cell, every=5, rank=1, n=9)
    for count, kind in ((2, "symbols"), (3, "pairs"), (1, "no target"), (4, "symbols")):
        verb = "observe" if kind == "no target" else "learn"
        assert not pair.steps(verb, kind, count)
        for _ in range(2):
            pair.trainer.flush()
            pair.oracle.flush()
            assert not pair.difference()


@pytest.mark.parametrize("inputs", INPUTS)
def test_one_layer_is_the_cell(inputs):
    """A stack of one layer gives the bits of that layer."""
    fed = {"own": None, "other": nbt.Symbols(3), "vector": nbt.Vector(3, False)}[inputs]
    own = {"inputs": fed, "every": 3, "rank": 1, "seed": 4}
    alone = nbt.NoBackTrack(nbt.GRU(6), nbt.Softmax(4), **own)
    stack = nbt.NoBackTrack(nbt.Stack([nbt.GRU(6)]), nbt.Softmax(4), **own)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 50)
    x = {"other": rng.integers(0, 3, 50), "vector": rng.normal(size=(50, 3))}.get(inputs)
    data = (y,) if x is None else (x, y)
    assert alone.learn(*data).tobytes() == stack.learn(*data).tobytes()
    assert alone.influence().reshape(2, 6, -1).tobytes() == stack.influence().tobytes()


def test_one_window_over_all_steps_is_exact():
    """With a window that is never closed before, pairs and E add nothing."""
    cell = nbt.Stack([nbt.LSTM(5), nbt.LSTM(4)])
    stream = np.random.default_rng(1).integers(0, 4, 30)
    ours, other = (
        rule(cell, nbt.Softmax(4), nbt.SGD(0.1), dtype="float64", **own)
        for rule, own in (
            (nbt.NoBackTrack, {"every": 40, "rank": 2}),
            (nbt.TruncatedBPTT, {"window": 40}),
        )
    )
    ours.learn(stream), other.learn(stream)
    ours.flush(), other.flush()
    for key, value in other.parameters.items():
        np.testing.assert_allclose(ours.parameters[key], value, rtol=0, atol=1e-14)


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("inputs", INPUTS)
def test_rtrl_is_backpropagation_through_all_steps(cell, every, inputs):
    """Six steps are only watched, by windows that end; then a window of them and three more."""
    fed = {"own": None, "other": nbt.Symbols(3), "vector": nbt.Vector(3, False)}[inputs]
    own = {"inputs": fed, "dtype": "float64", "seed": 2}
    values = STACKS[cell][0](9), nbt.Softmax(4), nbt.SGD(0.1)
    exact = nbt.RTRL(*values, every=every, **own)
    other = nbt.TruncatedBPTT(*values, window=6 + every, **own)
    rng = np.random.default_rng(every)
    y = rng.integers(0, 4, 6 + every)
    x = {"other": rng.integers(0, 3, len(y)), "vector": rng.normal(size=(len(y), 3))}.get(inputs, y)
    for trainer in (exact, other):
        trainer.observe(x[:6], y[:6])
        trainer.learn(x[6:], y[6:])
    for key, value in other.parameters.items():
        wrong = np.abs(exact.parameters[key] - value).max()
        assert wrong <= 1e-12 * max(np.abs(value).max(), 1), key
    assert exact.influence().shape[:2] == (2, exact.cell.units)


def test_the_layers_have_names():
    trainer = nbt.NoBackTrack(nbt.Stack([nbt.LSTM(5), nbt.LSTM(3)]), nbt.Softmax(4), rank=1)
    shapes = {key: value.shape for key, value in trainer.state_dict().items()}
    assert shapes["cell.0.r"] == (4, 4, 5)
    assert shapes["cell.1.r"] == (4, 5, 3)
    assert shapes["cell.1.W"] == (4, 3, 3)
    assert shapes["readout.W"] == (8, 4)
    assert shapes["estimator.1.d"] == (3, 9, 3)
    assert shapes["estimator.1.v"] == (1, 2, 3)
    assert shapes["optimizer.theta.0.m"] == (4, 10, 5)
    assert shapes["window.1.c"] == (10, 3)
    assert shapes["state.c"] == (8,)
    assert trainer.influence().shape == (2, 8, 200 + 108)


def test_learning_reaches_the_first_layer():
    """By the layers above alone, if the readout does not see the first one."""
    trainer = nbt.NoBackTrack(nbt.Stack([nbt.LSTM(4), nbt.LSTM(4)]), nbt.Softmax(3), nbt.SGD(0.1))
    state = trainer.state_dict()
    state["readout.W"][4:] = np.random.default_rng(0).normal(size=(4, 3))
    trainer.load_state_dict(state)
    before = trainer.parameters["cell.0.W"]
    trainer.learn([0, 1, 2, 2, 1, 0, 1, 2, 0, 1, 2])
    assert (trainer.parameters["cell.0.W"] != before).any()


@pytest.mark.parametrize(
    ("error", "name", "call"),
    [
        (ValueError, "cells", lambda: nbt.Stack([nbt.LSTM(4), nbt.GRU(4)])),
        (ValueError, "cells", lambda: nbt.Stack([nbt.LSTM(4), nbt.LSTM(4, norm="rms")])),
        (ValueError, "cells", lambda: nbt.Stack([nbt.RNN(4), nbt.LSTM(4)])),
        (ValueError, "cells", lambda: nbt.Stack([nbt.LSTM(4), nbt.RNN(4)])),
        (ValueError, "skip", lambda: nbt.Stack([nbt.LSTM(4), nbt.LSTM(4)], skip=True)),
        (
            ValueError,
            "optimizer",
            lambda: nbt.NoBackTrack(
                nbt.Stack([nbt.LSTM(4)] * 2), nbt.Softmax(3), nbt.Kalman(reduction="full")
            ),
        ),
        (
            ValueError,
            "every",
            lambda: nbt.NoBackTrack(nbt.Stack([nbt.RNN(4)] * 2), nbt.Softmax(3), every=3),
        ),
    ],
)
def test_what_does_not_fit_is_refused(error, name, call):
    expect(error, name, call)


def test_repr_and_skip():
    gated, plain = nbt.Stack([nbt.LSTM(2), nbt.LSTM(3)]), nbt.Stack([nbt.RNN(2), nbt.RNN(3)])
    assert repr(gated) == "Stack(cells=(LSTM(units=2), LSTM(units=3)))"
    assert not gated.skip
    assert plain.skip
    assert "skip" not in repr(plain)
    assert "skip=False" in repr(nbt.Stack([nbt.RNN(2)], skip=False))


def test_threads_change_no_bit():
    cell = nbt.Stack([nbt.LSTM(280), nbt.LSTM(200)])
    stream = np.random.default_rng(0).integers(0, 4, 40)
    one, two = (nbt.NoBackTrack(cell, nbt.Softmax(4), every=10, rank=1, threads=k) for k in (1, 2))
    assert one.learn(stream).tobytes() == two.learn(stream).tobytes()
    first, second = one.state_dict(), two.state_dict()
    assert all(first[key].tobytes() == second[key].tobytes() for key in first)


def test_what_diverges_in_a_layer_is_found():
    cell = nbt.Stack([nbt.LSTM(4), nbt.LSTM(3)])
    trainer = nbt.NoBackTrack(cell, nbt.Softmax(3), nbt.SGD(1e38), every=2)
    with pytest.raises(nbt.DivergenceError):
        trainer.learn(np.random.default_rng(0).integers(0, 3, 400))


@pytest.mark.parametrize("kind", [nbt.LSTM, nbt.GRU])
def test_it_grows(kind):
    """Old symbols keep their logits; the weights from new ones are drawn in the first layer."""
    trainer = nbt.NoBackTrack(nbt.Stack([kind(5), kind(4)]), nbt.Softmax(3), rank=1, every=4)
    trainer.learn([0, 1, 2, 2, 1, 0, 1, 2, 0, 1])  # in the midst of a window
    before, old = trainer.predict(), trainer.state_dict()
    trainer.grow(5)
    new = trainer.state_dict()
    after = trainer.predict()[:3]
    np.testing.assert_allclose(after / after.sum(), before, rtol=1e-6)
    assert (new["cell.0.r"][:, :3] == old["cell.0.r"]).all()
    assert (new["cell.0.r"][:, 3:] != 0).any(axis=(0, 2)).all()
    for key in ("cell.1.r", "estimator.1.w", "optimizer.theta.1.v"):
        assert new[key].tobytes() == old[key].tobytes()
    assert np.isfinite(trainer.learn([4, 3, 0, 4, 3, 1])).all()


def test_a_state_that_contradicts_a_layer_is_refused():
    trainer = nbt.NoBackTrack(nbt.Stack([nbt.GRU(3), nbt.GRU(2)]), nbt.Softmax(3))
    state = trainer.state_dict()

    def with_one(key, place=...):
        wrong = state[key].copy()
        wrong[place] = 1
        return lambda: trainer.load_state_dict(state | {key: wrong})

    expect(ValueError, "cell.1.W", with_one("cell.1.W", 2))
    expect(ValueError, "cell.1.r", with_one("cell.1.r", 3))
    expect(
        ValueError,
        "optimizer.theta.1.v",
        lambda: trainer.load_state_dict(
            state | {"optimizer.theta.1.v": state["optimizer.theta.1.v"] - 1}
        ),
    )
    expect(
        ValueError,
        "cell.1.r",
        lambda: trainer.load_state_dict(state | {"cell.1.r": state["cell.0.r"]}),
    )
    assert all((trainer.state_dict()[key] == value).all() for key, value in state.items())


def test_too_many_units_are_refused():
    cell = nbt.Stack([nbt.LSTM(40_000), nbt.LSTM(40_000)])
    expect(ValueError, "units", lambda: nbt.NoBackTrack(cell, nbt.Softmax(3)))
