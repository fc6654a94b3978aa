"""Stacks of gated layers, and the rule by blocks: against differences, and all signs."""

import itertools

import numpy as np
import pytest
from helpers.oracle_checks import close, differences, walk
from helpers.stacked import Stack
from oracle import gated

M, UNITS = 3, (2, 1)
CELLS = {
    "lstm": gated.LSTM(),
    "coupled": gated.LSTM(coupled=True),
    "gru": gated.GRU(),
    "mgu": gated.MGU(),
}


@pytest.fixture(params=CELLS)
def cell(request):
    return CELLS[request.param]


@pytest.fixture(params=[gated.Network, gated.Normalised])
def kind(request):
    return request.param


def shapes(cell, kind, units=UNITS):
    below = (M, *units[:-1])
    extra = 1 + (kind is gated.Normalised)
    return [(cell.gates, extra + n + m, n) for n, m in zip(units, below, strict=True)]


def stack(cell, kind, theta, recurrent=True, units=UNITS):
    wanted = shapes(cell, kind, units)
    parts = np.split(theta, np.cumsum([np.prod(shape) for shape in wanted])[:-1])
    return Stack(
        [
            kind(cell, part.reshape(shape), recurrent)
            for part, shape in zip(parts, wanted, strict=True)
        ]
    )


def drawn(cell, kind, seed=0, units=UNITS):
    size = sum(np.prod(shape) for shape in shapes(cell, kind, units))
    return np.random.default_rng(seed).normal(size=size)


def exact(net, taken, H, first):
    """∂/∂θ of Σ H(t) y(t) from step `first` on, by backpropagation through all steps."""
    seen = np.where(np.arange(len(H))[:, np.newaxis] >= first, H, 0.0)
    return gated.Blocks(net, 0).gradient(taken, seen)


@pytest.mark.parametrize("units", [(2, 3), (3, 2, 2)])
def test_backpropagation(cell, kind, units):
    """Through all layers, against differences."""
    theta = drawn(cell, kind, units=units)

    def total(theta):
        taken, H = walk(stack(cell, kind, theta, units=units), 4, M)
        return np.array([sum((h * s.y).sum() for (_, s), h in zip(taken, H, strict=True))])

    net = stack(cell, kind, theta, units=units)
    close(exact(net, *walk(net, 4, M), 0), differences(total, theta)[0], 1e-7)


def test_a_step_forwards(cell, kind):
    """F v, against differences."""
    net = stack(cell, kind, drawn(cell, kind))
    rng = np.random.default_rng(5)
    state, v, x = rng.normal(size=(2, net.n)), rng.normal(size=(2, net.n)), rng.normal(size=M)

    def after(state):
        _, s = net.step(x, state)
        return np.array([s.c, s.y])

    u, s = net.step(x, state)
    close(net.jvp(v, u, s), np.einsum("abij,ij->ab", differences(after, state), v), 1e-7)


@pytest.mark.parametrize(
    ("kind", "units", "T"),
    [
        (gated.Network, (1, 1), 1),
        (gated.Network, (1, 1), 2),
        (gated.Network, (1, 1, 1), 1),
        (gated.Normalised, (2, 1), 1),
    ],
)
def test_unbiased(cell, kind, units, T):
    """The mean over all signs of two blocks is the exact gradient of the third."""
    net = stack(cell, kind, drawn(cell, kind, 3, units), units=units)
    taken, H = walk(net, 3 * T, M)
    first, second, third = (taken[k * T : (k + 1) * T] for k in range(3))
    total, count = 0, 0
    for signs in itertools.product([1.0, -1.0], repeat=4 * net.n):
        nu = np.reshape(signs, (2, 1, 2, net.n))
        rule = gated.Blocks(net, 1)
        rule.advance(first, nu[0])
        rule.advance(second, nu[1])
        total, count = total + rule.gradient(third, H[2 * T :]), count + 1
    wanted = exact(net, taken, H, 2 * T)
    close(total / count, wanted, 1e-11)
    biased = gated.Blocks(net, 0)
    for steps in (first, second):
        biased.advance(steps, np.empty((0, 2, net.n)))
    assert np.abs(biased.gradient(third, H[2 * T :]) - wanted).max() > 1e-4 * np.abs(wanted).max()


def test_unbiased_with_two_pairs(cell):
    units = (1, 1)
    net = stack(cell, gated.Network, drawn(cell, gated.Network, 4, units), units=units)
    taken, H = walk(net, 4, M)
    total, count = 0, 0
    for signs in itertools.product([1.0, -1.0], repeat=4 * net.n):
        rule = gated.Blocks(net, 2)
        rule.advance(taken[:2], np.reshape(signs, (2, 2, net.n)))
        total, count = total + rule.gradient(taken[2:], H[2:]), count + 1
    close(total / count, exact(net, taken, H, 2), 1e-11)


@pytest.mark.parametrize("T", [1, 3])
def test_without_recurrence_only_other_layers_are_lost(T):
    """Of the top layer E holds all that is older than a block; of the layer below not what went
    up before the block."""
    cell = gated.LSTM()
    net = stack(cell, gated.Network, drawn(cell, gated.Network), recurrent=False)
    taken, H = walk(net, 2 * T, M)
    rule = gated.Blocks(net, 0)
    rule.advance(taken[:T], np.empty((0, 2, net.n)))
    found = net.of_theta(rule.gradient(taken[T:], H[T:]))
    wanted = net.of_theta(exact(net, taken, H, T))
    close(found[1], wanted[1])
    assert np.abs(found[0] - wanted[0]).max() > 1e-3 * np.abs(wanted[0]).max()
