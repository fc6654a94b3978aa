"""What a stream met that is not as it should be, said on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nbt.streams.counts import noted


class Faults:
    """Says the first places as they come, and how many there were at the end.

    Parameters
    ----------
    stream : Stream
        What is read.
    say : callable, optional
        Takes a line. Default: it goes to stderr.
    """

    def __init__(self, stream: Any, say: Callable[[str], None] | None = None) -> None:
        self._stream, self._say = stream, say or _say
        self._told = 0

    def tell(self) -> None:
        """Say what is new."""
        notes = getattr(self._stream, "notes", ())
        for note in notes[self._told :]:
            self._say(note)
        self._told = len(notes)

    def along(self, items: Iterable[Any]) -> Iterator[Any]:
        """The same items; what is new is said before each."""
        for item in items:
            self.tell()
            yield item

    def total(self) -> None:
        """Say what is new, and how many there were in all."""
        self.tell()
        counts = noted(getattr(self._stream, "counts", {}))
        if counts:
            self._say(f"{self._stream.name}: {counts}")


def _say(line: str) -> None:
    from nbt.cli.screen import line_of, open_console

    open_console(sys.stderr).print(line_of(line, "yellow"), soft_wrap=True)
