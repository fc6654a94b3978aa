"""Text from unknown sources, made safe to show on a terminal.

Names of files and streams, symbols and words come from data. Sent to a terminal as they are, their
control characters would be commands to it, and their direction marks would make a text look like
another one.
"""

from __future__ import annotations

import unicodedata

__all__ = ["visible"]

HARMLESS = ("Zs", "Co", "Cn")  # other spaces, private use, unassigned: odd, but no commands
JOINERS = "\u200c\u200d"  # which some scripts, and emoji, need


def visible(text: object, keep: str = "") -> str:
    """Return a text with what is unsafe to show replaced, character for character.

    Control characters become their symbols (an escape becomes ␛). Direction marks, lone surrogates
    and the like become U+FFFD. Characters in `keep` stay as they are.
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
