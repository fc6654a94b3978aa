"""An alphabet in a file: its description in JSON, and its symbols as an array."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt.storage.container import room_in
from nbt.storage.strangers import named, parsed
from nbt.streams.alphabets import Alphabet

__all__ = ["ALPHABET", "alphabet_in", "alphabet_out"]

ALPHABET = "stream.alphabet"  # the name of the array
MOST_SYMBOLS = 2**31 - 1


def alphabet_out(alphabet: Alphabet) -> tuple[Any, np.ndarray | None]:
    """Return the description of an alphabet for JSON, and its symbols as an array."""
    symbols = alphabet.symbols
    if isinstance(symbols, range):
        return len(symbols), None
    if isinstance(symbols, str):
        return "characters", np.array(list(map(ord, symbols)), np.uint32)
    words = isinstance(symbols, tuple)
    data = json.dumps(symbols).encode() if words else symbols
    return "words" if words else "bytes", np.frombuffer(data, np.uint8)


def alphabet_in(
    stream: Mapping[str, Any] | None, symbols: np.ndarray | None, size: int
) -> Alphabet | None:
    """Return the alphabet of a stream that a file describes; `size` is the bytes of all its
    arrays."""
    kind = (stream or {}).get("alphabet")
    if kind is None:
        return None
    if type(kind) is int and kind <= MOST_SYMBOLS:
        return Alphabet(range(kind))
    if kind not in ("characters", "bytes", "words"):
        raise ValueError(f"alphabet: expected characters, bytes or words, got {named(kind)}")
    expected = np.uint32 if kind == "characters" else np.uint8
    if symbols is None or symbols.dtype != expected or symbols.ndim != 1:
        raise ValueError(f"{ALPHABET}: expected {np.dtype(expected)} of one dimension")
    if kind == "characters":
        return Alphabet("".join(map(chr, symbols.tolist())))
    data = symbols.tobytes()
    if kind == "bytes":
        return Alphabet(data)
    found = parsed(data, room_in(size))
    if not (isinstance(found, list) and all(type(word) is str for word in found)):
        raise ValueError(f"{ALPHABET}: expected words")
    return Alphabet(tuple(found))
