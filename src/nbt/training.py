"""The loop: read a block, learn it, sum up the losses."""

from __future__ import annotations

import contextlib
import math
import operator
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from nbt.errors import DivergenceError
from nbt.history import History, Row

__all__ = ["train"]

LARGEST_BLOCK = 1 << 16
PACE = 0.04  # seconds that a block should take at most: how soon a time limit or Ctrl-C is heard


def train(
    trainer: Any,
    stream: Any,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    block: int | None = None,
    progress: Callable[[History, Row], None] | None = None,
    history: History | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> History:
    """Let a trainer learn from a stream, each symbol predicted before it is learned.

    Parameters
    ----------
    trainer
        Has `learn(block)`, which returns the losses of the block's symbols in nats; for a stream
        of pairs, `learn(inputs, targets)`.
    stream
        Has `read(n)`, which returns at most n symbols and none at its end, or a pair (inputs,
        targets) of as many of each.
    steps : int, optional
        Stop after exactly so many symbols.
    seconds : float, optional
        Stop when so much time has passed, to about 0.1 s (a pipe that gives nothing is waited
        for). With neither, learn to the end of the stream.
    block : int, optional
        Most symbols learned in one call. By default what takes about 0.04 s. The numbers
        learned do not depend on it.
    progress : callable, optional
        Called as ``progress(history, row)`` after each block, `row` being the present moment.
    history : History, optional
        An empty one to fill, such as one with denser rows.
    clock : callable
        What time it is, in seconds. ``time.thread_time`` counts this thread's CPU time instead of
        the time that passes: for a comparison that other work on the machine must not disturb.

    Returns
    -------
    History
        With rows at the steps 1, 2, 4, 8, ... of this call and at its end.

    Raises
    ------
    DivergenceError, DataError
        From the trainer, from the stream.
    KeyboardInterrupt
        On Ctrl-C, between two blocks. A second Ctrl-C does not wait for the block to end.

    Whatever is raised while learning has an attribute `history`: what was measured until the last
    whole block.

    Examples
    --------
    >>> history = nbt.train(trainer, nbt.datasets.anbn(1, 32), steps=100_000)  # doctest: +SKIP
    """
    steps, block = _whole("steps", steps), _whole("block", block)
    _check(trainer, stream, steps, seconds)
    if history is None:
        history = History(_settings(trainer, stream, steps, seconds))
    try:
        with _interrupts() as hold:
            stopped = _loop(trainer, stream, steps, seconds, block, progress, history, hold, clock)
    except BaseException as error:
        history.finish(_REASONS.get(type(error), "error"))
        error.history = history
        raise
    history.finish(stopped)
    return history


_REASONS = {DivergenceError: "divergence", KeyboardInterrupt: "interrupt"}


def _loop(trainer, stream, steps, seconds, block, progress, history, hold, clock) -> str:
    limit, size = block or LARGEST_BLOCK, 1
    start, done = clock(), 0
    while True:
        if steps is not None and done >= steps:
            return "steps"
        if seconds is not None and clock() - start >= seconds:
            return "seconds"
        want = min(size, limit) if steps is None else min(size, limit, steps - done)
        data = stream.read(want)
        block = data if isinstance(data, tuple) else (data,)
        if not len(block[0]):
            return "end"
        with hold():
            before = clock()
            losses = trainer.learn(*block)
            now = clock()
            history.add(losses, now - start)
            done += len(losses)
        size = _next_size(len(losses), now - before)
        if progress is not None:
            progress(history, history.live())


def _next_size(symbols: int, seconds: float) -> int:
    """Symbols that take about PACE at the speed just seen; at most 4 times as many as before."""
    return max(1, int(symbols * min(4.0, PACE / max(seconds, 1e-9))))


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Give `hold`: within it, a first Ctrl-C waits until its end, so that no loss is lost.

    Elsewhere (waiting for a pipe, say) Ctrl-C acts at once. Handlers of the host's own are left
    alone, and nothing is done outside the main thread.
    """
    held = waiting = False

    def on_interrupt(number, frame):
        nonlocal waiting
        if held and not waiting:
            waiting = True
        else:
            signal.default_int_handler(number, frame)

    @contextlib.contextmanager
    def hold():
        nonlocal held
        held = True
        try:
            yield
        finally:
            held = False
        if waiting:
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield hold
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _whole(name: str, value: int | None) -> int | None:
    if value is None:
        return None
    if operator.index(value) < 1:
        raise ValueError(f"{name}: expected at least 1, got {value}")
    return operator.index(value)


def _check(trainer, stream, steps, seconds) -> None:
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds: expected a positive number, got {seconds}")
    if steps is None and seconds is None and getattr(stream, "endless", False):
        raise ValueError(f"steps or seconds: expected one of them, {stream.name} never ends")
    room = getattr(getattr(trainer, "readout", None), "symbols", None)
    if isinstance(room, int) and room < len(stream.alphabet):
        raise ValueError(f"stream: it has {len(stream.alphabet)} symbols, the readout {room}")


def _settings(trainer, stream, steps, seconds) -> dict[str, Any]:
    describe = getattr(trainer, "describe", None)
    return {
        "trainer": describe() if describe else repr(trainer),
        "stream": getattr(stream, "name", repr(stream)),
        "symbols": len(stream.alphabet),
        "entropy_rate": getattr(stream, "entropy_rate", None),
        "steps": steps,
        "seconds": seconds,
    }
