"""NoBackTrack: Algorithms 1 and 2, with rank K, blocks of units and exact self-influence.

The estimate of G = dh/dtheta is, with s(i) = i mod S the block of unit i,

    G~[j, p, i] = mean over k of v[k, s(i), j] w[k, p, i]  +  delta_ij own[p, i]

where own_i = w_i = z, the regressors of the last transition, in the paper's form (9), and own_i =
d_i, unit i's influence on itself along its own path, with exact self-influence. Of F_ii such a path
takes what is within [-1, 1], so that d_i cannot grow exponentially; the pairs have the rest. With a
window of T steps own_i is d_i as it was T steps ago, carried on along all paths, and the T
regressors since are added, carried on likewise:

    G~ = ... + sum over l < T of (F(t-1) ... F(t-l))[j, i] z(t-l) + (F(t-1) ... F(t-T))[j, i] own

so that only what was left to the pairs before is estimated. The terms of a pair that begin at step
t - l wait as `hops[k][l - 1]`, carried on, until own is the d_i they belong to.
"""

import numpy as np

from .philox import signs
from .reduction import balance, fold, kalman_weights, unbalanced
from .trainer import Trainer


def split(F):
    """F = diag(kept) + rest: what each unit keeps of itself exactly, kept_i = clip(F_ii, -1, 1),
    shape (n,), and what its influence leaves for the pairs, column by column, shape (n, n)."""
    kept = np.clip(np.diag(F), -1.0, 1.0)
    return kept, F - np.diag(kept)


class NoBackTrack(Trainer):
    """Further arguments than `Trainer`:

    rank, blocks : K, S
    exact_self : keep each unit's influence on itself exactly
    norm : "euclidean", "kalman" (Appendix B), "fisher", or "none" (every rho is 1)
    window : T, with exact_self
    sign_source : function (k, t, n) giving the signs (n,), in place of Philox
    """

    def __init__(
        self,
        state,
        *,
        rank=1,
        blocks=1,
        exact_self=False,
        window=0,
        norm="euclidean",
        sign_source=None,
        **choices,
    ):
        super().__init__(state, **choices)
        if norm not in ("euclidean", "kalman", "fisher", "none"):
            raise ValueError(f"no norm is called {norm!r}")
        self.kalman = choices["optimizer"][0] == "kalman"
        if norm == "kalman" and not self.kalman:
            raise ValueError("norm 'kalman' needs the Kalman optimizer")
        self.K, self.S, self.exact_self, self.norm = rank, blocks, exact_self, norm
        self.sign_source = sign_source or (lambda k, t, n: signs(self.seed, k, t, n))
        self.v = np.array(state["estimator.v"], dtype=float)
        self.w = np.array(state["estimator.w"], dtype=float)
        assert self.v.shape == (rank, blocks, self.n)
        assert self.w.shape == (rank, self.P, self.n)
        if exact_self:
            self.own = np.array(state["estimator.d"], dtype=float)
        else:
            self.own = np.outer(state["estimator.z"], np.ones(self.n))
        assert exact_self or not window
        self.T = window
        self.F = [np.array(F, dtype=float) for F in state.get("window.F", [])]
        self.z = [self._recent(state, lag) for lag in range(window)]
        hops, scales = np.zeros((rank, 0)), np.zeros((rank, 0))
        if window:
            hops, scales = np.array(state["window.v"]), np.array(state["window.scale"])
        self.hops = [[hop.astype(float) for hop in of_pair] for of_pair in hops]
        self.scales = [[scale.astype(float) for scale in of_pair] for of_pair in scales]
        if norm == "fisher":
            self.fisher = np.array(state["estimator.fisher"], dtype=float)

    def _gradient(self, H):
        """The estimate of dloss/dtheta: g_i = mean_k (H v_s(i)) w_i + H_i own_i (12)."""
        g = np.zeros_like(self.own)
        for F, z in zip(self.F, self.z, strict=True):  # backpropagation over the window
            g += np.outer(z, H)
            H = H @ F
        g += H * self.own
        H = self.H
        for k in range(self.K):
            for i in range(self.n):
                g[:, i] += (H @ self.v[k, i % self.S]) * self.w[k, :, i] / self.K
        return g

    def _learned(self, H):
        """The running mean of H^2 that weighs the state in the norm "fisher"."""
        if self.norm == "fisher":
            self.fisher = self.fisher + (H**2 - self.fisher) / np.sqrt(self.t + 1)

    def _inner(self, a, b):
        """Products of each unit's columns: in (J + lambda)^-1 (59), or plain."""
        if self.kalman and self.norm in ("kalman", "fisher"):
            return self.theta_optimizer.inner(a, b)
        return (a * b).sum(axis=0)

    def _weights(self, k):
        """u (n,) with ||v||^2 = sum_i u_i v_i^2 for pair k."""
        if self.norm == "kalman":
            return kalman_weights(self.v[k], self.w[k], self.own, self._inner)
        if self.norm == "fisher":
            return self.fisher + 1e-4
        return np.ones(self.n)

    def _move(self, F, z):
        """Reduction, then transition (13)-(17); with exact self-influence the other way round."""
        if self.T:
            self._move_window(F, z)
            return
        scale = unbalanced if self.norm == "none" else balance
        kept, rest = split(F)
        for k in range(self.K):
            v, w, u = self.v[k], self.w[k], self._weights(k)
            sign = self.sign_source(k, self.t, self.n)
            if self.exact_self:
                # F e_i d_i^T = kept_i e_i d_i^T + (column i of the rest) d_i^T: the first part
                # stays in d, the second is new for the pair.
                v, w = fold(v @ F.T, w, rest, self.own, sign, u, self._inner, scale)
            else:
                v, w = fold(v, w, np.eye(self.n), self.own, sign, u, self._inner, scale)
                v = v @ F.T
            self.v[k], self.w[k] = v, w
        carried = self.own * kept if self.exact_self else 0.0
        self.own = carried + np.outer(z, np.ones(self.n))

    def _move_window(self, F, z):
        scale = unbalanced if self.norm == "none" else balance
        own2, rest = self._inner(self.own, self.own), split(F)[1]
        hops, scales = [], []
        for k in range(self.K):
            u, sign = self._weights(k), self.sign_source(k, self.t, self.n)
            v, w = self.v[k] @ F.T, self.w[k].copy()
            w2 = self._inner(w, w)
            *waiting, last = (hop @ F.T for hop in self.hops[k])
            right = self.scales[k][-1]
            first, new_right = np.zeros_like(last), np.zeros(self.n)
            for s in range(self.S):
                members = list(range(s, self.n, self.S))
                keep, inverse = scale(w2[members].sum(), (u * v[s] ** 2).sum())
                join, join_inverse = scale(
                    (own2 * right**2)[members].sum(), (u * last[s] ** 2).sum()
                )
                v[s] = keep * v[s] + join * last[s]
                for i in members:
                    w[:, i] = inverse * w[:, i] + join_inverse * right[i] * self.own[:, i]
                    rho, rho_inverse = scale(own2[i], (u * rest[:, i] ** 2).sum())
                    if rho == 0.0:
                        rho = rho_inverse = 1.0
                    first[s] += sign[i] * rho * rest[:, i]
                    new_right[i] = sign[i] * rho_inverse
            self.v[k], self.w[k] = v, w
            hops.append([first, *waiting])
            scales.append([new_right, *self.scales[k][:-1]])
        self.hops, self.scales = hops, scales
        self.own = self.own * split(self.F[-1])[0] + np.outer(self.z[-1], np.ones(self.n))
        self.F, self.z = [F, *self.F[:-1]], [z, *self.z[:-1]]

    def _recent(self, state, lag):
        """The regressors (P,) of the transition `lag` before the last; 0 if there was none."""
        x = state["window.x"][lag]
        if self.inputs == "symbols":
            there, x = x >= 0, np.arange(self.m) == x
        else:
            there = lag < state["window.length"]
        return there * np.concatenate([[1.0], state["window.a"][lag], x]).astype(float)

    def influence(self):
        """The estimate of dh/dtheta, shape (n, P, n)."""
        G = np.zeros((self.n, self.P, self.n))
        for i in range(self.n):
            for k in range(self.K):
                G[:, :, i] += np.outer(self.v[k, i % self.S], self.w[k, :, i]) / self.K
        path = np.eye(self.n)
        for F, z in zip(self.F, self.z, strict=True):
            G += np.einsum("ji,p->jpi", path, z)
            path = path @ F
        return G + np.einsum("ji,pi->jpi", path, self.own)

    def _rule_state(self):
        state = {"estimator.v": self.v, "estimator.w": self.w}
        if self.exact_self:
            state["estimator.d"] = self.own
        else:
            state["estimator.z"] = self.own[:, 0]
        if self.norm == "fisher":
            state["estimator.fisher"] = self.fisher
        if self.T:
            n, z = self.n, np.array(self.z)
            state["window.F"] = self.F
            state["window.a"] = z[:, 1 : 1 + n]
            there = z[:, 0] > 0
            state["window.length"] = np.int64(there.sum())
            state["window.x"] = z[:, 1 + n :]
            if self.inputs == "symbols":
                state["window.x"] = np.where(there, z[:, 1 + n :].argmax(axis=1), -1)
            state["window.v"], state["window.scale"] = self.hops, self.scales
        return state
