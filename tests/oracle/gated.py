"""Gated cells, and the rule that learns them by blocks of steps.

n units, m inputs, k = 1 + n + m. At each step u(t) = (1, y(t-1), x(t)) (k,), and for each gate g
a_g = θ_gᵀ u (n,), θ (gates, k, n). A unit carries a number c and shows another, y:

    c(t), y(t) = φ(a(t), c(t-1)).

Its state is s = (c, y). What a unit does by itself, φ and its derivatives, is all that a cell gives
(`step`). Rules follow from it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .cell import activate, slope


def sigma(a):
    return 1 / (1 + np.exp(-a))


class Step(NamedTuple):
    """What a step made, and its derivatives: ∂c/∂a (gates, n), ∂c/∂c(t-1) (n,); of y as a function
    of a and of the new c, ∂y/∂a (gates, n) and ∂y/∂c (n,)."""

    c: np.ndarray
    y: np.ndarray
    c_a: np.ndarray
    c_c: np.ndarray
    y_a: np.ndarray
    y_c: np.ndarray


class LSTM:
    """c = f c(t-1) + i z, y = o tanh c. Gates f, i, z, o; coupled: i = 1 - f, and no gate i."""

    def __init__(self, coupled=False):
        self.coupled, self.gates = coupled, 3 if coupled else 4

    def sees(self, n, m):
        """Which numbers of u each gate sees, (gates, k)."""
        return np.ones((self.gates, 1 + n + m))

    def step(self, a, before):
        f, z, o = sigma(a[0]), np.tanh(a[-2]), sigma(a[-1])
        i = 1 - f if self.coupled else sigma(a[1])
        c = f * before + i * z
        squashed, none = np.tanh(c), np.zeros_like(c)
        slope_z, slope_o = i * (1 - z * z), squashed * o * (1 - o)
        if self.coupled:
            c_a = [(before - z) * f * (1 - f), slope_z, none]
        else:
            c_a = [before * f * (1 - f), z * i * (1 - i), slope_z, none]
        y_a = np.array([*[none] * (self.gates - 1), slope_o])
        return Step(c, o * squashed, np.array(c_a), f, y_a, o * (1 - squashed**2))


class GRU:
    """y = c = (1 - z) q + z c(t-1), q = tanh(a_x + r a_y): the reset after the product.

    Gates r, z, and the two sums of q: a_x of (1, x), a_y of (1, y).
    """

    gates = 4

    def sees(self, n, m):
        what = np.ones((4, 1 + n + m))
        what[2, 1 : 1 + n] = what[3, 1 + n :] = 0
        return what

    def step(self, a, before):
        r, z = sigma(a[0]), sigma(a[1])
        q = np.tanh(a[2] + r * a[3])
        inner = (1 - z) * (1 - q * q)
        c_a = np.array([inner * a[3] * r * (1 - r), (before - q) * z * (1 - z), inner, inner * r])
        c = (1 - z) * q + z * before
        return Step(c, c, c_a, z, np.zeros_like(a), np.ones_like(c))


class MGU:
    """y = c = (1 - f) c(t-1) + f q, q = tanh(a_x + f a_y). Gates f, and the two sums of q."""

    gates = 3

    def sees(self, n, m):
        what = np.ones((3, 1 + n + m))
        what[1, 1 : 1 + n] = what[2, 1 + n :] = 0
        return what

    def step(self, a, before):
        f = sigma(a[0])
        q = np.tanh(a[1] + f * a[2])
        inner = f * (1 - q * q)
        c_a = np.array([(q - before + inner * a[2]) * f * (1 - f), inner, inner * f])
        c = (1 - f) * before + f * q
        return Step(c, c, c_a, 1 - f, np.zeros_like(a), np.ones_like(c))


class Leaky:
    """The cells with one gate: c = a + α c(t-1), y = σ(c); `RNN` where α is 0."""

    gates = 1

    def __init__(self, alpha, activation="sigmoid"):
        self.alpha, self.activation = np.asarray(alpha, float), activation

    def show(self, c):
        return activate(c, self.activation)

    def slope(self, c):
        return slope(c, self.activation)

    def sees(self, n, m):
        return np.ones((1, 1 + n + m))

    def step(self, a, before):
        c = a[0] + self.alpha * before
        one = np.ones_like(a)
        return Step(c, self.show(c), one, self.alpha + 0 * c, 0 * a, self.slope(c))


class Network:
    """A cell with its parameters, and the derivatives of a step of the whole network."""

    def __init__(self, cell, theta, recurrent=True):
        self.cell, self.theta = cell, theta
        self.n = theta.shape[2]
        self.sees = cell.sees(self.n, theta.shape[1] - 1 - self.n)
        if not recurrent:
            self.sees[:, 1 : 1 + self.n] = 0

    def step(self, x, state):
        """u, and the `Step` from state (2, n)."""
        u = np.concatenate([[1.0], state[1], x])
        a = np.einsum("gkn,gk,k->gn", self.theta, self.sees, u)
        return u, self.cell.step(a, state[0])

    def weights(self):
        """From unit j to gate g of unit i, at [g, j, i]."""
        rows = slice(1, 1 + self.n)
        return self.theta[:, rows] * self.sees[:, rows, np.newaxis]

    def back(self, delta, u, s):
        """From ∂L/∂s(t) (2, n): ∂L/∂a (gates, n), ∂L/∂s(t-1)."""
        through = delta[0] + delta[1] * s.y_c
        gates = through * s.c_a + delta[1] * s.y_a
        return gates, np.array([through * s.c_c, np.einsum("gn,gjn->j", gates, self.weights())])

    def _sums(self, gates, u):
        """∂L/∂(θᵀ u) from ∂L/∂a."""
        return gates

    def outer(self, gates, u):
        """∂L/∂θ of one step, (gates, k, n), from ∂L/∂a."""
        return np.einsum("gn,gk,k->gkn", gates, self.sees, u)

    def own(self, gates, u):
        """The same, of what a unit's ∂L/∂a does to its own parameters alone."""
        return self.outer(gates, u)

    def push(self, a, u):
        """∂a/∂y(t-1) v from Wᵀ v (gates, n, …)."""
        return a

    def spread(self, x):
        """A number for each unit (n,) as one for each entry of θ, as far as it broadcasts."""
        return x

    def known(self, delta, E):
        """∂L/∂θ along E, from ∂L/∂c (n,)."""
        return self.spread(delta) * E

    def carry(self, c_c, E):
        """E after a step, but for what the step adds."""
        return self.spread(c_c) * E

    def chain(self, gradient):
        """∂L/∂θ, from what rules sum up."""
        return gradient

    def jvp(self, v, u, s, below=0.0):
        """∂s(t)/∂s(t-1) v (2, n), and what comes from ∂s(t)/∂a below (gates, n)."""
        a = self.push(np.einsum("gji,j->gi", self.weights(), v[1]) + below, u)
        c = (s.c_a * a).sum(0) + s.c_c * v[0]
        return np.array([c, (s.y_a * a).sum(0) + s.y_c * c])

    def direct(self, u):
        """∂a_gi/∂θ_h[·, l] where y(t-1) is constant, (gates, n, gates, k, n)."""
        own = np.eye(self.n)[np.newaxis, :, np.newaxis, np.newaxis]  # gate g of unit i
        gates = np.eye(len(self.theta))[:, np.newaxis, :, np.newaxis, np.newaxis]
        return gates * own * (self.sees * u)[np.newaxis, np.newaxis, :, :, np.newaxis]

    def forward(self, influence, u, s):
        """RTRL: ∂s(t)/∂θ (2, n, gates, k, n) from that of t-1."""
        a = np.einsum("gji,jhkn->gihkn", self.weights(), influence[1])
        a = self.push(a, u) + self.direct(u)
        c = np.einsum("gi,gihkn->ihkn", s.c_a, a)
        c += s.c_c[:, np.newaxis, np.newaxis, np.newaxis] * influence[0]
        y = np.einsum("gi,gihkn->ihkn", s.y_a, a)
        return np.array([c, y + s.y_c[:, np.newaxis, np.newaxis, np.newaxis] * c])


class Normalised(Network):
    """Sums without bias are divided by their root mean square over the units of a gate.

    x̂_g = s_g / √(mean s_g² + ε), a_g = b_g + γ_g x̂_g. θ has one more row, the gains γ. In place of
    u, what a step saw: u, x̂ (gates, n), and the root (gates, 1).
    """

    EPSILON = 1e-6

    def __init__(self, cell, theta, recurrent=True):
        super().__init__(cell, theta[:, :-1], recurrent)
        self.gain, self.bias = theta[:, -1], theta[:, 0]
        self.theta = theta
        self.inner = theta[:, 1:-1] * self.sees[:, 1:, np.newaxis]

    def step(self, x, state):
        u = np.concatenate([[1.0], state[1], x])
        s = np.einsum("gkn,k->gn", self.inner, u[1:])
        root = np.sqrt((s**2).mean(1, keepdims=True) + self.EPSILON)
        seen = u, s / root, root
        return seen, self.cell.step(self.bias + self.gain * seen[1], state[0])

    def weights(self):
        return self.inner[:, : self.n]

    def _rows(self, gates, sums, u):
        """θ's shape: ∂L/∂a meets bias and gain, ∂L/∂s the rest."""
        u, normal, _ = u
        rest = np.einsum("gn,gk,k->gkn", sums, self.sees[:, 1:], u[1:])
        return np.concatenate([gates[:, np.newaxis], rest, (gates * normal)[:, np.newaxis]], 1)

    def _sums(self, gates, u):
        _, normal, root = u
        through = self.gain * gates
        return (through - normal * (through * normal).mean(1, keepdims=True)) / root

    def back(self, delta, u, s):
        through = delta[0] + delta[1] * s.y_c
        gates = through * s.c_a + delta[1] * s.y_a
        y = np.einsum("gn,gjn->j", self._sums(gates, u), self.weights())
        return gates, np.array([through * s.c_c, y])

    def outer(self, gates, u):
        return self._rows(gates, self._sums(gates, u), u)

    def own(self, gates, u):
        _, normal, root = u
        return self._rows(gates, self.gain * gates * (1 - normal**2 / self.n) / root, u)

    def push(self, a, u):
        _, normal, root = u
        more = (...,) + (np.newaxis,) * (a.ndim - 2)
        mean = (a * normal[more]).mean(1, keepdims=True)
        return (self.gain / root)[more] * (a - normal[more] * mean)

    def direct(self, u):
        seen, normal, _ = u
        gates = np.eye(len(self.theta))
        own = np.eye(self.n)
        sums = np.einsum("gh,il,gk,k->gihkl", gates, own, self.sees[:, 1:], seen[1:])
        first = np.einsum("gh,il->gihl", gates, own)[:, :, :, np.newaxis]
        last = first * normal[:, :, np.newaxis, np.newaxis, np.newaxis]
        return np.concatenate([first, self.push(sums, u), last], 3)


class Blocks:
    """Exact inside a block; E and pairs for what is older.

    E (gates, k, n) is ∂c_i/∂θ of unit i along its own carried number, up to the block's start. y_i
    there is a function of c_i. The pairs v̄ (K, 2, n), w̄ (K, gates, k, n) estimate the rest.
    """

    norm = "euclidean"  # or "none": pairs are not balanced

    def __init__(self, network, rank):
        self.network, self.rank = network, rank
        self.E, n = np.zeros_like(network.theta), network.n
        self.v, self.w = np.zeros((rank, 2, n)), np.zeros((rank, *network.theta.shape))
        self.slope = np.zeros(n)  # ∂y/∂c at the block's start

    def _backwards(self, steps, deltas, end=0.0):
        """∂L/∂θ within the block and ∂L/∂s(0), from what each step adds to ∂L/∂s(t), and from
        ∂L/∂s at the block's end."""
        gradient, delta = np.zeros_like(self.E), np.zeros((2, self.network.n)) + end
        for (u, s), more in zip(reversed(steps), reversed(deltas), strict=True):
            gates, delta = self.network.back(delta + more, u, s)
            gradient += self.network.outer(gates, u)
        return gradient, delta

    def _known(self, delta):
        """What E says of ∂s(0)/∂θ, along delta (2, n)."""
        return self.network.known(delta[0] + delta[1] * self.slope, self.E)

    def gradient(self, steps, H):
        """Of the block's loss, ∂ℓ/∂y(t) being H (T, n)."""
        gradient, delta = self._backwards(steps, [np.array([0 * h, h]) for h in H])
        gradient += self._known(delta)
        for v, w in zip(self.v, self.w, strict=True):
            gradient += (delta * v).sum() * w / self.rank
        return gradient

    def advance(self, steps, signs):
        """Past the block. signs (K, 2, n) are +1 or -1."""
        kept = []
        for nu in signs:
            inside, delta = self._backwards(steps, [0 * nu] * len(steps), nu)
            kept.append(inside + self._known(delta))
        for u, s in steps:
            self.E = self.network.carry(s.c_c, self.E) + self.network.own(s.c_a, u)
        if steps:
            self.slope = steps[-1][1].y_c
        for k, nu in enumerate(signs):
            v = self.v[k]
            for u, s in steps:
                v = self.network.jvp(v, u, s)
            new = kept[k] - self._known(nu)
            rho, rho_new = balance(v, self.w[k]), balance(nu, new)
            if self.norm == "none":  # but a product of 0 is left out
                rho, rho_new = float(rho > 0), float(rho_new > 0)
            self.v[k] = rho * v + rho_new * nu
            self.w[k] = over(self.w[k], rho) + over(new, rho_new)


def balance(v, w):
    """ρ that makes ‖ρ v‖ = ‖w / ρ‖; 0 where either is 0."""
    size = np.linalg.norm(v)
    return np.sqrt(np.linalg.norm(w) / size) if size else 0.0


def over(w, rho):
    return w / rho if rho else 0 * w


def adam(theta, gradient, m, v, t, rate, b1=0.9, b2=0.9999, floor=1e-6):
    """θ, m and v after update t = 1, 2, …"""
    m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
    return theta - rate * (m / (1 - b1**t)) / np.sqrt(v / (1 - b2**t) + floor), m, v
