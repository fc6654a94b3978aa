"""How a table is written, as told or as found out: the delimiter, and the marks in numbers."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nbt import _arguments
from nbt.streams.tables.numerals import number_in

__all__ = [
    "DELIMITERS",
    "LONGEST",
    "Heading",
    "Marks",
    "Reading",
    "check_of",
    "choose",
    "marks_in",
    "name_of",
    "one_character",
    "reading_of",
    "said_delimiter",
]

LONGEST = 1 << 20  # characters of a record
DELIMITERS = ",;\t|"
SAID = re.compile(r'"?sep=(.)"?\s*')  # a first line that tells a spreadsheet the delimiter

GROUPED = re.compile(
    r"[+-]?[0-9]{1,3}(?P<mark>[ .,'’\xa0\u202f])[0-9]{3}(?P<more>(?:(?P=mark)[0-9]{3})*)"
    r"(?:(?P<decimal>[.,])[0-9]*)?"
)
WITH_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]*(?:[eE][+-]?[0-9]+)?")
ZERO = re.compile(r"[+-]?0,")


@dataclass(frozen=True)
class Reading:
    """How records are read.

    Parameters
    ----------
    format : {"csv", "jsonl"}
        "jsonl" includes an array of objects.
    delimiter : str or None
        Delimiter of CSV. None: as the heading shows.
    on_bad_record : {"stop", "skip"} or None
        None: skip where the source never ends, else stop.
    longest : int
        Most characters of a record. A longer one is bad.
    """

    format: str
    delimiter: str | None = None
    on_bad_record: str | None = None
    longest: int = LONGEST


def reading_of(
    format: str, delimiter: str | None, on_bad_record: str | None, longest: int
) -> Reading:
    """Return how records are read, after the arguments are checked."""
    if delimiter is not None:
        one_character("delimiter", delimiter)
    if on_bad_record is not None:
        _arguments.one_of("on_bad_record", on_bad_record, ("stop", "skip"))
    longest = _arguments.integer("longest", longest, high=2**31)
    return Reading(format, delimiter, on_bad_record, longest)


def one_character(argument: str, value: Any) -> None:
    """Raise unless the value is one character that may stand between fields or between digits."""
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected one character, got {value!r}")
    if len(value) != 1 or value in '"\r\n\0' or value.isalnum():
        raise ValueError(f"{argument}: expected one character, no letter or digit, got {value!r}")


class Heading(NamedTuple):
    """Where the wanted columns are.

    Attributes
    ----------
    delimiter : str
        Character between fields.
    places : tuple of int
        Places of the columns in a record.
    width : int
        Number of fields of a record.
    check : int
        CRC-32 of the names of all fields, by which a repeated heading is recognised.
    """

    delimiter: str
    places: tuple[int, ...]
    width: int
    check: int

    @classmethod
    def of(cls, delimiter: str, fields: Sequence[str], columns: Sequence[str]) -> Heading:
        """Return the heading with these fields. ValueError if a column is missing or there
        twice."""
        names = [name_of(field) for field in fields]
        for column in columns:
            if names.count(column) != 1:
                known = ", ".join(names) if len(names) <= 40 else f"{', '.join(names[:40])}, ..."
                what = f"{column!r} is there twice" if column in names else f"no column {column!r}"
                raise ValueError(f"{what} among {known}"[:1000] + _meant(names))
        places = tuple(names.index(column) for column in columns)
        return cls(delimiter, places, len(names), check_of(names))


def _meant(names: list[str]) -> str:
    """Return a hint for an error message about a heading without the columns."""
    if names[0].startswith(("{", "[")):
        return "; if that is JSON, format is to be jsonl"
    if any(number_in(name) is not None for name in names):
        return "; the first line has to be a heading, the names of the columns"
    return "; delimiter says what stands between fields" if len(names) == 1 else ""


def check_of(fields: Iterable[str]) -> int:
    """Return the checksum of the names; see `Heading.check`."""
    return zlib.crc32("\n".join(map(name_of, fields)).encode("utf-8", "replace"))


def name_of(field: str) -> str:
    """Return the name in a field of a heading, without spaces around it."""
    return field.strip("\ufeff \t\r\n")  # files that were joined may have such a mark inside


def said_delimiter(line: str) -> str | None:
    """Return the delimiter that a first line such as ``sep=;`` names, or None."""
    found = SAID.fullmatch(line)
    return found[1] if found else None


def choose(candidates: dict[str, list[str]], columns: Sequence[str]) -> str:
    """Return the delimiter of a heading: the one that gives most of the columns, then most fields.

    Parameters
    ----------
    candidates : dict of str to list of str
        The fields of the heading by each delimiter.
    columns : sequence of str
        Names of the wanted columns.
    """

    def merit(delimiter: str) -> tuple[int, int]:
        names = {field.strip() for field in candidates[delimiter]}
        return sum(column in names for column in columns), len(candidates[delimiter])

    return max(candidates, key=merit)


class Marks(NamedTuple):
    """The decimal mark and the thousands mark, as far as they are known. None: not yet."""

    decimal: str | None = None
    thousands: str | None = None

    def with_those_in(self, text: str) -> Marks:
        """Return the marks that are known after this number, which the marks known before cannot
        read.

        They are the same as before if the number shows no mark or contradicts them.
        """
        decimal, thousands = marks_in(text) or (None, "")
        if decimal and self.decimal and decimal != self.decimal:
            return self
        if thousands and self.thousands is not None:
            return self
        return Marks(self.decimal or decimal, thousands or self.thousands)


def marks_in(text: str) -> tuple[str | None, str] | None:
    """Return the decimal mark and the thousands mark that a number shows; None if it shows none.

    A decimal mark of None is not known yet. A number such as 1,234 shows no mark: it may mean 1.234
    or 1234.

    Parameters
    ----------
    text : str
        A number written in any way, or other text.

    Examples
    --------
    >>> marks_in("21,5"), marks_in("1.234,5"), marks_in("1,234"), marks_in("now")
    ((',', ''), (',', '.'), None, None)
    """
    text = text.strip()
    grouped = GROUPED.fullmatch(text)
    if grouped and grouped["decimal"] != grouped["mark"]:
        mark, decimal = grouped["mark"], grouped["decimal"]
        if decimal:
            return decimal, mark
        if mark not in ".,":
            return None, mark
        if grouped["more"]:
            return ("," if mark == "." else "."), mark
        if mark == "," and not ZERO.match(text):
            return None
    if WITH_COMMA.fullmatch(text) and re.search(r"[0-9]", text):
        return ",", ""
    return None
