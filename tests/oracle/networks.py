"""Networks as systems h(t+1) = f(h, x, theta): graphs (31), leaks (37), stacks (43)-(46), (47).

Plain NumPy that takes complex numbers, so that every derivative can be checked by a complex step.
The parameters of unit i lie together in theta: b_i, W_ji for its sources j in rising order, r_li
for the inputs l, and last, where the leaks are learned, beta_i with alpha_i = 1 / (1 + e^-beta_i).
"""

import numpy as np

ACTIVATION = {"sigmoid": lambda h: 1 / (1 + np.exp(-h)), "tanh": np.tanh}
SLOPE = {"sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a**2}


class Network:
    """h'_i = keep_i h_i + gain_i (b_i + sum_{j->i} W_ji a_j + sum_l r_li x_l), a = sigma(h).

    units, inputs : n, m
    graph : (n, n) of booleans, [j, i] an edge from j to i; None: all
    keep, gain : numbers or (n,); `keep` None: learned, and a part of theta
    """

    def __init__(self, units, inputs, graph=None, keep=0.0, gain=1.0, activation="sigmoid"):
        self.n, self.m = units, inputs
        self.learned = keep is None
        self.keep = None if self.learned else np.broadcast_to(np.asarray(keep, float), units)
        self.gain = np.broadcast_to(np.asarray(gain, float), units)
        self.sigma, self.slope_of = ACTIVATION[activation], SLOPE[activation]
        edges = np.ones((units, units), bool) if graph is None else np.asarray(graph, bool)
        self.sources = [np.flatnonzero(edges[:, i]) for i in range(units)]
        sizes = [1 + len(j) + inputs + self.learned for j in self.sources]
        self.starts = np.concatenate([[0], np.cumsum(sizes)])
        self.p = int(self.starts[-1])

    def unit(self, theta, i):
        """b, W (sources), r (m,), keep of unit i."""
        mine = theta[self.starts[i] : self.starts[i + 1]]
        W, r = np.split(mine[1 : 1 + len(self.sources[i]) + self.m], [len(self.sources[i])])
        return mine[0], W, r, 1 / (1 + np.exp(-mine[-1])) if self.learned else self.keep[i]

    def step(self, h, x, theta):
        a = self.sigma(h)
        new = []
        for i, j in enumerate(self.sources):
            b, W, r, keep = self.unit(theta, i)
            new.append(keep * h[i] + self.gain[i] * (b + W @ a[j] + r @ x))
        return np.array(new)

    def parts(self, h, theta):
        """dstep/dh (n, n) and dstep/dx (n, m)."""
        slope = self.slope_of(self.sigma(h))
        F, B = np.zeros((self.n, self.n)), np.zeros((self.n, self.m))
        for i, j in enumerate(self.sources):
            _, W, r, keep = self.unit(theta, i)
            F[i, j] = self.gain[i] * W * slope[j]
            F[i, i] += keep
            B[i] = self.gain[i] * r
        return F, B

    def jvp(self, h, x, theta, v):
        return self.parts(h, theta)[0] @ v

    def vjp(self, h, x, theta, u):
        return self.parts(h, theta)[0].T @ u

    def rows(self, h, x, theta):
        """dstep/dtheta as CSR arrays: w_i = gain_i (1, a, x), and h_i alpha_i (1 - alpha_i)."""
        a, data = self.sigma(h), []
        for i, j in enumerate(self.sources):
            data += [self.gain[i] * np.concatenate([[1.0], a[j], x])]
            if self.learned:
                keep = self.unit(theta, i)[3]
                data += [[keep * (1 - keep) * h[i]]]
        return self.starts, np.arange(self.p), np.concatenate(data)


class Layer:
    """One inner step of a stack: layer l moves, the others stay (43)-(46)."""

    def __init__(self, stack, layer):
        self.stack, self.layer = stack, layer
        self.network = stack.networks[layer]
        self.units = slice(*stack.units[layer : layer + 2])
        self.below = slice(*stack.units[layer - 1 : layer + 1]) if layer else slice(0, 0)
        self.own = slice(*stack.starts[layer : layer + 2])

    def input(self, h, x):
        """(x, a of the layer below), or the latter alone."""
        if not self.layer:
            return x
        a = self.stack.networks[self.layer - 1].sigma(h[self.below])
        return np.concatenate([x, a]) if self.stack.skip else a

    def step(self, h, x, theta):
        new = np.array(h)
        new = new.astype(np.result_type(h, theta, np.asarray(x)))
        new[self.units] = self.network.step(h[self.units], self.input(h, x), theta[self.own])
        return new

    def jacobian(self, h, x, theta):
        F = np.eye(self.stack.n)
        own, inputs = self.network.parts(h[self.units], theta[self.own])
        F[self.units, self.units] = own
        if self.layer:
            below = self.stack.networks[self.layer - 1]
            slope = below.slope_of(below.sigma(h[self.below]))
            F[self.units, self.below] = inputs[:, -below.n :] * slope
        return F

    def jvp(self, h, x, theta, v):
        return self.jacobian(h, x, theta) @ v

    def vjp(self, h, x, theta, u):
        return self.jacobian(h, x, theta).T @ u

    def rows(self, h, x, theta):
        """Only the units of this layer have any."""
        own = self.network.rows(h[self.units], self.input(h, x), theta[self.own])
        indptr = np.zeros(self.stack.n + 1, int)
        indptr[self.units.start : self.units.stop + 1] = own[0]
        indptr[self.units.stop :] = own[0][-1]
        return indptr, own[1] + self.own.start, own[2]


class Stack:
    """Layers, each fed by x and by the new activities of the one below, (39)-(42).

    `phases` are its inner steps, in order; with `skip` False only the first layer sees x.
    """

    def __init__(self, networks, skip=True):
        self.networks, self.skip = networks, skip
        self.units = np.concatenate([[0], np.cumsum([network.n for network in networks])])
        self.starts = np.concatenate([[0], np.cumsum([network.p for network in networks])])
        self.n, self.p = int(self.units[-1]), int(self.starts[-1])
        self.phases = [Layer(self, layer) for layer in range(len(networks))]

    def step(self, h, x, theta):
        """The rolled-out model: all layers, one after the other."""
        for phase in self.phases:
            h = phase.step(h, x, theta)
        return h


class Euler:
    """h(t + dt) = h + dt F(h, x, theta), the discretised (47)."""

    def __init__(self, field, dt):
        self.field, self.dt = field, dt
        self.n, self.p = field.n, field.p

    def step(self, h, x, theta):
        return h + self.dt * self.field.step(h, x, theta)

    def jvp(self, h, x, theta, v):
        return v + self.dt * self.field.jvp(h, x, theta, v)

    def vjp(self, h, x, theta, u):
        return u + self.dt * self.field.vjp(h, x, theta, u)

    def rows(self, h, x, theta):
        indptr, indices, data = self.field.rows(h, x, theta)
        return indptr, indices, self.dt * data


def ctrnn(units, inputs, tau, graph=None, activation="sigmoid"):
    """The field F_i = (-h_i + b_i + sum_j W_ji a_j + sum_l r_li x_l) / tau_i."""
    rate = 1 / np.broadcast_to(np.asarray(tau, float), units)
    return Network(units, inputs, graph, keep=-rate, gain=rate, activation=activation)
