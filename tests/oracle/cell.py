"""The recurrent cell: the leaky network (37), which with alpha = 0 is the network (31)."""

import numpy as np


def each(function, h, activations):
    """A function of h and an activation, where each unit has its own."""
    return np.array([function(h[i], one) for i, one in enumerate(activations)])


def activate(h, activation):
    """The activities a = sigma(h), same shape as h. Only exp of numbers <= 0: nothing overflows.

    activation : a name, or a sequence of names, one for each unit."""
    if not isinstance(activation, str):
        return each(activate, h, activation)
    if activation == "sigmoid":
        e = np.exp(-np.abs(h))
        return np.where(h >= 0.0, 1.0, e) / (1.0 + e)
    if activation == "tanh":
        return np.tanh(h)
    if activation == "identity":  # a system's own state as it is
        return np.array(h)
    raise ValueError(f"activation must be 'sigmoid' or 'tanh', not {activation!r}")


def slope(h, activation):
    """sigma'(h), same shape as h; not from a(1 - a) or 1 - a^2, where a near 1 leaves no digits."""
    if not isinstance(activation, str):
        return each(slope, h, activation)
    if activation == "identity":
        return np.ones_like(h)
    if activation == "sigmoid":
        e = np.exp(-np.abs(h))
        return e / (1.0 + e) ** 2
    e = np.exp(-2.0 * np.abs(h))
    return 4.0 * e / (1.0 + e) ** 2


def regressors(h, x, activation):
    """z = (1, a, x), shape (P,): also w_i = df_i/dtheta on unit i's own parameters (17)."""
    return np.concatenate([[1.0], activate(h, activation), x])


def transition(h, x, theta, alpha, activation):
    """h(t+1) from h(t), (37): sum_p z_p theta[p, i] + alpha_i h_i."""
    return regressors(h, x, activation) @ theta + alpha * h


def jacobian(h, theta, alpha, activation):
    """F[k, j] = dh_k(t+1)/dh_j(t) = W[j, k] sigma'(h_j) + alpha_k delta_kj, shape (n, n)."""
    n = len(h)
    W = theta[1 : 1 + n]
    return W.T * slope(h, activation) + np.diag(alpha)
