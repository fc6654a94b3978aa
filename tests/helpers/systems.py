"""Systems of one's own that several tests train: rectangular, with parameters that states share."""

import ctypes
from pathlib import Path

import numpy as np
import oracle
import oracle.cell

import nbt
from helpers.c_sources import compile_c
from nbt.trainers.network import Network

RING = {"n": 3, "m": 2, "p": 8, "starts": (0, 1, 4, 6)}
LAYERS = {"n": 5, "m": 2, "p": 11, "starts": (0, 3, 7)}


class Ring:
    """Three units on a ring, which share theta[7]; theta[0] acts on two of them."""

    @staticmethod
    def step(h, x, theta):
        a = np.tanh(h)
        drive = theta[0] * np.array([1.0, 1.0, 0.0]) + theta[1:4] * np.roll(a, 1)
        return 0.5 * h + drive + theta[4:7] * (x[0] - x[1] * h) + theta[7] ** 2 * a

    @staticmethod
    def jvp(h, x, theta, v):
        da = (1 - np.tanh(h) ** 2) * v
        return 0.5 * v + theta[1:4] * np.roll(da, 1) - theta[4:7] * x[1] * v + theta[7] ** 2 * da

    @staticmethod
    def vjp(h, x, theta, u):
        slope = 1 - np.tanh(h) ** 2
        back = slope * np.roll(theta[1:4] * u, -1)
        return 0.5 * u + back - theta[4:7] * x[1] * u + theta[7] ** 2 * slope * u

    @staticmethod
    def rows(h, x, theta):
        a = np.tanh(h)
        indices = [[0, 1, 4, 7], [7, 2, 5, 0], [3, 6, 7]]
        data = [
            [1.0, a[2], x[0] - x[1] * h[0], 2 * theta[7] * a[0]],
            [2 * theta[7] * a[1], a[0], x[0] - x[1] * h[1], 1.0],
            [a[1], x[0] - x[1] * h[2], 2 * theta[7] * a[2]],
        ]
        return np.array([0, 4, 8, 11]), np.concatenate(indices), np.concatenate(data)

    @staticmethod
    def loss(h, y):
        error = h - y
        curve = np.array([0.1 * np.sin(h[0]), 0, 0])
        return 0.5 * (error**2).sum() + 0.1 * np.cos(h[0]), error - curve


class Layers:
    """Two layers, units 0–1 and 2–4, one a phase; theta[10] acts in both."""

    @staticmethod
    def _parts(phase):
        return (slice(0, 2), slice(2, 5))[phase]

    @classmethod
    def _signal(cls, h, x, phase):
        a = np.tanh(h)
        return (x[0] - a[1], x[1] + a[0]) if phase == 0 else (a[0] * a[4], a[1] - a[3])

    @classmethod
    def step(cls, h, x, theta, phase):
        s, t = cls._signal(h, x, phase)
        here, next_h = cls._parts(phase), h.copy()
        weights = theta[0:4].reshape(2, 2) if phase == 0 else theta[4:10].reshape(2, 3)
        next_h[here] = 0.4 * h[here] + weights[0] * s + weights[1] * t + np.sin(theta[10]) * s
        return next_h

    @classmethod
    def jacobian(cls, h, x, theta, phase):
        F, here, slope = np.eye(5), cls._parts(phase), 1 - np.tanh(h) ** 2
        a = np.tanh(h)
        weights = theta[0:4].reshape(2, 2) if phase == 0 else theta[4:10].reshape(2, 3)
        ds, dt = np.zeros(5), np.zeros(5)
        if phase == 0:
            ds[1], dt[0] = -slope[1], slope[0]
        else:
            ds[0], ds[4] = slope[0] * a[4], a[0] * slope[4]
            dt[1], dt[3] = slope[1], -slope[3]
        F[here] = 0.4 * np.eye(5)[here]
        F[here] += np.outer(weights[0] + np.sin(theta[10]), ds) + np.outer(weights[1], dt)
        return F

    @classmethod
    def jvp(cls, h, x, theta, v, phase):
        return cls.jacobian(h, x, theta, phase) @ v

    @classmethod
    def vjp(cls, h, x, theta, u, phase):
        return cls.jacobian(h, x, theta, phase).T @ u

    @classmethod
    def rows(cls, h, x, theta, phase):
        s, t = cls._signal(h, x, phase)
        here = cls._parts(phase)
        width, first = here.stop - here.start, 0 if phase == 0 else 4
        lengths, indices = np.zeros(5, int), []
        lengths[here] = 3
        for i in range(width):
            indices += [10, first + i, first + width + i]
        data = np.tile([np.cos(theta[10]) * s, s, t], width)
        return np.concatenate([[0], np.cumsum(lengths)]), np.array(indices), data


def values(sizes, seed=1):
    """h and theta to begin with."""
    rng = np.random.default_rng(seed)
    return {"state": rng.normal(size=sizes["n"]), "theta": 0.6 * rng.normal(size=sizes["p"])}


def ring(**changes):
    parts = {name: getattr(Ring, name) for name in ("step", "jvp", "vjp", "rows", "loss")}
    return nbt.System(**parts | values(RING) | {"starts": RING["starts"], "entries": 11} | changes)


def layers(**changes):
    parts = {name: getattr(Layers, name) for name in ("step", "jvp", "vjp", "rows")}
    more = {"starts": LAYERS["starts"], "phases": 2}
    return nbt.System(**parts | values(LAYERS) | more | changes)


def network(theta, h, activation, alpha=0.0):
    """The dense cell of the package as a system: theta (P, n) as blocks, a unit each."""
    P, n = theta.shape
    columns = np.arange(n * P).reshape(n, P)

    def z(h, x):
        return oracle.cell.regressors(h, x, activation)

    return nbt.System(
        step=lambda h, x, flat: oracle.cell.transition(
            h, x, flat.reshape(n, P).T, alpha, activation
        ),
        jvp=lambda h, x, flat, v: (
            oracle.cell.jacobian(h, flat.reshape(n, P).T, alpha * np.ones(n), activation) @ v
        ),
        vjp=lambda h, x, flat, u: (
            oracle.cell.jacobian(h, flat.reshape(n, P).T, alpha * np.ones(n), activation).T @ u
        ),
        rows=lambda h, x, flat: (np.arange(n + 1) * P, columns.ravel(), np.tile(z(h, x), n)),
        state=h,
        theta=theta.T.ravel(),
        starts=np.arange(n) * P,
        activation=activation,
    )


# ---- the same network, compiled ------------------------------------------------------------------


class Sizes(ctypes.Structure):
    """What network.c knows besides its arguments."""

    _fields_ = (("n", ctypes.c_int), ("m", ctypes.c_int))


def compile_network(folder, dtype="float64", flags=("-O3",)):
    """tests/c/network.c as a library; None without a compiler."""
    single = ["-DSINGLE"] if dtype == "float32" else []
    return compile_c("network", Path(folder) / f"network_{dtype}.so", [*flags, *single])


def compiled_network(library, n, m, theta, dtype="float64", **changes):
    """A network of n sigmoid units and m inputs, its functions by ctypes."""
    P = 1 + n + m
    parts = {name: getattr(library, name) for name in ("step", "jvp", "vjp", "rows", "move")}
    more = {
        "state": np.zeros(n),
        "theta": theta,
        "starts": np.arange(n) * P,
        "pattern": (np.arange(n + 1) * P, np.arange(n * P)),
        "activation": "sigmoid",
        "data": ctypes.pointer(Sizes(n, m)),
        "dtype": dtype,
    }
    return nbt.CompiledSystem(**parts | more | changes)


def learned_of(trainer):
    """Which numbers of theta are learned: the oracle's theta has no others."""
    if isinstance(trainer.cell, nbt.System):
        return np.ones(len(trainer.cell.theta), bool)
    network = Network(trainer.cell, trainer.inputs.size)
    mask = np.ones(network.size, bool)
    for layer, name in network.names().values():
        if name in ("alpha", "tau"):
            mask[layer.places(name)] = False
    return mask


def theta_of(trainer):
    """Theta of what is trained as a system, flat."""
    state = trainer.state_dict()
    if isinstance(trainer.cell, nbt.System):
        return state["cell.theta"]
    network = Network(trainer.cell, trainer.inputs.size)
    return network.pack({key: state[f"cell.{key}"] for key in network.names()})
