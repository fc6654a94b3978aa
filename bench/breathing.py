"""Where the chest will be: positions of three markers 0.1 to 2 s ahead, learned online.

    make breathing ARGS="FOLDER [--units 20] [--forgetting 0.999]"

FOLDER has recordings of breathing people, one file a marker (x, y, z in mm, 10 a second), the
recording's number first in its name (arXiv 1508.00749). The input is the positions of all three
markers, the last ten of them; the target their positions at the horizon, from which a model learns
as soon as it has predicted them. The error is the root mean square of all coordinates, mm, after
the first minute, and the mean over the recordings.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbt

RATE, WARM, LAGS = 10, 60, 10  # positions a second; seconds that do not count; positions
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


def network(dim: int, units: int, lags: int) -> Network:
    """The default rule, fed with that many positions at once."""
    inputs = nbt.Vector(dim, lags=lags)
    cell, readout = nbt.RNN(units, "tanh"), nbt.Gaussian(dim)
    return Network(nbt.NoBackTrack(cell, readout, inputs=inputs, dtype="float64"))


def error(model: Any, positions: np.ndarray, ahead: int) -> float:
    wrong = []
    for x, y in zip(positions, positions[ahead:], strict=False):
        wrong.append(model.predict(x) - y)
        model.learn(x, y)
    return float(np.sqrt(np.mean(np.square(wrong[WARM * RATE :]))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--units", type=int, default=20)
    parser.add_argument("--forgetting", type=float, default=0.999)
    options = parser.parse_args()
    data = recordings(options.folder)
    models: dict[str, Callable[[int], Any]] = {
        "last value": lambda dim: Last(),
        "recursive least squares": lambda dim: Linear(dim, options.forgetting),
        "NoBackTrack": lambda dim: network(dim, options.units, 1),
        "NoBackTrack, ten lags": lambda dim: network(dim, options.units, LAGS),
    }
    table = Table("mm", *(f"{seconds:g} s" for seconds in HORIZONS), "mean")
    for name, make in models.items():
        errors = [
            np.mean(
                [error(make(one.shape[1]), one, round(seconds * RATE)) for one in data.values()]
            )
            for seconds in HORIZONS
        ]
        table.add_row(name, *(f"{value:.2f}" for value in [*errors, np.mean(errors)]))
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    main()
