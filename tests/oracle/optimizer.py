"""The optimizers: gradient descent, Adam, and the Kalman filter with quasi-diagonal outer products.

Parameters come as an array (rows, columns); a column, its bias first, is one block of J. Of a block
only the diagonal J_pp and the first row J_0p are kept, each in an array of the parameters' shape
(row 0 of `J0` stays 0). With D_p = J_pp + lambda and q_p = J_0p / D_0 they stand for the matrix

    M_00 = D_0,  M_0p = M_p0 = J_0p,  M_pp = D_p,  M_pq = J_0p J_0q / D_0  (p != q, both >= 1),

the one whose inverse has an arrow's shape (diagonal, first row and first column).
"""

import numpy as np

FLOOR = 1e-6  # of the second moment of Adam
OUTLIER = 10  # kappa: how many times D_0 is more than all that came before


def trusted(J, prior, g):
    """g, each column shrunk by g_0^2 / (kappa D_0) where that is above 1, J as it was before."""
    return g / np.maximum(1.0, g[0] ** 2 / (OUTLIER * (J[0] + prior)))


def limited(J, prior, g):
    """The same where J is not made of g: no more than kappa D_0 = g_0^2, and no less."""
    return g / np.sqrt(np.maximum(1.0, g[0] ** 2 / (OUTLIER * (J[0] + prior))))


def accumulate(J, J0, g, gamma):
    """(26) with outer products: J <- (1 - gamma) J + g g^T, diagonal and first row of a block."""
    products = g[0] * g
    products[0] = 0.0
    return (1.0 - gamma) * J + g**2, (1.0 - gamma) * J0 + products


def solve(J, J0, prior, g):
    """x with M x = g, column by column, shape of g. `prior` is lambda, here and below."""
    D, D0 = J[1:] + prior, J[0] + prior
    q = J0[1:] / D0
    x = np.empty_like(g)
    x[1:] = (g[1:] - g[0] * q) / (D - J0[1:] * q)
    x[0] = g[0] / D0 - (q * x[1:]).sum(axis=0)
    return x


def inner(J, J0, prior, a, b):
    """a^T M^-1 b of each column, shape (columns,): for a = b the squared norm (59)."""
    D, D0 = J[1:] + prior, J[0] + prior
    q = J0[1:] / D0
    rest = (a[1:] - a[0] * q) * (b[1:] - b[0] * q) / (D - J0[1:] * q)
    return a[0] * b[0] / D0 + rest.sum(axis=0)


class SGD:
    """x <- x - rate(t) g, (10) and (12). It has no state and its norm is the plain one."""

    def __init__(self, rate):
        self.rate = rate

    def step(self, x, g, t, root=None):
        return x - self.rate(t) * g

    def inner(self, a, b):
        return (a * b).sum(axis=0)

    def rows(self, rows):
        """The optimizer of these rows alone."""
        return self

    def take(self, rows, own):
        """Takes back what `rows` gave."""

    def state(self):
        return {}


class Adam:
    """m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, x <- x - rate(t) m' / sqrt(v' + FLOOR).

    m' = m / (1 - b1^u), v' = v / (1 - b2^u) after update u = 1, 2, ... Its norm is the plain one.
    """

    def __init__(self, rate, b1, b2, m, v, updates):
        self.rate, self.b1, self.b2 = rate, b1, b2
        self.m, self.v, self.updates = m, v, updates

    def step(self, x, g, t, root=None):
        self.updates += 1
        self.m = self.b1 * self.m + (1.0 - self.b1) * g
        self.v = self.b2 * self.v + (1.0 - self.b2) * g**2
        m = self.m / (1.0 - self.b1**self.updates)
        v = self.v / (1.0 - self.b2**self.updates)
        return x - self.rate(t) * m / np.sqrt(v + FLOOR)

    def inner(self, a, b):
        return (a * b).sum(axis=0)

    def rows(self, rows):
        """The optimizer of these rows alone."""
        return Adam(self.rate, self.b1, self.b2, self.m[rows], self.v[rows], self.updates)

    def take(self, rows, own):
        """Takes back what `rows` gave."""
        self.m[rows], self.v[rows], self.updates = own.m, own.v, own.updates

    def state(self):
        return {"m": self.m, "v": self.v, "updates": np.uint64(self.updates)}


class Kalman:
    """J <- (1 - gamma) J + g g^T, then x <- x - (J + lambda)^-1 g, (24)-(27), outliers shrunk.

    `root`, of the shape of g: what J is a sum of outer products of, each column's, in place of g.
    """

    def __init__(self, decay, prior, J, J0):
        self.decay = decay
        self.prior = prior
        self.J = J
        self.J0 = J0

    def step(self, x, g, t, root=None):
        g = (trusted if root is None else limited)(self.J, self.prior, g)
        measured = g if root is None else root
        self.J, self.J0 = accumulate(self.J, self.J0, measured, min(1.0, self.decay(t)))
        return x - solve(self.J, self.J0, self.prior, g)

    def inner(self, a, b):
        return inner(self.J, self.J0, self.prior, a, b)

    def rows(self, rows):
        """The optimizer of these rows alone, the first of which is their bias."""
        return Kalman(self.decay, self.prior, self.J[rows], self.J0[rows])

    def take(self, rows, own):
        """Takes back what `rows` gave."""
        self.J[rows], self.J0[rows] = own.J, own.J0

    def state(self):
        return {"J": self.J, "J0": self.J0}


# ---- recursive least squares --------------------------------------------------------------------
#
# The whole Kalman step of linear outputs that share one covariance P (F, F), that of the weights of
# each output, in units of the noise; at first I / prior. After a step with the features f (F,) and
# the errors e (Y,) of the outputs, k being 1 - decay,
#
#     gain = P f / (k + f P f),  phi <- phi - gain e^T,  P <- (P - gain (P f)^T) / k.
#
# Without doubt, the inverse of P is the decayed sum of squares, P^-1 = sum_s k^(t-s) f(s) f(s)^T +
# what is left of the prior, and phi minimises the squares, decayed likewise. Of a step that is in
# doubt, by a number d, the gain is that over d: phi moves as if the error had been e / d, and P
# learns that much less. What is left of
# the prior would vanish, and P grow without a bound where no features come. So each step puts back
# what decays of it in a whole round, in one direction i = t mod F:
#
#     P^-1 <- P^-1 + prior F decay e_i e_i^T,  in P  P <- P - u u^T / (1 / (prior F decay) + u_i),
#
# u being column i of P. phi stays as it is there: what is put back says that phi is where it is.
# The memory is never shorter than the number of features: decay is at most 1 / F.


def least_squares(P, phi, f, e, t, decay, prior, doubt=1.0):
    """P and phi after a step of recursive least squares."""
    F = len(f)
    decay = min(decay, 1.0 / F)
    keep = 1.0 - decay
    s = P @ f
    power = doubt * (keep + f @ s)
    gain = s / power
    phi = phi - np.outer(gain, e)
    # symmetric to the bit, or rounding grows
    P = (P - np.outer(s, s) / power) / keep
    if decay > 0.0:
        i = t % F
        u = P[:, i]
        P = P - np.outer(u, u) / (1.0 / (prior * F * decay) + u[i])
    return P, phi


class Shared(Kalman):
    """The optimizer of a Gaussian readout whose means share P, with the prior `least`; the
    log-variances have J of their own, as with Kalman."""

    def __init__(self, decay, prior, least, J, J0, P):
        super().__init__(decay, prior, J, J0)
        self.least, self.P = least, P

    def step_means(self, phi, f, e, t, doubt):
        """phi, with its first columns after errors e (Y,) of the means."""
        phi, Y = phi.copy(), len(e)
        choices = self.decay(t), self.least, doubt
        self.P, phi[:, :Y] = least_squares(self.P, phi[:, :Y], f, e, t, *choices)
        return phi

    def state(self):
        return super().state() | {"P": self.P}


KEPT = {"sgd": (), "adam": ("m", "v"), "kalman": ("J", "J0"), "shared": ("J", "J0", "P")}


def begun(optimizer, state, name, units):
    """The optimizer of theta or phi (`name`) in that state, described as in `Trainer`."""
    kind, schedule, *more = optimizer
    kept = {key: state[f"optimizer.{name}.{key}"].astype(float) for key in KEPT[kind]}
    if kind == "sgd":
        return SGD(schedule)
    if kind == "adam":
        return Adam(schedule, *more, **kept, updates=int(state[f"optimizer.{name}.updates"]))
    if kind == "shared":
        return Shared(schedule, more[0] * units, more[1], **kept)
    own = name == "phi" and len(more) == 2 and not isinstance(more[1], str)
    return Kalman(schedule, more[1] if own else more[0] * units, **kept)  # Lambda = prior * dim h
