"""One run, and the file of those that were made: a JSON object a line, none made twice."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import nbt
from bench.study.variants import STREAMS, variant

PARTS = 100  # of a run, for its curve


@dataclass(frozen=True)
class Run:
    stream: str
    variant: str
    seed: int
    steps: int

    @property
    def line(self) -> tuple[str, str]:
        """Runs of one line of a table."""
        return self.stream, self.variant


@dataclass(frozen=True)
class Result:
    """CPU seconds, and bits per character in each hundredth of the run; None where it diverged."""

    seconds: float | None
    bits: list[float] | None


@lru_cache(maxsize=4)
def symbols(stream: str, seed: int, steps: int) -> tuple[int, np.ndarray]:
    """How many symbols there are, and the first so many; the text is the same for every seed."""
    source = STREAMS[stream](seed)
    blocks, left = [], steps
    while left and len(block := source.read(left)):
        blocks.append(block)
        left -= len(block)
    return len(source.alphabet), np.concatenate(blocks)


def measure(run: Run) -> Result:
    count, data = symbols(run.stream, 0 if run.stream == "text" else run.seed, run.steps)
    made = variant(run.variant)
    trainer = made.build(run.stream, count, run.seed)
    begun = time.process_time()
    try:
        losses = made.learn(trainer, data)
    except nbt.DivergenceError:
        return Result(None, None)
    seconds = round(time.process_time() - begun, 4)
    means = [part.mean() / math.log(2) for part in np.array_split(losses, PARTS)]
    return Result(seconds, [round(float(mean), 4) for mean in means])


class Kept:
    """The runs that were made, by the file they are in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: dict[tuple[str, str, int], list[tuple[Run, Result]]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            self._add(*(_made(kind, json.loads(line)) for kind in (Run, Result)))

    def _add(self, run: Run, made: Result) -> None:
        self._made.setdefault((*run.line, run.seed), []).append((run, made))

    def of(self, run: Run) -> tuple[Run, Result] | None:
        """This run, or the shortest that goes on from it, or else the longest that was made."""
        made = self._made.get((*run.line, run.seed), [])
        enough = [each for each in made if each[0].steps >= run.steps]
        if enough:
            return min(enough, key=lambda each: each[0].steps)
        return max(made, key=lambda each: each[0].steps, default=None)

    def complete(self, runs: Iterable[Run], jobs: int) -> None:
        """Makes those that were not made, or were shorter; each is kept when it is done."""
        left = [run for run in runs if (made := self.of(run)) is None or made[0].steps < run.steps]
        with ProcessPoolExecutor(jobs) as pool, self._path.open("a", encoding="utf-8") as file:
            waiting = {pool.submit(measure, run): run for run in left}
            for done in as_completed(waiting):
                run, result = waiting[done], done.result()
                file.write(json.dumps(asdict(run) | asdict(result)) + "\n")
                file.flush()
                self._add(run, result)


def _made(kind: type, result: dict[str, Any]):
    return kind(**{each.name: result[each.name] for each in fields(kind)})
