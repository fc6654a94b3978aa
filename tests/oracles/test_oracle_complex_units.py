"""Complex units: against differences, RTRL, and all signs."""

import itertools

import numpy as np
import pytest
from helpers.oracle_checks import close, differences, walk
from oracle import gated
from oracle.complex_units import LRU, Turning

N, M = 4, 3


def network(seed=0, n=N):
    return Turning(LRU(), np.random.default_rng(seed).normal(size=(1, 2 + n + M, n)))


def exact(net, taken, H):
    """Σ_t H(t) ∂y(t)/∂θ, step by step."""
    G = np.zeros((2, net.n, *net.theta.shape))
    for (u, s), h in zip(taken, H, strict=True):
        G = net.forward(G, u, s)
        yield np.einsum("i,igkn->gkn", h, G[1])


def test_the_eigenvalue():
    """|λ| = σ(ν); its angle is 2 arctan e^η; γ² = 1 - |λ|²."""
    net = network()
    nu, eta = net.theta[0, -1, ::2], net.theta[0, -1, 1::2]
    close(np.abs(net.lam), gated.sigma(nu))
    close(np.angle(net.lam), 2 * np.arctan(np.exp(eta)))
    close(net.gamma[::2] ** 2, 1 - np.abs(net.lam) ** 2)


def test_rtrl():
    """∂s(T)/∂θ is that by differences of the whole walk."""

    def end(theta):
        taken, _ = walk(Turning(LRU(), theta), 4, M)
        return np.array([taken[-1][1].c, taken[-1][1].y])

    net = network()
    G = np.zeros((2, N, *net.theta.shape))
    for u, s in walk(net, 4, M)[0]:
        G = net.forward(G, u, s)
    close(net.chain(G), differences(end, net.theta), 1e-8)


def test_a_step_forward():
    """Its product with v is that by differences of the state before."""
    net, rng = network(), np.random.default_rng(2)
    state, x, v = rng.normal(size=(2, N)), rng.normal(size=M), rng.normal(size=(2, N))
    u, s = net.step(x, state)

    def after(scale):
        made = net.step(x, state + scale * v)[1]
        return np.array([made.c, made.y])

    close(net.jvp(v, u, s), differences(after, np.zeros(1))[..., 0], 1e-8)
    one = rng.normal(size=(2, N))
    close((net.back(one, u, s)[1] * v).sum(), (one * net.jvp(v, u, s)).sum())


@pytest.mark.parametrize("T", [1, 2, 3])
def test_blocks_are_exact(T):
    """No path leaves its unit, so E holds all that is older."""
    net = network()
    taken, H = walk(net, 6, M)
    wanted, rule = list(exact(net, taken, H)), gated.Blocks(net, 0)
    for t in range(0, 6, T):
        steps = taken[t : t + T]
        close(rule.gradient(steps, H[t : t + T]), sum(wanted[t : t + T]))
        rule.advance(steps, np.empty((0, 2, N)))


@pytest.mark.parametrize(("T", "rank"), [(1, 1), (2, 1), (3, 1), (2, 2)])
def test_unbiased(T, rank):
    """Pairs add noise, and no bias."""
    net = network(seed=3, n=2)
    taken, H = walk(net, 2 * T, M)
    total, count = 0, 0
    for signs in itertools.product([1.0, -1.0], repeat=4 * rank):
        rule = gated.Blocks(net, rank)
        rule.advance(taken[:T], np.reshape(signs, (rank, 2, 2)))
        total, count = total + rule.gradient(taken[T:], H[T:]), count + 1
    close(total / count, sum(list(exact(net, taken, H))[T:]), 1e-11)
