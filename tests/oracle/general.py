"""The rules on any system h(t+1) = f(h(t), x(t), theta), with a softmax readout, in plain NumPy.

The system has `step`, `jvp`, `vjp` and `rows` (CSR arrays) like `nbt.System`, for each phase of a
step: `phases` is a list of such. Here everything is dense and whole: w_i are the rows of a matrix
(n, p), and the Kalman metric is a matrix (p, p) (metric.py).

Of a state: h (n,), theta (p,), phi (1 + n, A), step, seed, and of the rule: v (K, n), w (K, p) and
rows (n, p) for NoBackTrack; G (n, p) for RTRL; a window that begins empty for TruncatedBPTT.
"""

import numpy as np

from . import cell, readout
from .metric import Metric, Plain
from .optimizer import SGD, Adam
from .philox import signs
from .reduction import balance


def dense(csr, n, p):
    indptr, indices, data = csr
    result = np.zeros((n, p))
    for i in range(n):
        result[i, indices[indptr[i] : indptr[i + 1]]] = data[indptr[i] : indptr[i + 1]]
    return result


def fisher_root(o, kind):
    """Rows c_r with sum c_r c_r^T = I, the Fisher matrix of the outputs o (A,): by expectation over
    a grid of targets for the softmax; from the variances for the Gaussian."""
    if kind == "softmax":
        p = readout.Softmax.predict(o)
        return np.sqrt(p)[:, None] * (p - np.eye(len(p)))  # of each target's gradient
    if kind == "gaussian":
        _, s, ds = readout.Gaussian.split(o)
        return np.diag(np.concatenate([np.exp(-s / 2), ds / np.sqrt(2)]))
    p = readout.Bernoulli.predict(o)
    return np.diag(np.sqrt(p * (1 - p)))


class General:
    """phases : list of systems; optimizer : ("sgd", rate), ("adam", rate, b1, b2) or ("kalman",
    decay, prior, reduction); readout_optimizer : that of phi, if another;
    starts : first indices of theta's blocks; activation : what the readout sees of h; m : inputs,
    one-hot where x is an integer."""

    def __init__(
        self,
        phases,
        state,
        *,
        m,
        optimizer,
        readout_optimizer=None,
        starts=None,
        activation="identity",
        exact=False,
        readout="softmax",
    ):
        self.exact, self.kind = exact, readout
        self.phases, self.m, self.activation = phases, m, activation
        self.h, self.theta = (np.array(state[key], float) for key in ("h", "theta"))
        self.phi = np.array(state["phi"], float)
        self.n, self.p, self.A = len(self.h), len(self.theta), self.phi.shape[1]
        self.t, self.seed = int(state["step"]), int(state["seed"])
        starts = range(self.p) if starts is None else starts
        units = range(0, self.phi.size, 1 + self.n)
        if optimizer[-1] == "full":
            starts = units = [0]
        self.information = None
        self.metric = self._metric(optimizer, starts, state, "theta")
        self.phi_metric = self._metric(readout_optimizer or optimizer, units, state, "phi")

    def _metric(self, optimizer, starts, state, name):
        if optimizer[0] == "sgd":
            return Plain(SGD(optimizer[1]))
        if optimizer[0] == "adam":
            kept = (state[f"{key}_{name}"] for key in ("m", "v", "updates"))
            return Plain(Adam(*optimizer[1:], *kept))
        _, decay, prior, reduction = optimizer
        return Metric(reduction, starts, decay, prior * self.n, state[f"J_{name}"])

    def learn(self, x, y=None, learning=True):
        """Losses; y = None: x is first the target, then the input."""
        losses = []
        for s in range(len(x)):
            if y is None:
                losses.append(self._observe(x[s], learning))
                self._advance(x[s])
            else:
                self._advance(x[s])
                losses.append(self._observe(y[s], learning))
            self.t += 1
        return np.array(losses)

    def observe(self, x, y=None):
        return self.learn(x, y, learning=False)

    def _observe(self, y, learning):
        loss = readout.loss(self.h, y, self.phi, self.activation, self.kind)
        if learning:
            delta = readout.delta(self.h, y, self.phi, self.activation, self.kind)
            self.H = readout.backward(self.h, delta, self.phi, self.activation)
            g_phi = readout.gradient(self.h, delta, self.activation)
            self.information = readout.information(self.h, y, self.phi, self.activation, self.kind)
            self._update(self.H @ self.influence(), g_phi)
        return loss

    def _directions(self, g, g_phi):
        """What J is a sum of: the gradients, or those of the exact Fisher matrix (24), (26)."""
        a = np.concatenate([[1.0], cell.activate(self.h, self.activation)])
        if not self.exact and self.information is None:
            return g[np.newaxis], g_phi.T.ravel()[np.newaxis]
        if not self.exact:
            roots = np.diag(np.sqrt(self.information))
            return g[np.newaxis], np.stack([np.outer(c, a).ravel() for c in roots])
        o = readout.outputs(self.h, self.phi, self.activation)
        root = fisher_root(o, self.kind)
        G, slope = self.influence(), cell.slope(self.h, self.activation)
        H = (slope[:, None] * self.phi[1:]).T  # do/dh
        return root @ H @ G, np.stack([np.outer(c, a).ravel() for c in root])

    def _update(self, g, g_phi):
        if not self.exact:
            g = self.metric.trusted(g)
            power = 1.0 if self.information is None else 0.5
            g_phi = self.phi_metric.trusted(g_phi.T.ravel(), power).reshape(g_phi.T.shape).T
        flat = g_phi.T.ravel()
        of_theta, of_phi = self._directions(g, g_phi)
        self.phi_metric.accumulate(of_phi, self.t)
        self.phi = self.phi_metric.step(self.phi.T.ravel(), flat).reshape(self.phi.T.shape).T
        self.metric.accumulate(of_theta, self.t)
        self.theta = self.metric.step(self.theta, g)

    def _input(self, x):
        return np.eye(self.m)[x] if np.ndim(x) == 0 else np.asarray(x, float)

    def _advance(self, x):
        x = self._input(x)
        for q, system in enumerate(self.phases):
            F = np.stack([system.jvp(self.h, x, self.theta, e) for e in np.eye(self.n)], axis=1)
            rows = dense(system.rows(self.h, x, self.theta), self.n, self.p)
            self._move(q, F, rows)
            self.h = system.step(self.h, x, self.theta)


class RTRL(General):
    def __init__(self, phases, state, **more):
        super().__init__(phases, state, **more)
        self.G = np.array(state["G"], float)

    def _move(self, q, F, rows):
        self.G = F @ self.G + rows

    def influence(self):
        return self.G


class Pairs(General):
    """Rules with pairs. rank : K; sign_source : function (k, t, q, n) giving signs (n,)."""

    def __init__(self, phases, state, *, rank=1, sign_source=None, **more):
        super().__init__(phases, state, **more)
        self.K = rank
        self.v, self.w = (np.array(state[key], float) for key in ("v", "w"))
        self.sign_source = sign_source or self._signs

    def _signs(self, k, t, q, n):
        """Phase q's signs are those of units q n ... q n + n - 1."""
        return signs(self.seed, k, t, (q + 1) * n)[q * n :]


class NoBackTrack(Pairs):
    """norm : "euclidean", "fisher", "kalman" or "none"; pair : None, or the pair that each
    parameter belongs to, (p,)."""

    def __init__(self, phases, state, *, norm="euclidean", pair=None, **more):
        super().__init__(phases, state, **more)
        self.norm = norm
        self.pair = None if pair is None else np.array(pair)
        self.rows = np.array(state["rows"], float)
        self.fisher = np.array(state["fisher"], float) if norm == "fisher" else None

    def mine(self, k):
        """Which parameters are pair k's."""
        return np.ones(self.p) if self.pair is None else (self.pair == k).astype(float)

    def _observe(self, y, learning):
        loss = super()._observe(y, learning)
        if learning and self.norm == "fisher":
            self.fisher = self.fisher + (self.H**2 - self.fisher) / np.sqrt(self.t + 1)
        return loss

    def influence(self):
        scale = 1 if self.pair is not None else 1 / self.K
        return scale * self.v.T @ self.w + self.rows

    def _inner(self, a, b):
        if self.norm in ("kalman", "fisher"):
            return self.metric.inner(a, b)
        return np.atleast_2d(a) @ np.atleast_2d(b).T

    def _weights(self, k, rows):
        if self.norm == "fisher":
            return self.fisher + 1e-4
        if self.norm == "kalman":
            G = np.outer(self.v[k], self.w[k]) + rows
            C = np.diag(self._inner(G, G))
            return np.where(C > 0, 1 / np.where(C > 0, C, 1), 0)
        return np.ones(self.n)

    def _move(self, q, F, rows):
        """Reduction (13)-(14) of each pair, then transition (16)-(17)."""
        v, w = np.zeros_like(self.v), np.zeros_like(self.w)
        for k in range(self.K):
            own = self.rows * self.mine(k)
            u, sign = self._weights(k, own), self.sign_source(k, self.t, q, self.n)
            bar = self._balance(self._inner(self.w[k], self.w[k])[0, 0], u @ self.v[k] ** 2)
            v[k], w[k] = bar[0] * self.v[k], bar[1] * self.w[k]
            for i in range(self.n):
                rho, inverse = self._balance(self._inner(own[i], own[i])[0, 0], u[i])
                v[k, i] += sign[i] * rho
                w[k] += sign[i] * inverse * own[i]
        self.v, self.w, self.rows = v @ F.T, w, rows

    def _balance(self, w2, v2):
        """rho and 1 / rho from squared norms; 0 and 0 for a product that is zero."""
        if not (w2 > 0 and v2 > 0):
            return 0.0, 0.0
        rho = 1.0 if self.norm == "none" else (w2 / v2) ** 0.25
        return rho, 1 / rho


class UORO(Pairs):
    """Tallec and Ollivier (2017), algorithm 1."""

    def influence(self):
        return self.v.T @ self.w / self.K

    def _move(self, q, F, rows):
        v, w = np.zeros_like(self.v), np.zeros_like(self.w)
        for k in range(self.K):
            nu = self.sign_source(k, self.t, q, self.n)
            pushed, new = F @ self.v[k], nu @ rows
            old = balance((self.w[k] ** 2).sum(), (pushed**2).sum())
            now = balance((new**2).sum(), self.n)
            v[k], w[k] = old[0] * pushed + now[0] * nu, old[1] * self.w[k] + now[1] * new
        self.v, self.w = v, w


class TruncatedBPTT(General):
    """window : T. A slot is (left, x, reached, delta); self.slots are the complete ones."""

    def __init__(self, phases, state, *, window, **more):
        super().__init__(phases, state, **more)
        self.T, self.slots, self.left = window, [], None
        self.g, self.g_phi = np.zeros(self.p), np.zeros_like(self.phi)

    def _observe(self, y, learning):
        loss = readout.loss(self.h, y, self.phi, self.activation)
        delta = readout.delta(self.h, y, self.phi, self.activation) if learning else None
        self._complete(delta, learning)
        return loss

    def _advance(self, x):
        if self.left is not None:  # the last transition met no target
            self._complete(None, False)
        self.left, self.x = [], self._input(x)
        for system in self.phases:
            self.left.append(self.h)
            self.h = system.step(self.h, self.x, self.theta)

    def _complete(self, delta, learning):
        self.slots.append((self.left, self.x if self.left else None, self.h, delta))
        self.left = None
        if len(self.slots) < self.T:
            return
        back = np.zeros(self.n)
        for left, x, reached, error in reversed(self.slots):
            if error is not None:
                self.g_phi = self.g_phi + readout.gradient(reached, error, self.activation)
                back = back + readout.backward(reached, error, self.phi, self.activation)
            for h, system in reversed(list(zip(left or [], self.phases, strict=False))):
                self.g = self.g + back @ dense(system.rows(h, x, self.theta), self.n, self.p)
                back = system.vjp(h, x, self.theta, back)
        self.slots = []
        if learning:
            self._update(self.g, self.g_phi)
            self.g, self.g_phi = np.zeros(self.p), np.zeros_like(self.phi)
