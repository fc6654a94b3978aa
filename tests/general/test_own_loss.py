"""A system with a loss of its own, instead of a readout: against tests/oracle/system.py."""

import ctypes

import numpy as np
import oracle.philox
import oracle.system
import pytest
from helpers import systems
from helpers.c_sources import NEEDED

import nbt

RULES = {"nobacktrack": nbt.NoBackTrack, "rtrl": nbt.RTRL, "bptt": nbt.TruncatedBPTT}
RATE = nbt.InverseSqrt(0.05)


def data(steps, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, 2)), rng.normal(size=(steps, 3))


@pytest.mark.parametrize("rule", ["nobacktrack", "rtrl"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 2e-4)])
def test_as_the_oracle(rule, dtype, tolerance):
    system = systems.ring()
    own = {"norm": "euclidean"} if rule == "nobacktrack" else {}
    trainer = RULES[rule](system, None, nbt.SGD(RATE), inputs=2, dtype=dtype, seed=5, **own)
    more = {"signs": lambda t: oracle.philox.signs(5, 0, t, 3)} if own else {}
    theirs = {"nobacktrack": oracle.system.NoBackTrack, "rtrl": oracle.system.RTRL}[rule](
        system, system.state, system.theta, rate=RATE, **more
    )
    x, y = data(30)
    np.testing.assert_allclose(trainer.learn(x, y), theirs.learn(x, y), rtol=tolerance)
    state = trainer.state_dict()
    np.testing.assert_allclose(state["cell.theta"], theirs.theta, rtol=0, atol=tolerance)
    assert not [key for key in state if "readout" in key or "phi" in key]
    assert trainer.parameter_count == 8
    np.testing.assert_allclose(trainer.predict(), theirs.h, rtol=0, atol=10 * tolerance)


def test_a_window_as_long_as_the_run_is_rtrls_gradient():
    x, y = data(6)
    system = systems.ring()
    bptt = nbt.TruncatedBPTT(system, None, nbt.SGD(0.01), inputs=2, window=6, dtype="float64")
    bptt.learn(x, y)
    rtrl = oracle.system.RTRL(system, system.state, system.theta)
    total = np.zeros(8)
    for one, target in zip(x, y, strict=True):
        rtrl.advance(one)
        total += system.loss(rtrl.h, target)[1] @ rtrl.influence()
    moved = bptt.state_dict()["cell.theta"] - system.theta
    np.testing.assert_allclose(moved, -0.01 * total, rtol=0, atol=1e-12)


@pytest.mark.parametrize("inputs", [2, nbt.Vector(2, standardize=True)])
@pytest.mark.parametrize("rule", RULES)
def test_stopped_and_gone_on_with(rule, inputs, tmp_path, assert_same_state):
    trainer = RULES[rule](systems.ring(), None, nbt.Kalman(0.1), inputs=inputs)
    x, y = data(40)
    trainer.learn(x[:17], y[:17])
    trainer.save(tmp_path / "a.safetensors")
    again = nbt.load(tmp_path / "a.safetensors", cell=trainer.cell)
    assert again.learn(x[17:], y[17:]).tobytes() == trainer.learn(x[17:], y[17:]).tobytes()
    assert_same_state(again.state_dict(), trainer.state_dict())


def test_a_state_without_scales_is_one_in_which_they_begin():
    """As those were that lacked them."""
    trainer = nbt.RTRL(systems.ring(), None, inputs=nbt.Vector(2, standardize=True))
    trainer.learn(*data(40))
    state = trainer.state_dict()
    assert state["inputs.count"].all()
    trainer.load_state_dict({k: v for k, v in state.items() if not k.startswith("inputs.")})
    assert not trainer.state_dict()["inputs.count"].any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("wrong", [lambda h, y: 1 / 0, lambda h, y: 3.0, lambda h, y: (1, h[:2])])
def test_a_loss_that_fails_undoes_the_call(rule, wrong, assert_same_state):
    calls = []

    def loss(h, y):
        calls.append(1)
        return wrong(h, y) if len(calls) > 5 else systems.Ring.loss(h, y)

    trainer = RULES[rule](systems.ring(loss=loss), None, nbt.SGD(RATE), inputs=2)
    before = trainer.state_dict()
    with pytest.raises(
        (ZeroDivisionError, TypeError, ValueError), match=r"division|loss: (∂ℓ/∂h: )?expected"
    ):
        trainer.learn(*data(20))
    assert_same_state(trainer.state_dict(), before)


def test_targets_of_another_size_than_the_state():
    def loss(h, y):
        return (h[0] - y[0]) ** 2, np.array([2 * (h[0] - y[0]), 0, 0])

    trainer = nbt.RTRL(systems.ring(loss=loss, targets=1), None, nbt.SGD(RATE), inputs=2)
    assert trainer.learn(data(9)[0], np.zeros((9, 1))).shape == (9,)
    with pytest.raises(ValueError, match="y: expected"):
        trainer.learn(data(9)[0], np.zeros((9, 3)))
    with pytest.raises(
        TypeError, match=r"readout: expected one such as Softmax, or None for a Sys"
    ):
        nbt.RTRL(systems.ring(loss=None), None)
    with pytest.raises(TypeError, match=r"readout: expected one such as Softmax"):
        nbt.RTRL(nbt.RNN(3), None)


def test_compiled(tmp_path):
    library = systems.compile_network(tmp_path, flags=("-O2",))
    if library is None:
        pytest.skip(NEEDED.format("network"))
    theta = np.random.default_rng(2).normal(size=(4, 10))
    x, y = np.random.default_rng(3).normal(size=(30, 5)), np.ones((30, 4))
    plain = systems.network(theta.T, np.zeros(4), "sigmoid")
    plain = nbt.System(
        plain.step, plain.jvp, plain.rows, plain.vjp, state=np.zeros(4), theta=theta.ravel(),
        starts=plain.starts, loss=lambda h, y: (0.5 * ((h - y) ** 2).sum(), h - y),
    )  # fmt: skip
    compiled = systems.compiled_network(
        library, 4, 5, theta.ravel(), loss=ctypes.cast(library.loss, ctypes.c_void_p).value
    )
    losses = [
        nbt.NoBackTrack(system, None, nbt.Kalman(0.1), inputs=5, dtype="float64").learn(x, y)
        for system in (plain, compiled)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-9)
