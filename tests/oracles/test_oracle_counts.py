"""The oracle of counts: against computations by hand, and against differences."""

import numpy as np
import pytest
from oracle.readout import Counts


def learned(symbols, orders, text):
    counts = Counts(symbols, orders)
    for y in text:
        counts.learn(y, np.zeros(symbols))
        counts.follow(y)
    return counts


def test_probabilities_sum_to_one():
    rng = np.random.default_rng(0)
    counts = Counts(5, 3)
    for y in rng.integers(0, 5, 300):
        q = counts.q()
        assert q.min() > 0
        assert q.sum() == pytest.approx(1, abs=1e-12)
        counts.learn(int(y), np.zeros(5))
        counts.follow(int(y))


def test_nothing_counted_is_uniform():
    np.testing.assert_array_equal(Counts(4, 2).q(), np.full(4, 0.25))


def test_by_hand():
    """0 1 0 1 0, two symbols of three, order 1. The fourth and fifth are known after one symbol."""
    counts = learned(3, 1, [0, 1, 0, 1, 0])
    assert counts.c[0] == {(): {0: 2, 1: 1}}
    assert counts.c[1] == {(0,): {1: 2}, (1,): {0: 2}}
    q0 = (np.array([1.3, 0.3, 0.0]) + (0.7 * 2 + 0.5) / 3) / 3.5
    q1 = (np.array([0.0, 1.3, 0.0]) + (0.7 * 1 + 0.5) * q0) / 2.5
    np.testing.assert_allclose(counts.q(), q1, rtol=1e-15)
    assert counts.cell() == (1, 1)


def test_halved_when_full():
    counts = learned(2, 0, [])
    counts.c[0][()] = {0: 65535, 1: 3}
    counts.learn(0, np.zeros(2))
    assert counts.c[0][()] == {0: 32769, 1: 2}
    counts = learned(2, 1, [1])
    counts.c[1][(1,)] = {1: 255, 0: 2}
    counts.learn(1, np.zeros(2))
    assert counts.c[1][(1,)] == {1: 129, 0: 1}


def test_beta_follows_the_loss():
    """Its step is against the derivative of the loss by beta, and the first one is RATE long."""
    counts = learned(3, 2, [0, 1, 2, 0, 1, 0, 0, 1])
    rng = np.random.default_rng(1)
    logits, y, cell = rng.normal(size=3), 2, counts.cell()

    def loss(beta):
        o = logits + beta * np.log(counts.q())
        return np.log(np.exp(o).sum()) - o[y]

    slope = (loss(1 + 1e-5) - loss(1 - 1e-5)) / 2e-5
    counts.squares[cell] = 0
    counts.beta[cell] = 1
    o = logits + counts.logits()
    delta = np.exp(o) / np.exp(o).sum() - np.eye(3)[y]
    counts.learn(y, delta)
    assert counts.squares[cell] == pytest.approx(slope**2)
    assert counts.beta[cell] == pytest.approx(1 - 0.02 * np.sign(slope))
