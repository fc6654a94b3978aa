"""Run jobs in several processes, one at a time in each. All processes are ended at the end."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

__all__ = ["Done", "Workers"]

TICK = 0.2  # seconds between two checks of what is running


class Done(NamedTuple):
    """Job that ended, with its result, or with what went wrong in one line."""

    job: Any
    result: Any
    failure: str | None


class Workers:
    """Processes that do jobs; a context manager that ends them in any case.

    Parameters
    ----------
    function : callable
        Does one job. It must be a function of a module. It runs in new processes (nothing is
        forked), which ignore Ctrl-C.
    count : int
        Most processes.
    """

    def __init__(self, function: Callable[[Any], Any], count: int) -> None:
        self._function, self._count = function, count
        self._processes: dict[Connection, multiprocessing.process.BaseProcess] = {}
        self._busy: dict[Connection, tuple[Any, float]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for connection, process in self._processes.items():
            process.join()
            connection.close()

    def running(self) -> list[tuple[Any, float]]:
        """Return the jobs under way, and the seconds since each began."""
        now = time.monotonic()
        return [(job, now - since) for job, since in self._busy.values()]

    def run(self, jobs: Sequence[Any]) -> Iterator[Done | None]:
        """Do the jobs, started in their order. Yield each when it ends, and None from time to time
        in between."""
        left = list(reversed(jobs))
        for _ in range(min(self._count, len(left))):
            self._give(self._start(), left.pop())
        while self._busy:
            ready = wait(list(self._busy), timeout=TICK)
            for connection in ready:
                done = self._take(connection)
                if left and connection in self._processes:
                    self._give(connection, left.pop())
                elif left:
                    self._give(self._start(), left.pop())
                yield done
            if not ready:
                yield None

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._function), daemon=True)
        with _no_interrupts():  # inherited by the child, which Ctrl-C would reach, too
            process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _give(self, connection: Connection, job: Any) -> None:
        self._busy[connection] = job, time.monotonic()
        with contextlib.suppress(OSError):  # `_take` handles a process that died
            connection.send(job)

    def _take(self, connection: Connection) -> Done:
        job, _ = self._busy.pop(connection)
        try:
            result, failure = connection.recv()
        except (EOFError, OSError):
            process = self._processes.pop(connection)
            process.join()
            connection.close()
            result, failure = None, f"its process ended with exit code {process.exitcode}"
        return Done(job, result, failure)


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            answer = function(job), None
        except Exception as error:
            answer = None, f"{type(error).__name__}: {error}"
        connection.send(answer)


def _end_with_parent() -> None:
    """End this process when its parent ends, even where that was killed in the midst of a job."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
