"""Stacks of layers: a layer of PyTorch with `num_layers`, a list of layers of Keras."""

import numpy as np
import pytest
from helpers.layers import CASES, INPUTS, STACK, STACKS, library, recorded
from helpers.refusals import expect

import nbt
from nbt import interop

M = INPUTS
TOLERANCE = {"torch": 1e-12, "keras": 1e-6}  # a layer of Keras rounds to float32 somewhere
every = pytest.mark.parametrize(("peer", "kind"), CASES, ids=["-".join(case) for case in CASES])
of_keras = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def stack(kind, units):
    if kind == "RNN":
        return nbt.Stack([nbt.RNN(n, "tanh") for n in units], skip=False)
    return nbt.Stack([getattr(nbt, kind)(n) for n in units])


def given(peer, weights):
    """The weights as the functions of the peer take them: Keras has a list of layers."""
    if peer == "torch":
        return weights
    layers = range(len(STACKS["keras"]))
    start = [f"{k}." for k in layers]
    return [
        {name[2:]: value for name, value in weights.items() if name.startswith(start[k])}
        for k in layers
    ]


FROM = {"torch": interop.from_torch, "keras": interop.from_keras}
TO = {"torch": interop.to_torch, "keras": interop.to_keras}


def trainer_of(cell, dtype="float64"):
    return nbt.TruncatedBPTT(
        cell, nbt.Softmax(4), inputs=nbt.Vector(M, standardize=False), window=20, dtype=dtype
    )


def shown(trainer, x):
    """What the last layer shows, (steps, units)."""
    y, last = [], trainer.cell.cells[-1].units
    for now in x:
        trainer.observe(now[None], ...)
        state = trainer.state_dict()
        whole = state["state.y"] if "state.y" in state else np.tanh(state["state.h"])
        y.append(whole[-last:])
    return np.array(y)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trainer_computes_what_the_layers_computed(peer, kind, dtype):
    weights, x, y = recorded(peer, kind, stack=True)
    assert np.abs(y).max() > 0.1
    trainer = trainer_of(stack(kind, STACKS[peer]), dtype)
    own = FROM[peer](given(peer, weights), trainer.cell)
    assert own.keys() == {f"cell.{k}.{name}" for k in (0, 1) for name in "bWr"}
    trainer.load_state_dict(trainer.state_dict() | own)
    tolerance = max(TOLERANCE[peer], 1e-6 if dtype == "float32" else 0)
    np.testing.assert_allclose(shown(trainer, x), y, rtol=0, atol=tolerance)


@every
@of_keras
def test_a_trainer_computes_what_the_layers_compute_here(peer, kind):
    library(peer)
    weights, x, y = STACK[peer](kind)
    trainer = trainer_of(stack(kind, STACKS[peer]))
    own = FROM[peer](given(peer, weights), trainer.cell)
    trainer.load_state_dict(trainer.state_dict() | own)
    np.testing.assert_allclose(shown(trainer, x), y, rtol=0, atol=TOLERANCE[peer])


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_the_layer_of_torch_here_takes_our_weights(kind):
    torch = library("torch")
    trainer = nbt.NoBackTrack(stack(kind, (5, 5, 5)), nbt.Softmax(M), dtype="float32")
    trainer.learn(np.random.default_rng(0).integers(0, M, 200))
    weights = interop.to_torch(trainer.parameters, trainer.cell)
    layer = getattr(torch.nn, kind)(M, 5, num_layers=3, batch_first=True)
    layer.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    x = np.random.default_rng(6).normal(size=(1, 9, M)).astype("float32")
    y = layer(torch.from_numpy(x))[0].detach().numpy()
    other = trainer_of(trainer.cell)
    own = {key: value for key, value in trainer.state_dict().items() if key.startswith("cell.")}
    other.load_state_dict(other.state_dict() | own)
    np.testing.assert_allclose(shown(other, x[0]), y[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("peer", ["torch", "keras"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_ours_comes_back_to_the_bit(peer, kind):
    cell = stack(kind, (4, 4))
    state = nbt.NoBackTrack(cell, nbt.Softmax(M), dtype="float64", seed=4).state_dict()
    theirs = TO[peer](state, cell)
    assert len(theirs) == (8 if peer == "torch" else 2)
    for name, value in FROM[peer](theirs, cell).items():
        np.testing.assert_array_equal(value, state[name])


def test_one_layer_in_a_stack_is_that_layer():
    one, cell = nbt.Stack([nbt.GRU(3)]), nbt.GRU(3)
    arrays = nbt.NoBackTrack(cell, nbt.Softmax(M)).parameters
    theirs = interop.to_torch(arrays, cell)
    for name, value in interop.from_torch(theirs, one).items():
        np.testing.assert_array_equal(value, arrays[name.replace("cell.0.", "cell.")])


def test_lists_of_arrays_of_keras():
    weights = given("keras", recorded("keras", "GRU", stack=True)[0])
    cell = stack("GRU", STACKS["keras"])
    names = "kernel", "recurrent_kernel", "bias"
    plain = interop.from_keras([[layer[name] for name in names] for layer in weights], cell)
    for name, value in interop.from_keras(weights, cell).items():
        np.testing.assert_array_equal(value, plain[name])


T = recorded("torch", "LSTM", stack=True)[0]
K = given("keras", recorded("keras", "LSTM", stack=True)[0])
LSTMS, WIDER = stack("LSTM", (3, 3)), stack("LSTM", (3, 4))
C = interop.from_torch(T, LSTMS)


@pytest.mark.parametrize(
    ("exception", "name", "call"),
    [
        (ValueError, "weight_ih_l2", lambda: interop.from_torch(T | {"weight_ih_l2": 0}, LSTMS)),
        (ValueError, "weight_ih_l2", lambda: interop.from_torch(T, stack("LSTM", (3, 3, 3)))),
        (ValueError, "bias_hh_l1", lambda: interop.from_torch(T, nbt.LSTM(3))),
        (ValueError, "weight_ih_l1", lambda: interop.from_torch(T, WIDER)),
        (ValueError, "weight_ih_l1_reverse",
         lambda: interop.from_torch(T | {"weight_ih_l1_reverse": 0}, LSTMS)),
        (ValueError, "weight_ih_l1",
         lambda: interop.from_torch(T | {"weight_ih_l1": np.ones((12, 2))}, LSTMS)),
        (ValueError, "cell", lambda: interop.to_torch(interop.from_keras(K, WIDER), WIDER)),
        (ValueError, "cell", lambda: interop.from_torch(T, nbt.Stack([nbt.RNN(3, "tanh")] * 2))),
        (ValueError, "cell", lambda: interop.from_torch(T, nbt.Stack([nbt.RNN(3)], skip=False))),
        (TypeError, "cell", lambda: interop.from_torch(T, nbt.Stack([nbt.MGU(3), nbt.MGU(3)]))),
        (ValueError, "cell.1.W", lambda: interop.to_torch({key: C[key] for key in C
                                                           if key != "cell.1.W"}, LSTMS)),
        (ValueError, "cell.1.r", lambda: interop.to_keras(C | {"cell.1.r": C["cell.0.r"]}, LSTMS)),
        (ValueError, "cell.b", lambda: interop.to_torch(C, nbt.LSTM(3))),
        (TypeError, "weights", lambda: interop.from_keras(K[0], WIDER)),
        (ValueError, "weights", lambda: interop.from_keras(K[:1], WIDER)),
        (TypeError, "weights[1]", lambda: interop.from_keras([K[0], None], WIDER)),
        (ValueError, "weights[1]", lambda: interop.from_keras([K[0], K[1] | {"peephole": 1}],
                                                              WIDER)),
        (ValueError, "weights[1]", lambda: interop.from_keras([K[0], K[0]], WIDER)),
    ],
)  # fmt: skip
def test_refusals(exception, name, call):
    expect(exception, name, call)
