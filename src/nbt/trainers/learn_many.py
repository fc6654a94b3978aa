"""Let independent trainers learn side by side, one thread each. C works without the GIL."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.training.loop import next_size

__all__ = ["learn_many"]

FIRST = 256  # steps in the first piece


@_arguments.renamed("blocks", "chunks")
def learn_many(
    trainers: Sequence[Any], chunks: Sequence[Any], *, threads: int | None = None
) -> list[np.ndarray]:
    """Let independent trainers learn in parallel, each from its own data.

    The numbers are those of ``[t.learn(c) for t, c in zip(trainers, chunks)]``, to the bit, for any
    number of threads: a trainer is never in two of them.

    Parameters
    ----------
    trainers : sequence of trainers
        No trainer twice.
    chunks : sequence
        One for each trainer: symbols, or a pair (x, y), as `learn` takes it.
    threads : int, optional
        Most trainers that learn at the same time, at least 1. Default: the number of processors
        that this process may use.

    Returns
    -------
    list of arrays (steps,), float64
        Losses in nats, in the order of the trainers.

    Raises
    ------
    TypeError
        `trainers` or `chunks` is no sequence, an element of `trainers` has no `learn`, or `threads`
        is no integer.
    ValueError
        `chunks` has not one element for each trainer, `trainers` has one of them twice, or
        `threads` is less than 1.
    Exception
        A trainer failed; this is the error of the first one that did. The others have learned; one
        whose chunk was refused has not learned from any part of it.
    KeyboardInterrupt
        Ctrl-C was pressed; raised within about 0.1 s. The trainers have then learned different
        parts of their data.

    Examples
    --------
    >>> import nbt
    >>> streams = [nbt.datasets.anbn(1, 4, seed=seed) for seed in range(3)]
    >>> trainers = [nbt.NoBackTrack(nbt.LeakyRNN(5), nbt.Softmax(3), seed=s) for s in range(3)]
    >>> losses = nbt.learn_many(trainers, [stream.read(100) for stream in streams])
    >>> [len(each) for each in losses]
    [100, 100, 100]
    """
    if not isinstance(trainers, Iterable) or isinstance(trainers, str):
        raise TypeError(f"trainers: expected a sequence of trainers, got {trainers!r}")
    if not isinstance(chunks, Iterable):
        raise TypeError(f"chunks: expected a sequence of chunks, got {chunks!r}")
    trainers, chunks = list(trainers), list(chunks)
    for k, trainer in enumerate(trainers):
        _arguments.not_called(f"trainers[{k}]", trainer)
        if not hasattr(trainer, "learn"):
            raise TypeError(f"trainers[{k}]: expected a trainer, got {trainer!r}")
    if len(chunks) != len(trainers):
        raise ValueError(f"chunks: expected {len(trainers)}, one a trainer, got {len(chunks)}")
    if len({id(trainer) for trainer in trainers}) != len(trainers):
        raise ValueError("trainers: expected independent ones, got one of them twice")
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    count = _arguments.integer("threads", threads or os.cpu_count() or 1)
    if not trainers:
        return []
    stop = threading.Event()
    with ThreadPoolExecutor(min(count, len(trainers)), thread_name_prefix="nbt") as pool:
        work = [
            pool.submit(_learn, trainer, chunk if isinstance(chunk, tuple) else (chunk,), stop)
            for trainer, chunk in zip(trainers, chunks, strict=True)
        ]
        try:
            for each in work:
                each.exception()  # waits for the end
        except BaseException:
            stop.set()
            raise
    return [each.result() for each in work]


def _learn(trainer, chunk, stop) -> np.ndarray:
    """Learn a chunk in pieces, until told to stop; return its losses. If a piece is refused, what
    came before it is undone, and the chunk is refused as a whole, in the words of `learn`."""
    steps = np.shape(chunk[0])[0] if np.ndim(chunk[0]) else 1
    uneven = any(np.shape(part)[:1] != (steps,) for part in chunk)
    if steps <= FIRST or uneven or not hasattr(trainer, "load_state_dict"):
        return trainer.learn(*chunk)
    before = trainer.state_dict()
    chunk = tuple(np.asanyarray(part) for part in chunk)  # a mask stays, and is refused
    try:
        return _in_pieces(trainer, chunk, steps, stop)
    except (TypeError, ValueError):
        trainer.load_state_dict(before)
        return trainer.learn(*chunk)


def _in_pieces(trainer, chunk, steps, stop) -> np.ndarray:
    """Learn piece by piece, so that the time until it stops is short."""
    losses, done, size = [], 0, FIRST
    while done < steps and not stop.is_set():
        start = time.perf_counter()
        losses.append(trainer.learn(*(part[done : done + size] for part in chunk)))
        done += size
        size = next_size(size, time.perf_counter() - start)
    return np.concatenate(losses)
