"""Text of strangers as it may be shown: nothing in it moves the cursor or turns the line around.

Names of files and streams, symbols and words come from data. Sent to a terminal as they are, their
control characters are commands to it, and marks of direction show a text as another.
"""

from __future__ import annotations

import unicodedata

__all__ = ["visible"]

HARMLESS = ("Zs", "Co", "Cn")  # other spaces, private and new characters: signs, if odd ones
JOINERS = "\u200c\u200d"  # that some scripts, and emoji, cannot do without


def visible(text: object, keep: str = "") -> str:
    """What a person may see of a text, character for character.

    Control characters become their pictures (an escape ␛), marks of direction, lone surrogates and
    the like U+FFFD; those in `keep` stay.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _sign(one) for one in text)


def _sign(character: str) -> str:
    if character < " ":
        return chr(0x2400 + ord(character))
    if character == "\x7f":
        return "\u2421"
    kept = character in JOINERS or unicodedata.category(character) in HARMLESS
    return character if kept else "\ufffd"
