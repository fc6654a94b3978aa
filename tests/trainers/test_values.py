"""The values that describe a trainer, what a build says of itself, and the examples in docs."""

import copy
import dataclasses
import doctest
import importlib
import inspect
import json
import math
import pickle
import pkgutil
import re

import numpy as np
import pytest

import nbt
from nbt import _core
from nbt.descriptions import value_in, value_out
from nbt.trainers import from_description

VALUES = [
    nbt.RNN(20),
    nbt.RNN(3, activation="tanh"),
    nbt.LeakyRNN(20),
    nbt.LeakyRNN(3, leak=0.5, activation="tanh"),
    nbt.LeakyRNN(3, leak=[0.0, 0.5, 1.0]),
    nbt.Softmax(3),
    nbt.SGD(0.1),
    nbt.SGD(nbt.InverseSqrt(0.1)),
    nbt.Kalman(),
    nbt.Kalman(decay=0.01, prior=2),
    nbt.Constant(0.1),
    nbt.InverseSqrt(0.1),
    nbt.Symbols(5),
    nbt.Vector(5, False),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_values(value):
    names = {name: getattr(nbt, name) for name in nbt.__all__}
    for same in (
        eval(repr(value), names),
        pickle.loads(pickle.dumps(value)),
        copy.deepcopy(value),
        dataclasses.replace(value),
    ):
        assert same == value
        assert hash(same) == hash(value)
        assert repr(same) == repr(value)
    assert [other for other in VALUES if other == value] == [value]
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, 1)


def test_numbers_are_constant_schedules():
    assert nbt.SGD(0.1) == nbt.SGD(nbt.Constant(0.1))
    assert nbt.Kalman(decay=1) == nbt.Kalman(decay=nbt.Constant(1.0))
    assert nbt.SGD(nbt.InverseSqrt(0.1)).rate == nbt.InverseSqrt(0.1)


def test_schedules():
    assert [nbt.Constant(0.3)(t) for t in (0, 1, 10**12)] == [0.3] * 3
    assert [nbt.InverseSqrt(0.3)(t) for t in (0, 3, 99)] == [0.3, 0.15, 0.03]
    assert nbt.InverseSqrt(2.0)(2**64 - 1) == 2.0 / 2**32


def test_schedules_are_the_same_in_c():
    rng = np.random.default_rng(61)
    for t in (0, 1, 2, 3, 10, 2**32, 2**53 + 1, 2**64 - 1, *rng.integers(2**63, size=100).tolist()):
        for schedule in (nbt.Constant(0.7), nbt.InverseSqrt(0.7), nbt.InverseSqrt(0.0)):
            assert _core.rate(*schedule.lower(), t) == schedule(t)


# ---- what a new trainer starts from ------------------------------------------------------------


def draws(cell, inputs=4, seeds=200):
    """First parameters for many seeds, stacked."""
    states = [
        nbt.TruncatedBPTT(
            cell, nbt.Softmax(3), inputs=inputs, dtype="float64", seed=seed
        ).state_dict()
        for seed in range(seeds)
    ]
    return {key: np.stack([state[key] for state in states]) for key in states[0]}


@pytest.mark.parametrize("kind", [nbt.RNN, nbt.LeakyRNN])
def test_first_weights(kind):
    """W ~ N(0, 1/units), r ~ N(0, 1), the rest 0: within five standard errors."""
    n = 9
    state = draws(kind(n))
    for key in ("cell.b", "readout.b", "readout.W", "state.h"):
        assert not state[key].any()
    for key, variance in (("cell.W", 1 / n), ("cell.r", 1.0)):
        x = state[key]
        assert len(np.unique(x)) == x.size
        assert abs(x.mean()) < 5 * math.sqrt(variance / x.size)
        assert abs(x.var() / variance - 1) < 5 * math.sqrt(2 / x.size)
        assert abs((x**4).mean() / variance**2 - 3) < 5 * math.sqrt(96 / x.size)
    assert not (state["cell.W"][0] == state["cell.W"][0].T).all()


def test_first_leaks():
    x = draws(nbt.LeakyRNN(9))["cell.alpha"]
    assert x.min() >= 0
    assert x.max() <= 1
    assert len(np.unique(x)) == x.size
    assert abs(x.mean() - 1 / 2) < 5 * math.sqrt(1 / 12 / x.size)
    assert abs(x.var() - 1 / 12) < 5 * math.sqrt(1 / 180 / x.size)
    assert not draws(nbt.RNN(9), seeds=1)["cell.alpha"].any()
    assert (draws(nbt.LeakyRNN(3, leak=0.25), seeds=1)["cell.alpha"] == 0.25).all()
    leaks = [0.5, 0.0, 1.0]
    assert (draws(nbt.LeakyRNN(3, leak=leaks), seeds=1)["cell.alpha"] == leaks).all()


def test_first_weights_do_not_depend_on_the_rule_or_precision():
    cell, readout = nbt.LeakyRNN(6), nbt.Softmax(3)
    first = nbt.NoBackTrack(cell, readout, seed=5, dtype="float64").state_dict()
    for rule in (nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT):
        for dtype in ("float32", "float64"):
            for optimizer in (nbt.SGD(), nbt.Kalman()):
                state = rule(cell, readout, optimizer, seed=5, dtype=dtype).state_dict()
                for key in ("cell.W", "cell.r", "cell.alpha"):
                    assert (state[key] == first[key].astype(dtype)).all()


def test_defaults():
    trainer = nbt.NoBackTrack(nbt.LeakyRNN(20), nbt.Softmax(3))
    assert isinstance(trainer.optimizer, nbt.Kalman)
    assert (trainer.rank, trainer.blocks, trainer.exact_self, trainer.norm) == (
        1,
        20,
        True,
        "fisher",
    )
    assert (trainer.dtype, trainer.seed, trainer.step) == ("float32", 0, 0)
    assert trainer.inputs == nbt.Symbols(3)
    assert 1 < nbt.NoBackTrack(nbt.RNN(100), nbt.Softmax(3)).blocks < 100


@pytest.mark.parametrize(
    ("units", "given", "expected"),
    [
        (32, {}, (32, True, 0)),
        (33, {}, (4, True, 4)),
        (33, {"window": 0}, (16, True, 0)),
        (33, {"blocks": 2}, (2, True, 0)),
        (33, {"exact_self": False}, (16, False, 0)),
        (8, {"window": 3}, (8, True, 3)),
        (33, {"blocks": 5, "window": 2}, (5, True, 2)),
    ],
)
def test_defaults_of_the_form(units, given, expected):
    trainer = nbt.NoBackTrack(nbt.RNN(units), nbt.Softmax(3), **given)
    assert (trainer.blocks, trainer.exact_self, trainer.window) == expected


def test_default_window_of_truncated_bptt():
    assert nbt.TruncatedBPTT(nbt.RNN(2), nbt.Softmax(3)).window == 15


@pytest.mark.parametrize(("activation", "prior"), [("sigmoid", 0.3), ("tanh", 3.0)])
def test_default_priors(activation, prior):
    given = nbt.Kalman(prior=prior, readout_prior=3.0)
    one, two = (
        nbt.RTRL(nbt.RNN(3, activation), nbt.Softmax(2), optimizer)
        for optimizer in (nbt.Kalman(), given)
    )
    x = [0, 1, 1, 0, 1]
    assert one.learn(x).tobytes() == two.learn(x).tobytes()
    assert nbt.Kalman().prior is None
    assert given.prior == prior


def test_a_given_prior_is_that_of_the_readout_too():
    cell = nbt.RNN(3)
    symbols, numbers = nbt.Softmax(2), nbt.Gaussian(2, False)
    assert nbt.Kalman(prior=0.5).lambdas(cell, symbols) == (1.5, 1.5)
    assert nbt.Kalman(prior=0.5, readout_prior=2.0).lambdas(cell, numbers) == (1.5, 2.0)
    assert nbt.Kalman(readout_prior=2.0).lambdas(cell, symbols)[1] == 2.0
    assert nbt.Kalman().lambdas(cell, symbols) == (3 * 0.3, 3.0)
    assert nbt.Kalman().lambdas(nbt.LeakyRNN(4), symbols) == (4.0, 3.0)
    assert nbt.Kalman().lambdas(cell, numbers) == (3.0, 3.0)
    both = nbt.Stack([nbt.LeakyRNN(4), nbt.RNN(2, "tanh")])
    assert nbt.Kalman().lambdas(both, numbers) == (18.0, 18.0)


def test_parameters_are_counted():
    trainer = nbt.RTRL(nbt.RNN(4), nbt.Softmax(3), inputs=5)
    state = trainer.state_dict()
    learned = ("cell.b", "cell.W", "cell.r", "readout.b", "readout.W")
    assert trainer.parameter_count == sum(state[key].size for key in learned)
    assert list(trainer.parameters) == list(learned)


@pytest.mark.parametrize(
    ("cell", "fixed"),
    [
        (nbt.LeakyRNN(4), {"cell.alpha"}),
        (nbt.LeakyRNN(4, learn_leak=True), set()),
        (nbt.Continuous(nbt.CTRNN(4), dt=0.5), {"cell.tau"}),
        (nbt.Stack([nbt.RNN(3), nbt.LeakyRNN(2)]), {"cell.1.alpha"}),
    ],
)
def test_parameters_are_copies_of_what_is_learned(cell, fixed):
    trainer = nbt.NoBackTrack(cell, nbt.Softmax(3), dtype="float64")
    trainer.learn([0, 1, 2, 0, 1])
    state, parameters = trainer.state_dict(), trainer.parameters
    own = {key for key in state if key.startswith(("cell.", "readout."))}
    assert parameters.keys() == own - fixed
    assert all(parameters[key].tobytes() == state[key].tobytes() for key in parameters)
    assert trainer.parameter_count == sum(array.size for array in parameters.values())
    before = trainer.predict()
    for array in parameters.values():
        array[...] = 1.0
    assert trainer.predict().tobytes() == before.tobytes()
    with pytest.raises(AttributeError):
        trainer.parameters = parameters


def test_inputs():
    def made(inputs):
        return nbt.RTRL(nbt.RNN(4), nbt.Softmax(3), inputs=inputs).inputs

    assert made(None) == made(nbt.Symbols(3)) == nbt.Symbols(3)
    assert made(3) == made(nbt.Vector(3)) == nbt.Vector(3, standardize=True)
    assert made(nbt.Symbols(7)) == nbt.Symbols(7)
    assert nbt.Symbols(3) != nbt.Vector(3)


def test_shapes_of_the_state():
    n, m, A, K, S, T = 4, 3, 5, 2, 3, 6
    P = 1 + n + m
    network = {
        "cell.b": (n,),
        "cell.W": (n, n),
        "cell.r": (m, n),
        "cell.alpha": (n,),
        "readout.b": (A,),
        "readout.W": (n, A),
        "state.h": (n,),
        "step": (),
        "seed": (),
    }
    kalman = {
        "optimizer.theta.J": (P, n),
        "optimizer.theta.J0": (P, n),
        "optimizer.phi.J": (1 + n, A),
        "optimizer.phi.J0": (1 + n, A),
    }
    pair = {"estimator.v": (K, S, n), "estimator.w": (K, P, n)}
    window = {
        "window.length": (),
        "window.entered": (),
        "window.h": (T, n),
        "window.delta": (T, A),
        "window.g_theta": (P, n),
        "window.g_phi": (1 + n, A),
    }
    common = {"inputs": nbt.Vector(m, False), "dtype": "float64", "seed": 2**64 - 1}
    cell, readout, sgd = nbt.RNN(n), nbt.Softmax(A), nbt.SGD()
    own = {"rank": K, "blocks": S}
    for trainer, expected in (
        (
            nbt.NoBackTrack(cell, readout, nbt.Kalman(), **own, **common),
            network | kalman | pair | {"estimator.d": (P, n), "estimator.fisher": (n,)},
        ),
        (
            nbt.NoBackTrack(
                cell, readout, sgd, norm="euclidean", exact_self=False, **own, **common
            ),
            network | pair | {"estimator.z": (P,)},
        ),
        (nbt.RTRL(cell, readout, sgd, **common), network | {"estimator.G": (n, P, n)}),
        (
            nbt.TruncatedBPTT(cell, readout, sgd, window=T, **common),
            network | window | {"window.x": (T, m)},
        ),
        (
            nbt.TruncatedBPTT(
                cell, readout, nbt.Kalman(), window=T, **common | {"inputs": nbt.Symbols(m)}
            ),
            network | kalman | window | {"window.x": (T,)},
        ),
    ):
        state = trainer.state_dict()
        assert {key: value.shape for key, value in state.items()} == expected
        for key, value in state.items():
            kind = {
                "step": np.uint64,
                "seed": np.uint64,
                "window.length": np.int64,
                "window.entered": np.int64,
            }.get(key, np.float64)
            if key == "window.x" and value.ndim == 1:
                kind = np.int32
            assert value.dtype == kind, key
        assert state["seed"] == 2**64 - 1 == trainer.seed


def test_descriptions_are_plain():
    """Through JSON and back."""
    for trainer in (
        nbt.NoBackTrack(
            nbt.LeakyRNN(3, leak=[0.1, 0.2, 0.3]), nbt.Softmax(4), nbt.SGD(0.1), rank=2
        ),
        nbt.RTRL(
            nbt.RNN(2, "tanh"), nbt.Softmax(4), nbt.Kalman(0.1, 3), inputs=nbt.Vector(2, False)
        ),
        nbt.TruncatedBPTT(
            nbt.LeakyRNN(np.int64(2), leak=np.float32(0.5)), nbt.Softmax(np.uint8(4))
        ),
    ):
        description = trainer.describe()
        text = json.dumps(description)
        assert from_description(json.loads(text)).describe() == description


def test_what_numpy_has_in_the_place_of_plain_values():
    args = nbt.RNN(3), nbt.Softmax(2)
    plain = nbt.NoBackTrack(*args, nbt.SGD(0.5), dtype="float64", exact_self=False).describe()
    for dtype in (np.float64, np.dtype("f8"), float):
        exact = np.zeros(1, bool)[0]
        trainer = nbt.NoBackTrack(*args, nbt.SGD(np.array(0.5)), dtype=dtype, exact_self=exact)
        assert trainer.describe() == plain
        json.dumps(trainer.describe())
    yes = np.ones(1, bool)[0]
    for value, plain in (
        (nbt.Vector(2, yes), nbt.Vector(2, True)),
        (nbt.Gaussian(2, yes), nbt.Gaussian(2, True)),
        (nbt.LeakyRNN(2, learn_leak=yes), nbt.LeakyRNN(2, learn_leak=True)),
        (nbt.Stack([nbt.RNN(2)], yes), nbt.Stack([nbt.RNN(2)], True)),
    ):
        assert repr(value) == repr(plain)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("dtype", np.float16, "dtype: expected one of 'float32', 'float64', got 'float16'"),
        ("dtype", 32, "dtype: expected one of 'float32', 'float64', got 32"),
        ("inputs", "a", "inputs: expected Symbols, Vector or an integer, got 'a'"),
        ("inputs", nbt.Softmax(2), "inputs: expected Symbols, Vector or an integer, got Softmax"),
        ("exact_self", 1, "exact_self: expected True or False, got 1"),
    ],
)
def test_what_is_said_of_a_wrong_argument(name, given, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(2), **{name: given})


def test_what_is_said_of_a_wrong_schedule():
    for value in ("0.1", math.sqrt, None, True):
        with pytest.raises(TypeError, match="rate: expected a number, Constant or InverseSqrt"):
            nbt.SGD(value)


def test_fields_left_out_of_a_description():
    """None is what TOML leaves out, but only where a field may be None."""
    description = value_out(nbt.Kalman(outlier=None))
    left_out = {key: value for key, value in description.items() if value is not None}
    assert value_in(left_out) == nbt.Kalman(outlier=None)
    assert value_in({"kind": "RNN", "units": 3}) == nbt.RNN(3)
    with pytest.raises(TypeError, match="units"):
        value_in({"kind": "RNN"})


# ---- the build ---------------------------------------------------------------------------------


def test_build_info(monkeypatch):
    monkeypatch.delenv("NBT_ISA", raising=False)
    info = nbt.build_info()
    assert info["version"] == nbt.__version__
    assert isinstance(info["openmp"], bool)
    assert info["compiler"]
    assert info["isas"][0] == "base"
    assert info["isa"] == info["isas"][-1]
    for isa in info["isas"]:
        monkeypatch.setenv("NBT_ISA", isa)
        assert nbt.build_info()["isa"] == isa
    monkeypatch.setenv("NBT_ISA", "")  # as if it were not set
    assert nbt.build_info()["isa"] == info["isas"][-1]
    nbt.RTRL(nbt.RNN(2), nbt.Softmax(2))


def test_arrays_are_aligned():
    for dtype in ("float32", "float64"):
        for shapes in (((1, 1), (3, 8), (5, 16)), ((1000, 1100), (3, 5), (0, 7), (1, 9))):
            arrays = _core.aligned_zeros(shapes, dtype)
            for array, shape in zip(arrays, shapes, strict=True):
                assert array.ctypes.data % 64 == 0
                assert array.shape == shape
                assert array.dtype == dtype
                assert not array.any()
                assert array.flags.c_contiguous
            for k, array in enumerate(arrays):
                array[:] = k
            assert [set(array.ravel()) for array in arrays if array.size] == [
                {k} for k, array in enumerate(arrays) if array.size
            ]


def test_large_arrays_lie_in_one_piece():
    """Of huge pages, where the machine has them; small ones lie apart, for sanitizers to see."""

    def pieces(n):
        arrays = nbt.NoBackTrack(nbt.RNN(n), nbt.Softmax(3))._live.learner.arrays.values()
        return len({id(array.base) for array in arrays}), len(arrays)

    assert pieces(500)[0] == 1
    apart, arrays = pieces(20)
    assert apart == arrays


def test_public_names():
    assert sorted(nbt.__all__) == sorted(set(nbt.__all__))
    for name in nbt.__all__:
        value = getattr(nbt, name)
        assert name == "__version__" or value.__doc__, name
    assert dir(nbt) == sorted(nbt.__all__)
    classes = (value for value in vars(nbt).values() if inspect.isclass(value))
    for kind in (kind for kind in classes if not issubclass(kind, BaseException)):
        for name in dir(kind):
            value = inspect.getattr_static(kind, name)
            if not name.startswith("_") and (callable(value) or hasattr(value, "__get__")):
                assert inspect.getdoc(getattr(kind, name)), f"{kind.__name__}.{name}"


MODULES = [
    module.name
    for module in pkgutil.walk_packages(nbt.__path__, "nbt.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["nbt", *MODULES])
def test_examples(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    found = sum(
        len(test.examples)
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
    )
    assert found > 25


# ---- what was not called ------------------------------------------------------------------------

CELL, READOUT = nbt.RNN(3), nbt.Softmax(3)
STREAM = nbt.datasets.anbn(1, 4)


def trainer():
    return nbt.NoBackTrack(CELL, READOUT)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: nbt.NoBackTrack(nbt.RNN, READOUT), "cell: expected an instance: RNN(20)"),
        (lambda: nbt.RTRL(nbt.LeakyRNN, READOUT), "cell: expected an instance: LeakyRNN(20)"),
        (lambda: nbt.TruncatedBPTT(nbt.Stack, READOUT), "expected an instance: Stack([RNN(20)])"),
        (lambda: nbt.RTRL(nbt.Continuous, READOUT), "instance: Continuous(CTRNN(20), 0.1)"),
        (lambda: nbt.RTRL(nbt.System, READOUT), "cell: expected an instance: System("),
        (lambda: nbt.RTRL(CELL, nbt.Softmax), "readout: expected an instance: Softmax(10)"),
        (lambda: nbt.RTRL(CELL, nbt.Gaussian), "readout: expected an instance: Gaussian(1)"),
        (lambda: nbt.RTRL(CELL, READOUT, nbt.SGD), "optimizer: expected an instance: SGD()"),
        (lambda: nbt.NoBackTrack(CELL, READOUT, nbt.Kalman), "an instance: Kalman()"),
        (lambda: nbt.RTRL(CELL, READOUT, inputs=nbt.Vector), "inputs: expected an instance: V"),
        (lambda: nbt.SGD(nbt.InverseSqrt), "rate: expected an instance: InverseSqrt(0.1)"),
        (lambda: nbt.Kalman(nbt.Constant), "decay: expected an instance: Constant(0.1)"),
        (lambda: nbt.HMM(3, 3, rate=nbt.Constant), "rate: expected an instance: Constant(0.1)"),
        (lambda: nbt.Continuous(nbt.CTRNN, 0.1), "field: expected an instance: CTRNN(20)"),
        (lambda: nbt.Stack([nbt.RNN]), "cells[0]: expected an instance: RNN(20)"),
        (lambda: nbt.Stack(nbt.RNN), "cells: expected an instance: RNN(20)"),
        (lambda: nbt.RNN(3, graph=nbt.Graph), "graph: expected an instance: Graph("),
        (lambda: nbt.RNNClassifier(cell=nbt.RNN), "cell: expected an instance: RNN(20)"),
        (lambda: nbt.RNNRegressor(optimizer=nbt.SGD), "optimizer: expected an instance: SGD()"),
        (
            lambda: nbt.train(nbt.NoBackTrack, STREAM, steps=3),
            "trainer: expected an instance: NoBackTrack(RNN(20), Softmax(10))",
        ),
        (
            lambda: nbt.train(trainer(), nbt.datasets.anbn, steps=3),
            "stream: expected an instance: anbn(), got the function anbn",
        ),
        (
            lambda: nbt.train(trainer(), STREAM, steps=3, history=nbt.History),
            "history: expected an instance: History()",
        ),
        (
            lambda: nbt.train(trainer(), STREAM, steps=3, interrupts=nbt.Interrupts),
            "interrupts: expected an instance: Interrupts()",
        ),
        (lambda: nbt.diagnose(nbt.NoBackTrack, STREAM, steps=3), "trainer: expected an instance"),
        (lambda: nbt.diagnose(trainer(), nbt.datasets.anbn, steps=3), "stream: expected an inst"),
        (lambda: nbt.learn_many([nbt.RTRL], [[0]]), "trainers[0]: expected an instance: RTRL("),
        (lambda: nbt.Checkpoint.of(nbt.RTRL), "trainer: expected an instance: RTRL("),
        (lambda: nbt.Checkpoint.of(trainer(), nbt.datasets.anbn), "stream: expected an instance"),
        (lambda: nbt.check_system(nbt.System), "system: expected an instance: System("),
    ],
)
def test_a_class_in_place_of_an_instance_is_said(make, expected):
    with pytest.raises(TypeError, match=re.escape(expected)):
        make()


# ---- the order of a cell's arguments ------------------------------------------------------------


def test_every_cell_has_the_activation_second():
    for kind in (nbt.RNN, nbt.LeakyRNN, nbt.CTRNN):
        assert kind(20, "tanh") == kind(20, activation="tanh")
        names = inspect.signature(kind).parameters.values()
        assert [one.name for one in names if one.kind is not one.KEYWORD_ONLY] == [
            "units",
            "activation",
        ]
        assert pickle.loads(pickle.dumps(kind(20, "tanh"))) == kind(20, "tanh")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: nbt.LeakyRNN(20, 0.5), "leak goes by its name: LeakyRNN(20, leak=0.5)"),
        (lambda: nbt.LeakyRNN(20, "random"), "LeakyRNN(20, leak='random')"),
        (lambda: nbt.LeakyRNN(2, [0.5, 0.1]), "LeakyRNN(2, leak=[0.5, 0.1])"),
        (lambda: nbt.CTRNN(20, 2.0), "tau goes by its name: CTRNN(20, tau=2.0)"),
        (
            lambda: nbt.LeakyRNN(9, 0.5, "tanh"),
            "graph, learn, spectral_radius, input_scaling, bias_scaling by name, got 3 values",
        ),
        (lambda: nbt.RNN(9, "tanh", None), "as in RNN(20, 'tanh'), and graph, learn, "),
        (lambda: nbt.CTRNN(9, 2.0, "tanh"), "and tau, graph by name, got 3 values"),
    ],
)
def test_the_former_order_is_an_error_that_says_the_new_one(make, expected):
    with pytest.raises(TypeError, match=re.escape(expected)):
        make()
