"""Weights of PyTorch and Keras: a cell that has them computes what the layer computes."""

import numpy as np
import pytest
from helpers.layers import CASES, INPUTS, MAKE, UNITS, library, recorded
from helpers.refusals import expect
from oracle import gated

import nbt
from nbt import interop

N, M = UNITS, INPUTS


CELLS = {"LSTM": nbt.LSTM(N), "GRU": nbt.GRU(N), "RNN": nbt.RNN(N, "tanh")}
FROM = {"torch": interop.from_torch, "keras": interop.from_keras}
TO = {"torch": interop.to_torch, "keras": interop.to_keras}
SHAPES = {
    ("torch", "LSTM"): ((12, 2), (12, 3), (12,), (12,)),
    ("torch", "GRU"): ((9, 2), (9, 3), (9,), (9,)),
    ("torch", "RNN"): ((3, 2), (3, 3), (3,), (3,)),
    ("keras", "LSTM"): ((2, 12), (3, 12), (12,)),
    ("keras", "GRU"): ((2, 9), (3, 9), (2, 9)),
    ("keras", "RNN"): ((2, 3), (3, 3), (3,)),
}
NAMES = {
    "torch": ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
    "keras": ("kernel", "recurrent_kernel", "bias"),
}
TOLERANCE = {"torch": 1e-12, "keras": 1e-6}  # a layer of Keras rounds to float32 somewhere
every = pytest.mark.parametrize(("peer", "kind"), CASES, ids=["-".join(case) for case in CASES])
of_keras = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
kinds = pytest.mark.parametrize("kind", CELLS)


def drawn(peer, kind, dtype="float64"):
    """Weights of a layer, none of them 0."""
    random = np.random.default_rng(5)
    shapes = zip(NAMES[peer], SHAPES[peer, kind], strict=True)
    return {name: random.normal(size=shape).astype(dtype) for name, shape in shapes}


class Tanh:
    """The RNN with tanh, as a cell of the oracle."""

    gates = 1

    def sees(self, n, m):
        return np.ones((1, 1 + n + m))

    def step(self, a, before):
        return gated.Step(a[0], np.tanh(a[0]), *[None] * 4)


def outputs(kind, arrays, x):
    """y (steps, n) of the oracle's cell."""
    cell = {"LSTM": gated.LSTM, "GRU": gated.GRU, "RNN": Tanh}[kind]()
    b, W, r = (arrays[f"cell.{name}"].astype(float) for name in "bWr")
    if kind == "RNN":
        b, W, r = b[None], W[None], r[None]
    net = gated.Network(cell, np.concatenate([b[:, None], W, r], axis=1))
    y, state = [], np.zeros((2, b.shape[1]))
    for now in x:
        _, step = net.step(now, state)
        state = np.array([step.c, step.y])
        y.append(step.y)
    return np.array(y)


# ---- the same outputs --------------------------------------------------------------------------


@every
def test_outputs_are_those_that_the_layer_had(peer, kind):
    weights, x, y = recorded(peer, kind)
    assert y.shape == (len(x), N)
    assert np.abs(y).max() > 0.2
    ours = outputs(kind, FROM[peer](weights, CELLS[kind]), x)
    np.testing.assert_allclose(ours, y, rtol=0, atol=TOLERANCE[peer])


@every
@of_keras
def test_outputs_are_those_of_the_layer_here(peer, kind):
    library(peer)
    weights, x, y = MAKE[peer](kind)
    ours = outputs(kind, FROM[peer](weights, CELLS[kind]), x)
    np.testing.assert_allclose(ours, y, rtol=0, atol=TOLERANCE[peer])


@every
@of_keras
def test_the_layer_here_takes_our_weights(peer, kind):
    made_by = library(peer)
    arrays = FROM[peer](drawn(peer, kind, "float32"), CELLS[kind])
    weights = TO[peer](arrays, CELLS[kind])
    x = np.random.default_rng(6).normal(size=(1, 9, M)).astype("float32")
    if peer == "torch":
        layer = getattr(made_by.nn, kind)(M, N, batch_first=True)
        layer.load_state_dict({key: made_by.from_numpy(value) for key, value in weights.items()})
        y = layer(made_by.from_numpy(x))[0].detach().numpy()
    else:
        made = {"RNN": "SimpleRNN"}.get(kind, kind)
        layer = getattr(made_by.layers, made)(N, return_sequences=True)
        layer.build(x.shape)
        layer.set_weights(list(weights.values()))
        y = made_by.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(outputs(kind, arrays, x[0]), y[0], rtol=0, atol=1e-6)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trainer_computes_what_the_layer_computes(peer, kind, dtype):
    weights, x, y = recorded(peer, kind)
    inputs = nbt.Vector(M, standardize=False)
    trainer = nbt.TruncatedBPTT(
        CELLS[kind], nbt.Softmax(4), inputs=inputs, window=len(x) + 1, dtype=dtype
    )
    trainer.load_state_dict(trainer.state_dict() | FROM[peer](weights, trainer.cell))
    for now, wanted in zip(x, y, strict=True):
        trainer.observe(now[None], ...)
        state = trainer.state_dict()
        shown = np.tanh(state["state.h"]) if kind == "RNN" else state["state.y"]
        tolerance = max(TOLERANCE[peer], {"float32": 1e-6, "float64": 0}[dtype])
        np.testing.assert_allclose(shown, wanted, rtol=0, atol=tolerance)


# ---- there and back ----------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ours_comes_back_to_the_bit(peer, kind, dtype):
    ours = FROM[peer](drawn(peer, kind, dtype), CELLS[kind])
    gates = () if kind == "RNN" else (4,)
    assert [value.shape for value in ours.values()] == [
        (*gates, N), (*gates, N, N), (*gates, M, N)
    ]  # fmt: skip
    other = {"readout.b": np.ones(2), "readout.W": np.ones((N, 2))}
    theirs = TO[peer](ours | other, CELLS[kind])
    assert tuple(theirs) == NAMES[peer]
    assert tuple(value.shape for value in theirs.values()) == SHAPES[peer, kind]
    again = FROM[peer](theirs, CELLS[kind])
    assert list(again) == ["cell.b", "cell.W", "cell.r"]
    for name, value in ours.items():
        assert value.dtype == again[name].dtype == dtype
        np.testing.assert_array_equal(value, again[name])


@every
def test_weights_come_back_to_the_bit_and_biases_as_one(peer, kind):
    theirs = drawn(peer, kind)
    again = TO[peer](FROM[peer](theirs, CELLS[kind]), CELLS[kind])
    for name in NAMES[peer][:2]:
        np.testing.assert_array_equal(theirs[name], again[name])
    biases = [sum(np.atleast_2d(part[name]).sum(0) for name in NAMES[peer][2:])
              for part in (theirs, again)]  # fmt: skip
    np.testing.assert_allclose(*biases, rtol=1e-15)
    if (peer, kind) == ("keras", "LSTM"):
        np.testing.assert_array_equal(theirs["bias"], again["bias"])


@kinds
def test_one_library_hands_over_to_the_other(kind):
    weights, x, y = recorded("torch", kind)
    cell = CELLS[kind]
    keras = interop.to_keras(interop.from_torch(weights, cell), cell)
    arrays = interop.from_keras(list(keras.values()), cell)
    np.testing.assert_allclose(outputs(kind, arrays, x), y, rtol=0, atol=1e-12)


# ---- what is taken -----------------------------------------------------------------------------


@every
def test_a_layer_without_biases(peer, kind):
    weights = drawn(peer, kind)
    zero = {name: 0 * weights[name] for name in NAMES[peer][2:]}
    found = FROM[peer]({name: weights[name] for name in NAMES[peer][:2]}, CELLS[kind])
    wanted = FROM[peer](weights | zero, CELLS[kind])
    assert not found["cell.b"].any()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


@kinds
def test_names_of_a_layer_that_is_a_single_step(kind):
    weights = drawn("torch", kind)
    short = {name.removesuffix("_l0"): value for name, value in weights.items()}
    found, wanted = (interop.from_torch(named, CELLS[kind]) for named in (short, weights))
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


@kinds
def test_the_list_of_keras(kind):
    weights = drawn("keras", kind)
    for arrays in (list(weights.values()), tuple(weights.values())):
        found, wanted = (interop.from_keras(given, CELLS[kind]) for given in (arrays, weights))
        for name, value in wanted.items():
            np.testing.assert_array_equal(found[name], value)


class Tensor:
    """What a tensor with a gradient is to NumPy."""

    def __init__(self, values, attached=True):
        self.values, self.attached = values, attached

    def detach(self):
        return Tensor(self.values, attached=False)

    def __array__(self, dtype=None, copy=None):
        if self.attached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.asarray(self.values, dtype)


def test_tensors_and_lists():
    weights = drawn("torch", "GRU")
    wanted = interop.from_torch(weights, CELLS["GRU"])
    for kind in (Tensor, np.ndarray.tolist):
        given = {name: kind(value) for name, value in weights.items()}
        for name, value in interop.from_torch(given, CELLS["GRU"]).items():
            np.testing.assert_array_equal(value, wanted[name])


# ---- refusals ----------------------------------------------------------------------------------

X, K = drawn("torch", "LSTM"), drawn("keras", "GRU")
C = interop.from_torch(X, CELLS["LSTM"])
PICKY = Tensor(X["weight_ih_l0"])
PICKY.detach = lambda: PICKY


@pytest.mark.parametrize(
    ("exception", "name", "call"),
    [
        (TypeError, "state", lambda: interop.from_torch(list(X.values()), CELLS["LSTM"])),
        (ValueError, "weight_hh", lambda: interop.from_torch({"weight_ih_l0": X["weight_ih_l0"]},
                                                             CELLS["LSTM"])),
        (ValueError, "weight_ih_l1", lambda: interop.from_torch(X | {"weight_ih_l1": 0},
                                                                CELLS["LSTM"])),
        (ValueError, "weight_ih_l0_reverse",
         lambda: interop.from_torch(X | {"weight_ih_l0_reverse": 0}, CELLS["LSTM"])),
        (ValueError, "weight_hr", lambda: interop.from_torch(X | {"weight_hr_l0": 0},
                                                             CELLS["LSTM"])),
        (ValueError, "weight_ih", lambda: interop.from_torch(X, CELLS["GRU"])),
        (ValueError, "weight_ih", lambda: interop.from_torch(X, nbt.LSTM(4))),
        (ValueError, "weight_ih", lambda: interop.from_torch(X | {"weight_ih_l0": np.ones(12)},
                                                             CELLS["LSTM"])),
        (ValueError, "bias_hh", lambda: interop.from_torch(X | {"bias_hh_l0": np.ones(11)},
                                                           CELLS["LSTM"])),
        (TypeError, "weight_ih", lambda: interop.from_torch(X | {"weight_ih_l0": PICKY},
                                                            CELLS["LSTM"])),
        (TypeError, "weight_ih", lambda: interop.from_torch(X | {"weight_ih_l0": X["weight_ih_l0"]
                                                                 + 1j}, CELLS["LSTM"])),
        (TypeError, "weight_ih", lambda: interop.from_torch(X | {"weight_ih_l0": [[1.0], [1, 2]]},
                                                            CELLS["LSTM"])),
        (TypeError, "cell", lambda: interop.from_torch(X, nbt.LeakyRNN(3))),
        (TypeError, "cell", lambda: interop.from_torch(X, nbt.MGU(3))),
        (TypeError, "cell", lambda: interop.from_torch(X, "LSTM")),
        (ValueError, "cell", lambda: interop.from_torch(X, nbt.LSTM(3, coupled=True))),
        (ValueError, "cell", lambda: interop.to_torch(C, nbt.LSTM(3, norm="rms"))),
        (ValueError, "cell", lambda: interop.from_keras(K, nbt.GRU(3, norm="rms"))),
        (ValueError, "cell", lambda: interop.to_keras(C, nbt.LSTM(3, recurrent=False))),
        (ValueError, "cell", lambda: interop.from_keras(K, nbt.RNN(3))),
        (ValueError, "cell", lambda: interop.from_keras(K, nbt.RNN(3, "tanh",
                                                                   graph=np.eye(3)))),
        (TypeError, "weights", lambda: interop.from_keras(K["kernel"], CELLS["GRU"])),
        (TypeError, "weights", lambda: interop.from_keras("kernel", CELLS["GRU"])),
        (ValueError, "weights", lambda: interop.from_keras([K["kernel"]], CELLS["GRU"])),
        (ValueError, "weights", lambda: interop.from_keras(K | {"peephole": 1}, CELLS["GRU"])),
        (ValueError, "bias", lambda: interop.from_keras(K | {"bias": np.ones(9)}, CELLS["GRU"])),
        (ValueError, "kernel", lambda: interop.from_keras(K, CELLS["LSTM"])),
        (TypeError, "parameters", lambda: interop.to_torch(None, CELLS["LSTM"])),
        (ValueError, "cell.W", lambda: interop.to_torch({"cell.b": C["cell.b"]}, CELLS["LSTM"])),
        (ValueError, "cell.beta", lambda: interop.to_torch(C | {"cell.beta": 1}, CELLS["LSTM"])),
        (ValueError, "cell.b", lambda: interop.to_torch(C | {"cell.b": np.ones((3, 3))},
                                                        CELLS["LSTM"])),
        (ValueError, "cell.b", lambda: interop.to_keras(C, CELLS["RNN"])),
        (ValueError, "cell.W", lambda: interop.to_torch(C, CELLS["GRU"])),
    ],
)  # fmt: skip
def test_refusals(exception, name, call):
    expect(exception, name, call)


def test_what_a_refusal_says():
    with pytest.raises(ValueError, match=r"expected shape \(9, 2\), 3 gates of 3 units, got \(12"):
        interop.from_torch(X, CELLS["GRU"])
    with pytest.raises(ValueError, match=r"reset_after=True, got \(9,\)"):
        interop.from_keras(K | {"bias": np.ones(9)}, CELLS["GRU"])
