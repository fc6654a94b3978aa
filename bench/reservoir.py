"""Echo state networks: one-step errors on clean and noisy series, and time a step, beside
reservoirpy.

    make reservoir [ARGS="--units 300 --seeds 3"]

A network of tanh units that is not learned reads a series of deviation 1, and a readout that sees
the state and the input learns by recursive least squares. Every model predicts a number before it
learns from it. The error is the root mean square over the second half of the steps, in deviations;
the time is CPU time of a step of learning, the least of all seeds.

reservoirpy appears twice: with its own weights and readout as its documentation joins them, and
with the same features as ours, (1, state, input), so that it is the same model. The last row is
what we know best for the time of 30 µs: more units, and a readout that forgets a little.
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

STEPS, LAGS = 8000, 10
RADIUS, INPUTS, BIASES, PRIOR = 0.9, 0.2, 0.3, 1e-6
SERIES: dict[str, Callable[..., Any]] = {
    "Mackey-Glass": nbt.datasets.mackey_glass,
    "Lorenz": nbt.datasets.lorenz,
    "sines": nbt.datasets.sines,
}
Result = tuple[np.ndarray, float]  # predictions (steps, dim), seconds


def cpu(job: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.thread_time()
    result = job()
    return result, time.thread_time() - begun


def cell(units: int) -> nbt.RNN:
    scales = {"spectral_radius": RADIUS, "input_scaling": INPUTS, "bias_scaling": BIASES}
    return nbt.RNN(units, "tanh", learn=False, **scales)


def ours(
    y: np.ndarray, units: int, seed: int, dtype: str, decay: float | nbt.InverseSqrt = 0.0
) -> Result:
    """Each value is first the target and then the input."""

    def make() -> Any:
        return nbt.NoBackTrack(
            cell(units),
            nbt.Gaussian(y.shape[1], standardize=False, direct=True),
            readout_optimizer=nbt.Kalman(decay, readout_prior=PRIOR, reduction="shared"),
            dtype=dtype,
            seed=seed,
        )

    trainer, predictions = make(), []
    for row in y:
        predictions.append(trainer.predict()[0])
        trainer.learn(row[np.newaxis])
    fresh = make()
    return np.array(predictions), cpu(lambda: fresh.learn(y))[1]


def walked(reservoir: Any, readout: Any, y: np.ndarray, constant: list[float]) -> Result:
    """reservoirpy, a step at a time; the readout sees a constant, the state and the input."""

    def job() -> np.ndarray:
        predictions = [np.zeros(y.shape[1])] * 2  # a readout has no size before it has learned
        for row, target in itertools.pairwise(y):
            seen = np.concatenate([constant, reservoir(row), row])
            if readout.initialized:
                predictions.append(readout(seen))
            readout.partial_fit(seen[np.newaxis], target[np.newaxis])
        return np.array(predictions)

    return cpu(job)


def theirs(y: np.ndarray, units: int, seed: int) -> Result:
    """reservoirpy with weights of its own."""
    from reservoirpy.nodes import RLS, Reservoir

    bias = BIASES * np.random.default_rng(seed).standard_normal(units)
    reservoir = Reservoir(units, sr=RADIUS, input_scaling=INPUTS, bias=bias, seed=seed)
    return walked(reservoir, RLS(alpha=PRIOR), y, [])


def same(y: np.ndarray, units: int, seed: int) -> Result:
    """reservoirpy with our weights and features."""
    from reservoirpy.nodes import RLS, Reservoir

    values = cell(units).draw(y.shape[1], np.random.default_rng(seed))
    reservoir = Reservoir(W=values["W"].T.copy(), Win=values["r"].T.copy(), bias=values["b"])
    return walked(reservoir, RLS(alpha=PRIOR, fit_bias=False), y, [1.0])


def last(y: np.ndarray, units: int, seed: int) -> Result:
    return np.vstack([np.zeros_like(y[:1]), y[:-1]]), 0.0


def linear(y: np.ndarray, units: int, seed: int) -> Result:
    """The last ten values, by recursive least squares in NumPy."""
    from bench.forecasting import LinearAR

    model, predictions = LinearAR(y.shape[1], LAGS, 1.0), []

    def job() -> np.ndarray:
        for row in y:
            predictions.append(model.predict())
            model.learn(row[np.newaxis])
        return np.array(predictions)

    return cpu(job)


MODELS: dict[str, Callable[..., Result]] = {
    "last value": last,
    "linear, ten lags": linear,
    "reservoirpy, its own weights": theirs,
    "reservoirpy, our weights": same,
    "nbt, float64": lambda *given: ours(*given, "float64"),
    "nbt, float32": lambda *given: ours(*given, "float32"),
    "nbt, float32, 1.25 x units": lambda y, units, seed: ours(
        y, units * 5 // 4, seed, "float32", nbt.InverseSqrt(0.03)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="models whose name has this")
    options = parser.parse_args()
    table = Table(
        "",
        *SERIES,
        title=f"one-step error, median of {options.seeds} seeds (worst); µs a step",
        caption=f"{options.units} units, {STEPS} steps, errors over the second half",
    )
    for name, model in MODELS.items():
        if options.only not in name:
            continue
        cells = []
        for make in SERIES.values():
            errors, times = [], []
            for seed in range(options.seeds):
                y = make(seed=seed).read(STEPS)
                y = (y - y.mean(axis=0)) / y.std(axis=0)
                predictions, seconds = model(y, options.units, seed)
                errors.append(np.sqrt(np.mean((y - predictions)[STEPS // 2 :] ** 2)))
                times.append(seconds / STEPS * 1e6)
            cells.append(f"{np.median(errors):.5f} ({max(errors):.5f})\n{min(times):.1f} µs")
        table.add_row(name, *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    main()
