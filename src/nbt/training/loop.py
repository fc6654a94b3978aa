"""The loop: read a block, learn it, sum up the losses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from nbt import _arguments
from nbt.divergence import DivergenceError
from nbt.streams.alphabets import known
from nbt.training.history import History
from nbt.training.interrupts import Interrupts, Terminated
from nbt.training.rows import HistoryRow

__all__ = ["check_stream", "next_size", "settings", "train"]

LARGEST_BLOCK = 1 << 16
PATIENCE = 1.0  # seconds to wait for a live stream before looking up
PACE = 0.04  # seconds that a block should take at most: how soon a time limit or Ctrl-C is heard


def train(
    trainer: Any,
    stream: Any,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    block: int | None = None,
    progress: Callable[[History, HistoryRow], None] | None = None,
    history: History | None = None,
    interrupts: Interrupts | None = None,
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
        targets) of as many of each. A symbol -1 of a stream that marks what its alphabet lacks
        (``unknown="mark"``) is no step: the trainer does not see it, and the history counts it.
        What else a `nbt.streams.Stream` has is used where it is there.
    steps : int, optional
        Stop after exactly so many symbols.
    seconds : float, optional
        Stop when so much time has passed, to about 0.1 s (a pipe that gives nothing is waited
        for). With neither, learn to the end of the stream.
    block : int, optional
        Most symbols learned in one call. By default what takes about 0.04 s. The numbers
        learned do not depend on it.
    progress : callable, optional
        Called as ``progress(history, row)`` after each block, `row` being the present moment, and
        about every second while a live stream gives nothing. Trainer, stream and history then
        agree: what is saved there can be gone on from.
    history : History, optional
        What an earlier call returned, or a checkpoint kept: it goes on, and `steps` and `seconds`
        count what it holds, too.
    interrupts : Interrupts, optional
        Which signals end it, and how; by default Ctrl-C.
    clock : callable
        What time it is, in seconds. ``time.thread_time`` counts this thread's CPU time instead of
        the time that passes: for a comparison that other work on the machine must not disturb.

    Returns
    -------
    History
        With rows at the steps 1, 2, 4, 8, ... and at the end.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above; nothing was read.
    DivergenceError, DataError
        From the trainer, from the stream.
    KeyboardInterrupt
        On Ctrl-C, between two blocks. A second Ctrl-C does not wait for the block to end; only
        then may the trainer be ahead of stream and history.

    Notes
    -----
    Whatever is raised while learning, not only `DivergenceError`, has an attribute `history`: what
    was measured until the last whole block.

    Examples
    --------
    >>> history = nbt.train(trainer, nbt.datasets.anbn(1, 32), steps=100_000)  # doctest: +SKIP
    """
    steps, block = _count("steps", steps), _count("block", block)
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
                trainer, stream, steps, seconds, block, progress, history, interrupts.hold, clock
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


def _loop(trainer, stream, steps, seconds, block, progress, history, hold, clock) -> str:
    limit, size = block or LARGEST_BLOCK, 1
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
    """The losses of a block, which has a new symbol at its beginning or nowhere."""
    room, alphabet = _room(trainer), getattr(stream, "alphabet", None)
    if room is not None and alphabet is not None and len(alphabet) > room:
        trainer.grow(len(alphabet))
    if getattr(stream, "strange", None):  # not in the alphabet, and marked
        data = (known(data[0]),)
    return trainer.learn(*data) if len(data[0]) else ()


def next_size(symbols: int, seconds: float) -> int:
    """Symbols that take about PACE at the speed just seen; at most 4 times as many as before."""
    return max(1, int(symbols * min(4.0, PACE / max(seconds, 1e-9))))


def _count(name: str, value: int | None) -> int | None:
    return None if value is None else _arguments.whole(name, value, high=2**63 - 1)


def _check(trainer, stream, steps, seconds) -> None:
    _arguments.not_called("trainer", trainer)
    if isinstance(trainer, type) or not hasattr(trainer, "learn"):
        raise TypeError(f"trainer: expected one such as nbt.NoBackTrack(...), got {trainer!r}")
    check_stream(trainer, stream)
    if steps is None and seconds is None and getattr(stream, "endless", False):
        raise ValueError(f"steps or seconds: expected one of them, {stream.name} never ends")


def check_stream(trainer, stream) -> None:
    """Raises unless it can be read, and has no more symbols than the trainer predicts, or grows."""
    _arguments.not_called("stream", stream)
    if isinstance(stream, type) or not hasattr(stream, "read"):
        raise TypeError(
            "stream: expected what has read(n), such as nbt.streams.symbols(array), "
            f"got {type(stream).__name__}"
        )
    room, alphabet = _room(trainer), getattr(stream, "alphabet", None)
    if alphabet is None:
        return  # what it gives says whether it fits
    if room is not None and room < len(alphabet) and not getattr(stream, "grows", False):
        raise ValueError(f"stream: it has {len(alphabet)} symbols, the readout {room}")


def _room(trainer) -> int | None:
    """How many symbols it predicts; None for what predicts none, or does not say."""
    room = getattr(getattr(trainer, "readout", None), "symbols", None)
    return room if isinstance(room, int) else None


def _unit(trainer: Any, stream: Any) -> str:
    """Of what is predicted: bits of symbols, nats of numbers, whatever the network is fed."""
    if hasattr(trainer, "readout"):
        return "nats" if _room(trainer) is None else "bits"
    return "nats" if getattr(stream, "alphabet", None) is None else "bits"


def settings(
    trainer: Any, stream: Any, steps: int | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """What a history says of the run that it measured."""
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
