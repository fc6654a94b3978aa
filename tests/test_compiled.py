"""Systems in machine code: every way of giving an address, and the same steps as in Python."""

import ctypes

import numpy as np
import pytest
import systems

import nbt

N, M, A = 6, 3, 4
RULES = {"nobacktrack": nbt.NoBackTrack, "rtrl": nbt.RTRL, "bptt": nbt.TruncatedBPTT}
DTYPES = ["float64", "float32"]


@pytest.fixture(scope="module", params=DTYPES)
def library(request, tmp_path_factory):
    found = systems.compile_network(tmp_path_factory.mktemp("c"), request.param, ("-O2",))
    if found is None:
        pytest.skip("no C compiler: set CC, or install cc, to compile tests/c/network.c")
    return found, request.param


@pytest.fixture(scope="module")
def double(tmp_path_factory):
    found = systems.compile_network(tmp_path_factory.mktemp("c"), "float64", ("-O2",))
    if found is None:
        pytest.skip("no C compiler: set CC, or install cc, to compile tests/c/network.c")
    return found


def first_theta():
    rng = np.random.default_rng(2)
    return rng.normal(size=(1 + N + M, N)) / 2


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
    system = systems.compiled_network(functions, N, M, theta.T.ravel(), dtype)
    trainer, losses = train(rule, system, dtype)
    np.testing.assert_allclose(losses, expected, rtol=1e-9 if dtype == "float64" else 1e-4)
    assert repr(trainer.cell) == "CompiledSystem(6 states, 60 parameters)"


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
        systems.compiled_network(double, N, M, theta, entries=None)
    with pytest.raises(ValueError, match="dtype: expected 'float64', the numbers that this"):
        nbt.RTRL(systems.compiled_network(double, N, M, theta), nbt.Softmax(A), inputs=M)
    with pytest.raises(TypeError, match=r"vjp: expected CompiledSystem\(vjp=...\)"):
        nbt.TruncatedBPTT(
            systems.compiled_network(double, N, M, theta, vjp=None),
            nbt.Softmax(A), inputs=M, dtype="float64",
        )  # fmt: skip
