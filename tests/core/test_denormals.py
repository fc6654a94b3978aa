"""Denormal numbers are 0 where the package computes, and only there (csrc/machine/float_mode.h)."""

import ctypes

import numpy as np
import pytest
from helpers import systems
from helpers.c_sources import NEEDED, compile_c

import nbt

N, M = 6, 30  # units; symbols, most of them long absent
ONCE = nbt.SGD(0.1)
TRAINERS = {
    "default": lambda **how: nbt.NoBackTrack(nbt.RNN(N), nbt.Softmax(M), **how),
    "window": lambda **how: nbt.NoBackTrack(nbt.RNN(N), nbt.Softmax(M), window=3, **how),
    "one pass": lambda **how: nbt.NoBackTrack(
        nbt.RNN(N), nbt.Softmax(M), ONCE, blocks=1, exact_self=False, **how
    ),
    "rtrl": lambda **how: nbt.RTRL(nbt.RNN(N), nbt.Softmax(M), **how),
    "tbptt": lambda **how: nbt.TruncatedBPTT(nbt.RNN(N), nbt.Softmax(M), ONCE, window=5, **how),
    "graph": lambda **how: nbt.NoBackTrack(
        nbt.RNN(N, graph=nbt.Graph.random(N, 2)), nbt.Softmax(M), **how
    ),
}


def is_denormal(numbers):
    """By their bits: a comparison would not know them where they are 0."""
    kind = np.dtype(f"u{numbers.dtype.itemsize}")
    magnitude = numbers.view(kind) & ~kind.type(1 << (8 * kind.itemsize - 1))
    return (magnitude > 0) & (magnitude < np.finfo(numbers.dtype).smallest_normal.view(kind))


def denormal_arrays(trainer):
    """Which arrays of its state hold some."""
    return [
        key
        for key, array in trainer.state_dict().items()
        if isinstance(array, np.ndarray) and array.dtype.kind == "f" and is_denormal(array).any()
    ]


@pytest.fixture(scope="module")
def mode(tmp_path_factory):
    """The float mode of this thread: get(), set(mode), zero() the bits that make denormals 0."""
    parallel = ["-fopenmp"] if nbt.build_info()["openmp"] else []
    library = compile_c("denormals", tmp_path_factory.mktemp("c") / "denormals.so", parallel)
    if library is None:
        pytest.skip(NEEDED.format("denormals"))
    for function in (library.get, library.zero, library.get_of_threads):
        function.restype = ctypes.c_uint64
    library.set.argtypes = (ctypes.c_uint64,)
    if not library.zero():
        pytest.skip("no such mode on this machine")
    return library


def test_what_is_denormal():
    for kind in (np.float32, np.float64):
        info = np.finfo(kind)
        tiny, low = info.smallest_subnormal, info.smallest_normal
        numbers = np.array([0, -0.0, tiny, -tiny, low - tiny, low, -low, 1, -1, np.inf], kind)
        assert is_denormal(numbers).tolist() == [False] * 2 + [True] * 3 + [False] * 5


@pytest.mark.parametrize("name", TRAINERS)
def test_a_state_has_none(name, mode):
    """While what belongs to absent symbols decays through them."""
    trainer = TRAINERS[name](dtype="float32", seed=3)
    symbols = np.random.default_rng(1).integers(0, 8, 100)
    trainer.learn(np.arange(M))  # each once; then those from 8 on are absent
    for symbol in symbols:
        trainer.learn([symbol])
        assert not denormal_arrays(trainer)


@pytest.mark.parametrize("name", TRAINERS)
def test_the_callers_mode_changes_no_bit_and_is_left(name, mode, assert_same_state):
    symbols = np.random.default_rng(2).integers(0, M, 100)
    before, states = mode.get(), []
    for wanted in (before & ~mode.zero(), before | mode.zero()):
        mode.set(wanted)
        try:
            trainer = TRAINERS[name](dtype="float32", seed=3)
            losses = trainer.learn(symbols)
            p = trainer.predict(symbols[0])
            state = trainer.state_dict()
            trainer.load_state_dict(state)
            after = mode.get()
        finally:
            mode.set(before)
        assert after & mode.zero() == wanted & mode.zero()
        states.append(state | {"losses": losses, "p": p})
    assert_same_state(*states)


def test_threads_compute_so_and_are_left_alone(mode):
    """Units enough for two of them, which OpenMP keeps for whoever uses it next."""
    trainer = nbt.NoBackTrack(nbt.RNN(768), nbt.Softmax(8), dtype="float32", threads=2)
    trainer.learn(np.arange(8))
    for _ in range(40):
        trainer.learn([1])
        assert not is_denormal(trainer.state_dict()["estimator.d"]).any()
    assert not mode.get_of_threads() & mode.zero()


# ---- functions of the caller's -------------------------------------------------------------------


def probe(of, mode, seen):
    """The same functions, which note the mode they run in."""

    def asked(function):
        def call(*arguments):
            seen.append(mode.get() & mode.zero())
            return function(*arguments)

        return call

    return {name: asked(getattr(of, name)) for name in ("step", "jvp", "vjp", "rows")}


def small_theta():
    """What decays does so fast."""
    return np.random.default_rng(3).normal(size=(1 + N + M, N)) / 4


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_functions_of_a_system_run_in_the_callers_mode(rule, mode, assert_same_state):
    """And nothing else does: no denormal number is left, no bit depends on the mode."""
    before, states = mode.get(), []
    for wanted in (0, mode.zero()):
        of, seen = systems.network(small_theta(), np.zeros(N), "sigmoid"), []
        about = {"state": of.state, "theta": of.theta, "starts": of.starts}
        system = nbt.System(**probe(of, mode, seen), **about, activation="sigmoid")
        mode.set(before & ~mode.zero() | wanted)
        try:
            trainer = rule(system, nbt.Softmax(M), dtype="float32", seed=3)
            trainer.learn(np.arange(M))
            for symbols in np.random.default_rng(4).integers(0, 3, (20, 5)):
                trainer.learn(symbols)
                assert not denormal_arrays(trainer)
            trainer.predict(2)
            assert mode.get() & mode.zero() == wanted
        finally:
            mode.set(before)
        assert len(seen) > 100
        assert set(seen) == {wanted}
        states.append(trainer.state_dict())
    assert_same_state(*states)


def test_a_function_that_raises_leaves_the_mode(mode):
    def step(h, x, theta):
        raise ArithmeticError("no step today")

    of, before = systems.network(small_theta(), np.zeros(N), "sigmoid"), mode.get()
    about = {"state": of.state, "theta": of.theta, "starts": of.starts}
    system = nbt.System(step, of.jvp, of.rows, **about, activation="sigmoid")
    with pytest.raises(ArithmeticError):
        nbt.NoBackTrack(system, nbt.Softmax(M), seed=3).learn([1, 2])
    assert mode.get() & mode.zero() == before & mode.zero()


def test_compiled_functions_too(mode, tmp_path):
    """A step and a loss; those that are not asked for here go the same way (NBT_ASK)."""
    library, seen = systems.compile_network(tmp_path), []
    five = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5)

    def asked(name):
        def call(*arguments):
            seen.append((name, mode.get() & mode.zero()))
            return getattr(library, name)(*map(ctypes.c_void_p, arguments))

        return five(call)

    step, loss = asked("step"), asked("loss")
    theta = small_theta().T.ravel()
    own = {"step": step, "move": None, "loss": loss, "targets": N}
    system = systems.compiled_network(library, N, M, theta, **own)
    trainer = nbt.NoBackTrack(system, None, nbt.SGD(0.01), inputs=M, dtype="float64", seed=3)
    trainer.learn(np.ones((20, M)), np.zeros((20, N)))
    assert set(seen) == {("step", 0), ("loss", 0)}
