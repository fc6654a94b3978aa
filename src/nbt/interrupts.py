"""Signals that end or ask: what is being done is finished first.

A first signal waits for the end of what is held, so that nothing learned is lost; a second one acts
at once. Handlers that the host has set are left alone, and nothing is done outside the main thread.
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
    """SIGTERM, as `KeyboardInterrupt` is SIGINT: what `Interrupts` makes of it."""


class Interrupts:
    """A context manager that turns signals into exceptions, at moments when they do no harm.

    It may be entered again while it is entered.

    Parameters
    ----------
    terminate : bool
        SIGTERM is heard, too (as `Terminated`), and not only Ctrl-C.
    asked : callable, optional
        Called at the end of what is held, or at once, on SIGUSR1.

    Attributes
    ----------
    hurried : bool
        There was a second signal: what was held has not been finished.

    Examples
    --------
    >>> import nbt
    >>> trainer = nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(3))
    >>> with Interrupts(terminate=True) as interrupts:  # kill, like Ctrl-C, finishes the block
    ...     history = nbt.train(trainer, nbt.datasets.anbn(), steps=9, interrupts=interrupts)
    >>> history.stopped
    'steps'
    """

    def __init__(self, terminate: bool = False, asked: Callable[[], object] | None = None) -> None:
        self.hurried = False
        self._asked = asked
        self._held = False
        self._waiting: BaseException | None = None
        self._question = False
        self._handlers = {signal.SIGINT: (signal.default_int_handler, self._on_end)}
        if terminate and hasattr(signal, "SIGTERM"):
            self._handlers[signal.SIGTERM] = (signal.SIG_DFL, self._on_end)
        if asked and hasattr(signal, "SIGUSR1"):
            self._handlers[signal.SIGUSR1] = (signal.SIG_DFL, self._on_question)
        self._before: dict[int, Any] = {}
        self._depth = 0

    def __enter__(self) -> Interrupts:
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            for number, (default, handler) in self._handlers.items():
                if signal.getsignal(number) is default:
                    self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Within it a first signal waits until the end; an error comes first."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self._answer()
        if self._waiting:
            raise self._waiting

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        self.hurried = self._waiting is not None
        self._waiting = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        if self.hurried or not self._held:
            raise self._waiting

    def _on_question(self, number: int, frame: FrameType | None) -> None:
        self._question = True
        if not self._held:
            self._answer()

    def _answer(self) -> None:
        if self._question and self._asked:
            self._question = False
            self._asked()
