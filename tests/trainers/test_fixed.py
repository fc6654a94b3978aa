"""Cells that are not learned: echo state networks, whose readout alone learns."""

import copy
import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from helpers.refusals import expect
from oracle import gated

import nbt
from nbt.cells import is_gated, layers_of

N, M, A = 7, 3, 4
OWN = {"learn": False, "spectral_radius": 0.8, "input_scaling": 0.5, "bias_scaling": 0.3}
GRAPH = nbt.Graph.random(N, 3, seed=1)
CELLS = {
    "dense": nbt.RNN(N, "tanh", **OWN),
    "leaky": nbt.LeakyRNN(N, leak=0.4, **OWN),
    "graph": nbt.LeakyRNN(N, "tanh", leak=0.4, graph=GRAPH, **OWN),
    "stack": nbt.Stack([nbt.RNN(4, "tanh", **OWN), nbt.LeakyRNN(3, **OWN)]),
    "lstm": nbt.LSTM(N, **OWN),
    "diagonal": nbt.LSTM(N, learn=False, recurrent=False, memory=(2, 9)),
    "rms": nbt.LSTM(N, coupled=True, norm="rms", **OWN),
    "gru": nbt.GRU(N, norm="rms", learn=False),
    "mgu": nbt.MGU(N, **OWN),
    "lru": nbt.LRU(8, learn=False, memory=(2, 9), input_scaling=0.5, bias_scaling=0.3),
    "lstms": nbt.Stack([nbt.LSTM(4, **OWN), nbt.LSTM(3, learn=False)]),
}
GATED = [name for name, cell in CELLS.items() if is_gated(cell)]
OPTIMIZERS = {"kalman": nbt.Kalman(), "sgd": nbt.SGD(0.1)}


def made(cell="dense", optimizer="kalman", readout=None, **more):
    more = {"inputs": M, "dtype": "float64", "seed": 5} | more
    return nbt.NoBackTrack(CELLS[cell], readout or nbt.Softmax(A), OPTIMIZERS[optimizer], **more)


def data(steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, M)), rng.integers(0, A, steps)


# ---- what it computes ---------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_network_stays_and_the_readout_learns(cell, optimizer):
    trainer, x = made(cell, optimizer), data(300)[0]
    y = np.argmax(x @ np.ones((M, A)) * np.arange(A), axis=1)
    before = trainer.state_dict()
    assert not [key for key in before if key.startswith(("estimator.", "optimizer.theta"))]
    trainer.learn(x, y)
    after = trainer.state_dict()
    for key, value in before.items():
        if key.startswith("cell."):
            assert value.tobytes() == after[key].tobytes(), key
        elif key.startswith("readout."):
            assert (value != after[key]).any(), key


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["dense", "leaky"])
def test_the_state_is_that_of_the_equations(cell, dtype):
    trainer, (x, y) = made(cell, dtype=dtype, inputs=nbt.Vector(M, standardize=False)), data(50)
    trainer.learn(x, y)
    cell, h = trainer.state_dict(), np.zeros(N)
    f = np.tanh if trainer.cell.activation == "tanh" else lambda h: 1 / (1 + np.exp(-h))
    for row in x:
        W, r = cell["cell.W"], cell["cell.r"]
        h = cell["cell.alpha"] * h + cell["cell.b"] + f(h) @ W + row @ r
    np.testing.assert_allclose(cell["state.h"], h, rtol=1e-12 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["lstm", "mgu"])
def test_the_state_is_that_of_the_gates(cell, dtype):
    trainer, (x, y) = made(cell, dtype=dtype, inputs=nbt.Vector(M, standardize=False)), data(50)
    trainer.learn(x, y)
    state = trainer.state_dict()
    b, W, r = (state[f"cell.{name}"].astype(float) for name in "bWr")
    kind = gated.LSTM() if cell == "lstm" else gated.MGU()
    net, before = gated.Network(kind, np.concatenate([b[:, None], W, r], axis=1)), np.zeros((2, N))
    for row in x:
        _, step = net.step(row, before)
        before = np.array([step.c, step.y])
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose([state["state.c"], state["state.y"]], before, rtol=tolerance)


@pytest.mark.parametrize("readout", [nbt.Softmax(A), nbt.Gaussian(2), nbt.Bernoulli(2)], ids=repr)
@pytest.mark.parametrize("cell", CELLS)
def test_it_learns_as_a_network_whose_step_is_zero(cell, readout):
    """A network with a very large prior hardly moves; its readout learns the same."""
    x, y = data(200)
    inputs = nbt.Vector(M, standardize=False)  # scales are kept where nothing is learned
    if not isinstance(readout, nbt.Softmax):
        y = np.random.default_rng(1).random((200, 2))
    fixed = nbt.NoBackTrack(
        CELLS[cell], readout, nbt.Kalman(0.01, readout_prior=2.0), inputs=inputs, dtype="float64"
    )
    learned = [replace(one, learn=True) for one in layers_of(CELLS[cell])]
    learned = nbt.Stack(learned) if len(learned) > 1 else learned[0]
    still = nbt.NoBackTrack(
        learned, readout, nbt.Kalman(0.01, 1e30, readout_prior=2.0), inputs=inputs, dtype="float64"
    )
    state = still.state_dict()
    own = {k: v for k, v in fixed.state_dict().items() if k.startswith("cell.")}
    still.load_state_dict(state | own)
    np.testing.assert_allclose(fixed.learn(x, y), still.learn(x, y), rtol=1e-9)


def test_only_the_readout_counts():
    trainer = made()
    assert trainer.parameters.keys() == {"readout.b", "readout.W"}
    assert trainer.parameter_count == (1 + N) * A
    assert made("graph").parameter_count == (1 + N) * A


@pytest.mark.parametrize("kind", [nbt.RNN, nbt.LSTM, nbt.GRU])
def test_memory_is_that_of_the_network_and_the_readout(kind):
    def numbers(learn):
        trainer = nbt.NoBackTrack(kind(100, learn=learn), nbt.Softmax(2))
        return sum(array.size for array in trainer._live.learner.arrays.values())

    theta = (1 if kind is nbt.RNN else 4) * 103 * 112
    assert numbers(False) < 1.3 * theta
    assert numbers(True) > 4 * theta


# ---- the promises -------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_cut_copied_saved_and_gone_on_with(cell, tmp_path, assert_same_state):
    x, y = data(90)
    whole, cut = made(cell, dtype="float32"), made(cell, dtype="float32")
    losses = whole.learn(x, y)
    parts = [cut.learn(x[:31], y[:31])]
    cut.save(tmp_path / "model")
    cut = pickle.loads(pickle.dumps(copy.copy(nbt.load(tmp_path / "model"))))
    parts += [cut.learn(row, [target]) for row, target in zip(x[31:], y[31:], strict=True)]
    assert losses.tobytes() == np.concatenate(parts).tobytes()
    assert_same_state(whole.state_dict(), cut.state_dict())
    assert repr(whole) == repr(cut)
    assert "learn=False" in repr(whole)


@pytest.mark.parametrize("cell", CELLS)
def test_predictions_change_nothing(cell, assert_same_state):
    x, y = data(40)
    trainer = made(cell)
    trainer.learn(x[:30], y[:30])
    before = trainer.state_dict()
    along = trainer.predict_along(x[30:])
    ahead = trainer.predict(x[30])
    assert_same_state(trainer.state_dict(), before)
    assert ahead.tobytes() == along[0].tobytes()
    for row, expected in zip(x[30:], along, strict=True):
        trainer.observe(row, ...)
        np.testing.assert_array_equal(trainer.predict(), expected)
    trainer.reset_state()
    state = trainer.state_dict()
    assert not any(x.any() for key, x in state.items() if key in ("state.h", "state.c", "state.y"))


def test_labels_grow_and_inputs_do_not(assert_same_state):
    trainer, (x, y) = made(), data(20)
    trainer.learn(x, y)
    trainer.grow(A + 2)
    assert trainer.predict().shape == (A + 2,)
    trainer.learn(x, y + 2)
    before = trainer.state_dict()
    expect(TypeError, "grow", lambda: trainer.grow(inputs=M + 1))
    own = nbt.NoBackTrack(nbt.RNN(5, learn=False), nbt.Softmax(3))
    expect(TypeError, "grow", lambda: own.grow(4))
    assert_same_state(trainer.state_dict(), before)


def test_the_other_rules_refuse_it():
    for rule, cell in itertools.product((nbt.RTRL, nbt.TruncatedBPTT), ("dense", "lstm", "lstms")):
        expect(ValueError, "cell", lambda rule=rule, cell=cell: rule(CELLS[cell], nbt.Softmax(A)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rank", 2), ("blocks", 2), ("exact_self", False), ("window", 3)),
        *(("norm", "euclidean"), ("every", 3)),
    ],
)
def test_nothing_is_asked_of_an_estimate(name, value):
    expect(ValueError, name, lambda: made(**{name: value}))


@pytest.mark.parametrize("cell", GATED)
@pytest.mark.parametrize(
    ("name", "value"), [("rank", 1), ("blocks", 2), ("norm", "none"), ("every", 3)]
)
def test_nothing_is_asked_of_a_window(cell, name, value):
    expect(ValueError, name, lambda: made(cell, **{name: value}))
    made(cell, rank=0, norm="euclidean", every=10)  # as they would be


@pytest.mark.parametrize("reduction", ["diagonal", "block", "full"])
def test_other_metrics_are_refused(reduction):
    for cell in ("dense", "lstm"):

        def make(cell=cell):
            nbt.NoBackTrack(CELLS[cell], nbt.Softmax(A), nbt.Kalman(reduction=reduction))

        expect(ValueError, "optimizer", make)


@pytest.mark.parametrize("cell", CELLS)
def test_there_is_no_influence(cell):
    trainer = made(cell)
    expect(TypeError, "cell", trainer.influence)
    expect(TypeError, "cell", trainer.exact_influence)
    assert not hasattr(trainer, "rank")
    stream = nbt.datasets.anbn(1, 4)
    fixed = nbt.NoBackTrack(CELLS[cell], nbt.Softmax(3))
    expect(ValueError, "trainer", lambda: nbt.diagnose(fixed, stream, 10))


@pytest.mark.parametrize("cell", GATED)
def test_there_is_no_window(cell, assert_same_state):
    trainer, (x, y) = made(cell), data(25)
    trainer.learn(x, y)
    before = trainer.state_dict()
    assert not [key for key in before if key.startswith("window.")]
    trainer.flush()
    assert_same_state(trainer.state_dict(), before)


# ---- first values -------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [None, GRAPH, nbt.Graph.random(40, 5)], ids=repr)
def test_the_spectral_radius_is_that_of_w(graph):
    n = 30 if graph is None else graph.units
    cell = nbt.RNN(n, "tanh", graph=graph, spectral_radius=0.7)
    state = nbt.NoBackTrack(cell, nbt.Softmax(A), dtype="float64").state_dict()
    plain = nbt.NoBackTrack(nbt.RNN(n, "tanh", graph=graph), nbt.Softmax(A), dtype="float64")
    W, drawn = state["cell.W"], plain.state_dict()["cell.W"]
    np.testing.assert_allclose(W / W.flat[0], drawn / drawn.flat[0], rtol=1e-9)
    if graph is not None:
        mask, edges = np.zeros((n, n)), W
        for target in range(n):
            sources = graph.indices[graph.indptr[target] : graph.indptr[target + 1]]
            mask[sources, target] = 1
        W = np.zeros((n, n))
        W[np.nonzero(mask)] = edges
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(0.7, rel=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_eigenvalues_are_asked_for_once(cell, monkeypatch):
    """Not by what copies parameters anyway."""
    trainer, (x, y) = made(cell), data(20)
    trainer.learn(x, y)
    monkeypatch.setattr(np.linalg, "eigvals", None)
    trainer.predict_along(x)
    trainer.reset_state()
    trainer.grow(A + 1)
    trainer.load_state_dict(trainer.state_dict())


def test_inputs_and_biases_are_scaled_and_the_rest_is_drawn_as_ever():
    plain = nbt.RNN(N).draw(M, np.random.default_rng(0))
    own = nbt.RNN(N, input_scaling=0.2, bias_scaling=3.0).draw(M, np.random.default_rng(0))
    np.testing.assert_array_equal(own["W"], plain["W"])
    np.testing.assert_allclose(own["r"], 0.2 * plain["r"])
    assert not plain["b"].any()
    many = nbt.RNN(4000, bias_scaling=3.0, graph=nbt.Graph.random(4000, 2))
    b = many.draw(M, np.random.default_rng(0))["b"]
    assert b.std() == pytest.approx(3, rel=0.05)


def test_gates_are_scaled_and_the_rest_is_drawn_as_ever():
    plain = nbt.GRU(30).draw(M, np.random.default_rng(0))
    cell = nbt.GRU(30, spectral_radius=0.7, input_scaling=0.2, bias_scaling=3.0)
    own = cell.draw(M, np.random.default_rng(0))
    np.testing.assert_allclose(own["r"], 0.2 * plain["r"])
    np.testing.assert_array_equal(own["b"][1], plain["b"][1])  # that of z follows from `memory`
    assert not plain["b"][[0, 2, 3]].any()
    assert own["b"][[0, 2, 3]].std() == pytest.approx(3, rel=0.2)
    for g in (0, 1, 3):
        np.testing.assert_allclose(
            own["W"][g] / own["W"][g, 0, 0], plain["W"][g] / plain["W"][g, 0, 0]
        )
        assert np.abs(np.linalg.eigvals(own["W"][g])).max() == pytest.approx(0.7, rel=1e-9)
    assert not own["W"][2].any()  # x does not see y


def test_a_radius_is_of_units_that_see_each_other():
    expect(ValueError, "spectral_radius", lambda: nbt.LSTM(3, recurrent=False, spectral_radius=1.0))


@pytest.mark.parametrize("kind", [nbt.RNN, nbt.LeakyRNN, nbt.LSTM, nbt.GRU, nbt.MGU])
def test_arguments_are_checked(kind):
    for name in ("spectral_radius", "input_scaling", "bias_scaling"):
        expect(ValueError, name, lambda name=name: kind(3, **{name: -0.1}))
        expect(TypeError, name, lambda name=name: kind(3, **{name: "1"}))
    expect(TypeError, "learn", lambda: kind(3, learn=1))
    expect(ValueError, "spectral_radius", lambda: kind(2049, spectral_radius=1.0))


@pytest.mark.parametrize("kind", [nbt.RNN, nbt.LeakyRNN])
def test_a_graph_without_a_cycle_has_no_radius(kind):
    one_way = nbt.Graph.of(np.triu(np.ones((4, 4)), 1))
    cell = kind(4, graph=one_way, spectral_radius=0.9)
    expect(ValueError, "spectral_radius", lambda: nbt.NoBackTrack(cell, nbt.Softmax(2)))


def test_a_leak_that_is_learned_is_of_a_cell_that_is():
    expect(ValueError, "learn_leak", lambda: nbt.LeakyRNN(3, learn_leak=True, learn=False))


def test_layers_are_learned_together():
    cells = [nbt.RNN(3), nbt.RNN(3, learn=False)]
    expect(ValueError, "cells", lambda: nbt.Stack(cells))
    expect(ValueError, "cells", lambda: nbt.Stack([*cells[1:], nbt.Continuous(nbt.CTRNN(2), 0.1)]))
    assert not nbt.Stack(cells[1:]).learn
    expect(ValueError, "cells", lambda: nbt.Stack([nbt.GRU(3), nbt.GRU(3, learn=False)]))
