"""Systems in machine code: every way of giving an address, and the same steps as in Python."""

import ctypes

import numpy as np
import pytest
from helpers import systems
from helpers.c_sources import NEEDED

import nbt

N, M, A = 6, 3, 4
RULES = {
    "nobacktrack": nbt.NoBackTrack,
    "rtrl": nbt.RTRL,
    "bptt": nbt.TruncatedBPTT,
    "uoro": nbt.UORO,
}
DTYPES = ["float64", "float32"]


@pytest.fixture(scope="module", params=DTYPES)
def library(request, tmp_path_factory):
    found = systems.compile_network(tmp_path_factory.mktemp("c"), request.param, ("-O2",))
    if found is None:
        pytest.skip(NEEDED.format("network"))
    return found, request.param


@pytest.fixture(scope="module")
def double(tmp_path_factory):
    found = systems.compile_network(tmp_path_factory.mktemp("c"), "float64", ("-O2",))
    if found is None:
        pytest.skip(NEEDED.format("network"))
    return found


def first_theta():
    rng = np.random.default_rng(2)
    return rng.normal(size=(1 + N + M, N)) / 2


SEPARATE = {"move": None}
UNKNOWN = {"pattern": None, "entries": (1 + N + M) * N}


def train(rule, system, dtype="float64", steps=60, seed=5):
    own = {"nobacktrack": {"rank": 2}, "bptt": {"window": 4}}.get(rule, {})
    trainer = RULES[rule](
        system, nbt.Softmax(A), nbt.Kalman(0.3), inputs=M, dtype=dtype, seed=5, **own
    )
    rng = np.random.default_rng(seed)
    losses = trainer.learn(rng.normal(size=(steps, M)), rng.integers(0, A, steps))
    return trainer, losses


@pytest.mark.parametrize("rule", RULES)
def test_the_same_steps_as_in_python(rule, library):
    functions, dtype = library
    theta = first_theta()
    _, expected = train(rule, systems.network(theta, np.zeros(N), "sigmoid"))
    for changes in ({}, SEPARATE, UNKNOWN, SEPARATE | UNKNOWN):
        system = systems.compiled_network(functions, N, M, theta.T.ravel(), dtype, **changes)
        trainer, losses = train(rule, system, dtype)
        np.testing.assert_allclose(losses, expected, rtol=1e-9 if dtype == "float64" else 1e-4)
        assert repr(trainer.cell) == "CompiledSystem(6 states, 60 parameters)"


@pytest.mark.parametrize("changes", [{}, SEPARATE])
@pytest.mark.parametrize("rule", RULES)
def test_a_pattern_said_once_changes_no_bit(rule, changes, double, assert_same_state):
    """Inputs that are symbols, which a compiled system sees as vectors; and a resumed one."""
    theta, trainers = first_theta().T.ravel(), []
    for more in ({}, UNKNOWN):
        system = systems.compiled_network(double, N, M, theta, **changes | more)
        trainers.append(RULES[rule](system, nbt.Softmax(M), nbt.Kalman(0.3), dtype="float64"))
    symbols = np.random.default_rng(3).integers(0, M, 40)
    losses = [trainer.learn(symbols) for trainer in trainers]
    assert losses[0].tobytes() == losses[1].tobytes()
    assert_same_state(trainers[0].state_dict(), trainers[1].state_dict())
    trainers[0].load_state_dict(trainers[1].state_dict())
    assert trainers[0].learn(symbols).tobytes() == trainers[1].learn(symbols).tobytes()


# ---- compared with finite differences ------------------------------------------------------------


def point():
    rng = np.random.default_rng(4)
    return {"h": rng.normal(size=N), "x": rng.normal(size=M), "y": rng.normal(size=N)}


@pytest.mark.parametrize("changes", [{}, SEPARATE | UNKNOWN])
def test_the_derivatives_are_right(library, changes):
    functions, dtype = library
    theta = first_theta().T.ravel()
    system = systems.compiled_network(
        functions, N, M, theta, dtype, loss=functions.loss, targets=N, **changes
    )
    assert nbt.check_system(system, **point()) < (1e-8 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        ({"jvp": "vjp"}, ValueError, r"jvp: ∂f\[\d\]/∂h\[0\] is .*, expected .* by finite"),
        ({"vjp": "jvp"}, ValueError, r"vjp: ∂f\[\d\]/∂h\[0\] is"),
        ({"move": "late"}, ValueError, r"move: out\[1, 2\] is .*, expected .* as by jvp"),
        ({"step": "fails"}, RuntimeError, "step: expected it to return 0, got 3"),
    ],
)
def test_what_is_wrong_is_named(broken, error, message, library):
    functions, dtype = library
    changes = {name: getattr(functions, function) for name, function in broken.items()}
    theta = first_theta().T.ravel()
    system = systems.compiled_network(functions, N, M, theta, dtype, **changes)
    at = point()
    with pytest.raises(error, match=message):
        nbt.check_system(system, at["h"], at["x"])


def test_a_pattern_that_lacks_an_entry_is_noticed(double):
    """Unit 0 without its last weight, but with one of the next unit's."""
    theta = first_theta().T.ravel()
    P = 1 + N + M
    indptr, indices = np.arange(N + 1) * P, np.arange(N * P)
    indices[P - 1] = P + 1
    system = systems.compiled_network(double, N, M, theta, pattern=(indptr, indices), move=None)
    at = point()
    with pytest.raises(ValueError, match=rf"rows: ∂f\[0\]/∂theta\[{P - 1}\] is 0, expected"):
        nbt.check_system(system, at["h"], at["x"])


def ways(library):
    """(name, functions) for every kind of address that can be made here."""
    names = ("step", "jvp", "vjp", "rows")
    found = {name: getattr(library, name) for name in names}
    yield "ctypes", found
    address = {k: ctypes.cast(f, ctypes.c_void_p).value for k, f in found.items()}
    yield "address", address
    kind = ctypes.CFUNCTYPE(ctypes.c_int)
    yield "ctypes prototype", {name: kind(value) for name, value in address.items()}


@pytest.mark.parametrize("way", range(3))
def test_ways_to_say_where(way, double):
    name, functions = list(ways(double))[way]
    theta = first_theta().T.ravel()
    _, expected = train("nobacktrack", systems.compiled_network(double, N, M, theta))
    _, losses = train("nobacktrack", systems.compiled_network(double, N, M, theta, **functions))
    assert losses.tobytes() == expected.tobytes(), name


def test_cffi(double):
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("int step(); int jvp(); int vjp(); int rows();")
    there = ffi.dlopen(double._name)
    functions = {name: getattr(there, name) for name in ("step", "jvp", "vjp", "rows")}
    theta = first_theta().T.ravel()
    _, expected = train("bptt", systems.compiled_network(double, N, M, theta))
    _, losses = train("bptt", systems.compiled_network(double, N, M, theta, **functions))
    assert losses.tobytes() == expected.tobytes()


def test_low_level_callable(double):
    scipy = pytest.importorskip("scipy")
    sizes = ctypes.pointer(systems.Sizes(N, M))
    data = ctypes.cast(sizes, ctypes.c_void_p)
    functions = {}
    for name in ("step", "jvp", "vjp", "rows"):
        function = getattr(double, name)
        function.argtypes = [ctypes.c_void_p] * (7 if name == "rows" else 5 + (name != "step"))
        functions[name] = scipy.LowLevelCallable(function, data)
    theta = first_theta().T.ravel()
    _, expected = train("rtrl", systems.compiled_network(double, N, M, theta))
    system = systems.compiled_network(double, N, M, theta, **functions, data=None)
    _, losses = train("rtrl", system)
    assert losses.tobytes() == expected.tobytes()


def test_numba():
    numba = pytest.importorskip("numba")
    types = numba.types
    real, void = types.CPointer(types.float64), types.voidptr
    carray = numba.carray

    @numba.cfunc(types.int32(real, real, real, real, void))
    def step(h, x, theta, out, data):
        for i in range(3):
            out[i] = 0.9 * h[i] + theta[i] * x[0]
        return 0

    @numba.cfunc(types.int32(real, real, real, real, real, void))
    def jvp(h, x, theta, v, out, data):
        into, along = carray(out, 3), carray(v, 3)
        into[:] = 0.9 * along
        return 0

    indptr_t, indices_t = types.CPointer(types.int64), types.CPointer(types.int32)

    @numba.cfunc(types.int32(real, real, real, indptr_t, indices_t, real, void))
    def rows(h, x, theta, indptr, indices, values, data):
        indptr[0] = 0
        for i in range(3):
            indptr[i + 1], indices[i], values[i] = i + 1, i, x[0]
        return 0

    at = {"state": np.zeros(3), "theta": np.array([1.0, 2.0, 3.0])}
    compiled = nbt.CompiledSystem(step, jvp, rows, entries=3, **at)
    plain = nbt.System(
        lambda h, x, theta: 0.9 * h + theta * x[0],
        lambda h, x, theta, v: 0.9 * v,
        lambda h, x, theta: (np.arange(4), np.arange(3), np.full(3, x[0])),
        **at,
    )
    results = [train("nobacktrack", system)[1] for system in (compiled, plain)]
    np.testing.assert_allclose(*results, rtol=1e-12)


@pytest.mark.parametrize("broken", [{"step": "fails"}, {"rows": "wild"}])
def test_a_failure_undoes_the_call(broken, double, assert_same_state):
    theta = first_theta().T.ravel()
    changes = {name: getattr(double, function) for name, function in broken.items()}
    changes |= SEPARATE | UNKNOWN
    trainer = nbt.NoBackTrack(
        systems.compiled_network(double, N, M, theta, **changes),
        nbt.Softmax(A), inputs=M, dtype="float64",
    )  # fmt: skip
    before = trainer.state_dict()
    with pytest.raises(RuntimeError, match="a function of the system failed"):
        trainer.learn(np.zeros((3, M)), [0, 1, 2])
    assert_same_state(trainer.state_dict(), before)


def test_bad_arguments(double):
    theta = first_theta().T.ravel()
    for wrong in (None, "step", 0, True, 1.5):
        with pytest.raises(TypeError, match="step: expected a function of numba"):
            systems.compiled_network(double, N, M, theta, step=wrong)
    with pytest.raises(TypeError, match="entries: expected an integer"):
        systems.compiled_network(double, N, M, theta, pattern=None)
    with pytest.raises(ValueError, match="x: expected a vector of finite numbers, got None"):
        nbt.check_system(systems.compiled_network(double, N, M, theta))
    with pytest.raises(ValueError, match="dtype: expected 'float64', the numbers that this"):
        nbt.RTRL(
            systems.compiled_network(double, N, M, theta), nbt.Softmax(A), inputs=M, dtype="float32"
        )
    with pytest.raises(TypeError, match=r"vjp: expected CompiledSystem\(vjp=...\)"):
        nbt.TruncatedBPTT(
            systems.compiled_network(double, N, M, theta, vjp=None),
            nbt.Softmax(A), inputs=M, dtype="float64",
        )  # fmt: skip


def patterns():
    indptr, indices = np.arange(N + 1) * 10, np.arange(60)
    yield 3, TypeError, r"pattern: expected \(indptr, indices\), got 3"
    yield (indptr, indices, indices), TypeError, "pattern: expected"
    yield (indptr / 2, indices), TypeError, "pattern: expected a vector of integers as indptr"
    yield (indptr, indices[None]), TypeError, "pattern: expected a vector of integers as indices"
    yield (indptr[1:], indices), ValueError, "pattern: expected 7 numbers as indptr"
    yield (indptr + 1, indices), ValueError, "pattern: expected 7 numbers as indptr"
    yield (np.roll(indptr, 1), indices), ValueError, "pattern: expected 7 numbers as indptr"
    yield (indptr, indices[1:]), ValueError, "pattern: expected 60 indices"
    yield (0 * indptr, indices[:0]), ValueError, "pattern: expected 0 indices, .* at least one"
    yield (indptr, indices + 1), ValueError, r"pattern: expected indices in \[0, 60\)"
    yield (indptr, indices - 1), ValueError, r"pattern: expected indices in \[0, 60\)"
    twice = np.where(indices == 13, 17, indices)
    yield (indptr, twice), ValueError, "pattern: expected each column at most once in a row"


@pytest.mark.parametrize(("pattern", "error", "message"), list(patterns()))
def test_bad_patterns(pattern, error, message):
    address, theta = 4096, first_theta().T.ravel()
    with pytest.raises(error, match=message):
        nbt.CompiledSystem(
            address, address, address, state=np.zeros(N), theta=theta, pattern=pattern
        )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("continuous", [False, True])
def test_a_trainer_takes_the_numbers_of_its_system(rule, library, continuous):
    functions, dtype = library
    system = systems.compiled_network(functions, N, M, first_theta().T.ravel(), dtype)
    system = nbt.Continuous(system, 0.5) if continuous else system
    trainer = RULES[rule](system, nbt.Softmax(A), inputs=M)
    assert trainer.dtype == dtype
    assert trainer.state_dict()["state.h"].dtype == dtype
    assert np.isfinite(trainer.learn(np.ones((5, M)), np.zeros(5, int))).all()
    assert RULES[rule](nbt.RNN(2), nbt.Softmax(2)).dtype == "float32"
