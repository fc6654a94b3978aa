"""Tell whether a text looks like a table."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from nbt.streams.tables.cutting import csv_records, json_elements, json_lines
from nbt.streams.tables.dialects import DELIMITERS, marks_in, said_delimiter
from nbt.streams.tables.numerals import Numerals

__all__ = ["Looks", "looks_like"]

RECORDS = 50  # most that are examined
LEAST = 3  # fewest records of a table, with the heading
LONGEST = 1 << 16


class Looks(NamedTuple):
    """What kind of table a text looks like.

    Attributes
    ----------
    format : str
        "csv" or "jsonl".
    names : tuple of str
        Names of the columns.
    numbers : tuple of str
        Names of the columns of numbers, as far as the text was examined.
    """

    format: str
    names: tuple[str, ...]
    numbers: tuple[str, ...]


def looks_like(text: str, final: bool) -> Looks | None:
    """Return what kind of table a text is, by its beginning; None if it looks like none.

    Parameters
    ----------
    text : str
        The beginning of the text.
    final : bool
        Whether this is the whole text.

    Examples
    --------
    >>> looks_like("hour;rain\\n1;0,5\\n2;0\\n", True)
    Looks(format='csv', names=('hour', 'rain'), numbers=('hour', 'rain'))
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text, final)
    line, _, rest = text.partition("\n")
    said = said_delimiter(line)
    found = [_of_csv(rest if said else text, final, mark) for mark in said or DELIMITERS]
    return max(filter(None, found), key=lambda looks: len(looks.names), default=None)


def _of_csv(text: str, final: bool, delimiter: str) -> Looks | None:
    pieces = csv_records(text, final, LONGEST, delimiter, True)
    records = [record for _, record in itertools.islice(pieces, RECORDS) if record is not None]
    if len(records) < LEAST or any(isinstance(record, Exception) for record in records):
        return None
    names = [name.strip() for name in records[0]]
    if len(names) < 2 or len(set(map(len, records))) > 1 or len(set(names)) < len(names):
        return None
    columns = list(zip(*records[1:], strict=True))
    numbers = [name for name, values in zip(names, columns, strict=True) if _are_numbers(values)]
    if not numbers or any(map(_is_number, names)):
        return None
    return Looks("csv", tuple(names), tuple(name for name in numbers if name))


def _of_json(text: str, final: bool) -> Looks | None:
    cut = json_elements if text.lstrip().startswith("[") else json_lines
    pieces = itertools.islice(cut(text, final, LONGEST), RECORDS)
    records = [record for _, record in pieces if record is not None]
    if len(records) < LEAST - 1 or not all(isinstance(record, dict) for record in records):
        return None
    names = list(dict.fromkeys(name for record in records for name in record))
    values = {name: [record.get(name) for record in records] for name in names}
    return Looks("jsonl", tuple(names), tuple(n for n in names if _are_numbers(values[n])))


def _are_numbers(values: object) -> bool:
    """Return whether all values that are not missing are numbers, and there is at least one."""
    there = [_is_number(value) for value in values if value not in (None, "")]
    return bool(there) and all(there)


def _is_number(value: object) -> bool:
    try:
        Numerals().value(value)
    except ValueError:
        return isinstance(value, str) and marks_in(value) is not None
    return True
