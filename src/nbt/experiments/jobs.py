"""The jobs of a study: what is to be run, what identifies a job, and how it is done.

A job is one rule on one source with one seed, or the baselines of a source. Its record is a plain
dictionary, which is one line in the file of results.
"""

from __future__ import annotations

import functools
import json
import math
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import nbt
from nbt.divergence import DivergenceError
from nbt.experiments.figures import Figure
from nbt.experiments.rules import Rule
from nbt.experiments.sources import Source, file_of
from nbt.training.history import History
from nbt.training.loop import train

__all__ = ["Job", "Limits", "execute", "plan"]

PER_OCTAVE = 4
COLUMNS = ("step", "average_bits", "seconds")
CTW_DEPTH, CTW_SYMBOLS = 8, 256


@dataclass(frozen=True)
class Limits:
    """Limits at which every run stops, whichever comes first.

    Parameters
    ----------
    budget : float or None
        Seconds of CPU time of the thread that learns, the same for every rule.
    steps : int or None
        Number of symbols.
    """

    budget: float | None = 20.0
    steps: int | None = None

    def __str__(self) -> str:
        parts = []
        if self.budget is not None:
            parts.append(f"{self.budget:g} s of CPU time")
        if self.steps is not None:
            parts.append(f"{self.steps:,} symbols")
        return " or ".join(parts)


@dataclass(frozen=True)
class Job:
    """One run, or the baselines of a source if there is no rule.

    Parameters
    ----------
    source : Source
        What is learned from.
    rule : Rule or None
        What learns.
    seed : int
        Seed of network, signs and stream.
    limits : Limits
        When the run stops.
    symbols : int
        Size of the stream's alphabet.
    """

    source: Source
    rule: Rule | None
    seed: int
    limits: Limits
    symbols: int

    def __str__(self) -> str:
        what = f"{self.rule.label}, seed {self.seed}" if self.rule else "baselines"
        return f"{self.source.title}, {what}"

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a record to be that of this job."""
        facts = {"source": self.source.name, "version": self.source.version, **_here()}
        if self.rule is None:
            return {"kind": "baselines", **facts, "file": self.source.file}
        trainer = self.rule.build(self.source.cell, self.symbols, self.seed).describe()
        return {
            "kind": "run",
            **facts,
            "rule": self.rule.name,
            "seed": self.seed,
            "budget": self.limits.budget,
            "steps": self.limits.steps,
            "trainer": trainer,
        }


def plan(figures: Iterable[Figure], seeds: int, limits: Limits) -> list[Job]:
    """Return every job of the figures once: all jobs of one seed before the next seed.

    Raises
    ------
    OSError, DataError
        A source cannot be opened.
    """
    figures = list(figures)
    sources = {figure.source.name: figure.source for figure in figures}
    symbols = {name: len(source.open(0).alphabet) for name, source in sources.items()}
    jobs = [
        Job(source, None, 0, limits, symbols[source.name])
        for source in sorted(sources.values(), key=_length, reverse=True)
    ]
    for seed in range(seeds):
        jobs += [
            Job(figure.source, rule, seed, limits, symbols[figure.source.name])
            for figure in figures
            for rule in figure.rules
        ]
    unique = {(job.source.name, job.rule and job.rule.name, job.seed): job for job in jobs}
    return list(unique.values())


def _length(source: Source) -> float:
    """Return the length of what compressors are given. The longest comes first, so that no other
    job waits for it."""
    return source.file if isinstance(source.file, int) else math.inf


def execute(job: Job) -> dict[str, Any]:
    """Do one job and return its record. A run that diverges has a record like any other."""
    return {**job.identity(), **(_baselines(job.source) if job.rule is None else _run(job))}


def _run(job: Job) -> dict[str, Any]:
    assert job.rule is not None
    stream = job.source.open(job.seed)
    trainer = job.rule.build(job.source.cell, job.symbols, job.seed)
    diverged = None
    try:
        history = train(
            trainer,
            stream,
            steps=job.limits.steps,
            seconds=job.limits.budget,
            history=History(per_octave=PER_OCTAVE),
            clock=time.thread_time,
        )
    except DivergenceError as error:
        history, diverged = error.history, error.step
    return {
        "stopped": history.stopped,
        "diverged_at": diverged,
        "entropy_rate": stream.entropy_rate,
        "parameters": trainer.parameter_count,
        **{name: _short(history, name) for name in COLUMNS},
    }


def _short(history: History, name: str) -> list[float]:
    """Return a column as numbers without more digits than are significant."""
    column = getattr(history, name).tolist()
    return [float(f"{x:.9g}") if isinstance(x, float) else x for x in column]


def _baselines(source: Source) -> dict[str, Any]:
    """Return the bits per symbol of the compressors and of context tree weighting, in one pass."""
    stream, symbols = file_of(source)
    start = time.thread_time()
    bits = dict(nbt.baselines.compressed_bits(stream.alphabet.decode(symbols)))
    if len(stream.alphabet) <= CTW_SYMBOLS:
        losses = nbt.baselines.CTW(len(stream.alphabet), depth=CTW_DEPTH).learn(symbols)
        bits["CTW"] = float(np.sum(losses)) / math.log(2) / len(symbols)
    return {
        "symbols": len(symbols),
        "entropy_rate": stream.entropy_rate,
        "forgetful_rate": getattr(stream, "forgetful_rate", None),
        "bits": bits,
        "seconds": time.thread_time() - start,
    }


@functools.cache
def _here() -> dict[str, str]:
    """Return what else decides how far a run gets in its time."""
    info = nbt.build_info()
    return {"nbt": str(info["version"]), "isa": str(info["isa"]), "cpu": cpu()}


@functools.cache
def cpu() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def key(identity: dict[str, Any], of: Sequence[str] = ()) -> str:
    """Return an identity, or the part of a record with the names in `of`, as one line of text."""
    return json.dumps({name: identity.get(name) for name in of or identity}, sort_keys=True)
