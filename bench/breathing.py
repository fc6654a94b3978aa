"""Where the chest will be: positions of three markers 0.1 to 2 s ahead, learned online.

    make breathing ARGS="FOLDER [--seeds 3]"

FOLDER has recordings of breathing people, one file a marker (x, y, z in mm, 10 a second), the
recording's number first in its name (arXiv 1508.00749). The input is the positions of all three
markers, the last ten of them; the target their positions at the horizon, from which a model learns
as soon as it has predicted them. The error is the root mean square of all coordinates, mm, after
the first minute, and the mean over the recordings and seeds. The time is CPU time of predicting and
learning, with the calls from Python.
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

RATE, WARM, LAGS = 10, 60, 10  # positions a second; seconds that do not count; positions
FORGETTING = 0.999  # of recursive least squares
HORIZONS = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0)


def recordings(folder: Path) -> dict[str, np.ndarray]:
    """Positions of the markers by recording, (steps, 9), up to where one was lost."""
    names = sorted(path for path in folder.glob("*.csv"))
    found = {}
    for number, paths in itertools.groupby(names, lambda path: path.name.partition("-")[0]):
        markers = [nbt.streams.table(path, ["x", "y", "z"]).read(10**6) for path in paths]
        steps = min(map(len, markers))
        there = np.all([one[:steps].any(axis=1) for one in markers], axis=0)
        found[number] = np.hstack([one[:steps][there] for one in markers])
    return found


class Last:
    """It stays where it is."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x

    def learn(self, x: np.ndarray, y: np.ndarray) -> None:
        pass


class Linear:
    """A linear function of the last positions, by recursive least squares with forgetting."""

    def __init__(self, dim: int, forgetting: float) -> None:
        self._past = np.zeros((LAGS, dim))
        self._forgetting = forgetting
        self._P = np.eye(LAGS * dim + 1) * 1e4
        self._A = np.zeros((LAGS * dim + 1, dim))

    def _features(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([[1.0], x, self._past[:-1].ravel()])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._features(x) @ self._A

    def learn(self, x: np.ndarray, y: np.ndarray) -> None:
        f = self._features(x)
        Pf = self._P @ f
        gain = Pf / (self._forgetting + f @ Pf)
        self._A += np.outer(gain, y - f @ self._A)
        self._P = (self._P - np.outer(gain, Pf)) / self._forgetting
        self._P = (self._P + self._P.T) / 2
        self._past = np.concatenate([x[np.newaxis], self._past[:-1]])


class Network:
    """A trainer that is told the target after it has predicted it."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._trainer.predict(x)[0]

    def learn(self, x: np.ndarray, y: np.ndarray) -> None:
        self._trainer.learn(x[np.newaxis], y[np.newaxis])


def least_squares(decay: float | nbt.InverseSqrt, prior: float) -> nbt.Kalman:
    return nbt.Kalman(decay, readout_prior=prior, reduction="shared")


def echo(dim: int, seed: int) -> Network:
    """An echo state network whose readout sees the last positions."""
    cell = nbt.RNN(
        100, "tanh", learn=False, spectral_radius=0.9, input_scaling=0.1, bias_scaling=0.3
    )
    return Network(
        nbt.NoBackTrack(
            cell,
            nbt.Gaussian(dim, direct=True),
            readout_optimizer=least_squares(nbt.InverseSqrt(0.1), 1.0),
            inputs=nbt.Vector(dim, lags=LAGS),
            seed=seed,
        )
    )


def preset(dim: int, seed: int, effort: str) -> Network:
    setting = nbt.preset("numbers", effort, readout=nbt.Gaussian(dim))
    return Network(nbt.NoBackTrack(**setting, seed=seed))


def lstm(dim: int, seed: int, units: int, lags: int, decay: Any, prior: float) -> Network:
    """Units with gates, and a readout that sees them and the last positions."""
    return Network(
        nbt.NoBackTrack(
            nbt.LSTM(units),
            nbt.Gaussian(dim, direct=True),
            nbt.Adam(0.005),
            readout_optimizer=least_squares(decay, prior),
            inputs=nbt.Vector(dim, lags=lags),
            seed=seed,
        )
    )


MODELS: dict[str, Callable[[int, int], Any]] = {
    "last value": lambda dim, seed: Last(),
    "recursive least squares": lambda dim, seed: Linear(dim, FORGETTING),
    "RNN(20), NoBackTrack": lambda dim, seed: Network(
        nbt.NoBackTrack(nbt.RNN(20, "tanh"), nbt.Gaussian(dim), inputs=dim, seed=seed)
    ),
    "100 units that are not learned": echo,
    **{
        f"numbers, {effort}": lambda dim, seed, effort=effort: preset(dim, seed, effort)
        for effort in ("fast", "default", "best")
    },
    "LSTM(64), five lags": lambda dim, seed: lstm(dim, seed, 64, 5, nbt.InverseSqrt(0.2), 1.0),
}


def error(model: Any, positions: np.ndarray, ahead: int) -> float:
    wrong = []
    for x, y in zip(positions, positions[ahead:], strict=False):
        wrong.append(model.predict(x) - y)
        model.learn(x, y)
    return float(np.sqrt(np.mean(np.square(wrong[WARM * RATE :]))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="models whose name has this")
    options = parser.parse_args()
    data = recordings(options.folder)
    columns = [f"{seconds:g} s" for seconds in HORIZONS]
    table = Table("mm", *columns, "mean", "worst seed", "µs a step")
    for name, make in MODELS.items():
        if options.only not in name:
            continue
        errors = np.empty((options.seeds, len(HORIZONS), len(data)))
        begun, steps = time.thread_time(), 0
        for seed, h, k in np.ndindex(errors.shape):
            positions = list(data.values())[k]
            ahead = round(HORIZONS[h] * RATE)
            errors[seed, h, k] = error(make(positions.shape[1], seed), positions, ahead)
            steps += len(positions) - ahead
        took = (time.thread_time() - begun) / steps * 1e6
        means = [*errors.mean(axis=(0, 2)), errors.mean(), errors.mean(axis=(1, 2)).max()]
        table.add_row(
            name,
            *(f"{value:.2f}" for value in means[:-2]),
            *(f"{value:.3f}" for value in means[-2:]),
            f"{took:.0f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
