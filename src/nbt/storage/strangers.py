"""Text from unknown sources: the cost of JSON is bounded before it is parsed.

`json.loads` takes some sixty bytes for the three in ``[],``. So the memory of the objects is
bounded first, by counting the separators in the text. That takes no memory, and a fraction of the
time.
"""

from __future__ import annotations

import json
import re
import reprlib
from typing import Any

__all__ = ["ITEM", "ROOM", "CostlyError", "named", "parsed", "words"]

ROOM = 1 << 24  # bytes that the objects of any text may take
ITEM = 100  # most bytes of an item, including its place in what holds it
NARROW, WIDE = 1.25, 7.0  # bytes a character; one non-ASCII character widens its whole string
WORD = re.compile(r'"[A-Za-z0-9+/=]{4096,}"')  # a graph


class CostlyError(ValueError):
    """A text has more items than may be in memory."""


def parsed(text: str | bytes, room: int = ROOM) -> Any:
    """Return the value of a JSON text, whose objects take at most `room` bytes.

    Raises
    ------
    CostlyError
        The objects may take more.
    ValueError, RecursionError
        The text is not JSON, or is nested too deeply.
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
    """Return whether a string of the text may have non-ASCII characters.

    After one backslash, or three, a u begins an escape; after two it is the letter u.
    """
    found = text.count("\\u")
    escapes = found and (found > text.count("\\\\u") or "\\\\\\u" in text)
    return bool(escapes) or not text.isascii()


def named(value: Any) -> str:
    """Return a value of unknown origin as text on one line, cut where it is long."""
    return reprlib.repr(value)


def words(error: BaseException) -> str:
    """Return in words what is wrong with values of unknown origin."""
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
