"""A step of JAX's is differentiated by JAX."""

import warnings

import numpy as np
import pytest
from helpers import systems

import nbt

jax = pytest.importorskip("jax")


@pytest.fixture(autouse=True)
def double_precision():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def jax_step(h, x, theta):
    jnp = jax.numpy
    a = jnp.tanh(h)
    drive = theta[0] * jnp.array([1.0, 1.0, 0.0]) + theta[1:4] * jnp.roll(a, 1)
    return 0.5 * h + drive + theta[4:7] * (x[0] - x[1] * h) + theta[7] ** 2 * a


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_derivatives_are_jaxs(rule):
    with warnings.catch_warnings():
        warnings.simplefilter("error", nbt.DerivedWarning)
        system = nbt.System(jax.jit(jax_step), **systems.values(systems.RING),
                            starts=systems.RING["starts"])  # fmt: skip
    rng = np.random.default_rng(3)
    assert nbt.check_system(system, x=rng.normal(size=2)) < 1e-8
    x, y = rng.normal(size=(20, 2)), rng.integers(0, 4, 20)
    losses = [
        rule(one, nbt.Softmax(4), inputs=2, dtype="float64").learn(x, y)
        for one in (system, systems.ring())
    ]
    np.testing.assert_allclose(*losses, rtol=1e-9)


def test_what_is_given_stays():
    system = nbt.System(jax.jit(jax_step), jvp=systems.Ring.jvp)
    assert system.jvp is systems.Ring.jvp
    assert system.vjp is not None
