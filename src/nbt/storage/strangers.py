"""What a stranger's text may cost: JSON that is counted before it is read.

`json.loads` makes some sixty bytes of the three in ``[],``. So what the objects of a text take is
bounded first, by counting what separates them; that takes no memory, and a fraction of the time.
"""

from __future__ import annotations

import json
import re
import reprlib
from typing import Any

__all__ = ["ITEM", "ROOM", "CostlyError", "named", "parsed", "words"]

ROOM = 1 << 24  # bytes that any text may take
ITEM = 100  # bytes that no item of a text takes more of, with what holds it
NARROW, WIDE = 1.25, 7.0  # bytes a character; one that is not ASCII widens all of its string
WORD = re.compile(r'"[A-Za-z0-9+/=]{4096,}"')  # a graph


class CostlyError(ValueError):
    """A text has more items than there is memory for."""


def parsed(text: str | bytes, room: int = ROOM) -> Any:
    """The value of a JSON text which as objects takes at most `room` bytes.

    Raises
    ------
    CostlyError
        It may take more.
    ValueError, RecursionError
        It is no JSON, or nested too deeply.
    """
    if isinstance(text, bytes):
        text = text.decode()
    items, size = sum(map(text.count, ",:[{")), NARROW * len(text)
    if _is_wide(text):
        narrow = sum(word.end() - word.start() for word in WORD.finditer(text))
        size += (WIDE - NARROW) * (len(text) - narrow)
    if ITEM * items + size > room:
        raise CostlyError(
            f"{items} items in {len(text)} characters: more than such a file may hold"
        )
    return json.loads(text)


def _is_wide(text: str) -> bool:
    """May a string in it have characters that are not ASCII? After one backslash, or three, a u is
    an escape; after two it is a u."""
    found = text.count("\\u")
    escapes = found and (found > text.count("\\\\u") or "\\\\\\u" in text)
    return bool(escapes) or not text.isascii()


def named(value: Any) -> str:
    """A value of a stranger's on one line, cut where it is long."""
    return reprlib.repr(value)


def words(error: BaseException) -> str:
    """What went wrong with a stranger's values, for a message."""
    if isinstance(error, KeyError):
        return f"{named(error.args[0] if error.args else None)} is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    text = " ".join(str(error).split())
    text = text if len(text) <= 400 else f"{text[:400]}…"
    if isinstance(error, AttributeError | IndexError | TypeError) and ": expected" not in text:
        return f"something in it is of another kind than expected ({text})"
    return text or type(error).__name__
