"""Rows of numbers, read from records of text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nbt.streams.sources.source import Source
from nbt.streams.tables.dialects import Heading, Marks, Reading
from nbt.streams.tables.numerals import GAP, Numerals, number_in
from nbt.streams.tables.records import Records

__all__ = ["Table"]


class Table(Records):
    """The stream that `table` returns for CSV and JSON. A row has the inputs, then the targets."""

    _later = Records._later | {"decimal", "thousands"}
    _spaces = True

    def __init__(
        self,
        source: Source,
        reading: Reading,
        columns: tuple[str, ...],
        targets: tuple[str, ...],
        missing: str,
        numerals: Numerals,
        marks: Marks,
        **choices: Any,
    ) -> None:
        self._asked, self._known = marks, marks  # marks as given by the caller; as known now
        self._seen = marks  # as known after the records cut last, which may not be taken yet
        self._base = numerals
        self._numerals = self._by(marks)
        super().__init__(source, reading, columns + targets, **choices)
        self.alphabet = None
        self.columns, self.targets = columns, targets
        self._strict = missing == "error"
        self._nothing = np.empty((0, len(columns) + len(targets)))

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(self._columns)}; {self.position} records read>"

    def _marks_shown(self) -> list[str]:
        decimal, thousands = self._seen
        shown = [f"decimal {decimal!r}"] if decimal == "," else []
        shown += [f"thousands {thousands!r}"] if thousands else []
        return [*super()._marks_shown(), *shown]

    def read(self, n: int) -> Any:
        """Return the next `n` records; see `table`."""
        rows = super().read(n)
        count = len(self.columns)
        return (rows[:, :count], rows[:, count:]) if self.targets else rows

    # ---- numbers ---------------------------------------------------------------------------------

    def _by(self, marks: Marks) -> Numerals:
        return replace(self._base, decimal=marks.decimal or ".", thousands=marks.thousands or "")

    def _whole_records(self, n: int) -> tuple[list[Any], int, Any]:
        if self._seen != self._known:  # the records cut last were not taken
            self._see(self._known)
        return super()._whole_records(n)

    def _see(self, marks: Marks) -> None:
        self._seen, self._numerals = marks, self._by(marks)

    def _take(self, count: int) -> None:
        super()._take(count)
        self._known = self._seen

    def _value(self, fields: list[Any]) -> list[float]:
        row = self._quick(fields)
        if row is None:
            row = self._slow(fields)
        elif self._numerals.numbers:
            row = [math.nan if number in self._numerals.numbers else number for number in row]
        if self._strict and any(map(math.isnan, row)):
            name = next(name for name, v in zip(self._columns, row, strict=True) if v != v)
            raise ValueError(f"column {name!r}: {GAP}")
        return row

    def _quick(self, fields: list[Any]) -> list[float] | None:
        """Return the numbers if all fields are plain ones, the same as `_slow` does; else None."""
        if self._reading.format != "csv":
            return fields if _are_numbers(fields) and _all_finite(fields) else None
        joined = "".join(fields)
        try:
            if self._seen.decimal == ",":
                if "." in joined:
                    return None
                row = [float(field.replace(",", ".")) for field in fields]
            else:
                row = [float(field) for field in fields]
        except ValueError:
            return None
        if not joined.isascii() or "_" in joined or not _all_finite(row):
            return None
        if "." in joined and self._seen.decimal is None:
            self._see(self._seen._replace(decimal="."))
        return row

    def _slow(self, fields: list[Any]) -> list[float]:
        """Return the numbers, and learn marks from the fields."""
        before, row = self._seen, []
        try:
            for name, field in zip(self._columns, fields, strict=True):
                row.append(self._number(name, field))
        except ValueError:
            self._see(before)
            raise
        return row

    def _number(self, name: str, field: Any) -> float:
        try:
            number = self._numerals.value(field)
        except ValueError as error:
            marks = self._seen.with_those_in(field) if isinstance(field, str) else self._seen
            if marks == self._seen:
                raise ValueError(f"column {name!r}: {error}{_advice(field)}") from None
            self._see(marks)
            return self._number(name, field)
        if self._seen.decimal is None and isinstance(field, str) and _has_point(field):
            self._see(self._seen._replace(decimal="."))
        return number

    def _codes(self, symbols: Any, used: int) -> np.ndarray:
        self._take(used)
        return np.array(symbols, np.float64).reshape(-1, len(self._columns))

    # ---- headings --------------------------------------------------------------------------------

    def _again(self, record: Any) -> Heading | None:
        if not isinstance(record, list):
            return None
        try:
            return Heading.of(self._heading.delimiter, record, self._columns)
        except ValueError:
            return None

    # ---- where it is -----------------------------------------------------------------------------

    def _here(self) -> dict[str, int]:
        marks = {"decimal": self._known.decimal, "thousands": self._known.thousands}
        return {**super()._here(), **{name: ord(mark or "\0") for name, mark in marks.items()}}

    def _seek(self, state: Mapping[str, int]) -> None:
        super()._seek(state)
        found = (_mark(state[name]) for name in ("decimal", "thousands"))
        both = zip(self._asked, found, strict=True)
        self._known = Marks(*(mark if asked is None else asked for asked, mark in both))


def _are_numbers(fields: list[Any]) -> bool:
    """Return whether all fields of a JSON record are numbers; true is none."""
    for field in fields:  # noqa: SIM110 - twice as fast as all()
        if type(field) is not float and type(field) is not int:
            return False
    return True


def _all_finite(row: list[float]) -> bool:
    try:
        return math.isfinite(sum(row))  # if only the sum is infinite, the slow way decides
    except OverflowError:
        return False


def _has_point(field: str) -> bool:
    return "." in field and number_in(field) is not None


def _mark(code: int) -> str | None:
    return chr(code) if 0 < code < 0x110000 else None


def _advice(field: Any) -> str:
    """Return a hint for an error message about a field that is no number."""
    text = field.strip() if isinstance(field, str) else ""
    if re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", text):
        either = f"{text.replace(',', '.')} or {text.replace(',', '')}"
        return f"; it may be {either}: say which by decimal or thousands"
    if re.fullmatch(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}.*", text):
        return "; if it is a date, say by dates how it is written, such as %d.%m.%Y"
    if text.lower() in ("true", "false") or isinstance(field, bool):
        return "; booleans makes it one"
    return ""
