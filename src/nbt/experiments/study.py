"""A set of figures, a number of seeds, a budget and a folder: run what is missing, collect."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nbt.durable import Lock
from nbt.experiments.claims import Evidence
from nbt.experiments.curves import Curve
from nbt.experiments.figures import Figure
from nbt.experiments.jobs import Job, Limits, execute, plan
from nbt.experiments.store import Store
from nbt.experiments.workers import Done, Workers

__all__ = ["RunError", "Study"]

RESULTS = "results.jsonl"
LOCK = "lock"


class RunError(RuntimeError):
    """A run ended by something else than its limits or divergence; what is done is kept."""


class Study:
    """Figures over seeds, with their results in a folder.

    Parameters
    ----------
    figures : sequence of Figure
    seeds : int
        How many; they are 0, 1, 2, ...
    limits : Limits
        The same for every run.
    folder : path-like
        Made if it is not there. Results found in it are not made again: those of the same rule,
        settings, seed, limits, version and kind of processor.
    """

    def __init__(
        self, figures: Sequence[Figure], seeds: int, limits: Limits, folder: str | os.PathLike[str]
    ) -> None:
        self.figures, self.seeds, self.limits = list(figures), seeds, limits
        self.folder = Path(folder)
        self.jobs = plan(self.figures, seeds, limits)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.reload()

    def reload(self) -> None:
        """Read the file of results, again after an interrupt: only what is in it counts."""
        self.store = Store(self.folder / RESULTS)

    def left(self) -> list[Job]:
        """The jobs that are still to be done."""
        return [job for job in self.jobs if self.store.get(job) is None]

    def run(
        self, processes: int, progress: Callable[[Workers, Done | None], None] | None = None
    ) -> None:
        """Do what is left, keeping each result as it comes.

        Parameters
        ----------
        processes : int
            How many at a time, one thread each.
        progress : callable, optional
            Called as ``progress(workers, done)`` when a job has ended, and with None in between.

        Raises
        ------
        BlockingIOError
            Another process does it in the same folder.
        RunError
            A job failed; the others were done.
        KeyboardInterrupt
            On Ctrl-C. What was finished is kept; the same call goes on from there.
        """
        failures = []
        with Lock(self.folder / LOCK), Workers(execute, processes) as workers:
            self.reload()  # what another process has done since
            for done in workers.run(self.left()):
                if done and done.failure:
                    failures.append(f"{done.job}: {done.failure}")
                elif done:
                    self.store.add(done.result)
                if progress:
                    progress(workers, done)
        if failures:
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise RunError(f"{failures[0]}{more}; what was finished is kept")

    def records(self) -> list[tuple[Job, dict[str, Any]]]:
        """The jobs that are done, with their records."""
        pairs = ((job, self.store.get(job)) for job in self.jobs)
        return [(job, record) for job, record in pairs if record is not None]

    def evidence(self) -> Evidence:
        """What was measured so far."""
        runs: dict[tuple[str, str], list[Curve]] = {}
        lines: dict[str, dict[str, float]] = {}
        for job, record in self.records():
            name = job.source.name
            if job.rule is not None:
                runs.setdefault((name, job.rule.name), []).append(Curve.of(record))
                continue
            lines[name] = {**record["bits"], **dict(job.source.lines)}
            if record["entropy_rate"] is not None:
                lines[name]["entropy"] = record["entropy_rate"]
            if record["forgetful_rate"] is not None and not job.source.lines:
                lines[name]["without memory"] = record["forgetful_rate"]
        return Evidence(runs, lines)
