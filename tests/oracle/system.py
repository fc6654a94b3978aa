"""RTRL and NoBackTrack (Algorithm 1) on any system h(t+1) = f(h(t), x(t), theta), plain NumPy.

The system has `step`, `jvp`, `rows` (df/dtheta as CSR arrays) and `loss`, as `nbt.System` does. A
step of `learn` is supervised: the transition on x, then the loss against y and
theta <- theta - rate(t) g.
"""

import itertools

import numpy as np


def csr_rows(csr):
    """The rows of CSR arrays: a list of (indices, data)."""
    indptr, indices, data = csr
    return [(indices[start:stop], data[start:stop]) for start, stop in itertools.pairwise(indptr)]


class Rule:
    """What both rules share. `h` (n,), `theta` (p,); `t` counts steps."""

    def __init__(self, system, h, theta, rate=lambda t: 0.0):
        self.system, self.rate, self.t = system, rate, 0
        self.h, self.theta = np.array(h, float), np.array(theta, float)
        self.n, self.p = len(self.h), len(self.theta)

    def learn(self, xs, ys):
        losses = []
        for x, y in zip(xs, ys, strict=True):
            self.advance(x)
            loss, H = self.system.loss(self.h, y)
            self.theta = self.theta - self.rate(self.t) * (H @ self.influence())
            losses.append(loss)
            self.t += 1
        return np.array(losses)

    def advance(self, x):
        rows = csr_rows(self.system.rows(self.h, x, self.theta))
        self.move(lambda v: self.system.jvp(self.h, x, self.theta, v), rows)
        self.h = self.system.step(self.h, x, self.theta)


class RTRL(Rule):
    """G = dh/dtheta (n, p), exact, by (4)."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.G = np.zeros((self.n, self.p))

    def move(self, push, rows):
        self.G = np.stack([push(column) for column in self.G.T], axis=1)
        for i, (indices, data) in enumerate(rows):
            self.G[i, indices] += data

    def influence(self):
        return self.G


class NoBackTrack(Rule):
    """G~ = v w^T + sum_i e_i w_i^T (9), with the w_i as sparse as the system's rows are.

    `signs(t)` gives the signs (n,) of step t.
    """

    def __init__(self, *args, signs, **more):
        super().__init__(*args, **more)
        self.signs = signs
        self.v, self.w = np.zeros(self.n), np.zeros(self.p)
        self.rows = [(np.zeros(0, int), np.zeros(0))] * self.n

    def move(self, push, rows):
        """Reduction (13)-(15), then transition (16)-(17)."""
        rho, inverse = balance(np.linalg.norm(self.w), np.linalg.norm(self.v))
        v, w = rho * self.v, inverse * self.w
        for i, sign in enumerate(self.signs(self.t)):
            indices, data = self.rows[i]
            rho, inverse = balance(np.linalg.norm(data), 1.0)
            v[i] += sign * rho
            w[indices] += sign * inverse * data
        self.v, self.w, self.rows = push(v), w, rows

    def influence(self):
        G = np.outer(self.v, self.w)
        for i, (indices, data) in enumerate(self.rows):
            G[i, indices] += data
        return G


def balance(w, v):
    """rho and 1 / rho (52); 0 and 0 for a product that is zero."""
    if w > 0 and v > 0:
        return np.sqrt(w / v), np.sqrt(v / w)
    return 0.0, 0.0
