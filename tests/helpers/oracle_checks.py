"""What the tests of the oracle compare with: differences, dense matrices, all signs."""

import itertools

import numpy as np

ACTIVATIONS = ("sigmoid", "tanh")
NORMS = ("euclidean", "kalman", "fisher", "none")
SYMBOLS = (2, 0, 4, 1, 1, 3, 0)


def fixed(value):
    return lambda t: value


def differences(f, x, step=1e-5):
    """df/dx by central differences, shape of f(x) + shape of x."""
    f0 = np.asarray(f(x))
    result = np.empty(f0.shape + x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        result[(..., *index)] = (np.asarray(f(up)) - np.asarray(f(down))) / (2 * step)
    return result


def close(actual, expected, tolerance=1e-12):
    """Equal to `tolerance` of the largest entry expected."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def dense(J, J0, prior, i):
    """The matrix M (P, P) that the diagonal and first row of block i stand for (optimizer.py)."""
    row = J0[:, i].copy()
    row[0] = J[0, i] + prior
    M = np.outer(row, row) / row[0]
    M[np.diag_indices(len(row))] = J[:, i] + prior
    return M


def dense_norm2(M, w):
    return w @ np.linalg.solve(M, w)


def all_signs(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def theta_of(state):
    return np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]])


def phi_of(state):
    return np.vstack([state["readout.b"], state["readout.W"]])


def with_theta(state, theta):
    n = len(state["cell.b"])
    return state | {"cell.b": theta[0], "cell.W": theta[1 : 1 + n], "cell.r": theta[1 + n :]}


def with_phi(state, phi):
    return state | {"readout.b": phi[0], "readout.W": phi[1:]}


def cold(state):
    """The same state with nothing known about the past: h is a constant."""
    return state | {"estimator.G": np.zeros_like(state["estimator.G"])}


def walk(net, steps, inputs, seed=1):
    """(u, `Step`) of each step of a network of oracle.gated, and ∂ℓ/∂y(t) (steps, n)."""
    rng = np.random.default_rng(seed)
    taken, state = [], np.zeros((2, net.n))
    for x in rng.normal(size=(steps, inputs)):
        u, s = net.step(x, state)
        taken.append((u, s))
        state = np.array([s.c, s.y])
    return taken, rng.normal(size=(steps, net.n))
