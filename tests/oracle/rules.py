"""Other online rules for the leaky network (37): what they keep of G = dh/dtheta (n, P, n).

All go by G' = F G + I z, where I z is z on each unit's own parameters; `Trainer` has the rest.
Where a rule draws signs, `sign_source` is a function of the step and their number.
"""

import numpy as np

from .cell import activate
from .philox import signs
from .reduction import balance
from .trainer import Trainer


class Drawn(Trainer):
    """A rule that draws signs."""

    def __init__(self, state, *, sign_source=None, **choices):
        super().__init__(state, **choices)
        self.sign_source = sign_source or (lambda t, count: signs(self.seed, 0, t, count))


class UORO(Drawn):
    """G ~ v w, v (n,), w (P, n): algorithm 1 of Tallec and Ollivier, *Unbiased online recurrent
    optimization* (2017), with balances of 0 for what is 0 in place of its epsilon."""

    def __init__(self, state, **choices):
        super().__init__(state, **choices)
        self.v = np.array(state["estimator.v"], float)
        self.w = np.array(state["estimator.w"], float)

    def _gradient(self, H):
        return (H @ self.v) * self.w

    def _move(self, F, z):
        nu = self.sign_source(self.t, self.n)
        pushed, new = F @ self.v, np.outer(z, nu)
        old = balance((self.w**2).sum(), (pushed**2).sum())
        now = balance((new**2).sum(), (nu**2).sum())
        self.v = old[0] * pushed + now[0] * nu
        self.w = old[1] * self.w + now[1] * new

    def influence(self):
        return np.einsum("k,pi->kpi", self.v, self.w)


class KFRTRL(Drawn):
    """G[k, p, i] ~ u[p] B[k, i]: Mujika, Meier and Steger, *Approximating real-time recurrent
    learning with random Kronecker factors* (2018), algorithm 1."""

    def __init__(self, state, **choices):
        super().__init__(state, **choices)
        self.u = np.array(state["estimator.u"], float)
        self.B = np.array(state["estimator.B"], float)

    def _gradient(self, H):
        return np.outer(self.u, H @ self.B)

    def _move(self, F, z):
        one, other = self.sign_source(self.t, 2)
        pushed, eye = F @ self.B, np.eye(self.n)
        old = balance((pushed**2).sum(), (self.u**2).sum())
        now = balance((eye**2).sum(), (z**2).sum())
        self.u = one * old[0] * self.u + other * now[0] * z
        self.B = one * old[1] * pushed + other * now[1] * eye

    def influence(self):
        return np.einsum("p,ki->kpi", self.u, self.B)


class OptimalKronecker(Drawn):
    """G[k, p, i] ~ sum over s of u[s, p] B[s, k, i], r terms: Benzing, Gauy, Mujika, Martinsson and
    Steger, *Optimal Kronecker-sum approximation of real time recurrent learning* (2019).

    The r + 1 terms that a step makes are a matrix of rank r + 1. The largest singular values stay
    as they are; those that remain, too small for their own term, share what is left at random."""

    def __init__(self, state, **choices):
        super().__init__(state, **choices)
        self.u = np.array(state["estimator.u"], float)
        self.B = np.array(state["estimator.B"], float)
        self.r = len(self.u)

    def _gradient(self, H):
        return np.einsum("sp,k,ski->pi", self.u, H, self.B)

    def _move(self, F, z):
        left = np.vstack([self.u, z])
        right = np.concatenate([np.einsum("kj,sji->ski", F, self.B), np.eye(self.n)[np.newaxis]])
        Qu, Ru = np.linalg.qr(left.T)
        Qb, Rb = np.linalg.qr(right.reshape(self.r + 1, -1).T)
        U, d, Vt = np.linalg.svd(Ru @ Rb.T)
        root = reduced(d, self.sign_source(self.t, self.r + 1))
        self.u = (Qu @ U @ root).T
        self.B = (Qb @ Vt.T @ root).T.reshape(self.r, self.n, self.n)

    def influence(self):
        return np.einsum("sp,ski->kpi", self.u, self.B)


def reduced(d, sign):
    """X (r + 1, r) with E X Xᵀ = diag d, of least variance; d falls, `sign` (r + 1,).

    With k = r - m columns for the last k + 1 numbers, of sum s: Z = I - z zᵀ has rank k where
    z_i² = 1 - k d_i / s, and with signs on both sides only its diagonal has a mean, k d_i / s. The
    first m keep a column each; m is the least for which all z_i² are at least 0."""
    r = len(d) - 1
    m = next(m for m in range(r + 1) if (r - m) * d[m] <= d[m:].sum())
    X, k, rest = np.zeros((r + 1, r)), r - m, d[m:]
    X[range(m), range(m)] = np.sqrt(d[:m])
    if k and rest.sum() > 0:
        z = np.sqrt(np.maximum(1 - k * rest / rest.sum(), 0))
        basis = np.linalg.svd(z[np.newaxis])[2][1:].T  # (k + 1, k), at right angles to z
        X[m:, m:] = sign[m:, np.newaxis] * basis * np.sqrt(rest.sum() / k)
    return X


class SnAp(Trainer):
    """G with the entries that theta reaches in `reach` steps: Menick, Elsen, Evci, Osindero,
    Simonyan and Graves, *Practical real time recurrent learning with a sparse approximation*
    (2021). `edges` (n, n): [k, j] says whether h_k depends on h_j a step before."""

    def __init__(self, state, *, reach=1, edges=None, **choices):
        super().__init__(state, **choices)
        self.G = np.array(state["estimator.G"], float)
        edges = np.ones((self.n, self.n)) if edges is None else np.array(edges, float)
        edges = edges + np.eye(self.n)
        self.mask = np.linalg.matrix_power(edges, reach - 1) > 0

    def _gradient(self, H):
        return np.einsum("k,kpi->pi", H, self.G)

    def _move(self, F, z):
        self.G = np.einsum("kj,jpi->kpi", F, self.G) * self.mask[:, np.newaxis]
        self.G[range(self.n), :, range(self.n)] += z

    def influence(self):
        return self.G.copy()


class RFLO(Trainer):
    """E (P, n): each unit's own path through its leak alone, and where `feedback` (n, A) is given,
    feedback @ dloss/do in place of dloss/dh: Murray, *Local online learning in recurrent networks
    with random feedback* (2019)."""

    def __init__(self, state, *, feedback=None, **choices):
        super().__init__(state, **choices)
        self.E = np.array(state["estimator.d"], float)
        self.feedback = feedback

    def _gradient(self, H):
        if self.feedback is not None:
            H = self.feedback @ self.g_phi[0]  # phi's first row is b: there dloss/do is as it is
        return H * self.E

    def _move(self, F, z):
        self.E = self.alpha * self.E + z[:, np.newaxis]

    def influence(self):
        return self.E[np.newaxis] * np.eye(self.n)[:, np.newaxis]


class DNI(Trainer):
    """What later losses say of h is guessed from (1, a): c = (1, a) C, C (1 + n, n). Its error is
    that against H(t) + c(t), taken a step back: Jaderberg and others, *Decoupled neural interfaces
    using synthetic gradients* (2017), section 2.2, as a step-by-step rule in Marschall, Cho and
    Savin, *A unified framework of online learning algorithms* (2020), section 3.2."""

    def __init__(self, state, *, rate, **choices):
        super().__init__(state, **choices)
        self.C, self.z = (np.array(state[f"estimator.{key}"], float) for key in ("C", "z"))
        self.F = np.array(state["estimator.F"], float)
        self.guess_rate = rate

    def _gradient(self, H):
        seen = self._seen()
        credit = H + seen @ self.C
        before = np.concatenate([[1.0], self.z[1 : 1 + self.n]])
        error = before @ self.C - credit @ self.F
        self.C = self.C - self.guess_rate(self.t) * np.outer(before, error)
        return np.outer(self.z, credit)

    def _seen(self):
        return np.concatenate([[1.0], activate(self.h, self.activation)])

    def _move(self, F, z):
        self.F, self.z = F, z
