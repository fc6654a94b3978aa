"""Sources that the rules learn from: a stream for each seed, the network that reads it, known
rates."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import nbt
from nbt.cells import LSTM, RNN, Cell, LeakyRNN
from nbt.streams import Stream

__all__ = ["AS_RUNS", "SOURCES", "Source", "file_of", "with_gates"]

UNITS = 20
CHUNK = 1 << 20
AS_RUNS = "as the runs"


@dataclass(frozen=True)
class Source:
    """Source of symbols, and the network that learns from it.

    Parameters
    ----------
    name : str
        Unique name in a folder of results.
    title : str
        Name for a person.
    open : callable
        Returns the stream of a seed. It must be a function of a module, so that another process can
        call it.
    cell : RNN, LeakyRNN or a cell with gates
        The network.
    file : int, None or "as the runs"
        Number of symbols of seed 0 that the compressors and context tree weighting are given. None:
        all symbols of a stream that ends. "as the runs": as many as every run has read.
    lines : tuple of (str, float)
        Known rates besides the stream's own entropy rate, bits per symbol.
    version : str
        Tells a file from another one of the same name.
    ends : bool
        Whether the stream ends.
    """

    name: str
    title: str
    open: Callable[[int], Stream]
    cell: Cell
    file: int | str | None = None
    lines: tuple[tuple[str, float], ...] = ()
    version: str = ""
    ends: bool = False


def read(stream: Stream, most: int | None) -> np.ndarray:
    """Return the first `most` symbols of a stream, int32; all of them if `most` is None."""
    parts, left = [], math.inf if most is None else most
    while left > 0 and len(part := stream.read(int(min(left, CHUNK)))):
        parts.append(part)
        left -= len(part)
    return np.concatenate(parts)


def music(seed: int) -> Stream:
    """Return 10⁵ characters of synthetic music, repeated for ever."""
    return nbt.datasets.music(seed=seed)


def anbn(low: int, high: int, seed: int) -> Stream:
    """Return an endless stream of words aⁿ newline bⁿ newline."""
    return nbt.datasets.anbn(low, high, seed=seed)


@functools.lru_cache(1)
def _shakespeare() -> tuple[Stream, np.ndarray]:
    stream = nbt.datasets.shakespeare()
    return stream, read(stream, None)


def shakespeare(seed: int) -> Stream:
    """Return the works of Shakespeare, repeated for ever; the same for every seed."""
    stream, symbols = _shakespeare()
    return nbt.streams.symbols(symbols, cycle=True, alphabet=stream.alphabet, name=stream.name)


def file_of(source: Source) -> tuple[Stream, np.ndarray]:
    """Return the stream of seed 0, and the symbols that compressors are given."""
    stream = source.open(0)
    return stream, read(stream, source.file)


def with_gates(source: Source) -> Source:
    """Return the same source, learned by as many units with gates."""
    return replace(source, name=f"{source.name}-lstm", cell=LSTM(UNITS))


LOW, HIGH = 1, 32

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source("music", "synthetic music", music, RNN(UNITS), file=10**5),
        Source(
            "anbn",
            f"aⁿbⁿ, n from {LOW} to {HIGH}",
            functools.partial(anbn, LOW, HIGH),
            LeakyRNN(UNITS),
            file=10**6,
            lines=(("aⁿbᵖ", 2 * math.log2(HIGH - LOW + 1) / (LOW + HIGH + 2)),),
        ),
        Source("shakespeare", "Shakespeare", shakespeare, RNN(UNITS), file=5_283_837),
    )
}
"""Every source of the paper by its name."""
