"""The training loop: read a chunk, learn it, add up the losses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

from nbt import _arguments
from nbt.divergence import DivergenceError
from nbt.streams.alphabets import known
from nbt.training.history import History
from nbt.training.interrupts import Interrupts, Terminated
from nbt.training.rows import HistoryRow

__all__ = ["check_stream", "next_size", "settings", "train"]

LARGEST_CHUNK = 1 << 16
PATIENCE = 1.0  # longest wait in seconds for a live stream, between calls of `progress`
PACE = 0.04  # most seconds that a chunk should take, so that time limits and Ctrl-C act soon


class Learns(Protocol):
    """Trainer as `train` takes it."""

    @property
    def learn(self) -> Callable[..., Any]:
        """Learn a chunk: return the loss of each step, in nats."""


class Readable(Protocol):
    """Stream as `train` takes it."""

    @property
    def read(self) -> Callable[[int], Any]:
        """Return at most so many symbols, or a pair (inputs, targets); none at the end."""


@_arguments.renamed("block", "chunk")
def train(
    trainer: Learns,
    stream: Readable,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    chunk: int | None = None,
    progress: Callable[[History, HistoryRow], None] | None = None,
    history: History | None = None,
    interrupts: Interrupts | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> History:
    """Let a trainer learn from a stream, each symbol predicted before it is learned.

    Parameters
    ----------
    trainer
        An object with `learn(chunk)`, which returns the losses of the chunk's symbols in nats; for
        a stream with targets, `learn(inputs, targets)`.
    stream
        An object with `read(n)`, which returns at most n symbols and none at its end, or a pair
        (inputs, targets) of the same length. A symbol -1 of a stream that marks symbols outside its
        alphabet (``unknown="mark"``) is no step: the trainer does not see it, and the history
        counts it. Other attributes of a `nbt.streams.Stream` are used where they exist.
    steps : int, optional
        Stop after exactly this number of symbols, at least 1.
    seconds : float, optional
        Stop after this time, above 0, to about 0.1 s. A pipe that gives nothing is waited for. With
        neither `steps` nor `seconds`, learn to the end of the stream.
    chunk : int, optional
        Most symbols learned in one call, at least 1. Default: as many as take about 0.04 s. The
        numbers learned do not depend on it.
    progress : callable, optional
        Called as ``progress(history, row)`` after each chunk with the row of this moment, and about
        every second while a live stream gives nothing. Trainer, stream and history then agree, so
        that a run can go on from what is saved there.
    history : History, optional
        What an earlier call returned, or a checkpoint kept. It goes on, and `steps` and `seconds`
        include what it holds.
    interrupts : Interrupts, optional
        Which signals end the run, and how. Default: Ctrl-C.
    clock : callable
        Returns the time in seconds. ``time.thread_time`` counts this thread's CPU time instead of
        the time that passes, for comparisons that other work on the machine must not disturb.

    Returns
    -------
    History
        It has rows at the steps 1, 2, 4, 8, ... and at the end.

    Raises
    ------
    TypeError
        `trainer` has no `learn`, `stream` no `read`, or one of them is a class; `steps` or `chunk`
        is no integer, `seconds` no number, `progress` not callable, `history` no `History`,
        `interrupts` no `Interrupts`. Nothing was read.
    ValueError
        `steps`, `seconds` or `chunk` is out of range; neither `steps` nor `seconds` is given for an
        endless stream; the stream has more symbols than the trainer predicts. Nothing was read.
    DivergenceError, DataError
        Raised by the trainer and by the stream, respectively.
    KeyboardInterrupt
        Ctrl-C was pressed; raised between two chunks. A second Ctrl-C does not wait for the end of
        the chunk. Only then may the trainer be ahead of stream and history.

    Notes
    -----
    Every exception raised while learning, not only `DivergenceError`, has an attribute `history`:
    what was measured up to the last complete chunk.

    Examples
    --------
    >>> history = nbt.train(trainer, nbt.datasets.anbn(1, 32), steps=100_000)  # doctest: +SKIP
    """
    steps, chunk = _count("steps", steps), _count("chunk", chunk)
    seconds = None if seconds is None else _arguments.real("seconds", seconds, above=0)
    _check(trainer, stream, steps, seconds)
    if history is not None:
        _arguments.instance("history", history, History)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress: expected a function, got {progress!r}")
    if interrupts is not None:
        _arguments.instance("interrupts", interrupts, Interrupts)
    if history is None:
        history = History(settings(trainer, stream, steps, seconds))
    elif not history.live().step and _unit(trainer, stream) == "nats":
        history.settings.setdefault("unit", "nats")
    try:
        with interrupts or Interrupts() as interrupts:
            stopped = _loop(
                trainer, stream, steps, seconds, chunk, progress, history, interrupts.hold, clock
            )
    except BaseException as error:
        history.finish(_REASONS.get(type(error), "error"))
        error.history = history
        raise
    history.finish(stopped)
    return history


_REASONS = {
    DivergenceError: "divergence",
    KeyboardInterrupt: "interrupt",
    Terminated: "terminated",
}


def _loop(trainer, stream, steps, seconds, chunk, progress, history, hold, clock) -> str:
    limit, size = chunk or LARGEST_CHUNK, 1
    so_far = history.live()
    start, done = clock() - so_far.seconds, so_far.step
    wait = getattr(stream, "wait", lambda seconds: True)
    while True:
        left = math.inf if seconds is None else seconds - (clock() - start)
        if steps is not None and done >= steps:
            return "steps"
        if left <= 0:
            return "seconds"
        ready = wait(min(PATIENCE, left))
        with hold():
            if ready:
                data = stream.read(min(size, limit, steps - done if steps else limit))
                data = data if isinstance(data, tuple) else (data,)
                if not len(data[0]):
                    history.add((), clock() - start, getattr(stream, "counts", None))
                    return "end"
                before = clock()
                losses = _learn(trainer, stream, data)
                now = clock()
                history.add(losses, now - start, getattr(stream, "counts", None))
                done += len(losses)
                if len(losses):
                    size = next_size(len(losses), now - before)
            else:
                history.add((), clock() - start, getattr(stream, "counts", None))
            if progress is not None:
                progress(history, history.live())


def _learn(trainer: Any, stream: Any, data: tuple[Any, ...]) -> Any:
    """Return the losses of a chunk, in which only the first symbol may be a new one."""
    room, alphabet = _room(trainer), getattr(stream, "alphabet", None)
    if room is not None and alphabet is not None and len(alphabet) > room:
        trainer.grow(len(alphabet))
    if getattr(stream, "strange", None):  # some are outside the alphabet, and marked
        data = (known(data[0]),)
    return trainer.learn(*data) if len(data[0]) else ()


def next_size(symbols: int, seconds: float) -> int:
    """Return the number of symbols that take about PACE at the speed just measured, at most 4 times
    the last."""
    return max(1, int(symbols * min(4.0, PACE / max(seconds, 1e-9))))


def _count(name: str, value: int | None) -> int | None:
    return None if value is None else _arguments.integer(name, value, high=2**63 - 1)


def _check(trainer, stream, steps, seconds) -> None:
    _arguments.not_called("trainer", trainer)
    if isinstance(trainer, type) or not hasattr(trainer, "learn"):
        raise TypeError(f"trainer: expected one such as nbt.NoBackTrack(...), got {trainer!r}")
    check_stream(trainer, stream)
    if steps is None and seconds is None and getattr(stream, "endless", False):
        raise ValueError(f"steps or seconds: expected one of them, {stream.name} never ends")


def check_stream(trainer, stream) -> None:
    """Raise unless the stream can be read, and grows or has no more symbols than the trainer
    predicts."""
    _arguments.not_called("stream", stream)
    if isinstance(stream, type) or not hasattr(stream, "read"):
        raise TypeError(
            "stream: expected what has read(n), such as nbt.streams.symbols(array), "
            f"got {type(stream).__name__}"
        )
    room, alphabet = _room(trainer), getattr(stream, "alphabet", None)
    if alphabet is None:
        return  # whether numbers fit is checked when they are learned
    if room is not None and room < len(alphabet) and not getattr(stream, "grows", False):
        raise ValueError(f"stream: it has {len(alphabet)} symbols, the readout {room}")


def _room(trainer) -> int | None:
    """Return how many symbols the trainer predicts; None if it predicts none or does not say."""
    room = getattr(getattr(trainer, "readout", None), "symbols", None)
    return room if isinstance(room, int) else None


def _unit(trainer: Any, stream: Any) -> str:
    """Return the unit of the losses: bits if symbols are predicted, nats if numbers are."""
    if hasattr(trainer, "readout"):
        return "nats" if _room(trainer) is None else "bits"
    return "nats" if getattr(stream, "alphabet", None) is None else "bits"


def settings(
    trainer: Any, stream: Any, steps: int | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """Return what a history says of the run that it measured."""
    describe = getattr(trainer, "describe", None)
    alphabet, numbers = getattr(stream, "alphabet", None), _unit(trainer, stream) == "nats"
    symbols = _room(trainer) if alphabet is None else len(alphabet)
    columns = {key: list(getattr(stream, key, ())) for key in ("columns", "targets")}
    return {
        "trainer": describe() if describe else repr(trainer),
        "stream": getattr(stream, "name", repr(stream)),
        **{key: value for key in ("format", "column") if (value := getattr(stream, key, None))},
        **({"unit": "nats", **columns} if numbers else {"symbols": symbols}),
        "entropy_rate": getattr(stream, "entropy_rate", None),
        "steps": steps,
        "seconds": seconds,
    }
