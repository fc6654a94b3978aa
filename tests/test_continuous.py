"""Continuous time (47): what happens to the estimate as the step δt → 0, with and without ρ.

K pairs of one trainer are K independent estimates on one trajectory; statistics over them.
"""

import functools

import numpy as np
import oracle.networks
import pytest

import nbt

UNITS, PAIRS, TIME = 3, 1500, 2.0
STEPS = (10, 20, 40, 80, 160)  # δt is halved four times


@functools.cache
def run(norm, steps):
    """h, v̄ and w̄ before and after the last step, and the exact ∂h/∂θ, all at the same time."""
    dt = TIME / steps
    cell = nbt.Continuous(nbt.CTRNN(UNITS, (0.5, 1.0, 2.0), "tanh"), dt)
    common = {"inputs": 1, "dtype": "float64", "seed": 5}
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
    errors = [np.abs(a - b).max() for a, b in zip(h, h[1:], strict=False)]
    np.testing.assert_allclose(np.divide(errors[1:], errors[:-1]), 0.5, atol=0.1)


@pytest.mark.parametrize("name", ["v", "w"])
def test_with_rho_a_step_changes_the_pair_by_the_root_of_dt(name):
    factors = halvings(lambda steps: change("euclidean", steps, name))
    np.testing.assert_allclose(factors, np.sqrt(0.5), rtol=0.05)


@pytest.mark.parametrize("name", ["v", "w"])
def test_with_rho_the_pair_has_a_limit(name):
    """Each halving changes its size by less, the last by a few per cent."""
    factors = halvings(lambda steps: size("euclidean", steps, name))
    assert abs(factors[-1] - 1) < 0.06
    assert np.prod(factors) == pytest.approx(1, abs=0.5)


def test_with_rho_the_estimate_has_a_limit():
    factors = halvings(lambda steps: variance("euclidean", steps))
    assert (np.abs(factors[-2:] - 1) < 0.1).all()
    assert np.abs(factors - 1)[-1] < np.abs(factors - 1)[0]


def test_without_rho_the_pair_has_none():
    """v̄ changes by O(1) a step, whatever δt; w̄ by O(δt): one grows beyond all bounds as δt → 0,
    the other vanishes."""
    np.testing.assert_allclose(halvings(lambda n: change("none", n, "v")), 1, rtol=0.05)
    np.testing.assert_allclose(halvings(lambda n: change("none", n, "w")), 0.5, rtol=0.05)
    np.testing.assert_allclose(halvings(lambda n: size("none", n, "v")), 2, rtol=0.25)
    np.testing.assert_allclose(halvings(lambda n: size("none", n, "w")), 0.5, rtol=0.15)


def test_without_rho_the_product_has_a_limit_all_the_same():
    """Without any ρ, halving δt multiplies v̄ by √2 and divides w̄ by it: the paper says no more
    than that the pair has no limit. The variance is larger than with ρ."""
    assert halvings(lambda n: variance("none", n))[-1] == pytest.approx(1, abs=0.15)
    assert variance("none", STEPS[-1]) > 2 * variance("euclidean", STEPS[-1])


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
    assert (factors > 1.7).all()
    assert factors[-1] > 3
