"""How surprising each line of a stream is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbt.history_rows import BITS_PER_NAT
from nbt.listening import listener
from nbt.trainers import Trainer

__all__ = ["Line", "listener", "score"]

WINDOW = 10_000
BLOCK = 1 << 16
LONGEST = 1 << 20


@dataclass(frozen=True)
class Line:
    """A line and its surprise.

    Attributes
    ----------
    line : int
        Its number, from 1.
    bits : float
        Mean bits per character, its end included: each character predicted from all before it.
    percentile : float
        Its rank among the last lines: the share, in per cent, of those that surprised less; those
        that surprised as much count half. It is one of them.
    text : str
        The line, without its end.
    surprise : array
        Bits of each of its characters, float64; the line's end is the last, where it has one.
    """

    line: int
    bits: float
    percentile: float
    text: str
    surprise: np.ndarray


class _Ranks:
    """The last numbers, and a number's rank among them: O(log n) to find, O(n) words to move."""

    def __init__(self, window: int) -> None:
        self._order: deque[float] = deque()
        self._sorted = np.empty(window + 1)
        self._window = window

    def add(self, value: float) -> float:
        count = len(self._order)
        if count == self._window:
            at = int(np.searchsorted(self._sorted[:count], self._order.popleft()))
            self._sorted[at : count - 1] = self._sorted[at + 1 : count]
            count -= 1
        below = int(np.searchsorted(self._sorted[:count], value, "left"))
        upto = int(np.searchsorted(self._sorted[:count], value, "right"))
        self._sorted[below + 1 : count + 1] = self._sorted[below:count]
        self._sorted[below] = value
        self._order.append(value)
        return 100.0 * (below + (upto + 1 - below) / 2) / (count + 1)


def score(trainer: Trainer, stream: Any, *, learn: bool, window: int = WINDOW) -> Iterator[Line]:
    """Score the lines of a stream as they come.

    Parameters
    ----------
    trainer : Trainer
        Reads on from the state that it is in; it is changed (`listener` makes one that is cheaper).
    stream : Stream
        Of characters or bytes.
    learn : bool
        Whether each character is learned once it was predicted.
    window : int
        Among how many last lines a line is ranked.

    Yields
    ------
    Line
        As soon as its end was read. A line of more than 2²⁰ characters comes in pieces.
    """
    verb = trainer.learn if learn else trainer.observe
    ranks, number = _Ranks(window), 0
    texts: list[Any] = []
    parts: list[np.ndarray] = []
    held = 0
    while True:
        while not stream.wait(1.0):
            pass
        symbols = stream.read(BLOCK)
        if symbols.size and len(stream.alphabet) > trainer.readout.symbols:
            trainer.grow(len(stream.alphabet))
            verb = trainer.learn if learn else trainer.observe
        bits = verb(symbols) * BITS_PER_NAT if symbols.size else np.empty(0)
        text = stream.alphabet.decode(symbols)
        ends = np.flatnonzero(symbols == _newline(stream.alphabet)) + 1
        begin = 0
        final = [] if symbols.size else [0] if held else []
        for end in [*ends.tolist(), *final]:
            texts.append(text[begin:end])
            parts.append(bits[begin:end])
            number += 1
            yield _line(number, texts, parts, ranks)
            texts, parts, held, begin = [], [], 0, end
        if not symbols.size:
            return
        texts.append(text[begin:])
        parts.append(bits[begin:])
        held += len(symbols) - begin
        if held > LONGEST:
            number += 1
            yield _line(number, texts, parts, ranks)
            texts, parts, held = [], [], 0


def _newline(alphabet: Any) -> int:
    """The number of the line's end; -1 where the alphabet has none."""
    return int(alphabet.numbers("\n" if isinstance(alphabet.symbols, str) else b"\n")[0])


def _line(number: int, texts: list[Any], parts: list[np.ndarray], ranks: _Ranks) -> Line:
    text = texts[0][:0].join(texts)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    surprise = np.concatenate(parts)
    bits = float(surprise.mean())
    return Line(number, bits, ranks.add(bits), text.removesuffix("\n"), surprise)
