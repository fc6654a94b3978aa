"""The Kalman metric (20)-(27) as a whole matrix: what each reduction keeps of J, nothing clever.

The parameters x (p,) are dealt into blocks of neighbours, the first of each being like a bias;
`starts` are the blocks' first indices. A reduction keeps some entries of J (p, p):

    diagonal        J_pp
    quasi-diagonal  J_pp and J_0p, 0 the block's first entry
    block           J_pq within a block
    full            all

and the metric is M = what is kept + lambda Id, completed for quasi-diagonal by the entries
M_pq = J_0p J_0q / (J_00 + lambda), for which the inverse has the arrow's shape, too.
"""

import numpy as np

from .optimizer import OUTLIER


def members(p, starts):
    """The block of each parameter, (p,)."""
    block = np.zeros(p, int)
    block[list(starts)] = 1
    return np.cumsum(block) - 1


def kept(reduction, p, starts):
    """Which entries of J a reduction keeps, bool (p, p)."""
    block = members(p, starts)
    same = block[:, None] == block[None, :]
    first = np.isin(np.arange(p), list(starts))
    return {
        "diagonal": np.eye(p, dtype=bool),
        "quasi-diagonal": np.eye(p, dtype=bool) | (same & (first[:, None] | first[None, :])),
        "block": same,
        "full": np.ones((p, p), bool),
    }[reduction]


class Metric:
    """J (p, p), 0 where nothing is kept; `prior` is lambda, `decay` a function of t."""

    def __init__(self, reduction, starts, decay, prior, J):
        self.reduction, self.starts, self.decay, self.prior = reduction, starts, decay, prior
        self.J = np.array(J, float)

    def matrix(self):
        M = self.J + self.prior * np.eye(len(self.J))
        if self.reduction != "quasi-diagonal":
            return M
        block = members(len(M), self.starts)
        for b, first in enumerate(self.starts):
            rest = np.flatnonzero(block == b)[1:]
            off = np.outer(self.J[first, rest], self.J[first, rest]) / M[first, first]
            M[np.ix_(rest, rest)] += off - np.diag(np.diag(off))
        return M

    def trusted(self, g, power=1.0):
        """g, of quasi-diagonal blocks with a bias each shrunk by g_0^2 / (kappa D_0) if above 1, or
        by a power of it."""
        if self.reduction != "quasi-diagonal" or len(self.starts) == len(g):
            return g
        first = np.array(self.starts)
        size = g[first] ** 2 / (OUTLIER * (np.diag(self.J)[first] + self.prior))
        return g / (np.maximum(1.0, size) ** power)[members(len(g), self.starts)]

    def accumulate(self, directions, t):
        """J <- (1 - gamma) J + reduced sum of g g^T over `directions` (R, p)."""
        keep = kept(self.reduction, len(self.J), self.starts)
        self.J = (1 - min(1.0, self.decay(t))) * self.J + keep * (directions.T @ directions)

    def step(self, x, g):
        return x - np.linalg.solve(self.matrix(), g)

    def inner(self, a, b):
        """a M^-1 b^T for rows of a and b: (59)."""
        return np.atleast_2d(a) @ np.linalg.solve(self.matrix(), np.atleast_2d(b).T)


class Plain:
    """An optimizer without a metric (optimizer.py), and the plain inner product."""

    def __init__(self, optimizer):
        self.optimizer, self.J = optimizer, None

    def trusted(self, g, power=1.0):
        return g

    def accumulate(self, directions, t):
        self.t = t

    def step(self, x, g):
        return self.optimizer.step(x, g, self.t)

    def inner(self, a, b):
        return np.atleast_2d(a) @ np.atleast_2d(b).T
