"""The oracle on the linear example (28), h' = c h + theta with c = 1 - alpha of the paper."""

import numpy as np
import pytest
from helpers.oracle_checks import all_signs, close
from oracle import reduction
from oracle.philox import signs


def literally_one(w2, v2):
    """No scaling at all, as in (29)-(30): even a w that has come back to 0 keeps its v."""
    return 1.0, 1.0


def linear_step(v, w, sign, c, balance):
    """Reduction and transition of (28): one parameter a unit, z = (1,)."""
    n = v.shape[1]

    def inner(a, b):
        return (a * b).sum(axis=0)

    ones = np.ones(n)
    v, w = reduction.fold(v, w, np.eye(n), ones[None], sign, ones, inner, balance)
    return c * v, w


def linear_variance(n, T, c, rescaled):
    """Variance of v w^T after T steps, from (49): the n T terms have stayed apart all the time.

    Without rho the two factors of a term of age a are c^a e_i and e_i; with rho they are equal but
    for the last transition, c^((a+1)/2) e_i and c^((a-1)/2) e_i.
    """
    ages = np.arange(1, T + 1)
    left = c ** ((ages + 1) / 2 if rescaled else ages)
    right = c ** ((ages - 1) / 2) if rescaled else np.ones(T)
    product = left * right  # <v_i | w_i>, equal to c^age both ways
    crossed = n * (product.sum() ** 2 - (product**2).sum())  # the same unit at two times
    second = n * (left**2).sum() * n * (right**2).sum() + 2 * crossed
    return second - n * product.sum() ** 2


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("T", [1, 2, 3, 5])
def test_linear_example_variance_by_enumeration(rescaled, T):
    n, c = 2, 0.7
    balance = reduction.balance if rescaled else literally_one
    G = sum(c**age for age in range(1, T + 1)) * np.eye(n)
    mean, variance = 0.0, 0.0
    for sequence in all_signs(n * T).reshape(-1, T, n):
        v, w = np.zeros((1, n)), np.zeros((1, n))
        for sign in sequence:
            v, w = linear_step(v, w, sign, c, balance)
        estimate = np.outer(v[0], w[0])
        mean = mean + estimate / 2 ** (n * T)
        variance += ((estimate - G) ** 2).sum() / 2 ** (n * T)
    close(mean, G)
    assert variance == pytest.approx(linear_variance(n, T, c, rescaled), rel=1e-11)


def test_linear_example_variance_grows_only_without_rho():
    n, c = 5, 0.7
    grown = [linear_variance(n, T, c, rescaled=False) for T in (200, 300, 400)]
    slope = n**2 * c**2 / (1 - c**2)  # each further step: n, times n sum of c^2a
    assert grown[1] - grown[0] == pytest.approx(100 * slope, rel=1e-10)
    assert grown[2] - grown[1] == pytest.approx(100 * slope, rel=1e-10)
    bounded = [linear_variance(n, T, c, rescaled=True) for T in (200, 400)]
    assert bounded[1] == pytest.approx(bounded[0], rel=1e-12)
    assert bounded[1] < grown[0] / 20


def test_linear_example_rho_keeps_the_pair_bounded():
    """Footnote 9: v = c w after each transition, so no signs take |w_i| past 1 / (1 - sqrt c)."""
    n, c = 5, 0.7
    v, w = np.zeros((1, n)), np.zeros((1, n))
    free_v, free_w = v, w
    largest = 0.0
    for t in range(1500):
        sign = signs(3, 0, t, n)
        v, w = linear_step(v, w, sign, c, reduction.balance)
        free_v, free_w = linear_step(free_v, free_w, sign, c, literally_one)
        close(v, c * w)
        assert np.abs(w).max() <= 1 / (1 - np.sqrt(c))
        largest = max(largest, np.abs(free_w).max())
    assert largest > 5 / (1 - np.sqrt(c))
