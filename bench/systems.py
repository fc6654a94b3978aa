"""A network of 20 units as a System in Python, as a CompiledSystem in C, and as the built-in cell.

python -m bench.systems prints what a step of each takes: the best of several blocks, one form after
the other.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nbt

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from helpers import systems

UNITS, SYMBOLS = 20, 20
SGD = nbt.SGD(nbt.InverseSqrt(0.03))
LITERAL = {"rank": 1, "blocks": 1, "exact_self": False}
RULES = {
    "nobacktrack-sgd": lambda *a, **k: nbt.NoBackTrack(*a, SGD, norm="euclidean", **LITERAL, **k),
    "nobacktrack-kalman": lambda *a, **k: nbt.NoBackTrack(*a, nbt.Kalman(), **LITERAL, **k),
    "rtrl-kalman": lambda *a, **k: nbt.RTRL(*a, nbt.Kalman(), **k),
    "bptt-sgd": lambda *a, **k: nbt.TruncatedBPTT(*a, SGD, window=15, **k),
}
FORMS = ("python", "compiled", "built-in")


def python_network(theta, n):
    """As a user would write it: NumPy on whole arrays."""
    P = 1 + n + SYMBOLS

    def activities(h):
        return 1 / (1 + np.exp(-h))

    def step(h, x, theta):
        return theta.reshape(n, P) @ np.concatenate([[1.0], activities(h), x])

    def jvp(h, x, theta, v):
        a = activities(h)
        return theta.reshape(n, P)[:, 1 : 1 + n] @ (a * (1 - a) * v)

    def vjp(h, x, theta, u):
        a = activities(h)
        return a * (1 - a) * (u @ theta.reshape(n, P)[:, 1 : 1 + n])

    indptr, indices = np.arange(n + 1) * P, np.arange(n * P)

    def rows(h, x, theta):
        return indptr, indices, np.tile(np.concatenate([[1.0], activities(h), x]), n)

    return nbt.System(
        step, jvp, rows, vjp, state=np.zeros(n), theta=theta, starts=np.arange(n) * P,
        activation="sigmoid", entries=n * P,
    )  # fmt: skip


def make(rule, form, library=None, units=UNITS, vectors=False):
    """A trainer; `library` is that of systems.compile_network."""
    P = 1 + units + SYMBOLS
    theta = np.random.default_rng(1).normal(size=units * P) / np.sqrt(units)
    cell = {
        "python": lambda: python_network(theta, units),
        "compiled": lambda: systems.compiled_network(library, units, SYMBOLS, theta),
        "built-in": lambda: nbt.RNN(units),
    }[form]()
    inputs = SYMBOLS if vectors else None
    return RULES[rule](cell, nbt.Softmax(SYMBOLS), inputs=inputs, dtype="float64")


def data(steps, vectors):
    """Arguments of `learn`."""
    random = np.random.default_rng(2)
    y = random.integers(0, SYMBOLS, steps)
    return (random.normal(size=(steps, SYMBOLS)), y) if vectors else (y,)


def microseconds(trainers, vectors, repeats):
    """Of one step of each, the best of several blocks taken in turn."""
    steps = 200
    block, best = data(steps, vectors), [np.inf] * len(trainers)
    for turn in range(1 + repeats):
        for k, trainer in enumerate(trainers):
            begun = time.perf_counter()
            trainer.learn(*block)
            if turn:
                best[k] = min(best[k], time.perf_counter() - begun)
    return [1e6 * seconds / steps for seconds in best]


def main(repeats: int = 40) -> None:
    with tempfile.TemporaryDirectory() as folder:
        flags = "-O3", "-ffast-math", "-march=native"
        library = systems.compile_network(folder, flags=flags)
        print(f"{'rule':20}{'inputs':9}" + "".join(f"{form:>10}" for form in FORMS)
              + "  python/compiled  compiled/built-in")  # fmt: skip
        for rule in RULES:
            for vectors in (False, True):
                trainers = [make(rule, form, library, vectors=vectors) for form in FORMS]
                times = microseconds(trainers, vectors, repeats)
                print(f"{rule:20}{'vectors' if vectors else 'symbols':9}"
                      + "".join(f"{t:10.2f}" for t in times)
                      + f"{times[0] / times[1]:17.1f}{times[1] / times[2]:19.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
