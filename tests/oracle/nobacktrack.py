"""NoBackTrack: Algorithms 1 and 2, with rank K, blocks of units and exact self-influence.

The estimate of G = dh/dtheta is, with s(i) = i mod S the block of unit i,

    G~[j, p, i] = mean over k of v[k, s(i), j] w[k, p, i]  +  delta_ij own[p, i]

where own_i = w_i = z, the regressors of the last transition, in the paper's form (9), and own_i =
d_i, unit i's influence on itself along its own path, with exact self-influence.
"""

import numpy as np

from .philox import signs
from .reduction import balance, fold, kalman_weights, unbalanced
from .trainer import Trainer


class NoBackTrack(Trainer):
    """Further arguments than `Trainer`:

    rank, blocks : K, S
    exact_self : keep each unit's influence on itself exactly
    norm : "euclidean", "kalman" (Appendix B), "fisher", or "none" (every rho is 1)
    sign_source : function (k, t, n) giving the signs (n,), in place of Philox
    """

    def __init__(
        self,
        state,
        *,
        rank=1,
        blocks=1,
        exact_self=False,
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
        if norm == "fisher":
            self.fisher = np.array(state["estimator.fisher"], dtype=float)

    def _gradient(self, H):
        """The estimate of dloss/dtheta: g_i = mean_k (H v_s(i)) w_i + H_i own_i (12)."""
        g = H * self.own
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
        scale = unbalanced if self.norm == "none" else balance
        for k in range(self.K):
            v, w, u = self.v[k], self.w[k], self._weights(k)
            sign = self.sign_source(k, self.t, self.n)
            if self.exact_self:
                # F e_i d_i^T = F_ii e_i d_i^T + (column i of F with entry i set to 0) d_i^T:
                # the first part stays in d, the second is new for the pair.
                columns = F - np.diag(np.diag(F))
                v, w = fold(v @ F.T, w, columns, self.own, sign, u, self._inner, scale)
            else:
                v, w = fold(v, w, np.eye(self.n), self.own, sign, u, self._inner, scale)
                v = v @ F.T
            self.v[k], self.w[k] = v, w
        kept = self.own * np.diag(F) if self.exact_self else 0.0
        self.own = kept + np.outer(z, np.ones(self.n))

    def influence(self):
        """The estimate of dh/dtheta, shape (n, P, n)."""
        G = np.zeros((self.n, self.P, self.n))
        for i in range(self.n):
            for k in range(self.K):
                G[:, :, i] += np.outer(self.v[k, i % self.S], self.w[k, :, i]) / self.K
            G[i, :, i] += self.own[:, i]
        return G

    def _rule_state(self):
        state = {"estimator.v": self.v, "estimator.w": self.w}
        if self.exact_self:
            state["estimator.d"] = self.own
        else:
            state["estimator.z"] = self.own[:, 0]
        if self.norm == "fisher":
            state["estimator.fisher"] = self.fisher
        return state
