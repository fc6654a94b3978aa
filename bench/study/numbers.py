"""Which setting suits which numbers: the presets, and one choice varied at a time.

    make numbers [ARGS="--seeds 10 --breathing FOLDER --logs FOLDER"]

Made series (bench/study/series.py), and real ones of statsmodels and river, if these are installed,
of recordings of breathing (bench/breathing.py), and of logs, as counts of lines in 3 000 units of
time. Every model predicts a row before it learns from it, one step ahead unless "+5" or "+20" says
how many. The error is the root mean square over the second half of the steps, over the numbers of a
row in deviations of each; outliers of 10⁶ and gaps are not predicted. It is shown relative to the
best of three: the last value, the mean so far, and recursive least squares on the last ten rows
with forgetting 0.999. Below are nats per number, relative to the first column. For real series only
the network has a seed.

Results are kept in a file, a JSON object a line; what is in it is not run again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import nbt
from bench.breathing import Linear
from bench.study.series import EVENTS, made, real

LARGEST = 5e5  # beyond are outliers
AHEAD = {"breathing": (1, 5, 20)}
LONG = 20_000  # series of more steps have three seeds
SHARED = nbt.Kalman(readout_prior=1.0, reduction="shared")
ADAM = nbt.Adam(0.005)


def preset(effort: str = "default", lags: int | None = None, **changed: Any) -> Any:
    def make(readout: Any) -> dict[str, Any]:
        inputs = lags and nbt.Vector(readout.dim, getattr(readout, "standardize", False), lags)
        setting = nbt.preset("numbers", effort, readout=readout, inputs=inputs)
        return setting | ({} if isinstance(readout, nbt.Bernoulli) else changed)

    return make


def squares(decay: float = 0.1, prior: float = 1.0) -> dict[str, Any]:
    kalman = nbt.Kalman(nbt.InverseSqrt(decay), readout_prior=prior, reduction="shared")
    return {"readout_optimizer": kalman}


PRESETS = {
    "plain": lambda readout: nbt.preset("lines") | {"readout": readout},
    "fast": preset("fast"),
    "default": preset(),
    "best": preset("best"),
}
VARIED = {
    "decay 0.05": preset(**squares(0.05)),
    "decay 0.2": preset(**squares(0.2)),
    "prior 0.1": preset(**squares(prior=0.1)),
    "prior 10": preset(**squares(prior=10.0)),
    "5 lags": preset(lags=5),
    "tanh": preset(cell=nbt.RNN(32, "tanh")),
    "LSTM(32)": preset(cell=nbt.LSTM(32, coupled=True), optimizer=ADAM),
    "LSTM(96)": preset(cell=nbt.LSTM(96, coupled=True), optimizer=ADAM),
}


def filled(y: np.ndarray) -> np.ndarray:
    """The last value in place of a gap, at first 0."""
    y = y.copy()
    y[0] = np.nan_to_num(y[0])
    for before, row in itertools.pairwise(y):
        row[np.isnan(row)] = before[np.isnan(row)]
    return y


def error(means: np.ndarray, y: np.ndarray) -> float:
    known = np.where(np.abs(y) < LARGEST, y, np.nan)
    deviation = np.nanstd(known, axis=0)
    wrong = np.nanmean((means - known)[len(y) // 2 :] ** 2, axis=0)
    return float(np.sqrt(np.mean(wrong[deviation > 0] / deviation[deviation > 0] ** 2)))


def simple(x: np.ndarray, y: np.ndarray) -> float:
    """The error of the best of the three."""
    x, target = filled(x), filled(y)
    line, ahead = Linear(x.shape[1], 0.999), np.empty_like(y)
    for t, row in enumerate(x):
        ahead[t] = line.predict(row)
        line.learn(row, target[t])
    mean = np.cumsum(x, axis=0) / np.arange(1, len(x) + 1)[:, np.newaxis]
    return min(error(means, y) for means in (x, mean, ahead))


def run(make: Any, x: np.ndarray, y: np.ndarray, events: bool, seed: int) -> tuple[float, float]:
    """(error, nats per number)."""
    readout = (nbt.Bernoulli if events else nbt.Gaussian)(y.shape[1])
    trainer = nbt.NoBackTrack(**make(readout), missing="mask", seed=seed)
    means, nats = np.empty_like(y), np.empty(len(y))
    try:
        for t, row in enumerate(x):
            means[t] = np.atleast_2d(trainer.predict(row))[0]
            nats[t] = trainer.learn(row, y[t]).item()
    except nbt.DivergenceError:
        return np.inf, np.inf
    return error(means, y), float(np.nanmean(nats[len(y) // 2 :])) / y.shape[1]


def jobs(seeds: int, breathing: Path | None, logs: Path | None) -> Iterator[tuple]:
    for name, make in made().items():
        steps = len(make(0))
        for seed in range(min(3, seeds) if steps > LONG else seeds):
            yield name, seed, make(seed), 1
    for name, y in real(breathing, logs).items():
        for ahead in AHEAD.get(name.split()[0], (1,)):
            for seed in range(seeds):
                yield f"{name} +{ahead}" if ahead > 1 else name, seed, y, ahead


@click.command(help=__doc__.splitlines()[0])
@click.option("--out", type=Path, default=Path("numbers.jsonl"), show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--breathing", type=Path, help="Folder of recordings.")
@click.option("--logs", type=Path, help="Folder of logs.")
@click.option("--varied", is_flag=True, help="Vary one choice at a time, too.")
@click.option("--only", default="", help="Series whose name has this.")
@click.option("--show", is_flag=True, help="Make no runs: the tables of those there are.")
def main(out, seeds, breathing, logs, varied, only, show) -> None:
    models = PRESETS | (VARIED if varied else {})
    lines = out.read_text().splitlines() if out.exists() else []
    kept = {(name, model, seed): found for name, model, seed, *found in map(json.loads, lines)}
    with out.open("a") as file:
        for name, seed, y, ahead in () if show else jobs(seeds, breathing, logs):
            x, y = y[:-ahead], y[ahead:]
            for model in ("simple", *models) if only in name else ():
                if (name, model, seed) in kept:
                    continue
                made_by = models.get(model)
                found = run(made_by, x, y, name.startswith(EVENTS), seed) if made_by else (
                    simple(x, y), 0.0
                )  # fmt: skip
                kept[name, model, seed] = found
                print(json.dumps([name, model, seed, *found]), file=file, flush=True)
    show_tables(kept, list(models))


def show_tables(kept: dict, models: list[str]) -> None:
    console = Console(width=40 + 11 * len(models))
    for which, title in enumerate(("error, of the best simple one", "nats per number more")):
        table = Table("", "", *models, title=title)
        for name in dict.fromkeys(name for name, *_ in kept):
            mean = {
                model: np.mean([v[which] for k, v in kept.items() if k[:2] == (name, model)])
                for model in {model for other, model, _ in kept if other == name}
            }
            first = mean[models[0] if which else "simple"]
            cells = [mean.get(model, np.nan) for model in models]
            shown = [value - first if which else value / first for value in cells]
            table.add_row(name, f"{first:.3f}", *(f"{value:.3f}" for value in shown))
        console.print(table)


if __name__ == "__main__":
    main()
