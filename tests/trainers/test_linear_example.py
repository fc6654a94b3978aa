"""The linear example (28): what docs/linear_example.md says of its variance."""

import importlib.util
import itertools

import numpy as np
import pytest
from helpers.places import DOCS

from nbt import _core

SOURCE = DOCS / "linear_example.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("linear_example", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def all_estimates(example, n, alpha, steps, rho):
    """The core's estimate of dh/db after `steps` transitions, for every choice of signs."""
    found, seed = {}, 0
    while len(found) < 2 ** (n * (steps - 1)):  # the first step's are of no effect
        signs = tuple(_core.sign_bits(seed, 0, t, 0)[0] % 2**n for t in range(1, steps))
        if signs not in found:
            trainer = example.trainer(n, alpha, rho=rho, seed=seed)
            trainer.observe(np.zeros((steps, 1)), ...)
            found[signs] = trainer.influence()[:, 0]
        seed += 1
    return np.array(list(found.values()))


def by_hand(n, alpha, steps, rho):
    """(29)-(30), or (13)-(16) with rho, as they are written, for every choice of signs."""
    estimates = []
    for signs in itertools.product((-1.0, 1.0), repeat=n * (steps - 1)):
        v = w = np.zeros(n)
        for eps in np.reshape(signs, (steps - 1, n)):
            norms = np.linalg.norm(v), np.linalg.norm(w)
            rho_bar = np.sqrt(norms[1] / norms[0]) if rho and all(norms) else 1.0
            v, w = (1 - alpha) * (rho_bar * v + eps), w / rho_bar + eps
        estimates.append(np.outer(v, w) + np.eye(n))
    return np.array(estimates)


def check(estimates, exact, n, alpha, steps):
    G = sum((1 - alpha) ** s for s in range(steps)) * np.eye(n)
    np.testing.assert_allclose(estimates.mean(axis=0), G, rtol=0, atol=1e-13)
    variance = ((estimates - G) ** 2).sum(axis=(1, 2)).mean()
    assert exact.shape == (steps,)
    assert exact[0] == 0
    assert exact[-1] == pytest.approx(variance, 1e-12, 1e-13)


@pytest.mark.parametrize("rho", [True, False])
@pytest.mark.parametrize(
    ("n", "alpha", "steps"), [(2, 0.3, 6), (3, 0.1, 4), (1, 0.6, 9), (2, 0.9, 2)]
)
def test_recursion_is_exact_over_all_signs(example, n, alpha, steps, rho):
    exact = example.exact_variance(n, alpha, steps, rho=rho)
    check(by_hand(n, alpha, steps, rho), exact, n, alpha, steps)


@pytest.mark.parametrize(
    ("n", "alpha", "steps", "rho"),
    [
        (2, 0.3, 5, True),
        (3, 0.1, 3, True),
        (1, 0.6, 7, True),
        (2, 0.9, 3, False),  # later on w may be 0 again, and then the core drops v, too
        (3, 0.1, 3, False),
    ],
)
def test_the_core_over_all_signs(example, n, alpha, steps, rho):
    exact = example.exact_variance(n, alpha, steps, rho=rho)
    check(all_estimates(example, n, alpha, steps, rho), exact, n, alpha, steps)


def test_two_dimensions_matter(example):
    """The enumeration above is not of zeros: except in one dimension at two steps."""
    assert example.exact_variance(2, 0.3, 5, rho=True)[-1] > 1


@pytest.mark.parametrize(("n", "alpha"), [(1, 0.5), (3, 0.1), (10, 0.03)])
def test_stationary_with_rho_linear_growth_without(example, n, alpha):
    steps = int(40 / alpha)
    with_rho = example.exact_variance(n, alpha, steps, rho=True)
    without = example.exact_variance(n, alpha, steps, rho=False)
    assert with_rho[-1] == pytest.approx(example.limit(n, alpha), 1e-9)
    assert (np.diff(with_rho) > -1e-9 * with_rho[-1]).all()
    growth = np.diff(without)
    np.testing.assert_allclose(growth[steps // 2 :], example.slope(n, alpha), rtol=1e-6)
    assert without[-1] > 10 * with_rho[-1]


@pytest.mark.parametrize("rho", [True, False])
def test_the_core_agrees_far_out(example, rho):
    """2000 pairs, 300 steps: to a few per cent of the exact variance."""
    at = [3, 30, 300]
    measured = example.measured_variance(4, 0.1, at, rho=rho, pairs=2000)
    exact = example.exact_variance(4, 0.1, 300, rho=rho)[np.array(at) - 1]
    np.testing.assert_allclose(measured, exact, rtol=0.1)
