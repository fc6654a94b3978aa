"""One-step errors of online forecasters at equal CPU time: the table of docs/forecasting.md.

    python bench/forecasting.py [--seconds 1 | --steps N] [--seeds 5] [--units 20] [--only NAME]

Each forecaster learns from a stream of its own seed for so many seconds of CPU time, generation
not counted, or so many steps, then goes on learning over 5000 steps of another seed, the same for
all, of which the first 200 are not counted. The error is the root mean square of y - ŷ over the
standard deviation of y, the mean over the numbers of a step; of one that diverges it is infinite.
Networks have the package's defaults: Kalman, standardised. The linear autoregression may choose its
order and its forgetting, by its error over the first 5000 steps.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbt

TEST, WARM, CHUNK = 5000, 200, 2000
ORDERS, FORGETTING = (2, 5, 10, 20), (1.0, 0.9995, 0.99)
SERIES: dict[str, Callable[..., Any]] = {
    "Mackey-Glass": lambda seed: nbt.datasets.mackey_glass(seed=seed),
    "… with noise 0.05": lambda seed: nbt.datasets.mackey_glass(noise=0.05, seed=seed),
    "Lorenz": lambda seed: nbt.datasets.lorenz(seed=seed),
    "… with noise 1": lambda seed: nbt.datasets.lorenz(noise=1.0, seed=seed),
    "sines": lambda seed: nbt.datasets.sines(seed=seed),
}


class Persistence:
    """The next is as the last."""

    def __init__(self, dim: int) -> None:
        self._last = np.zeros(dim)

    def predict(self) -> np.ndarray:
        return self._last

    def learn(self, y: np.ndarray) -> None:
        self._last = y[-1]


class LinearAR:
    """ŷ = Σ_k A_k y_{t-k} + b, by recursive least squares with forgetting."""

    def __init__(self, dim: int, order: int, forgetting: float) -> None:
        self._past = np.zeros((order, dim))
        self._forgetting = forgetting
        self._P = np.eye(order * dim + 1) * 1e4
        self._A = np.zeros((order * dim + 1, dim))

    def _features(self) -> np.ndarray:
        return np.append(self._past.ravel(), 1.0)

    def predict(self) -> np.ndarray:
        return self._features() @ self._A

    def learn(self, y: np.ndarray) -> None:
        for row in y:
            x = self._features()
            Px = self._P @ x
            gain = Px / (self._forgetting + x @ Px)
            self._A += np.outer(gain, row - x @ self._A)
            self._P = (self._P - np.outer(gain, Px)) / self._forgetting
            self._P = (self._P + self._P.T) / 2
            self._past = np.concatenate([row[np.newaxis], self._past[:-1]])


class Network:
    """A trainer fed with what it predicts."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def predict(self) -> np.ndarray:
        return self._trainer.predict()[0]

    def learn(self, y: np.ndarray) -> None:
        self._trainer.learn(y)


def error(model: Any, y: np.ndarray) -> float:
    """Over all but the first steps, while it learns."""
    wrong = np.empty_like(y)
    for t, row in enumerate(y):
        wrong[t] = row - model.predict()
        model.learn(row[np.newaxis])
    return float(np.mean(np.sqrt(np.mean(wrong[WARM:] ** 2, axis=0)) / y[WARM:].std(axis=0)))


def train(model: Any, stream: Any, seconds: float, limit: float = np.inf) -> int:
    """Steps learned in so much CPU time, at most `limit`."""
    used, steps, size = 0.0, 0, 64
    while used < seconds and steps < limit:
        y = stream.read(int(min(size, limit - steps)))
        begun = time.thread_time()
        model.learn(y)
        took = time.thread_time() - begun
        used, steps = used + took, steps + len(y)
        size = min(CHUNK, max(1, int(len(y) * min(2.0, (seconds - used) / max(took, 1e-9)))))
    return steps


def best_linear(make: Callable[..., Any], seed: int, dim: int) -> LinearAR:
    """A new one, of the order and forgetting that do best on the first steps."""
    y = make(seed).read(TEST)
    found = {}
    for choice in itertools.product(ORDERS, FORGETTING):
        with np.errstate(all="ignore"):
            found[choice] = np.nan_to_num(error(LinearAR(dim, *choice), y), nan=np.inf)
    return LinearAR(dim, *min(found, key=found.__getitem__))


def forecasters(
    make: Callable[..., Any], seed: int, dim: int, units: int
) -> dict[str, Callable[[], Any]]:
    def network(rule: Any) -> Network:
        readout = nbt.Gaussian(dim, standardize=True)
        return Network(rule(nbt.LeakyRNN(units), readout, nbt.Kalman(), seed=seed))

    return {
        "persistence": lambda: Persistence(dim),
        "linear AR, RLS": lambda: best_linear(make, seed, dim),
        "TBPTT-15": lambda: network(nbt.TruncatedBPTT),
        "NoBackTrack": lambda: network(nbt.NoBackTrack),
        "RTRL": lambda: network(nbt.RTRL),
    }


def run(model: Any, stream: Any, test: np.ndarray, options: argparse.Namespace) -> tuple:
    """(error, steps learned)."""
    if isinstance(model, Persistence):
        return error(model, test), 0
    seconds, limit = (np.inf, options.steps) if options.steps else (options.seconds, np.inf)
    try:
        steps = train(model, stream, seconds, limit)
        return error(model, test), steps
    except nbt.DivergenceError as diverged:
        print(f"{stream.name}: {diverged}", file=sys.stderr)
        return np.inf, diverged.step


def measure(make: Callable[..., Any], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """(error, steps learned) of each forecaster and seed: (seeds, 2)."""
    found: dict[str, list[tuple[float, int]]] = {}
    for seed in range(options.seeds):
        test = make(1000 + seed).read(TEST)
        for kind, model in forecasters(make, seed, test.shape[1], options.units).items():
            if options.only in kind:
                found.setdefault(kind, []).append(run(model(), make(seed), test, options))
    return {kind: np.array(results) for kind, results in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--steps", type=int, help="learn so many, however long it takes")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--units", type=int, default=20)
    parser.add_argument("--only", default="", help="forecasters whose name has this")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 110)
    within = "" if options.steps else f" in {options.seconds:g} s of CPU time"
    found = {name: measure(make, options) for name, make in SERIES.items()}
    table = Table(
        "",
        *found,
        title=f"one-step error over deviation: median of {options.seeds} seeds (worst)",
        caption=f"and steps learned{within}, {options.units} units",
    )
    for kind in next(iter(found.values())):
        cells = []
        for results in found.values():
            errors, steps = results[kind].T
            learned = f"\n{np.median(steps):,.0f}" if steps.any() else ""
            cells.append(f"{np.median(errors):.3f} ({errors.max():.3f}){learned}")
        table.add_row(kind, *cells)
    console.print(table)


if __name__ == "__main__":
    main()
