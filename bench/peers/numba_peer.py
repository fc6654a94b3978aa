"""Rank-one NoBackTrack in Numba: loops written by hand, a whole block in one compiled call.

Compiled with fastmath, two to three times faster here than without. Units are the inner loop of
every sweep, which LLVM vectorises; gradient, update and reduction are one sweep over theta and w,
for Kalman over J and its first row as well. What the Kalman reduction does to w is known only after
that sweep, and waits for the next one.
"""

from __future__ import annotations

from functools import partial

import numba
import numpy as np

__all__ = ["RULES", "Euclidean", "Kalman"]

compiled = partial(numba.njit, fastmath=True, error_model="numpy")


@compiled
def next_word(word):
    """xorshift64: the next state, whose bits are the signs."""
    word ^= word << np.uint64(13)
    word ^= word >> np.uint64(7)
    word ^= word << np.uint64(17)
    return word


@compiled
def draw(random, signs, t, sign):
    """Signs of step t, given ones or random ones, into `sign`; returns the generator's state."""
    for i in range(len(sign)):
        if len(signs):
            sign[i] = signs[t, i]
        else:
            if i % 64 == 0:
                random = next_word(random)
            bit = (random >> np.uint64(i % 64)) & np.uint64(1)
            sign[i] = 1.0 if bit else -1.0
    return random


@compiled
def quotient(a, b):
    """(a / b)^(1/4) and its inverse, both 0 where a or b is 0: (13), (14) from squared norms."""
    if not (a > 0 and b > 0):
        return a * 0, a * 0
    rho = np.sqrt(np.sqrt(a / b))
    return rho, 1 / rho


@compiled
def predict(phi, h, y, a, slope, delta):
    """Activities, slopes and dloss/dlogits of a step; returns the loss."""
    n, A = len(h), len(delta)
    one = h.dtype.type(1)
    for i in range(n):
        a[i] = one / (one + np.exp(-h[i]))
        slope[i] = a[i] * (one - a[i])
    for k in range(A):
        delta[k] = phi[0, k]
    for i in range(n):
        for k in range(A):
            delta[k] += a[i] * phi[1 + i, k]
    top = delta[0]
    for k in range(A):
        top = max(top, delta[k])
    seen = delta[y] - top
    total = h.dtype.type(0)
    for k in range(A):
        delta[k] = np.exp(delta[k] - top)
        total += delta[k]
    for k in range(A):
        delta[k] /= total
    delta[y] -= one
    return np.log(total) - seen


@compiled
def transition(theta, a, folded, last, h, v):
    """h and v after the step, from activities and the vector to be pushed through."""
    n = len(h)
    for i in range(n):
        h[i] = theta[0, i] + theta[last, i]
        v[i] = 0
    for j in range(n):
        for i in range(n):
            h[i] += a[j] * theta[1 + j, i]
            v[i] += folded[j] * theta[1 + j, i]


@compiled
def regress(z, a, last, row):
    """z = (1, a, x) of a step whose input's row is `row`, in place of `last`'s (-1: none)."""
    if last >= 0:
        z[last] = 0
    z[0] = z[row] = 1
    for i in range(len(a)):
        z[1 + i] = a[i]


@compiled
def euclidean_block(
    symbols, signs, random, scale, step, theta, phi, h, v, w, z, z_last, J, last, losses
):
    """Learns from a block; everything but the first three and `scale` is changed or returned.

    signs (steps, n), or (0, n): drawn from the generator whose state is `random`. `last` is the row
    of the last input in theta, or -1. Returns `random` and `last`. `z_last` and `J` are not used.
    """
    P, n = theta.shape
    A = phi.shape[1]
    one, zero = theta.dtype.type(1), theta.dtype.type(0)
    a, slope, H, sign = np.empty_like(h), np.empty_like(h), np.empty_like(h), np.empty_like(h)
    delta, folded = np.empty(A, theta.dtype), np.empty_like(h)
    w2 = zero
    for p in range(P):
        for i in range(n):
            w2 += w[p, i] * w[p, i]
    for t in range(len(symbols)):
        y = symbols[t]
        rate = theta.dtype.type(scale / np.sqrt(step + t + 1.0))

        # predict, readout
        losses[t] = predict(phi, h, y, a, slope, delta)
        for k in range(A):
            phi[0, k] -= rate * delta[k]
        for i in range(n):
            pulled = zero
            size = rate * a[i]
            for k in range(A):
                pulled += phi[1 + i, k] * delta[k]
                phi[1 + i, k] -= size * delta[k]
            H[i] = slope[i] * pulled

        # gradient's and reduction's coefficients
        Hv, v2, z2 = zero, zero, zero
        for i in range(n):
            Hv += H[i] * v[i]
            v2 += v[i] * v[i]
            z2 += z[1 + i] * z[1 + i]
        if last >= 0:
            z2 += one + one
        rho_bar, inverse_bar = quotient(w2, v2)
        rho, inverse = quotient(z2, one)
        random = draw(random, signs, t, sign)
        for i in range(n):
            folded[i] = slope[i] * (rho_bar * v[i] + rho * sign[i])
            sign[i] *= inverse
            H[i] *= rate

        # gradient, update and reduction; rows of absent inputs have z = 0
        Hv *= rate
        w2 = zero
        for p in range(P):
            zp = z[p]
            if p <= n or p == last:
                for i in range(n):
                    wi = w[p, i]
                    theta[p, i] -= Hv * wi + zp * H[i]
                    wi = inverse_bar * wi + zp * sign[i]
                    w[p, i] = wi
                    w2 += wi * wi
            else:
                for i in range(n):
                    wi = w[p, i]
                    theta[p, i] -= Hv * wi
                    wi = inverse_bar * wi
                    w[p, i] = wi
                    w2 += wi * wi

        row = 1 + n + y
        transition(theta, a, folded, row, h, v)
        regress(z, a, last, row)
        last = row
    return random, last


@compiled
def kalman_block(
    symbols, signs, random, scale, step, theta, phi, h, v, w, z, z_last, J, last, losses
):
    """The same with outer products (20)-(27) and their norms (59)-(64).

    J: J and its first row for theta and for phi, as (J, J0, J_phi, J0_phi); `z_last` (P) is the z
    that the waiting reduction adds to w.
    """
    P, n = theta.shape
    A = phi.shape[1]
    one, zero, prior = theta.dtype.type(1), theta.dtype.type(0), theta.dtype.type(n)
    a, slope, H, sign = np.empty_like(h), np.empty_like(h), np.empty_like(h), np.empty_like(h)
    delta, folded, u = np.empty(A, theta.dtype), np.empty_like(h), np.empty_like(h)
    J_theta, J0_theta, J_phi, J0_phi = J
    g0, w0, inverse0, moved = np.empty_like(h), np.empty_like(h), np.empty_like(h), np.empty_like(h)
    norm_w, norm_z, inner = np.empty_like(h), np.empty_like(h), np.empty_like(h)
    phi_inverse0, phi_moved = np.empty_like(delta), np.empty_like(delta)
    add, keep, before = np.zeros_like(h), one, -1
    for t in range(len(symbols)):
        y = symbols[t]
        gamma = theta.dtype.type(min(1.0, scale / np.sqrt(step + t + 1.0)))
        rest = one - gamma

        # predict, readout: its gradient a1 delta, of which the first row is delta itself
        losses[t] = predict(phi, h, y, a, slope, delta)
        for k in range(A):
            J_phi[0, k] = rest * J_phi[0, k] + delta[k] * delta[k]
            phi_inverse0[k] = one / (J_phi[0, k] + prior)
            phi_moved[k] = delta[k] * phi_inverse0[k]
        for i in range(n):
            pulled = zero
            for k in range(A):
                pulled += phi[1 + i, k] * delta[k]
                g = a[i] * delta[k]
                J_phi[1 + i, k] = rest * J_phi[1 + i, k] + g * g
                J0_phi[1 + i, k] = rest * J0_phi[1 + i, k] + delta[k] * g
                q = J0_phi[1 + i, k] * phi_inverse0[k]
                change = (g - delta[k] * q) / (J_phi[1 + i, k] + prior - J0_phi[1 + i, k] * q)
                phi[1 + i, k] -= change
                phi_moved[k] -= q * change
            H[i] = slope[i] * pulled
        for k in range(A):
            phi[0, k] -= phi_moved[k]

        # what waits, gradient, update and norms in one sweep; the first row is needed by the others
        Hv = zero
        for i in range(n):
            Hv += H[i] * v[i]
        for i in range(n):
            w[0, i] = w0[i] = keep * w[0, i] + z_last[0] * add[i]
            g0[i] = Hv * w0[i] + z[0] * H[i]
            J_theta[0, i] = rest * J_theta[0, i] + g0[i] * g0[i]
            inverse0[i] = one / (J_theta[0, i] + prior)
            moved[i] = g0[i] * inverse0[i]
            norm_w[i] = w0[i] * w0[i] * inverse0[i]
            norm_z[i] = z[0] * z[0] * inverse0[i]
            inner[i] = w0[i] * z[0] * inverse0[i]
        for p in range(1, P):
            zp, zq = z[p], z_last[p]
            for i in range(n):
                wi = keep * w[p, i] + zq * add[i]
                g = Hv * wi + zp * H[i]
                w[p, i] = wi
                J_theta[p, i] = rest * J_theta[p, i] + g * g
                J0_theta[p, i] = rest * J0_theta[p, i] + g0[i] * g
                q = J0_theta[p, i] * inverse0[i]
                r = one / (J_theta[p, i] + prior - J0_theta[p, i] * q)
                change = (g - g0[i] * q) * r
                theta[p, i] -= change
                moved[i] -= q * change
                w_part, z_part = wi - w0[i] * q, zp - z[0] * q
                norm_w[i] += w_part * w_part * r
                norm_z[i] += z_part * z_part * r
                inner[i] += w_part * z_part * r
        all_w = zero
        for i in range(n):
            theta[0, i] -= moved[i]
            all_w += norm_w[i]

        # reduction
        v2 = zero
        for i in range(n):
            C = v[i] * (v[i] * all_w + inner[i] + inner[i]) + norm_z[i]
            u[i] = one / C if C > 0 else zero
            v2 += u[i] * v[i] * v[i]
        rho_bar, keep = quotient(all_w, v2)
        random = draw(random, signs, t, sign)
        for i in range(n):
            rho, inverse = quotient(norm_z[i], u[i])
            folded[i] = slope[i] * (rho_bar * v[i] + rho * sign[i])
            add[i] = inverse * sign[i]

        row = 1 + n + y
        transition(theta, a, folded, row, h, v)
        if before >= 0:
            z_last[before] = zero
        for p in range(1 + n):
            z_last[p] = z[p]
        if last >= 0:
            z_last[last] = one
        regress(z, a, last, row)
        before, last = last, row

    # what waits, so that another block begins with nothing
    for p in range(P):
        for i in range(n):
            w[p, i] = keep * w[p, i] + z_last[p] * add[i]
        z_last[p] = zero
    return random, last


class RankOne:
    """Common to the two rules."""

    block = None

    def __init__(self, theta, phi, scale, seed) -> None:
        P, n = theta.shape
        self.theta, self.phi, self.scale = theta.copy(), phi.copy(), scale
        self.h, self.v = np.zeros(n, theta.dtype), np.zeros(n, theta.dtype)
        self.w = np.zeros((P, n), theta.dtype)
        self.z, self.z_last = np.zeros(P, theta.dtype), np.zeros(P, theta.dtype)
        self.J = tuple(np.zeros_like(like) for like in (theta, theta, phi, phi))
        self.random, self.last, self.step = np.uint64(seed + 1), -1, 0

    def learn(self, symbols, signs=None) -> np.ndarray:
        """Losses of a block, in nats; `signs` (steps, n) in place of its own random ones."""
        losses = np.empty(len(symbols))
        if signs is None:
            signs = np.empty((0, len(self.h)), self.theta.dtype)
        random, self.last = type(self).block(
            *(symbols, signs, self.random, self.scale, self.step, self.theta, self.phi),
            *(self.h, self.v, self.w, self.z, self.z_last, self.J, self.last, losses),
        )
        self.random, self.step = np.uint64(random), self.step + len(symbols)
        return losses


class Euclidean(RankOne):
    """Euclidean norms, gradient descent."""

    block = euclidean_block


class Kalman(RankOne):
    """Kalman norms, quasi-diagonal outer products."""

    block = kalman_block


RULES = {
    "euclidean": {"loops, fastmath": Euclidean},
    "kalman": {"loops, fastmath": Kalman},
}
