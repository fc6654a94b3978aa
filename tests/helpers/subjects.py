"""Trainers that every promise is checked on, and data for them."""

from dataclasses import dataclass

import numpy as np

import nbt
from nbt.trainers.network import Network

UNITS, SYMBOLS, INPUTS, NUMBERS = 7, 5, 3, 4  # all different, none a whole number of lanes
LAGS = 3
PLAIN = nbt.Vector(INPUTS, standardize=False)


CELLS = {  # UNITS in all, but for those that come in pairs
    "dense": nbt.LeakyRNN(UNITS),
    "graph": nbt.LeakyRNN(UNITS, learn_leak=True, graph=nbt.Graph.random(UNITS, 3)),
    "stack": nbt.Stack([nbt.LeakyRNN(4), nbt.RNN(3, "tanh", graph=nbt.Graph.random(3, 1))]),
    "time": nbt.Continuous(nbt.CTRNN(UNITS), 0.2),
    "lstm": nbt.LSTM(UNITS),
    "rms": nbt.LSTM(UNITS, norm="rms", coupled=True),
    "diagonal": nbt.LSTM(UNITS, recurrent=False),
    "gru": nbt.GRU(UNITS),
    "rms-gru": nbt.GRU(UNITS, norm="rms"),
    "mgu": nbt.MGU(UNITS),
    "lru": nbt.LRU(8),
    "lrus": nbt.Stack([nbt.LRU(4), nbt.LRU(2)]),
    "lstms": nbt.Stack([nbt.LSTM(4), nbt.LSTM(3)]),
    "grus": nbt.Stack([nbt.GRU(3, norm="rms"), nbt.GRU(2, norm="rms"), nbt.GRU(2, norm="rms")]),
    "echo": nbt.LeakyRNN(UNITS, "tanh", learn=False, spectral_radius=0.9, bias_scaling=0.2),
    "echo-lstm": nbt.LSTM(UNITS, learn=False, spectral_radius=0.9, bias_scaling=0.2),
    "echo-grus": nbt.Stack([nbt.GRU(4, learn=False), nbt.GRU(3, learn=False, input_scaling=2.0)]),
    "echo-graph": nbt.RNN(UNITS, learn=False, graph=nbt.Graph.random(UNITS, 3), bias_scaling=0.2),
}


@dataclass(frozen=True)
class Subject:
    """A trainer to be made, and data to feed it."""

    rule: str
    optimizer: str
    inputs: str
    dtype: str
    readout: str = "softmax"
    cell: str = "dense"
    direct: bool = False
    second: str = ""  # the readout's optimizer, if not that of the network
    missing: str = "error"

    def __str__(self):
        kind = "" if self.readout == "softmax" else f"-{self.readout}"
        kind += "" if self.cell == "dense" else f"-{self.cell}"
        kind += "-direct" if self.direct else ""
        kind += "".join(
            f"-{one}" for one in (self.second, self.missing) if one not in ("", "error")
        )
        return f"{self.rule}-{self.optimizer}-{self.inputs}-{self.dtype}{kind}"

    @property
    def by_units(self):
        """Whether θ lies by units, as in dense cells; else it is flat, as in systems."""
        return self.cell == "dense" and self.rule != "uoro"

    @property
    def of_symbols(self):
        """Whether symbols are predicted."""
        return self.readout in ("softmax", "counts")

    @property
    def forms(self):
        """Ways to feed it: what is target, then input ("symbols"); or (input, target) pairs."""
        return ("symbols", "pairs") if self.inputs == "own" else ("pairs",)

    @property
    def has_influence(self):
        """Whether the trainer has an influence matrix, or an estimate of it."""
        return self.rule not in ("bptt", "fixed")

    def build(self, seed=11, optimizer=None):
        optimizer = (
            optimizer
            or {
                "sgd": nbt.SGD(nbt.InverseSqrt(0.1)),
                "kalman": nbt.Kalman(nbt.InverseSqrt(0.3), prior=0.5),
                "adam": nbt.Adam(nbt.InverseSqrt(0.01, after=9), 0.8, 0.95),
            }[self.optimizer]
        )
        inputs = {
            "own": None,
            "other": nbt.Symbols(INPUTS),
            "vector": PLAIN,
            "lagged": nbt.Vector(INPUTS, lags=LAGS),
        }[self.inputs]
        common = {"inputs": inputs, "dtype": self.dtype, "seed": seed, "missing": self.missing}
        if self.second:
            common["readout_optimizer"] = nbt.Kalman(0.02, 0.5, reduction="shared")
        cell = CELLS[self.cell]
        readout = {
            "softmax": nbt.Softmax(SYMBOLS, self.direct),
            "counts": nbt.Softmax(SYMBOLS, counts=3, counts_memory=4096),
            "gaussian": nbt.Gaussian(NUMBERS, False, self.direct),
            "bernoulli": nbt.Bernoulli(NUMBERS, self.direct),
        }[self.readout]
        if self.rule == "rtrl":
            return nbt.RTRL(cell, readout, optimizer, **common)
        if self.rule == "uoro":
            return nbt.UORO(cell, readout, optimizer, rank=2, **common)
        if self.rule == "bptt":
            return nbt.TruncatedBPTT(cell, readout, optimizer, window=4, **common)
        if self.rule in ("exact_self", "fixed"):
            return nbt.NoBackTrack(cell, readout, optimizer, **common)
        if self.rule == "every":
            return nbt.NoBackTrack(cell, readout, optimizer, every=3, rank=2, **common)
        if self.rule == "window":
            own = {"blocks": 2, "window": 3} if self.cell == "dense" else {}
            return nbt.NoBackTrack(cell, readout, optimizer, **own, **common)
        own = {"rank": 2} | ({"blocks": 3, "exact_self": False} if self.cell == "dense" else {})
        norm = "kalman" if self.optimizer == "kalman" else "euclidean"
        return nbt.NoBackTrack(cell, readout, optimizer, norm=norm, **own, **common)

    def data(self, steps, *, form=None, seed=3):
        """(x, y), with y None in the form "symbols"."""
        rng = np.random.default_rng(seed)
        y = self._targets(steps, rng)
        if (form or self.forms[0]) == "symbols":
            return y, None
        if self.inputs in ("vector", "lagged"):
            return rng.normal(size=(steps, INPUTS)), y
        if self.inputs == "own" and not self.of_symbols:
            return self._targets(steps, rng), y
        return rng.integers(0, SYMBOLS if self.inputs == "own" else INPUTS, steps), y

    def _targets(self, steps, rng):
        if self.of_symbols:
            return rng.integers(0, SYMBOLS, steps)
        if self.readout == "bernoulli":
            return rng.random((steps, NUMBERS))
        return rng.normal(size=(steps, NUMBERS))

    def parameters(self, inputs):
        """How many numbers are learned."""
        cell = CELLS[self.cell]
        own, units = UNITS * (1 + UNITS + inputs), cell.units
        if self.rule == "fixed":
            own = 0
        elif self.cell in ("lstms", "grus", "lrus"):
            own, below = 0, inputs
            for layer in cell.cells:
                own += self._of_gates(layer, below)
                below = layer.units
        elif isinstance(cell, nbt.LSTM | nbt.GRU | nbt.MGU | nbt.LRU):
            own = self._of_gates(cell, inputs)
        elif self.cell != "dense":
            own = Network(CELLS[self.cell], inputs).learned
        return own + (1 + units + inputs * self.direct) * np.prod(self.prediction())

    @staticmethod
    def _of_gates(cell, inputs):
        n, gates = cell.units, len(cell.gates)
        last = gates * n if cell.norm or isinstance(cell, nbt.LRU) else 0
        unseen = 0 if cell.recurrent else gates * n * n
        if isinstance(cell, nbt.GRU | nbt.MGU):  # of two gates each sees one half
            unseen = n * (n + inputs)
        return gates * n * (1 + n + inputs) + last - unseen

    def prediction(self):
        """Shape of what `predict` gives."""
        shapes = {"gaussian": (2, NUMBERS), "bernoulli": (NUMBERS,)}
        return shapes.get(self.readout, (SYMBOLS,))

    def loss(self, prediction, y):
        """Of a target, in nats, given what was predicted."""
        if self.of_symbols:
            return -np.log(prediction[y])
        if self.readout == "bernoulli":
            return -np.sum(y * np.log(prediction) + (1 - y) * np.log(1 - prediction))
        mean, variance = prediction
        return 0.5 * np.sum(np.log(2 * np.pi * variance) + (y - mean) ** 2 / variance)


def part(x, y, steps):
    """A slice, a list of steps or one step of (x, y), as arguments of a verb."""
    return (x[steps],) if y is None else (x[steps], y[steps])


SUBJECTS = [
    Subject(rule, optimizer, inputs, dtype)
    for rule in ("exact_self", "window", "plain", "rtrl", "bptt")
    for optimizer in ("sgd", "kalman")
    for inputs in ("own", "other", "vector")
    for dtype in ("float32", "float64")
]
SUBJECTS += [
    Subject(rule, optimizer, inputs, dtype, readout)
    for rule in ("exact_self", "plain", "rtrl", "bptt")
    for optimizer in ("sgd", "kalman")
    for inputs, dtype, readout in (
        ("own", "float32", "gaussian"),
        ("vector", "float64", "bernoulli"),
        ("other", "float64", "gaussian"),
    )
]
SUBJECTS += [
    Subject(rule, optimizer, inputs, dtype, cell=cell)
    for rule in ("plain", "rtrl", "bptt")
    for optimizer, inputs, dtype, cell in (
        ("kalman", "own", "float32", "graph"),
        ("sgd", "own", "float64", "stack"),
        ("kalman", "vector", "float32", "stack"),
        ("sgd", "vector", "float32", "time"),
        ("sgd", "lagged", "float64", "stack"),
    )
]
SUBJECTS += [
    Subject("uoro", optimizer, inputs, dtype, readout, cell)
    for optimizer, inputs, dtype, readout, cell in (
        ("kalman", "own", "float32", "softmax", "dense"),
        ("adam", "vector", "float64", "gaussian", "dense"),
        ("sgd", "other", "float64", "softmax", "graph"),
        ("kalman", "lagged", "float32", "bernoulli", "stack"),
        ("kalman", "vector", "float32", "softmax", "time"),
    )
]
SUBJECTS += [
    Subject("fixed", optimizer, inputs, dtype, readout, cell)
    for optimizer, inputs, dtype, readout, cell in (
        ("kalman", "other", "float32", "softmax", "echo"),
        ("sgd", "lagged", "float64", "gaussian", "echo"),
        ("kalman", "vector", "float64", "bernoulli", "echo-graph"),
        ("adam", "other", "float32", "softmax", "echo-lstm"),
        ("sgd", "lagged", "float64", "bernoulli", "echo-grus"),
    )
]
SUBJECTS += [
    Subject(rule, optimizer, "lagged", dtype)
    for rule, optimizer, dtype in (
        ("exact_self", "kalman", "float32"),
        ("window", "kalman", "float64"),
        ("plain", "sgd", "float32"),
        ("rtrl", "sgd", "float64"),
        ("bptt", "kalman", "float64"),
    )
]
SUBJECTS += [  # and Kalman for the readout
    *(Subject(rule, "adam", "own", "float32") for rule in ("exact_self", "window", "rtrl", "bptt")),
    Subject("plain", "adam", "vector", "float64", cell="stack"),
    Subject("bptt", "adam", "other", "float32", cell="graph"),
    Subject("plain", "adam", "vector", "float32", "gaussian"),
    Subject("plain", "adam", "vector", "float64"),
]
SUBJECTS += [
    Subject(rule, optimizer, inputs, dtype, readout, cell, direct=True)
    for rule in ("exact_self", "plain", "rtrl", "bptt")
    for optimizer, inputs, dtype, readout, cell in (
        ("kalman", "own", "float32", "softmax", "dense"),
        ("sgd", "vector", "float64", "gaussian", "stack"),
    )
]
SUBJECTS += [
    Subject(rule, optimizer, inputs, dtype, "counts", cell)
    for rule in ("exact_self", "plain", "rtrl", "bptt")
    for optimizer, inputs, dtype, cell in (
        ("kalman", "own", "float32", "dense"),
        ("sgd", "own", "float64", "dense"),
        ("sgd", "vector", "float32", "dense"),
        ("kalman", "other", "float64", "graph"),
    )
    if cell == "dense" or rule != "exact_self"
]
SUBJECTS += [
    Subject(rule, optimizer, inputs, dtype, readout, cell)
    for rule, optimizer, inputs, dtype, readout, cell in (
        ("every", "kalman", "own", "float32", "softmax", "dense"),
        ("every", "sgd", "vector", "float64", "gaussian", "dense"),
        ("every", "adam", "own", "float32", "softmax", "lstm"),
        ("exact_self", "adam", "other", "float32", "softmax", "lstm"),
        ("every", "kalman", "lagged", "float64", "bernoulli", "lstm"),
        ("exact_self", "adam", "own", "float64", "softmax", "diagonal"),
        ("every", "sgd", "own", "float32", "gaussian", "gru"),
        ("rtrl", "adam", "own", "float64", "softmax", "mgu"),
        ("every", "kalman", "own", "float32", "softmax", "rms-gru"),
        ("rtrl", "adam", "lagged", "float64", "gaussian", "rms-gru"),
        ("every", "adam", "vector", "float32", "softmax", "rms"),
        ("bptt", "adam", "own", "float64", "softmax", "rms"),
        ("bptt", "kalman", "vector", "float32", "gaussian", "gru"),
        ("exact_self", "adam", "own", "float32", "softmax", "lstms"),
        ("every", "adam", "own", "float64", "softmax", "lstms"),
        ("every", "kalman", "lagged", "float32", "gaussian", "lstms"),
        ("every", "sgd", "vector", "float64", "softmax", "grus"),
        ("bptt", "adam", "other", "float32", "softmax", "grus"),
        ("rtrl", "adam", "own", "float32", "softmax", "grus"),
        ("every", "adam", "own", "float32", "counts", "lstm"),
        ("every", "sgd", "other", "float64", "counts", "rms-gru"),
        ("bptt", "adam", "own", "float64", "counts", "mgu"),
        ("exact_self", "adam", "own", "float32", "counts", "lstms"),
        ("fixed", "kalman", "other", "float64", "counts", "echo"),
        ("every", "sgd", "vector", "float32", "bernoulli", "mgu"),
        ("exact_self", "adam", "own", "float32", "softmax", "lru"),
        ("every", "kalman", "lagged", "float64", "gaussian", "lru"),
        ("rtrl", "sgd", "other", "float32", "softmax", "lru"),
        ("bptt", "adam", "own", "float64", "counts", "lru"),
        ("every", "adam", "vector", "float32", "softmax", "lrus"),
    )
]
SUBJECTS += [
    Subject(rule, optimizer, inputs, dtype, "gaussian", cell, direct, "shared", missing)
    for rule, optimizer, inputs, dtype, cell, direct, missing in (
        ("exact_self", "kalman", "vector", "float32", "dense", True, "error"),
        ("window", "adam", "lagged", "float64", "dense", False, "mask"),
        ("plain", "sgd", "own", "float32", "dense", True, "skip"),
        ("rtrl", "sgd", "vector", "float64", "dense", False, "error"),
        ("fixed", "adam", "lagged", "float64", "echo", True, "error"),
        ("fixed", "kalman", "vector", "float32", "echo-lstm", True, "mask"),
        ("every", "adam", "lagged", "float32", "lstm", True, "mask"),
        ("every", "sgd", "vector", "float64", "rms-gru", False, "skip"),
        ("bptt", "adam", "vector", "float64", "mgu", True, "mask"),
        ("rtrl", "kalman", "own", "float32", "diagonal", False, "error"),
        ("exact_self", "adam", "lagged", "float64", "lru", True, "mask"),
        ("exact_self", "adam", "vector", "float32", "lstms", True, "error"),
    )
]
SYMBOL_SUBJECTS = [subject for subject in SUBJECTS if subject.of_symbols]
