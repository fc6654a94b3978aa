"""The softmax readout (48) and its exact derivatives (10), (11). Losses are in nats."""

import numpy as np

from .cell import activate, slope


def probabilities(h, phi, activation):
    """p (A,): the softmax of phi[0] + a phi[1:]."""
    logits = phi[0] + activate(h, activation) @ phi[1:]
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def loss(h, y, phi, activation):
    """-log p[y]."""
    logits = phi[0] + activate(h, activation) @ phi[1:]
    top = logits.max()
    return top + np.log(np.exp(logits - top).sum()) - logits[y]


def delta(h, y, phi, activation):
    """dloss/dlogits = p - onehot(y), shape (A,)."""
    result = probabilities(h, phi, activation)
    result[y] -= 1.0
    return result


def gradient(h, delta, activation):
    """dloss/dphi[p, z] = (1, a)_p delta_z, shape (1 + n, A)."""
    return np.outer(np.concatenate([[1.0], activate(h, activation)]), delta)


def backward(h, delta, phi, activation):
    """H_i = dloss/dh_i = sigma'(h_i) sum_z phi[1 + i, z] delta_z, shape (n,) (11)."""
    return slope(h, activation) * (phi[1:] @ delta)
