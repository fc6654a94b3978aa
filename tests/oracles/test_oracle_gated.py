"""Gated cells and the rule by blocks: against differences, RTRL, and all signs."""

import itertools

import numpy as np
import pytest
from helpers.oracle_checks import close, differences, walk
from oracle import gated

N, M = 2, 3
CELLS = {
    "lstm": gated.LSTM(),
    "coupled": gated.LSTM(coupled=True),
    "gru": gated.GRU(),
    "mgu": gated.MGU(),
    "rnn": gated.Leaky([0.0, 0.0]),
    "leaky": gated.Leaky([0.3, -0.6]),
}


@pytest.fixture(params=CELLS)
def cell(request):
    return CELLS[request.param]


@pytest.fixture(params=[gated.Network, gated.Normalised], autouse=True)
def kind(request, monkeypatch):
    """What `network` makes."""
    monkeypatch.setattr(f"{__name__}.KIND", request.param)


KIND = gated.Network


def network(cell, seed=0, recurrent=True):
    rows = 1 + N + M + (KIND is gated.Normalised)
    theta = np.random.default_rng(seed).normal(size=(cell.gates, rows, N))
    return KIND(cell, theta, recurrent)


def influences(net, taken):
    """∂s(t)/∂θ by RTRL, after each step."""
    G = np.zeros((2, N, *net.theta.shape))
    for u, s in taken:
        G = net.forward(G, u, s)
        yield G


def exact(net, taken, H):
    """Σ_t H(t) ∂y(t)/∂θ, step by step."""
    return [
        np.einsum("i,igkn->gkn", h, G[1]) for h, G in zip(H, influences(net, taken), strict=True)
    ]


def blocks(taken, H, T):
    return [(taken[t : t + T], H[t : t + T]) for t in range(0, len(taken), T)]


def test_a_step_of_a_unit(cell):
    """Its derivatives are those by differences."""
    rng = np.random.default_rng(2)
    a, c = rng.normal(size=(cell.gates, N)), rng.normal(size=N)
    s = cell.step(a, c)
    unit = np.arange(N)

    def after(pair):
        made = cell.step(pair[:-1], pair[-1])
        return np.array([made.c, made.y])

    d = differences(after, np.vstack([a, c]))[:, unit, :, unit].transpose(
        1, 2, 0
    )  # (2, gates+1, n)
    close(s.c_a, d[0, :-1], 1e-8)
    close(s.c_c, d[0, -1], 1e-8)
    close(s.y_a + s.y_c * s.c_a, d[1, :-1], 1e-8)
    close(s.y_c * s.c_c, d[1, -1], 1e-8)


def test_rtrl(cell):
    """∂s(T)/∂θ is that by differences of the whole walk."""

    def end(theta):
        taken, _ = walk(KIND(cell, theta), 4, M)
        return np.array([taken[-1][1].c, taken[-1][1].y])

    net = network(cell)
    *_, G = influences(net, walk(net, 4, M)[0])
    close(G, differences(end, net.theta), 1e-8)


@pytest.mark.parametrize("rank", [0, 2])
def test_the_first_block_is_exact(cell, rank):
    """It is backpropagation through all of its steps."""
    net = network(cell)
    taken, H = walk(net, 5, M)
    close(gated.Blocks(net, rank).gradient(taken, H), sum(exact(net, taken, H)))


@pytest.mark.parametrize("kind", [gated.Network], indirect=True)  # no root mean square is shared
@pytest.mark.parametrize("T", [1, 2, 3])
@pytest.mark.parametrize("name", ["lstm", "coupled", "leaky"])
def test_without_recurrence_blocks_are_exact(name, T):
    """No path leaves its unit, so E holds all that is older."""
    net = network(CELLS[name], recurrent=False)
    taken, H = walk(net, 6, M)
    rule, signs = gated.Blocks(net, 0), np.empty((0, 2, N))
    wanted = exact(net, taken, H)
    for k, (steps, h) in enumerate(blocks(taken, H, T)):
        close(rule.gradient(steps, h), sum(wanted[k * T : (k + 1) * T]))
        rule.advance(steps, signs)


@pytest.mark.parametrize("T", [1, 2, 3])
def test_unbiased(cell, T):
    """The mean over all signs of two blocks is the gradient of the third by RTRL."""
    net = network(cell, seed=3)
    taken, H = walk(net, 3 * T, M)
    first, second, third = blocks(taken, H, T)
    total, count = 0, 0
    for signs in itertools.product([1.0, -1.0], repeat=4 * N):
        nu = np.reshape(signs, (2, 1, 2, N))
        rule = gated.Blocks(net, 1)
        rule.advance(first[0], nu[0])
        rule.advance(second[0], nu[1])
        total, count = total + rule.gradient(*third), count + 1
    wanted = sum(exact(net, taken, H)[2 * T :])
    close(total / count, wanted, 1e-11)
    biased = gated.Blocks(net, 0)
    for steps, _ in (first, second):
        biased.advance(steps, np.empty((0, 2, N)))
    assert np.abs(biased.gradient(*third) - wanted).max() > 1e-4 * np.abs(wanted).max()


def test_unbiased_with_two_pairs(cell):
    net = network(cell, seed=4)
    taken, H = walk(net, 4, M)
    first, second = blocks(taken, H, 2)
    total, count = 0, 0
    for signs in itertools.product([1.0, -1.0], repeat=4 * N):
        rule = gated.Blocks(net, 2)
        rule.advance(first[0], np.reshape(signs, (2, 2, N)))
        total, count = total + rule.gradient(*second), count + 1
    close(total / count, sum(exact(net, taken, H)[2:]), 1e-11)


def test_adam():
    """Two updates by hand, of a gradient that stays: each step is the rate, but for the floor."""
    theta, m, v = np.array([1.0, 2.0]), np.zeros(2), np.zeros(2)
    gradient = np.array([3.0, -0.5])
    for t in (1, 2):
        theta, m, v = gated.adam(theta, gradient, m, v, t, 0.01)
        step = 0.01 * gradient / np.sqrt(gradient**2 + 1e-6)
        close(theta, np.array([1.0, 2.0]) - t * step)
    close(m, gradient * (1 - 0.9**2))
    close(v, gradient**2 * (1 - 0.9999**2), 1e-9)
