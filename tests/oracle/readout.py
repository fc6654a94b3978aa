"""What the state says about the next target, and its exact derivatives (10), (11). Losses in nats.

The A outputs are o = phi[0] + a phi[1 : 1 + n] (48), and with x, the last input (m,), where the
readout sees that, + x phi[1 + n :]. A kind of readout says what they mean:

    softmax     y is one of A symbols, p = exp(o) / sum exp(o)
    gaussian    y (dim,), A = 2 dim, o = (mean, u), y_d ~ N(mean_d, exp(s_d)),
                s = u / (1 + |u| / BOUND)
    bernoulli   y (dim,) in [0, 1], A = dim, p_d = 1 / (1 + exp(-o_d)), cross-entropy

An entry of y that is NaN is not known: it adds nothing to the loss and to the gradient.

A Gaussian whose targets are standardised (`Scaled`) predicts y_d ~ N(m + k mean_d, R exp(s_d)) with
the running mean m, deviation k and mean squared error R of scaler.py. What its gradients see is
limited: no more than LIMIT deviations r = (m + k mean - y) / sqrt(R exp(s)). So that the limit does
not draw s down, limited squares are compared with their own running mean; and since R follows the
errors by itself, s is drawn to 0 a little:

    dloss/dmean = r k / sqrt(R exp(s)),  dloss/ds = (share - r^2) / 2 + PULL s.

SGD, which does not know how steep that is, takes r sqrt(R exp(s)) / k for the first: the gradient
of the squared error. I_t of u is at least the square of its gradient.

I_t of (23) is the outer product of dloss/do, but for the Gaussian, whose Fisher matrix is diagonal
and does not depend on y: `information`.
"""

import numpy as np

from .cell import activate, slope

BOUND = 20.0
LIMIT = 3.0
PULL = 0.05


def features(h, activation, x=None):
    """(1, a) or (1, a, x)."""
    return np.concatenate([[1.0], activate(h, activation), [] if x is None else x])


def outputs(h, phi, activation, x=None):
    """o (A,)."""
    return features(h, activation, x) @ phi


class Softmax:
    @staticmethod
    def predict(o):
        exponentials = np.exp(o - o.max())
        return exponentials / exponentials.sum()

    @staticmethod
    def loss(o, y):
        top = o.max()
        return top + np.log(np.exp(o - top).sum()) - o[y]

    @staticmethod
    def delta(o, y):
        result = Softmax.predict(o)
        result[y] -= 1.0
        return result


class Gaussian:
    @staticmethod
    def split(o):
        mean, u = np.split(o, 2)
        shrink = 1.0 / (1.0 + np.abs(u) / BOUND)
        return mean, u * shrink, shrink**2

    @staticmethod
    def predict(o):
        mean, s, _ = Gaussian.split(o)
        return np.stack([mean, np.exp(s)])

    @staticmethod
    def loss(o, y):
        mean, s, _ = Gaussian.split(o)
        return 0.5 * np.nansum(np.log(2.0 * np.pi) + s + (y - mean) ** 2 * np.exp(-s))

    @staticmethod
    def delta(o, y):
        mean, s, ds = Gaussian.split(o)
        by_mean = (mean - y) * np.exp(-s)
        by_s = 0.5 * (1.0 - (y - mean) ** 2 * np.exp(-s))
        return np.nan_to_num(np.concatenate([by_mean, by_s * ds]), posinf=np.inf, neginf=-np.inf)


class Scaled:
    """One step of a Gaussian whose targets are standardised by `scaler`: predict, loss, delta,
    information as above, and the `squares` that the scaler follows."""

    def __init__(self, o, scaler):
        self.scaler, self.k = scaler, scaler.deviation
        self.mean, self.s, self.ds = Gaussian.split(o)
        self.deviation = np.sqrt(scaler.mean_square * np.exp(self.s))

    def predict(self):
        return np.stack([self.scaler.mean + self.k * self.mean, self.deviation**2])

    def see(self, y, plain):
        """plain: for SGD. The loss is NaN where no number has a scale."""
        counts = self.scaler.known & ~np.isnan(y)
        r = (self.scaler.mean + self.k * self.mean - y) / self.deviation
        losses = 0.5 * np.log(2.0 * np.pi) + np.log(self.deviation) + r**2 / 2.0
        self.loss = losses[counts].sum() if counts.any() else np.nan
        seen = np.clip(r, -LIMIT, LIMIT)
        steep = self.k / self.deviation
        self.errors = np.where(counts, r / steep, 0.0)
        self.doubt = max(1.0, np.abs(np.where(counts, r, 0.0)).max() / LIMIT)
        by_mean = seen / steep if plain else seen * steep
        by_u = self.ds * ((self.scaler.share - seen**2) / 2.0 + PULL * self.s)
        self.delta = np.concatenate([np.where(counts, by_mean, 0.0), np.where(counts, by_u, 0.0)])
        measured = [steep**2, np.maximum(self.ds**2 / 2.0, by_u**2)]
        self.information = np.where(np.tile(counts, 2), np.concatenate(measured), 0.0)
        mean_square = self.scaler.mean_square
        self.squares = r**2 * mean_square, seen**2 * mean_square


class Bernoulli:
    @staticmethod
    def predict(o):
        return activate(o, "sigmoid")

    @staticmethod
    def loss(o, y):
        return np.nansum(np.logaddexp(0.0, o) - y * o)

    @staticmethod
    def delta(o, y):
        return np.nan_to_num(Bernoulli.predict(o) - y)


KINDS = {"softmax": Softmax, "gaussian": Gaussian, "bernoulli": Bernoulli}


def predict(h, phi, activation, kind="softmax", x=None):
    """Softmax: p (A,). Gaussian: means and variances (2, dim). Bernoulli: p (dim,)."""
    return KINDS[kind].predict(outputs(h, phi, activation, x))


def loss(h, y, phi, activation, kind="softmax", x=None):
    """-log p(y), of a density for the Gaussian."""
    return KINDS[kind].loss(outputs(h, phi, activation, x), y)


def delta(h, y, phi, activation, kind="softmax", x=None):
    """dloss/do, shape (A,)."""
    return KINDS[kind].delta(outputs(h, phi, activation, x), y)


def information(h, y, phi, activation, kind="softmax", x=None):
    """The diagonal of I_t (23), (A,), where it is the Fisher matrix; None where dloss/do's square.

    E dloss/do dloss/do^T, y being as predicted: e^-s for the means, (ds/du)^2 / 2 for u; 0 where y
    is not known.
    """
    if kind != "gaussian":
        return None
    _, s, ds = Gaussian.split(outputs(h, phi, activation, x))
    return np.tile(~np.isnan(y), 2) * np.concatenate([np.exp(-s), ds**2 / 2.0])


def gradient(h, delta, activation, x=None):
    """dloss/dphi[p, z] = (1, a, x)_p delta_z, the shape of phi."""
    return np.outer(features(h, activation, x), delta)


def backward(h, delta, phi, activation):
    """H_i = dloss/dh_i = sigma'(h_i) sum_z phi[1 + i, z] delta_z, shape (n,) (11)."""
    return slope(h, activation) * (phi[1 : 1 + len(h)] @ delta)


# ---- counts beside a softmax ---------------------------------------------------------------------

D, U, RATE, NOISE, BITS = 0.7, 0.5, 0.02, 1e-8, 12
MOST, MOST_OF_ALL = 255, 65535


class Counts:
    """A softmax's base measure from counts, in dictionaries: no hashes, no bounds of memory.

    c[k][context][z]: how often z came after these last k symbols, newest first. With N their sum, d
    their number,

        q_0(z) = (max(c_0(z) - D, 0) + (D d_0 + U) / A) / (N_0 + U)
        q_k(z) = (max(c_k(z) - D, 0) + (D d_k + U) q_{k-1}(z)) / (N_k + U)

    The logits gain beta ln q_K. There is a beta for each (longest context seen, bits of its N). A
    symbol is counted from order K down to the first order in which it was known.
    """

    def __init__(self, symbols, orders):
        self.symbols, self.orders = symbols, orders
        self.c = [{} for _ in range(orders + 1)]
        self.context = ()
        self.beta, self.squares = np.ones((2, orders + 1, BITS)) * [[[1.0]], [[0.0]]]

    def _counted(self, k):
        return self.c[k].get(self.context[:k], {})

    @property
    def _known(self):
        return range(len(self.context) + 1)

    def q(self):
        """(A,) probabilities."""
        q = np.full(self.symbols, 1.0 / self.symbols)
        for k in self._known:
            c = np.zeros(self.symbols)
            for z, count in self._counted(k).items():
                c[z] = count
            q = (np.maximum(c - D, 0.0) + (D * (c > 0).sum() + U) * q) / (c.sum() + U)
        return q

    def cell(self):
        """The place of beta: order and bits."""
        sums = [sum(self._counted(k).values()) for k in self._known]
        longest = max((k for k in self._known if sums[k]), default=0)
        return longest, min(int(sums[longest]).bit_length() - 1, BITS - 1) if sums[longest] else 0

    def logits(self):
        """(A,) what the logits gain."""
        return self.beta[self.cell()] * np.log(self.q())

    def learn(self, y, delta):
        """After the loss of y, whose derivatives by the logits are delta (A,)."""
        cell, slope = self.cell(), delta @ np.log(self.q())
        self.squares[cell] += slope**2
        self.beta[cell] -= RATE * slope / np.sqrt(self.squares[cell] + NOISE)
        for k in reversed(self._known):
            counted = self.c[k].setdefault(self.context[:k], {})
            known = y in counted
            if known and counted[y] >= (MOST if k else MOST_OF_ALL):
                for z in counted:
                    counted[z] = (counted[z] + 1) // 2
            counted[y] = counted.get(y, 0) + 1
            if known:
                break

    def follow(self, symbol):
        self.context = (symbol, *self.context)[: self.orders]
