"""Jobs spread over processes, one at a time in each, and every process ended at the end."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

__all__ = ["Done", "Workers"]

TICK = 0.2  # seconds between two looks at what is running


class Done(NamedTuple):
    """A job that ended: with a result, or with what went wrong in one line."""

    job: Any
    result: Any
    failure: str | None


class Workers:
    """Processes that do jobs; a context manager that ends them whatever happens.

    Parameters
    ----------
    function : callable
        Of one job; a module's function. It runs in fresh processes (nothing is forked), which
        leave Ctrl-C to this one.
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
        """The jobs under way, and the seconds since each began."""
        now = time.monotonic()
        return [(job, now - since) for job, since in self._busy.values()]

    def run(self, jobs: Sequence[Any]) -> Iterator[Done | None]:
        """Do the jobs, begun in their order; each as it ends, and None now and then meanwhile."""
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
        with _no_interrupts():  # inherited: Ctrl-C in a terminal goes to every process
            process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _give(self, connection: Connection, job: Any) -> None:
        self._busy[connection] = job, time.monotonic()
        with contextlib.suppress(OSError):  # a process that died is noticed in `_take`
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
