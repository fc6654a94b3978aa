"""The rank-one trick (7): folding new rank-one terms into the pairs v_s, w."""

import numpy as np


def balance(w2, v2):
    """rho = sqrt(||w|| / ||v||) and 1 / rho, from the squared norms (52).

    A product with a factor of norm 0 is zero, and both its factors are then given up: scales 0, 0.
    """
    if w2 > 0.0 and v2 > 0.0:
        rho = (w2 / v2) ** 0.25
        return rho, 1.0 / rho
    return 0.0, 0.0


def unbalanced(w2, v2):
    """rho = 1, the norm "none": still unbiased, but with the variance of (29)-(30)."""
    return (1.0, 1.0) if w2 > 0.0 and v2 > 0.0 else (0.0, 0.0)


def kalman_weights(v, w, right, inner):
    """u_i = 1 / C_ii for ||v||^2 = sum_i u_i v_i^2, shape (n,), (61)-(62); 0 unless C_ii > 0.

    C_ii = (G~ M^-1 G~^T)_ii for one pair, where row i of G~ is sum_s v[s, i] w_s^T + right_i^T: the
    squares of both parts, and twice their product, as they meet in unit i's own parameters only.
    `inner(a, b)` is the product of each unit's columns.
    """
    S, n = v.shape
    w2, right2, product = inner(w, w), inner(right, right), inner(w, right)
    u = np.zeros(n)
    for i in range(n):
        C = right2[i] + 2.0 * v[i % S, i] * product[i]
        for s in range(S):
            C += v[s, i] ** 2 * sum(w2[j] for j in range(s, n, S))
        u[i] = 1.0 / C if C > 0.0 else 0.0
    return u


def fold(v, w, left, right, signs, u, inner, balance=balance):
    """One pair after folding in sum_i left_i right_i^T, in expectation over the signs: (13), (14).

    Unit i belongs to block s = i mod S, and only the terms of its own block enter v_s:

        v_s    <- rho_bar_s v_s + sum over i in s of sign_i rho_i left_i
        w[:,i] <- w[:,i] / rho_bar_s + sign_i right_i / rho_i

    v (S, n), w (P, n); left (n, n): column i belongs to term i; right (P, n): column i lies on unit
    i's own parameters; signs (n,); u (n,): ||v||^2 = sum_i u_i v_i^2; `inner` as above.
    """
    S, n = v.shape
    w2, right2 = inner(w, w), inner(right, right)
    new_v, new_w = np.zeros_like(v), np.zeros_like(w)
    for s in range(S):
        members = range(s, n, S)
        rho_bar, inverse_bar = balance(sum(w2[i] for i in members), (u * v[s] ** 2).sum())
        new_v[s] = rho_bar * v[s]
        for i in members:
            rho, inverse = balance(right2[i], (u * left[:, i] ** 2).sum())
            new_v[s] += signs[i] * rho * left[:, i]
            new_w[:, i] = inverse_bar * w[:, i] + signs[i] * inverse * right[:, i]
    return new_v, new_w
