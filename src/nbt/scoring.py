"""Score the lines of a stream by how surprising they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbt.streams.alphabets import known
from nbt.streams.decoding import Decoder
from nbt.streams.escapes import Escapes
from nbt.trainers import Trainer
from nbt.trainers.listener import listener
from nbt.training.rows import BITS_PER_NAT

__all__ = ["Line", "listener", "score"]

WINDOW = 10_000
CHUNK = 1 << 16
LONGEST = 1 << 20
BYTES = Decoder("utf-8", "escape")  # decodes bytes as `Line.text` shows them


@dataclass(frozen=True)
class Line:
    """Line and its surprise.

    Attributes
    ----------
    line : int
        Its number, from 1.
    bits : float
        Mean bits per character, including the line's end. Each character is predicted from all
        characters before it.
    percentile : float
        Its rank among the last lines, this one included: the share, in per cent, of lines with less
        surprise; lines with the same surprise count half.
    text : str
        The line, without its end.
    surprise : array
        Bits of each of its characters, float64. The last is the line's end, if there is one. Where
        the model reads bytes, each byte is a character.
    symbols : str or bytes
        The line as it was read, including its end.
    """

    line: int
    bits: float
    percentile: float
    text: str
    surprise: np.ndarray
    symbols: str | bytes

    def highest(self) -> np.ndarray:
        """Return the bits of each character of `text`, float64; for several bytes, those of the one
        with most."""
        if isinstance(self.symbols, str):
            return self.surprise[: len(self.text)]
        places = BYTES.look(self.symbols, 1, True).places()
        return np.maximum.reduceat(self.surprise, places)[: len(self.text)]


class _Ranks:
    """The last numbers, and the rank of a number among them: O(log n) to find, O(n) words to
    move."""

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


def score(
    trainer: Trainer, stream: Any, *, learn: bool, window: int = WINDOW, seen: int | None = None
) -> Iterator[Line]:
    """Score the lines of a stream as they come.

    Parameters
    ----------
    trainer : Trainer
        It reads on from its present state, and is changed. `listener` makes a cheaper copy.
    stream : Stream
        Stream of characters or bytes. If it marks symbols outside its alphabet
        (``unknown="mark"``), these get the surprise of `nbt.streams.escapes`, and the trainer does
        not see them.
    learn : bool
        Whether each character is learned after it was predicted.
    window : int
        Number of last lines among which a line is ranked.
    seen : int, optional
        Number of symbols that the model had learned. Default: the trainer's steps.

    Yields
    ------
    Line
        Each line, as soon as its end was read. A line of more than 2²⁰ characters comes in pieces.
    """
    verb = trainer.learn if learn else trainer.observe
    ranks, number = _Ranks(window), 0
    escapes = None
    if getattr(stream, "unknown", "error") == "mark":
        escapes = Escapes(stream.alphabet, trainer.step if seen is None else seen)
    texts: list[Any] = []
    parts: list[np.ndarray] = []
    held = 0
    while True:
        while not stream.wait(1.0):
            pass
        symbols = stream.read(CHUNK)
        if symbols.size and len(stream.alphabet) > trainer.readout.symbols:
            trainer.grow(len(stream.alphabet))
            verb = trainer.learn if learn else trainer.observe
        outside, bits = symbols < 0, np.zeros(len(symbols))
        if not outside.all():
            bits[~outside] = verb(known(symbols)) * BITS_PER_NAT
        bits = escapes.bits(outside, bits) if escapes else bits
        text = _text(stream, symbols, outside)
        ends = _ends(text) + 1
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


def _text(stream: Any, symbols: np.ndarray, outside: np.ndarray) -> Any:
    """Return the symbols of the last read as text, including those outside the alphabet."""
    inside = stream.alphabet.decode(known(symbols))
    if not outside.any():
        return inside
    parts, begin = [], 0
    for k, (place, strange) in enumerate(zip(np.flatnonzero(outside), stream.strange, strict=True)):
        parts += [inside[begin : place - k], strange]
        begin = place - k
    return inside[:0].join([*parts, inside[begin:]])


def _ends(text: str | bytes) -> np.ndarray:
    """Return the places of the line ends."""
    if isinstance(text, bytes):
        return np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return np.flatnonzero(points == ord("\n"))


def _line(number: int, texts: list[Any], parts: list[np.ndarray], ranks: _Ranks) -> Line:
    symbols = texts[0][:0].join(texts)
    text = symbols
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    surprise = np.concatenate(parts)
    bits = float(surprise.mean())
    return Line(number, bits, ranks.add(bits), text.removesuffix("\n"), surprise, symbols)
