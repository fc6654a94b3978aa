"""The trainers that are timed, by name, and how many steps of each make a round."""

from __future__ import annotations

import atexit
import functools
import tempfile

import numpy as np

import nbt
from bench import systems

__all__ = ["SYMBOLS", "SYSTEMS", "TRAINERS", "WINDOWED", "affordable", "make", "round_steps"]

SYMBOLS = 64
WINDOW = 15
SGD = nbt.SGD(nbt.InverseSqrt(0.03))
LITERAL = {"rank": 1, "blocks": 1, "exact_self": False}  # the paper's algorithm

TRAINERS = {
    "euclidean": lambda *a, **k: nbt.NoBackTrack(*a, SGD, norm="euclidean", **LITERAL, **k),
    "kalman": lambda *a, **k: nbt.NoBackTrack(*a, nbt.Kalman(), norm="kalman", **LITERAL, **k),
    "default": lambda *a, **k: nbt.NoBackTrack(*a, nbt.Kalman(), **k),
    "rank4": lambda *a, **k: nbt.NoBackTrack(*a, nbt.Kalman(), rank=4, **k),
    "bptt-sgd": lambda *a, **k: nbt.TruncatedBPTT(*a, SGD, window=WINDOW, **k),
    "bptt-kalman": lambda *a, **k: nbt.TruncatedBPTT(*a, nbt.Kalman(), window=WINDOW, **k),
    "rtrl-sgd": lambda *a, **k: nbt.RTRL(*a, SGD, **k),
    "rtrl-kalman": lambda *a, **k: nbt.RTRL(*a, nbt.Kalman(), **k),
}
# What the general rules train, by what it is: a function of the units.
SYSTEMS = {
    "graph-sgd": (lambda units: nbt.RNN(units, graph=nbt.Graph.random(units, 16)), SGD),
    "graph-kalman": (lambda units: nbt.RNN(units, graph=nbt.Graph.random(units, 16)), nbt.Kalman()),
    "stack": (lambda units: nbt.Stack([nbt.RNN(units // 2)] * 2), nbt.Kalman()),
    "ctrnn": (lambda units: nbt.Continuous(nbt.CTRNN(units), dt=0.1), nbt.Kalman()),
    "compiled": (lambda units: compiled_network(units), nbt.Kalman()),
}
# What learns once in 10 steps, and how.
WINDOWED = {
    "lstm": (nbt.LSTM, {}),
    "gru-pairs": (nbt.GRU, {"rank": 1}),
    "rnn-pairs": (nbt.RNN, {"optimizer": SGD, "every": 10, "rank": 1}),
}
# Multiply-adds for each parameter of the network, roughly; RTRL: the square of the units.
WORK = {"euclidean": 3, "kalman": 8, "default": 12, "rank4": 24, "bptt-sgd": 2, "bptt-kalman": 3}


def make(name: str, units: int, dtype: str = "float32") -> nbt.Trainer:
    """A new trainer of that name: one-hot inputs, `SYMBOLS` symbols; plain sigmoid units, but for
    systems and cells with gates."""
    if name in WINDOWED:
        windowed, choices = WINDOWED[name]
        return nbt.NoBackTrack(windowed(units), nbt.Softmax(SYMBOLS), **choices, dtype=dtype)
    if name in SYSTEMS:
        cell, optimizer = SYSTEMS[name]
        return nbt.NoBackTrack(cell(units), nbt.Softmax(SYMBOLS), optimizer, dtype=dtype)
    return TRAINERS[name](nbt.RNN(units), nbt.Softmax(SYMBOLS), dtype=dtype)


@functools.cache
def library(dtype: str = "float64"):
    """tests/c/network.c, compiled without what only this machine has."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return systems.systems.compile_network(folder.name, dtype, ("-O2",))


def compiled_network(units: int) -> nbt.CompiledSystem:
    """The network of a user in C, float64, as it is for any numbers."""
    theta = np.random.default_rng(1).normal(size=units * (1 + units + SYMBOLS)) / np.sqrt(units)
    return systems.systems.compiled_network(library(), units, SYMBOLS, theta)


def work(name: str, units: int) -> float:
    """Multiply-adds of a step, roughly."""
    return WORK.get(name, units**2) * units * (1 + units + SYMBOLS)


def affordable(name: str, units: int) -> bool:
    """Is a step short of a tenth of a second?"""
    return work(name, units) < 1e9


def round_steps(name: str, units: int) -> int:
    """Steps of a round of 5 to 50 ms; the same for every version and machine."""
    if name.startswith("rtrl"):
        return max(1, round(3e8 / work(name, units)))
    return WINDOW * max(1, round(1e8 / work(name, units) / WINDOW))
