"""Signals that end a run or ask a question. The work at hand is finished first.

A first signal waits for the end of `hold`, so that nothing learned is lost. A second one acts at
once. Handlers that the host program has set are not replaced, and nothing is done outside the main
thread.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupts", "Terminated"]


class Terminated(KeyboardInterrupt):
    """SIGTERM was received. `Interrupts` raises it, as Python raises `KeyboardInterrupt` for
    SIGINT."""


class Interrupts:
    """Context manager that turns signals into exceptions at moments when they do no harm.

    It may be entered again while it is active.

    Parameters
    ----------
    terminate : bool
        Whether SIGTERM acts, too, and not only Ctrl-C. It raises `Terminated`.
    asked : callable, optional
        Called on SIGUSR1: at the end of `hold`, or else at once.

    Attributes
    ----------
    hurried : bool
        Whether there was a second signal, so that the work in `hold` was not finished.

    Examples
    --------
    >>> import nbt
    >>> trainer = nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(3))
    >>> with Interrupts(terminate=True) as interrupts:  # kill, like Ctrl-C, finishes the chunk
    ...     history = nbt.train(trainer, nbt.datasets.anbn(), steps=9, interrupts=interrupts)
    >>> history.stopped
    'steps'
    """

    def __init__(self, terminate: bool = False, asked: Callable[[], object] | None = None) -> None:
        self.hurried = False
        self._asked = asked
        self._held = False  # inside `hold`: a first signal is raised at its end
        self._changing = False  # any signal is raised only once handlers and depth are in order
        self._waiting: BaseException | None = None
        self._due = False  # whether `_waiting` is still to be raised
        self._question = False
        self._handlers = {signal.SIGINT: (signal.default_int_handler, self._on_end)}
        if terminate and hasattr(signal, "SIGTERM"):
            self._handlers[signal.SIGTERM] = (signal.SIG_DFL, self._on_end)
        if asked and hasattr(signal, "SIGUSR1"):
            self._handlers[signal.SIGUSR1] = (signal.SIG_DFL, self._on_question)
        self._before: dict[int, Any] = {}
        self._depth = 0

    # A signal may come between any two operations of the next two methods, and an exception of its
    # handler is raised right there. If an exception leaves __enter__, nobody calls __exit__. So
    # within these methods a signal is noted, and raised when they are done. Only the outermost
    # __enter__ raises it at once, because it undoes what it did. The handler of SIGINT is set first
    # and reset last, because Python's own handler raises, too.

    def __enter__(self) -> Interrupts:
        depth = self._depth
        try:
            self._changing = True
            self._depth = depth + 1
            if not depth:
                self._begin()
            self._changing = False
            if self._due:
                self._changing, self._due = True, False
                raise self._waiting
            return self
        except BaseException:
            self._changing = True
            self._depth = depth
            if not depth:
                self._end()
            self._changing = False
            raise

    def __exit__(self, *_: object) -> None:
        self._changing = True
        self._depth -= 1
        if not self._depth:
            self._end()
        self._changing = False
        if self._due and not self._depth:
            self._due = False
            raise self._waiting

    def _begin(self) -> None:
        self.hurried, self._waiting, self._due = False, None, False
        self._before.clear()
        if threading.current_thread() is not threading.main_thread():
            return
        for number, (default, handler) in self._handlers.items():
            if signal.getsignal(number) is default:
                self._before[number] = default
                signal.signal(number, handler)

    def _end(self) -> None:
        for number in reversed(list(self._before)):
            signal.signal(number, self._before[number])
            del self._before[number]

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Delay a first signal to the end of the block under `with`. An error of that block comes
        first."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self._answer()
        if self._waiting:
            self._due = False
            raise self._waiting

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        self.hurried = self._waiting is not None
        self._waiting = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        passing = self._passing(frame)
        outermost = passing is not None and passing.f_locals.get("depth") == 0
        noted = self._changing or (passing is not None and not outermost)
        if noted or (self._held and not self.hurried):
            self._due = True
            return
        if outermost:  # a second signal must not disturb __enter__ while it undoes what it did
            self._changing = True
        self._due = False
        raise self._waiting

    def _passing(self, frame: FrameType | None) -> FrameType | None:
        """Return the frame of the __enter__ or __exit__ that is running, or None."""
        codes = Interrupts.__enter__.__code__, Interrupts.__exit__.__code__
        while frame is not None and not (
            frame.f_code in codes and frame.f_locals.get("self") is self
        ):
            frame = frame.f_back
        return frame

    def _on_question(self, number: int, frame: FrameType | None) -> None:
        self._question = True
        if not (self._held or self._changing):
            self._answer()

    def _answer(self) -> None:
        if self._question and self._asked:
            self._question = False
            self._asked()
