"""What a step of a network on a graph costs against its share of a dense network's step.

The share is that of the edges and what each unit has besides: parameters over parameters. Both take
vectors as inputs, the same rule and the same stream; a pair of calls in turn, medians.
"""

from __future__ import annotations

import statistics
import time

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import nbt
from bench import machine

INPUTS, SYMBOLS = 16, 2  # a readout that costs next to nothing
PAPER = {"blocks": 1, "exact_self": False}
RULES = {  # optimizer, norm, the dense network's form
    "SGD, euclidean, the paper's form": (nbt.SGD(nbt.InverseSqrt(0.01)), "euclidean", PAPER),
    "Kalman, kalman, the paper's form": (nbt.Kalman(), "kalman", PAPER),
    "Kalman, fisher, the paper's form": (nbt.Kalman(), "fisher", PAPER),
    "Kalman, fisher, each one's default": (nbt.Kalman(), "fisher", {}),
}


def trainer_of(units: int, graph, optimizer, norm: str, form: dict):
    """With a graph there is the paper's form alone."""
    cell, readout = nbt.RNN(units, graph=graph), nbt.Softmax(SYMBOLS)
    form = {} if graph is not None else form
    return nbt.NoBackTrack(cell, readout, optimizer, inputs=INPUTS, norm=norm, **form)


def seconds_a_step(trainer, steps: int) -> float:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(steps, INPUTS)), random.integers(0, SYMBOLS, steps)
    before = time.process_time()
    trainer.learn(x, y)
    return (time.process_time() - before) / steps


@click.command(help=__doc__.splitlines()[0])
@click.option("--units", default=4096, show_default=True)
@click.option("--sources", default=16, show_default=True, help="Of each unit.")
@click.option("--repeat", default=7, show_default=True)
def main(units: int, sources: int, repeat: int) -> None:
    graph = nbt.Graph.random(units, sources)
    share = (1 + sources + INPUTS) / (1 + units + INPUTS)
    table = Table("rule", "dense", "its share", "graph", "graph / share")
    for column in table.columns[1:]:
        column.justify = "right"
    for rule, choice in RULES.items():
        pair = [trainer_of(units, one, *choice) for one in (None, graph)]
        times: list[list[float]] = [[], []]
        for _ in range(1 + repeat):
            for trainer, steps, found in zip(pair, (3, 100), times, strict=True):
                found.append(seconds_a_step(trainer, steps))
        dense, sparse = (1e6 * statistics.median(found[1:]) for found in times)
        shown = (dense, dense * share, sparse)
        table.add_row(rule, *(f"{t:,.0f} µs" for t in shown), f"{sparse / dense / share:.2f}")
    console = Console(width=100)
    console.print(f"{units} units, {sources} sources and {INPUTS} inputs each, float32, CPU time")
    console.print(table)
    console.print(f"{machine.processor()}, {nbt.build_info()['isa']}")


if __name__ == "__main__":
    main()
