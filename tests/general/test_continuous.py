"""Continuous time (47): what happens to the estimate as the step δt → 0, with and without ρ.

K pairs of one trainer are K independent estimates on one trajectory; statistics over them.
"""

import functools
import itertools

import numpy as np
import oracle.networks
import pytest

import nbt

UNITS, PAIRS, TIME = 3, 10_000, 2.0
STEPS = (10, 20, 40, 80, 160)  # δt is halved four times


@functools.cache
def run(norm, steps):
    """h, v̄ and w̄ before and after the last step, and the exact ∂h/∂θ, all at the same time."""
    dt = TIME / steps
    cell = nbt.Continuous(nbt.CTRNN(UNITS, activation="tanh", tau=(0.5, 1.0, 2.0)), dt)
    common = {"inputs": nbt.Vector(1, False), "dtype": "float64", "seed": 5}
    readout, sgd = nbt.Softmax(2), nbt.SGD(0.0)
    pairs = nbt.NoBackTrack(cell, readout, sgd, rank=PAIRS, norm=norm, **common)
    exact = nbt.RTRL(cell, readout, sgd, **common)
    x = np.cos(dt * np.arange(steps))[:, np.newaxis]
    exact.observe(x, ...)
    pairs.observe(x[:-1], ...)
    before = pairs.state_dict()
    pairs.observe(x[-1:], ...)
    return before, pairs.state_dict(), exact.influence()


def size(norm, steps, name):
    """The mean of ‖v̄‖² or ‖w̄‖²."""
    return (run(norm, steps)[1][f"estimator.{name}"] ** 2).sum(axis=1).mean()


def change(norm, steps, name):
    """The root mean square of what one step changes."""
    before, after, _ = run(norm, steps)
    name = f"estimator.{name}"
    return np.sqrt(((after[name] - before[name]) ** 2).sum(axis=1).mean())


def variance(norm, steps):
    """Of v̄ w̄ᵀ alone, over ‖G‖²."""
    _, state, G = run(norm, steps)
    product = np.einsum("ki,kp->kip", state["estimator.v"], state["estimator.w"])
    return product.var(axis=0).sum() / (G**2).sum()


def halvings(value):
    """By which factor each halving of δt changes a value."""
    values = [value(steps) for steps in STEPS]
    return np.array(values[1:]) / values[:-1]


def test_the_trajectory_has_a_limit():
    """Euler's method: its error is O(δt)."""
    h = [run("euclidean", steps)[1]["state.h"] for steps in STEPS]
    errors = [np.abs(a - b).max() for a, b in itertools.pairwise(h)]
    np.testing.assert_allclose(np.divide(errors[1:], errors[:-1]), 0.5, atol=0.1)


@pytest.mark.parametrize("name", ["v", "w"])
def test_with_rho_a_step_changes_the_pair_by_the_root_of_dt(name):
    factors = halvings(lambda steps: change("euclidean", steps, name))
    np.testing.assert_allclose(factors[-2:], np.sqrt(0.5), rtol=0.05)


@pytest.mark.parametrize("name", ["v", "w"])
def test_with_rho_the_pair_has_a_limit(name):
    """Each halving changes its size by less, the last by a few per cent."""
    factors = halvings(lambda steps: size("euclidean", steps, name))
    assert abs(factors[-1] - 1) < 0.05
    assert np.prod(factors) == pytest.approx(1, abs=0.4)


def test_with_rho_the_estimate_has_a_limit():
    factors = halvings(lambda steps: variance("euclidean", steps))
    assert factors[0] > 1.15
    assert abs(factors[-1] - 1) < 0.06


def test_without_rho_the_pair_has_none():
    """v̄ changes by O(1) a step, whatever δt; w̄ by O(δt): one grows beyond all bounds as δt → 0,
    the other vanishes."""
    np.testing.assert_allclose(halvings(lambda n: change("none", n, "v"))[-2:], 1, rtol=0.04)
    np.testing.assert_allclose(halvings(lambda n: change("none", n, "w"))[-2:], 0.5, rtol=0.04)
    np.testing.assert_allclose(halvings(lambda n: size("none", n, "v")), 2, rtol=0.15)
    np.testing.assert_allclose(halvings(lambda n: size("none", n, "w")), 0.5, rtol=0.05)


def test_without_rho_the_product_has_a_limit_all_the_same():
    """Without any ρ, halving δt multiplies v̄ by √2 and divides w̄ by it: the paper says no more
    than that the pair has no limit. The variance is larger than with ρ."""
    assert halvings(lambda n: variance("none", n))[-1] == pytest.approx(1, abs=0.06)
    assert variance("none", STEPS[-1]) > 1.8 * variance("euclidean", STEPS[-1])


def unbalanced(steps, replicas=400):
    """The variance where w̄ and v̄ are balanced, and the new terms are not: ρ_i = 1. Plain NumPy."""
    rng, dt = np.random.default_rng(steps), TIME / steps
    system = oracle.networks.Euler(
        oracle.networks.ctrnn(UNITS, 1, (0.5, 1.0, 2.0), activation="tanh"), dt
    )
    start = np.random.default_rng(5)
    theta, h = start.normal(size=system.p), np.zeros(UNITS)
    v, w = np.zeros((replicas, UNITS)), np.zeros((replicas, system.p))
    rows, G = np.zeros((UNITS, system.p)), np.zeros((UNITS, system.p))
    for t in range(steps):
        x = np.array([np.cos(t * dt)])
        sizes = np.linalg.norm(w, axis=1), np.linalg.norm(v, axis=1)
        rho = np.sqrt(sizes[0] / np.where(sizes[1] > 0, sizes[1], 1))
        signs = rng.choice([-1.0, 1.0], size=v.shape)
        v = rho[:, None] * v + signs
        w = w / np.where(rho > 0, rho, 1)[:, None] + signs @ rows
        F = np.stack([system.jvp(h, x, theta, e) for e in np.eye(UNITS)], axis=1)
        indptr, indices, data = system.rows(h, x, theta)
        rows = np.zeros_like(rows)
        for i in range(UNITS):
            rows[i, indices[indptr[i] : indptr[i + 1]]] = data[indptr[i] : indptr[i + 1]]
        v, G, h = v @ F.T, F @ G + rows, system.step(h, x, theta)
    return np.einsum("ki,kp->kip", v, w).var(axis=0).sum() / (G**2).sum()


def test_without_rho_for_the_new_terms_the_estimate_has_no_limit():
    """With ρ̄ but without ρ_i, what the paper warns of happens to the estimate itself."""
    factors = halvings(unbalanced)
    assert (factors > 3).all()


# ---- a field of the user's own -------------------------------------------------------------------


def field(**more):
    """A damped oscillator whose stiffness and damping are learned, driven by x."""
    return nbt.System(
        step=lambda h, x, theta: np.array([h[1], -theta[0] * h[0] - theta[1] * h[1] + x[0]]),
        jvp=lambda h, x, theta, v: np.array([v[1], -theta[0] * v[0] - theta[1] * v[1]]),
        vjp=lambda h, x, theta, u: np.array([-theta[0] * u[1], u[0] - theta[1] * u[1]]),
        rows=lambda h, x, theta: (np.array([0, 0, 2]), np.arange(2), -h),
        state=[1.0, 0.5],
        theta=[2.0, 0.3],
        **more,
    )


def rolled_out(dt):
    """The same with Euler's step written out."""
    plain = field()
    return nbt.System(
        step=lambda h, x, theta: h + dt * plain.step(h, x, theta),
        jvp=lambda h, x, theta, v: v + dt * plain.jvp(h, x, theta, v),
        vjp=lambda h, x, theta, u: u + dt * plain.vjp(h, x, theta, u),
        rows=lambda h, x, theta: (np.array([0, 0, 2]), np.arange(2), -dt * h),
        state=[1.0, 0.5],
        theta=[2.0, 0.3],
    )


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_a_system_as_a_field(rule):
    """What a trainer makes of it is what it makes of Euler's step written out."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 1)), rng.integers(0, 3, 60)
    common = {"inputs": nbt.Vector(1, False), "dtype": "float64", "seed": 2}
    first, second = (
        rule(cell, nbt.Softmax(3), nbt.SGD(0.05), **common)
        for cell in (nbt.Continuous(field(), 0.2), rolled_out(0.2))
    )
    np.testing.assert_allclose(first.learn(x, y), second.learn(x, y), rtol=1e-12)
    states = [trainer.state_dict()["cell.theta"] for trainer in (first, second)]
    np.testing.assert_allclose(*states, rtol=1e-12)
    assert np.abs(states[0] - [2.0, 0.3]).min() > 1e-4


def test_an_error_in_a_field_is_the_users():
    broken = field()
    object.__setattr__(broken, "step", lambda h, x, theta: 1 / 0)
    trainer = nbt.NoBackTrack(nbt.Continuous(broken, 0.1), nbt.Softmax(2), inputs=1)
    with pytest.raises(ZeroDivisionError):
        trainer.learn(np.ones((3, 1)), [0, 1, 0])
    assert trainer.step == 0


def test_fields_that_are_none():
    with pytest.raises(ValueError, match="field: expected a system of one phase, got 2"):
        nbt.Continuous(field(phases=2), 0.1)
    with pytest.raises(TypeError, match=r"cells\[0\].field: expected CTRNN"):
        nbt.Stack([nbt.Continuous(field(), 0.1)])
