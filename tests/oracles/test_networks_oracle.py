"""The oracle of networks is right: each derivative against a complex step through the model."""

import itertools

import numpy as np
import oracle.system
import pytest
from oracle.networks import Euler, Network, Stack, ctrnn

M, STEP = 2, 1e-30
GRAPH = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]], bool)  # unit 0 has one
TAU = np.array([1.0, 2.0, 5.0, 0.5])

SYSTEMS = {
    "dense": Network(3, M, keep=[0.1, 0.5, 0.9]),
    "graph": Network(4, M, GRAPH, activation="tanh"),
    "learned leaks": Network(4, M, GRAPH, keep=None),
    "field": ctrnn(4, M, TAU, GRAPH, "tanh"),
    "euler": Euler(ctrnn(4, M, TAU), 0.1),
}


def stack(skip=True):
    second = M * skip + 3
    return Stack(
        [
            Network(3, M, keep=None),
            Network(4, second, GRAPH, activation="tanh"),
            Network(2, M * skip + 4, keep=0.3),
        ],
        skip,
    )


for skip, (layer, phase) in itertools.product((True, False), enumerate("abc")):
    SYSTEMS[f"stack {phase}{' skip' * skip}"] = stack(skip).phases[layer]


def point(system, seed=0):
    """A typical (h, x, theta)."""
    rng = np.random.default_rng(seed)
    size = system.stack if hasattr(system, "stack") else system
    return rng.normal(size=size.n), rng.normal(size=M), rng.normal(size=size.p)


def dense(csr, n, p):
    matrix = np.zeros((n, p))
    for i, (indices, data) in enumerate(oracle.system.csr_rows(csr)):
        matrix[i, indices] = data
    return matrix


@pytest.mark.parametrize("name", SYSTEMS)
def test_derivatives(name):
    system = SYSTEMS[name]
    h, x, theta = point(system)
    n, p = len(h), len(theta)

    def along(dh, dtheta):
        return np.imag(system.step(h + 1j * STEP * dh, x, theta + 1j * STEP * dtheta)) / STEP

    F = np.stack([along(e, np.zeros(p)) for e in np.eye(n)], axis=1)
    v, u = np.random.default_rng(1).normal(size=(2, n))
    np.testing.assert_allclose(system.jvp(h, x, theta, v), F @ v, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(system.vjp(h, x, theta, u), F.T @ u, rtol=1e-12, atol=1e-14)
    rows = np.stack([along(np.zeros(n), e) for e in np.eye(p)], axis=1)
    np.testing.assert_allclose(dense(system.rows(h, x, theta), n, p), rows, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("skip", [True, False])
def test_rolling_is_the_rolled_out_model(skip):
    """RTRL along the inner steps (43)-(46) is the derivative of the model (39)-(42) over time."""
    model = stack(skip)
    h, _, theta = point(model)
    xs = np.random.default_rng(2).normal(size=(5, M))
    rule = oracle.system.RTRL(model.phases[0], h, theta)
    for x in xs:
        for phase in model.phases:
            rule.system = phase
            rule.advance(x)

    def run(theta):
        state = h
        for x in xs:
            state = model.step(state, x, theta)
        return state

    G = np.stack([np.imag(run(theta + 1j * STEP * e)) / STEP for e in np.eye(model.p)], axis=1)
    np.testing.assert_allclose(rule.h, run(theta), rtol=1e-12)
    np.testing.assert_allclose(rule.G, G, rtol=1e-10, atol=1e-13)


def test_layers_are_fed_in_the_order_of_the_paper():
    """Layer 2 sees the new activities of layer 1 (40), not the old ones."""
    networks = Network(1, 1), Network(1, 2)
    theta = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])  # b W r; b W r_x r_below
    h = Stack(networks).step(np.array([0.5, -0.5]), np.array([2.0]), theta)
    sigma = networks[0].sigma
    first = 0.1 + 0.2 * sigma(0.5) + 0.3 * 2
    assert h == pytest.approx([first, 0.4 + 0.5 * sigma(-0.5) + 0.6 * 2 + 0.7 * sigma(first)])
