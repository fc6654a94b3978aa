"""What `bench.instructions` counts; run under callgrind, with the library that talks to it.

Each case is run twice from the same state, the second time for longer, so that the difference is
that of whole steps: the call, its checks and what Python does around it cancel.
"""

from __future__ import annotations

import ctypes
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import nbt
from bench import trainers

__all__ = ["CASES", "Case"]

# Whole windows, and whole rounds of what the core does every 64 steps; of long steps only a few.
STEPS, WINDOW_STEPS, LONG_STEPS = (64, 192), (960, 1920), (8, 24)
ROUNDS_OF_WINDOWS = (320, 640)  # windows of 10 steps


@dataclass(frozen=True)
class Case:
    """A trainer of `bench.trainers`, or one more: ``forward``; and how it is called."""

    isa: str
    trainer: str
    units: int = 20
    dtype: str = "float32"
    call: str = "block"

    def __str__(self) -> str:
        return f"{self.isa} {self.trainer} {self.units} {self.dtype} {self.call}"

    @property
    def steps(self) -> tuple[int, int]:
        """Of the shorter and of the longer run."""
        if self.trainer.startswith("bptt"):
            return WINDOW_STEPS
        if self.trainer in trainers.WINDOWED:
            return ROUNDS_OF_WINDOWS
        return LONG_STEPS if self.units > 20 or self.trainer.startswith("rtrl") else STEPS

    def runs(self) -> Iterator:
        """A function without arguments for each run, ready to be called."""
        os.environ["NBT_ISA"] = self.isa
        if self.trainer == "forward":
            network = nbt.RNN(self.units), nbt.Softmax(trainers.SYMBOLS)
            trainer = nbt.TruncatedBPTT(*network, window=2 * STEPS[1], dtype=self.dtype)
            act = trainer.observe
        else:
            trainer = trainers.make(self.trainer, self.units, self.dtype)
            act = trainer.learn
        begin = trainer.state_dict()
        for steps in self.steps:
            block = symbols(steps)
            if self.call == "ints":
                run = calls(act, block.tolist())
            else:
                run = lambda block=block: act(block)  # noqa: E731
            run()
            trainer.load_state_dict(begin)
            yield run


def calls(act, values):
    """A function that calls `act` once for each value."""

    def run() -> None:
        for value in values:
            act(value)

    return run


def symbols(steps: int) -> np.ndarray:
    """As text, some are rare; the same for every version of Python and NumPy."""
    odds = [1 / (1 + k) for k in range(trainers.SYMBOLS)]
    drawn = random.Random(1).choices(range(trainers.SYMBOLS), odds, k=steps)
    return np.array(drawn, np.int32)


CASES = (
    Case("avx2", "forward"),
    Case("avx2", "euclidean"),
    Case("avx2", "euclidean", dtype="float64"),
    Case("avx2", "euclidean", 128),
    Case("avx2", "kalman"),
    Case("avx2", "kalman", dtype="float64"),
    Case("avx2", "kalman", 128),
    Case("avx2", "default"),
    Case("avx2", "default", 128),
    Case("avx2", "rank4"),
    Case("avx2", "bptt-sgd"),
    Case("avx2", "rtrl-sgd"),
    Case("avx2", "lstm"),
    Case("avx2", "lstm", 64),
    Case("avx2", "gru-pairs"),
    Case("avx2", "rnn-pairs"),
    Case("avx2", "graph-sgd", 512),
    Case("avx2", "graph-kalman", 512),
    Case("avx2", "stack", 128),
    Case("avx2", "ctrnn", 64),
    Case("avx2", "compiled", dtype="float64"),
    Case("avx2", "euclidean", call="ints"),
    Case("base", "euclidean"),
    Case("base", "kalman", dtype="float64"),
    Case("base", "lstm"),
)


def main(library: str) -> None:
    """Dumps the count of every run of every usable case, named by case and steps."""
    callgrind = ctypes.CDLL(library)
    callgrind.dump.argtypes = [ctypes.c_char_p]
    usable = nbt.build_info()["isas"]
    for case in CASES:
        if case.isa not in usable:
            continue
        for steps, run in zip(case.steps, case.runs(), strict=True):
            callgrind.begin()
            run()
            callgrind.dump(f"{case}/{steps}".encode())


if __name__ == "__main__":
    main(sys.argv[1])
