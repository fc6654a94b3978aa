"""What makes this kind of learning good: one choice varied at a time; bits per character.

Results are kept in a file, a JSON object a line; what is in it is not run again. docs/learning.md
tells what was found.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import nbt

STREAMS = {
    "anbn": lambda seed: nbt.datasets.anbn(1, 32, seed=1000 + seed),
    "anbn64": lambda seed: nbt.datasets.anbn(1, 64, seed=1000 + seed),
    "anbn128": lambda seed: nbt.datasets.anbn(1, 128, seed=1000 + seed),
    "brackets": lambda seed: nbt.datasets.brackets(seed=1000 + seed),
    "music": lambda seed: nbt.datasets.music(seed=1000 + seed),
    "text": lambda seed: nbt.datasets.shakespeare(),
}
PLAIN = ("music", "text")  # streams for networks without leaks; the others have LeakyRNN


@dataclass(frozen=True)
class Variant:
    """A trainer: the defaults, but for what is named; and its first weights, changed."""

    rule: type = nbt.NoBackTrack
    units: int = 20
    cell: dict[str, Any] = field(default_factory=dict)
    optimizer: Any = None
    own: dict[str, Any] = field(default_factory=dict)
    weights: Callable[[dict[str, np.ndarray]], None] | None = None

    def build(self, stream: str, symbols: int, seed: int) -> nbt.Trainer:
        kind = nbt.RNN if stream in PLAIN else nbt.LeakyRNN
        cell = {
            key: value for key, value in self.cell.items() if kind is not nbt.RNN or key != "leak"
        }
        optimizer = {} if self.optimizer is None else {"optimizer": self.optimizer}
        trainer = self.rule(
            kind(self.units, **cell), nbt.Softmax(symbols), seed=seed, **optimizer, **self.own
        )
        if self.weights:
            state = trainer.state_dict()
            self.weights(state)
            trainer.load_state_dict(state)
        return trainer


def kalman(**choices) -> Variant:
    return Variant(optimizer=nbt.Kalman(**choices))


def own(units=20, **choices) -> Variant:
    return Variant(units=units, own=choices)


def scaled(key: str, factor: float) -> Variant:
    def weights(state):
        state[key] *= factor

    return Variant(weights=weights)


def identity(factor: float) -> Variant:
    def weights(state):
        state["cell.W"][np.diag_indices(len(state["cell.W"]))] += factor

    return Variant(weights=weights)


def log_leaks(longest: float, units: int = 20) -> Variant:
    """Time constants from 1 to `longest` steps, evenly spaced on a logarithmic axis."""
    leaks = 1 - 1 / np.geomspace(1, longest, units)
    return Variant(units=units, cell={"leak": tuple(leaks)})


FIRST = nbt.InverseSqrt(1.0)
SIZES = (20, 40, 64, 128)
GROUPS: dict[str, dict[str, Variant]] = {
    "reference": {
        "default": Variant(),
        "RTRL": Variant(nbt.RTRL),
        "the paper's": Variant(
            optimizer=nbt.Kalman(FIRST, prior=1.0),
            own={"norm": "kalman", "blocks": 1, "exact_self": False, "window": 0},
        ),
        "TBPTT-15, SGD 1/√t": Variant(nbt.TruncatedBPTT, optimizer=nbt.SGD(FIRST)),
    },
    "prior": {
        f"prior {prior:g}, readout {readout:g}": kalman(prior=prior, readout_prior=readout)
        for prior, readout in (
            *((0.03, 1), (0.1, 0.3), (0.1, 1), (0.1, 5), (0.3, 1), (0.3, 5), (1, 1), (1, 5)),
            *((1, 20), (0.3, 20)),
        )
    },
    "decay": {
        f"decay {scale:g}/√t": kalman(decay=nbt.InverseSqrt(scale)) for scale in (0.03, 0.1, 0.3, 1)
    }
    | {f"decay {value:g}": kalman(decay=value) for value in (1e-4, 1e-3)},
    "norm": {f"norm {norm}": own(norm=norm) for norm in ("fisher", "kalman", "euclidean")},
    "rank": {f"rank {rank}": own(rank=rank) for rank in (1, 2, 4)},
    "memory": {
        f"blocks {blocks}, window {window}": own(blocks=blocks, window=window)
        for blocks, window in (
            *((1, 0), (4, 0), (20, 0), (1, 2), (4, 2), (1, 4), (4, 4), (20, 4), (1, 8), (4, 8)),
            (1, 16),
        )
    }
    | {"blocks 20, no exact_self": own(blocks=20, exact_self=False, window=0)},
    "weights": {
        "W × 0.5": scaled("cell.W", 0.5),
        "W × 2": scaled("cell.W", 2.0),
        "r × 0.5": scaled("cell.r", 0.5),
        "r × 2": scaled("cell.r", 2.0),
        "W + 1": identity(1.0),
        "leaks to 32, log": log_leaks(32),
        "leaks to 128, log": log_leaks(128),
        "tanh": Variant(cell={"activation": "tanh"}),
    },
    "units": {f"{units} units": own(units=units) for units in SIZES}
    | {f"{n} units, blocks 16, window 0": own(units=n, blocks=16, window=0) for n in SIZES}
    | {f"{n} units, blocks 1, window 8": own(units=n, blocks=1, window=8) for n in SIZES}
    | {f"{n} units, blocks 4, window 4": own(units=n, blocks=4, window=4) for n in SIZES}
    | {f"{n} units, blocks 4, window 8": own(units=n, blocks=4, window=8) for n in SIZES},
}


@dataclass(frozen=True)
class Run:
    stream: str
    variant: str
    seed: int
    steps: int


@cache
def symbols(stream: str, seed: int, steps: int) -> tuple[int, np.ndarray]:
    """How many symbols there are, and the first so many; the text is the same for every seed."""
    source = STREAMS[stream](seed)
    blocks, left = [], steps
    while left and len(block := source.read(left)):
        blocks.append(block)
        left -= len(block)
    return len(source.alphabet), np.concatenate(blocks)


def variant(name: str) -> Variant:
    return next(group[name] for group in GROUPS.values() if name in group)


def measure(run: Run) -> dict[str, Any]:
    """Bits per character over all, the last half and the last tenth; microseconds a step."""
    count, data = symbols(run.stream, 0 if run.stream == "text" else run.seed, run.steps)
    trainer = variant(run.variant).build(run.stream, count, run.seed)
    begun = time.process_time()
    try:
        losses = trainer.learn(data) / math.log(2)
    except nbt.DivergenceError:
        return asdict(run) | {"all": None, "half": None, "tenth": None, "us": None}
    took = (time.process_time() - begun) / len(data) * 1e6
    means = {
        name: float(losses[-len(losses) // part :].mean())
        for name, part in (("all", 1), ("half", 2), ("tenth", 10))
    }
    return (
        asdict(run)
        | {name: round(mean, 5) for name, mean in means.items()}
        | {"us": round(took, 3)}
    )


def figures(results: list[dict[str, Any]]) -> list[str]:
    """Median and worst of each measure; median microseconds; how many diverged."""
    cells = []
    for name in ("all", "half", "tenth"):
        values = [math.inf if r[name] is None else r[name] for r in results]
        cells += [f"{np.median(values):.3f}", f"{max(values):.3f}"]
    times = [r["us"] for r in results if r["us"] is not None]
    diverged = sum(r["us"] is None for r in results)
    return [*cells, f"{np.median(times):.1f}" if times else "", f"{diverged} of {len(results)}"]


HEADINGS = ["stream", "variant", "all", "worst", "last half", "worst", "last tenth", "worst"]
HEADINGS += ["µs", "diverged"]


def rows(runs: Iterable[Run], known: dict[Run, dict[str, Any]]) -> list[list[str]]:
    lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        if run in known:
            lines.setdefault((run.stream, run.variant), []).append(known[run])
    return [[*key, *figures(results)] for key, results in lines.items()]


def load(path: Path) -> dict[Run, dict[str, Any]]:
    if not path.exists():
        return {}
    results = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {Run(r["stream"], r["variant"], r["seed"], r["steps"]): r for r in results}


def show(lines: list[list[str]], markdown: Path | None) -> None:
    table = Table(*HEADINGS)
    for column in table.columns[2:]:
        column.justify = "right"
    for line in lines:
        table.add_row(*line)
    Console(width=150).print(table)
    if markdown:
        ruled = [HEADINGS, ["---"] * 2 + ["---:"] * (len(HEADINGS) - 2), *lines]
        markdown.write_text("\n".join(f"| {' | '.join(line)} |" for line in ruled) + "\n")


@click.command(help=__doc__.splitlines()[0])
@click.option("--out", type=Path, default=Path("study.jsonl"), show_default=True)
@click.option("--group", "groups", multiple=True, type=click.Choice(list(GROUPS)), help="[all]")
@click.option("--only", multiple=True, metavar="NAME", help="Variants of these names.  [all]")
@click.option("--stream", "streams", multiple=True, type=click.Choice(list(STREAMS)))
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--steps", type=click.IntRange(10), default=10**6, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--markdown", type=Path, help="Also write the table there.")
def main(out, groups, only, streams, seeds, steps, jobs, markdown) -> None:
    names = [name for group in groups or GROUPS for name in GROUPS[group]]
    runs = [
        Run(stream, name, seed, steps)
        for stream in streams or ("anbn", "text", "music", "brackets")
        for name in dict.fromkeys(names)
        if not only or name in only
        for seed in range(seeds)
    ]
    known = load(out)
    left = [run for run in runs if run not in known]
    with ProcessPoolExecutor(jobs) as pool, out.open("a", encoding="utf-8") as file:
        for done in as_completed([pool.submit(measure, run) for run in left]):
            result = done.result()
            known[Run(*(result[key] for key in ("stream", "variant", "seed", "steps")))] = result
            file.write(json.dumps(result) + "\n")
            file.flush()
    show(rows(runs, known), markdown)


if __name__ == "__main__":
    main()
