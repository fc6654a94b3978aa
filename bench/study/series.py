"""Kinds of numbers: made ones, a series for each seed, and real ones, (steps, numbers)."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

import nbt

__all__ = ["EVENTS", "made", "real"]

Make = Callable[[int], np.ndarray]
EVENTS = "events"  # names of series of zeros and ones begin so


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(7000 + seed)


def _noise(steps: int, dim: int) -> Make:
    return lambda seed: _random(seed).normal(size=(steps, dim))


def _filtered(steps: int, dim: int, *past: float) -> Make:
    """An autoregression: y_t = Σ past_k y_{t-k} + noise."""
    return lambda seed: lfilter([1.0], [1, *(-a for a in past)], _noise(steps, dim)(seed), axis=0)


def _walk(seed: int, steps: int) -> np.ndarray:
    """A random walk on a sine."""
    sine = 20 * np.sin(np.arange(steps) / 8)[:, np.newaxis]
    return sine + _random(seed).normal(size=(steps, 2)).cumsum(axis=0)


def _levels(seed: int) -> np.ndarray:
    random = _random(seed)
    levels = random.normal(size=(40, 1)) * 5
    return np.repeat(levels, 200, axis=0) + random.normal(size=(8000, 1))


def _outliers(seed: int) -> np.ndarray:
    y = _filtered(8000, 2, 0.9)(seed)
    y[1000::1500, 0] = 1e6
    return y


def _gaps(seed: int) -> np.ndarray:
    y = _walk(seed, 8000)
    y[_random(seed).random(y.shape) < 0.2] = np.nan
    return y


def _beside(seed: int) -> np.ndarray:
    """Far from 0, with a constant column."""
    y = _walk(seed, 8000)
    return np.column_stack([1e5 + y, np.full(len(y), 3.0)])


def _shared(seed: int) -> np.ndarray:
    """Eight numbers that three hidden ones make, and noise."""
    random = _random(seed)
    hidden = lfilter([1.0], [1, -1.8, 0.9], random.normal(size=(8000, 3)), axis=0)
    return hidden @ random.normal(size=(3, 8)) + random.normal(size=(8000, 8))


def _generated(make: Callable, steps: int = 8000, **how: float) -> Make:
    return lambda seed: make(**how, seed=seed).read(steps)


def _events(seed: int) -> np.ndarray:
    """Rare ones, a chain of two states, one at every seventh step and its noisy copy."""
    random = _random(seed)
    state = np.zeros(8000)
    for t in range(1, 8000):
        state[t] = state[t - 1] if random.random() < 0.95 else 1 - state[t - 1]
    seventh = np.arange(8000) % 7 == 0
    noisy = seventh ^ (random.random(8000) < 0.1)
    return np.column_stack([random.random(8000) < 0.02, state, seventh, noisy]).astype(float)


def made() -> dict[str, Make]:
    sets = nbt.datasets
    return {
        "white noise, 300": _noise(300, 1),
        "white noise, 900": _noise(900, 2),
        "white noise, 20000": _noise(20000, 2),
        "white noise, 8 columns": _noise(8000, 8),
        "AR(1)": _filtered(4000, 1, 0.8),
        "AR(2), 300": _filtered(300, 1, 1.6, -0.8),
        "AR(2), 8 columns": _filtered(4000, 8, 1.6, -0.8),
        "8 of 3 hidden": _shared,
        "random walk": lambda seed: _noise(8000, 2)(seed).cumsum(axis=0),
        "random walks, 40": lambda seed: _noise(3000, 40)(seed).cumsum(axis=0),
        "walk + sine, 900": lambda seed: _walk(seed, 900),
        "walk + sine": lambda seed: _walk(seed, 8000),
        "walk + sine, 1e5": lambda seed: _walk(seed, 100_000),
        "levels": _levels,
        "student t": lambda seed: lfilter(
            [1.0], [1, -0.8], _random(seed).standard_t(2.5, size=(8000, 1)), axis=0
        ),
        "outliers 1e6": _outliers,
        "gaps": _gaps,
        "offset, constant": _beside,
        "Mackey-Glass": _generated(sets.mackey_glass),
        "Mackey-Glass, noise": _generated(sets.mackey_glass, noise=0.05),
        "Lorenz": _generated(sets.lorenz),
        "Lorenz, noise": _generated(sets.lorenz, noise=1.0),
        "sines": _generated(sets.sines),
        "sines, 1e5": _generated(sets.sines, 100_000),
        EVENTS: _events,
    }


def _statsmodels() -> dict[str, np.ndarray]:
    try:
        from statsmodels import datasets
    except ImportError:
        return {}
    read = {name: getattr(datasets, name).load_pandas().data for name in NAMES}
    table = {name: frame.to_numpy(float) for name, frame in read.items() if name in PLAIN}
    macro = read["macrodata"][["realgdp", "realcons", "realinv", "cpi", "m1", "unemp"]]
    return {
        **{name: y[:, -1:] for name, y in table.items()},
        "elnino": read["elnino"].to_numpy(float)[:, 1:].reshape(-1, 1),
        "co2": read["co2"].to_numpy(float),
        "macrodata": macro.to_numpy(float),
        "macrodata, growth": np.diff(np.log(macro.to_numpy(float)), axis=0),
    }


PLAIN = ("sunspots", "nile")
NAMES = (*PLAIN, "elnino", "co2", "macrodata")


def _river() -> dict[str, np.ndarray]:
    try:
        import river.datasets
    except ImportError:
        return {}
    import pandas as pd

    folder = files(river.datasets)
    names = {
        "air passengers": ("airline-passengers.csv", [1]),
        "water flow": ("water-flow.csv", [1]),
        "polls": ("trump_approval.csv.gz", slice(1, 7)),
        "stocks": ("sp500.csv.gz", slice(1, 11)),
    }
    return {
        name: pd.read_csv(folder / file).iloc[:, columns].to_numpy(float)
        for name, (file, columns) in names.items()
    }


def _counts(path: Path) -> np.ndarray:
    """Lines of a log, those with warnings or errors, and their length, in each unit of its clock:
    of 3000 of equal length."""
    lines = path.read_text(errors="replace").splitlines()
    clock = re.compile(r"(\d+):(\d+):(\d+)|^\d{6} (\d\d)(\d\d)(\d\d)")
    found = [(line, clock.search(line)) for line in lines]
    times, day, last = [], 0, 0
    for line, match in found:
        if match is None:
            continue
        hours, minutes, seconds = (int(part) for part in match.groups() if part)
        now = hours * 3600 + minutes * 60 + seconds
        day += now < last - 3600
        last = now
        bad = bool(re.search("warn|error", line, re.I))
        times.append((day * 86400 + now, 1, bad, len(line)))
    rows = np.array(times, float)
    place = ((rows[:, 0] - rows[0, 0]) / (np.ptp(rows[:, 0]) + 1) * 3000).astype(int)
    sums = np.zeros((3000, 3))
    np.add.at(sums, place, rows[:, 1:])
    return sums


def real(breathing: Path | None, logs: Path | None) -> dict[str, np.ndarray]:
    """Series of packages that are installed, and of these folders."""
    from bench.breathing import recordings

    found = _statsmodels() | _river()
    if breathing:
        found |= {f"breathing {k}": y for k, y in enumerate(recordings(breathing).values())}
    if logs:
        counts = {path.name: _counts(path) for path in sorted(logs.glob("*.log"))}
        found |= {f"counts, {name}": y for name, y in counts.items()}
        found |= {f"{EVENTS}, {name}": np.minimum(y[:, :2], 1) for name, y in counts.items()}
    return found
