"""Report on stderr the faults that a stream met."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nbt.streams.counts import noted


class Faults:
    """Report the first faults as they come, and their number at the end.

    Parameters
    ----------
    stream : Stream
        The stream that is read.
    say : callable, optional
        Called with each line. Default: print it on stderr.
    """

    def __init__(self, stream: Any, say: Callable[[str], None] | None = None) -> None:
        self._stream, self._say = stream, say or warn
        self._told = 0

    def tell(self) -> None:
        """Report the new faults."""
        notes = getattr(self._stream, "notes", ())
        for note in notes[self._told :]:
            self._say(note)
        self._told = len(notes)

    def along(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the same items; report the new faults before each."""
        for item in items:
            self.tell()
            yield item

    def total(self) -> None:
        """Report the new faults, and the number of all."""
        self.tell()
        counts = noted(getattr(self._stream, "counts", {}))
        if counts:
            self._say(f"{self._stream.name}: {counts}")


def warn(line: str) -> None:
    """Print a line on stderr, in yellow on a terminal."""
    from nbt.cli.screen import line_of, open_console

    open_console(sys.stderr).print(line_of(line, "yellow"), soft_wrap=True)
