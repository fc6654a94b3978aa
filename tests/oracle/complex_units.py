"""Units whose carried numbers are pairs, each one complex number that turns and decays.

n numbers, two after another a pair: c = re + i im, n / 2 of them. From u(t) = (1, x(t)) each number
has a sum a = θᵀ u, so that a pair's is complex, too, and

    c(t) = λ c(t-1) + a(t),    y = tanh(γ c), of each number by itself,
    λ = σ(ν) (-tanh η + i / cosh η),    γ = √(1 - |λ|²).

θ (1, k + 1, n) has rows for (1, y, x), those of y being unused, and at its end the row of ν, η, ν,
η, … By a complex weight, and by ln λ = ln |λ| + i arg λ, c is holomorphic: ∂c by both parts of one
is a complex number, which E has in their place. All that rules sum up is by ln λ in place of the
last row; `chain` turns it into the gradient by ν and η.
"""

import numpy as np

from .gated import Network, Step, sigma


def numbers(pairs):
    """(…, n / 2) complex as (…, n)."""
    return np.stack([pairs.real, pairs.imag], -1).reshape(*pairs.shape[:-1], -1)


def pairs(x):
    return x[..., ::2] + 1j * x[..., 1::2]


class Turning(Network):
    """In place of u, what a step saw: u, and λ c(t-1)."""

    def __init__(self, cell, theta, recurrent=False):
        del recurrent  # units do not see each other
        self.cell, self.theta, self.n = cell, theta, theta.shape[2]
        self.sees = np.ones((1, theta.shape[1] - 1))
        self.sees[:, 1 : 1 + self.n] = 0
        nu, eta = theta[0, -1, ::2], theta[0, -1, 1::2]
        size = sigma(nu)
        self.lam = size * (-np.tanh(eta) + 1j / np.cosh(eta))
        gamma = np.sqrt(sigma(-nu) * (1 + size))
        gamma_slope = -(size**2) / gamma  # by ln |λ|
        self.gamma, self.gamma_slope = np.repeat(gamma, 2), np.repeat(gamma_slope, 2)
        self.slopes = numbers(sigma(-nu) + 1j / np.cosh(eta))  # of ln λ by ν and η

    def step(self, x, state):
        u = np.concatenate([[1.0], state[1], x])
        turned = self.lam * pairs(state[0])
        a = np.einsum("kn,k,k->n", self.theta[0, :-1], self.sees[0], u)
        c = numbers(turned) + a
        y = np.tanh(self.gamma * c)
        slope = 1 - y**2
        one, none = np.ones_like(c), np.zeros_like(c)
        # a second "gate" is ln |λ|, as far as y alone depends on it
        c_a, y_a = np.array([one, none]), np.array([none, slope * c * self.gamma_slope])
        return (u, turned), Step(c, y, c_a, self.lam, y_a, slope * self.gamma)

    def weights(self):
        return np.zeros((1, self.n, self.n))

    def back(self, delta, u, s):
        through = delta[0] + delta[1] * s.y_c
        before = numbers(pairs(through) * self.lam.conj())
        return through * s.c_a + delta[1] * s.y_a, np.array([before, 0 * before])

    def _sums(self, gates, u):
        return gates[:1]

    def _rows(self, sums, last, u):
        """θ's shape, from complex numbers that meet u, and what is in the last row."""
        rest = numbers(np.outer(self.sees[0] * u, sums))
        return np.concatenate([rest, numbers(last)[np.newaxis]])[np.newaxis]

    def outer(self, gates, u):
        u, turned = u
        by_size = pairs(gates[1])
        through = pairs(gates[0])
        last = through * turned.conj()
        return self._rows(through, last + by_size.real + by_size.imag, u)

    def own(self, gates, u):
        """∂c/∂θ of one step, a complex number for each pair of parameters."""
        u, turned = u
        return self._rows(pairs(gates[0]).real + 0j, turned, u)

    def known(self, delta, E):
        """∂L/∂θ from ∂L/∂c (n,) along E."""
        return numbers(pairs(delta) * pairs(E).conj())

    def carry(self, c_c, E):
        return numbers(c_c * pairs(E))

    def jvp(self, v, u, s, below=0.0):
        c = numbers(self.lam * pairs(v[0])) + np.sum(below, axis=0)
        return np.array([c, s.y_c * c])

    def forward(self, influence, u, s):
        (u, turned), n = u, self.n
        c = np.moveaxis(influence[0], 0, -1)
        c = np.moveaxis(numbers(self.lam * pairs(c)), -1, 0)
        own = np.eye(n)
        c[:, 0, :-1] += own[:, np.newaxis] * (self.sees[0] * u)[:, np.newaxis]
        for j, p in enumerate(turned):
            re, im = 2 * j, 2 * j + 1
            by_log = np.array([[p.real, -p.imag], [p.imag, p.real]])  # of (re, im), by ln λ
            c[re : im + 1, 0, -1, re : im + 1] += by_log
        y = s.y_c[:, np.newaxis, np.newaxis, np.newaxis] * c
        for i in range(n):
            y[i, 0, -1, i - i % 2] += s.y_a[1, i]
        return np.array([c, y])

    def chain(self, gradient):
        """∂L/∂θ, from what rules sum up."""
        out = np.array(gradient)
        out[..., -1, :] *= self.slopes
        return out


class LRU:
    """What `gated.Windowed` asks of a unit."""

    gates, network = 1, Turning
