"""Variance of the estimate with K pairs: averaged, or sharing the parameters (split="blocks").

python -m bench.split: a network of 12 sigmoid units and 4 inputs with fixed weights, 40 steps, the
variance of the estimate over 400 seeds as a multiple of ‖G‖², euclidean norms; and what a step
takes, compiled, with 20 units.
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

UNITS, INPUTS, STEPS, SEEDS = 12, 4, 40, 400
FORMS = [("one pair", 1, None), *((f"{K} {how}", K, split) for K in (4, 16)
         for how, split in (("averaged", None), ("in blocks", "blocks")))]  # fmt: skip


def trainer(library, units, rank, split, seed):
    random = np.random.default_rng(1)
    theta = random.normal(size=units * (1 + units + INPUTS)) * 4 / np.sqrt(units)
    cell = systems.compiled_network(library, units, INPUTS, theta)
    return nbt.NoBackTrack(
        cell, nbt.Softmax(3), nbt.SGD(0.0), inputs=INPUTS, rank=rank, split=split,
        norm="euclidean", dtype="float64", seed=seed,
    )  # fmt: skip


def variance(library, rank, split) -> float:
    x = np.random.default_rng(2).normal(size=(STEPS, INPUTS))
    exact = nbt.RTRL(
        trainer(library, UNITS, 1, None, 0).cell, nbt.Softmax(3), nbt.SGD(0.0), inputs=INPUTS,
        dtype="float64",
    )  # fmt: skip
    exact.observe(x, ...)
    G, total = exact.influence(), 0.0
    for seed in range(SEEDS):
        one = trainer(library, UNITS, rank, split, seed)
        one.observe(x, ...)
        total += ((one.influence() - G) ** 2).sum()
    return total / SEEDS / (G**2).sum()


def microseconds(library, rank, split) -> float:
    one, best = trainer(library, 20, rank, split, 0), np.inf
    block = np.random.default_rng(3).normal(size=(300, INPUTS)), np.zeros(300, int)
    for _ in range(9):
        begun = time.perf_counter()
        one.learn(*block)
        best = min(best, time.perf_counter() - begun)
    return 1e6 * best / 300


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = systems.compile_network(folder)
        print(f"{'pairs':14}{'Var / ‖G‖²':>12}{'µs a step':>12}")
        for name, rank, split in FORMS:
            print(f"{name:14}{variance(library, rank, split):12.3f}"
                  f"{microseconds(library, rank, split):12.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
