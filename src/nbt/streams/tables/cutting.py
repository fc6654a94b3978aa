"""Cut records from the beginning of a text: of CSV, of JSON lines, of a JSON array.

Each function here yields pairs (end, record): the text up to `end` is used up. A record is a list
of fields, or a JSON object, or None for text that is only space, or an exception that says why the
text is no record. The functions stop where more text is needed (with `final` no more comes), and
keep no state.
"""

from __future__ import annotations

import csv
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["Overlong", "csv_records", "json_elements", "json_lines"]

Piece = tuple[int, Any]
STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],]', re.DOTALL)
BETWEEN = re.compile(r"[ \t\r\n,\[\]]*")


class Overlong(ValueError):  # noqa: N818 - named after the record
    """A record is longer than is allowed."""

    def __init__(self, longest: int) -> None:
        super().__init__(f"longer than {longest} characters")


class _Lines:
    """Complete lines, from place `at` on; `out` says that there is no further one."""

    def __init__(self, text: str, final: bool) -> None:
        self._text, self._final = text, final
        self.at, self.out = 0, False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        begin = self.at
        end = self.end_of_line(begin)
        if end > begin:
            self.at = end
            return self._text[begin:end]
        self.out = True
        raise StopIteration

    def end_of_line(self, begin: int) -> int:
        """Return the end of the line that begins there; 0 if that is not known yet."""
        return self._text.find("\n", begin) + 1 or (len(self._text) if self._final else 0)


def csv_records(
    text: str, final: bool, longest: int, delimiter: str, spaces: bool
) -> Iterator[Piece]:
    """Yield records of CSV, by the rules of Python's `csv`: a quoted field may contain line ends.

    With `spaces`, spaces before a field are not part of it. Text that is no record is passed up to
    the end of its first line.
    """
    lines = _Lines(text, final)
    reader = csv.reader(lines, _dialect(delimiter, spaces))
    size = len(text)
    while True:
        begin, record = lines.at, None
        try:
            record = next(reader) or None
        except StopIteration:
            if begin == size:
                return
        except csv.Error as error:
            record = ValueError(str(error).partition(" - ")[0])  # the rest says how to call csv
        if (size if lines.out else lines.at) - begin > longest:
            record = Overlong(longest)
        elif lines.out and not final:
            return  # the rest of a quoted field, or of a line, is still to come
        if isinstance(record, ValueError):
            lines.at, lines.out = lines.end_of_line(begin) or size, False
        yield lines.at, record


@functools.lru_cache
def _dialect(delimiter: str, spaces: bool) -> Any:
    """Return a dialect. It is kept: a reader is then made in a quarter of the time."""
    return csv.reader((), delimiter=delimiter, skipinitialspace=spaces, strict=True).dialect


def json_lines(text: str, final: bool, longest: int) -> Iterator[Piece]:
    """Yield one JSON object a line."""
    lines = _Lines(text, final)
    while True:
        begin = lines.at
        end = lines.end_of_line(begin)
        if (end or len(text)) - begin > longest:
            lines.at = end or len(text)
            yield lines.at, Overlong(longest)
        elif not end or end == begin:
            return
        else:
            lines.at = end
            yield end, _parsed(text[begin:end])


def json_elements(text: str, final: bool, longest: int) -> Iterator[Piece]:
    """Yield the objects of a JSON array, wherever lines end."""
    at, size = 0, len(text)
    while True:
        begin = BETWEEN.match(text, at).end()
        if begin == size:
            if begin > at:
                yield size, None
            return
        end = _element_end(text, begin)
        if end is None:
            if size - begin > longest:
                yield text.find("\n", begin) + 1 or size, Overlong(longest)
            elif final:
                yield size, ValueError("it does not end")
            return
        at = end
        yield end, Overlong(longest) if end - begin > longest else _parsed(text[begin:end])


def _element_end(text: str, begin: int) -> int | None:
    """Return the end of the array element that begins there; None if the text does not have it."""
    depth = 0
    for token in STRINGS_AND_BRACKETS.finditer(text, begin):
        mark = token[0]
        if mark == '"':  # a string without end
            return None
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth <= 0:
                return token.end() if depth == 0 or token.start() == begin else token.start()
        elif mark == "," and depth == 0:
            return token.start()
    return None


def _parsed(text: str) -> Any:
    if not text.strip():
        return None
    try:
        found = json.loads(text)
    except RecursionError:
        return ValueError("nested too deeply")
    except ValueError as error:
        return ValueError(str(error))
    return found if isinstance(found, dict) else ValueError("expected an object")
