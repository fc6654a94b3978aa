"""A study: figures, seeds, limits and a folder. It runs what is missing and collects the
results."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbt.errors import DataError
from nbt.experiments.claims import Evidence
from nbt.experiments.curves import Common, Curve
from nbt.experiments.figures import Figure
from nbt.experiments.jobs import Job, Limits, execute, plan
from nbt.experiments.sources import AS_RUNS
from nbt.experiments.store import Store
from nbt.experiments.workers import Done, Workers
from nbt.storage.atomic import Lock
from nbt.storage.folders import opened

__all__ = ["RunError", "Study"]

RESULTS = "results.jsonl"
LOCK = "lock"


class RunError(RuntimeError):
    """A run ended for another reason than its limits or divergence. The finished runs are kept."""


class Study:
    """Figures over several seeds, with their results in a folder.

    Parameters
    ----------
    figures : sequence of Figure
        What is to be drawn.
    seeds : int
        Number of seeds; they are 0, 1, 2, ...
    limits : Limits
        The same for every run.
    folder : path-like
        It is made if it does not exist. Results found in it are used if rule, settings, seed,
        limits, version and kind of processor are the same.
    """

    def __init__(
        self, figures: Sequence[Figure], seeds: int, limits: Limits, folder: str | os.PathLike[str]
    ) -> None:
        self.figures, self.seeds, self.limits = list(figures), seeds, limits
        self.folder = Path(folder)
        self._plan = plan(self.figures, seeds, limits)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.reload()

    def reload(self) -> None:
        """Read the file of results, also after an interrupt: only what is in it counts."""
        self.store = Store(self.folder / RESULTS)

    @property
    def jobs(self) -> list[Job]:
        """All jobs. Baselines that read as much as the runs say how much only when these are
        done."""
        return [self._settled(job) for job in self._plan]

    def left(self) -> list[Job]:
        """Return the jobs that are still to be done."""
        return [job for job in self.jobs if self.store.get(job) is None]

    def _settled(self, job: Job) -> Job:
        if not _waits(job):
            return job
        done = [self.store.get(run) for run in self._plan if run.rule and run.source is job.source]
        if not all(done):
            return job
        common = Common.of([Curve.of(record) for record in done])
        return replace(job, source=replace(job.source, file=max(1, common.symbols)))

    def run(
        self, processes: int, progress: Callable[[Workers, Done | None], None] | None = None
    ) -> None:
        """Do the jobs that are left, and keep each result as it comes.

        Parameters
        ----------
        processes : int
            Number of processes, with one thread each.
        progress : callable, optional
            Called as ``progress(workers, done)`` when a job has ended, and with None in between.

        Raises
        ------
        BlockingIOError
            Another process works in the same folder.
        RunError
            A job failed; the others were done.
        KeyboardInterrupt
            Ctrl-C was pressed. Finished jobs are kept, and the same call goes on from there.
        """
        failures = []
        with (
            opened(self.folder, DataError) as folder,
            Lock(folder, LOCK),
            Workers(execute, processes) as workers,
        ):
            self.reload()  # another process may have done more since
            for jobs in (self._ready, self._ready):  # the second time, those that waited for others
                for done in workers.run(jobs()):
                    if done and done.failure:
                        failures.append(f"{done.job}: {done.failure}")
                    elif done:
                        self.store.add(done.result)
                    if progress:
                        progress(workers, done)
        if failures:
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise RunError(f"{failures[0]}{more}; what was finished is kept")

    def _ready(self) -> list[Job]:
        return [job for job in self.left() if not _waits(job)]

    def records(self) -> list[tuple[Job, dict[str, Any]]]:
        """Return the jobs that are done, with their records."""
        pairs = ((job, self.store.get(job)) for job in self.jobs)
        return [(job, record) for job, record in pairs if record is not None]

    def evidence(self) -> Evidence:
        """Return what was measured so far."""
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


def _waits(job: Job) -> bool:
    """Return whether the job waits for the runs, because it is to read as much as they do."""
    return job.rule is None and job.source.file == AS_RUNS
