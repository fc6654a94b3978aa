"""Columns of numbers in CSV files and JSON lines."""

from __future__ import annotations

import math
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.columnar import COLUMNAR, Columnar, kind_of_file
from nbt.decoding import Decoder
from nbt.dialects import Heading, Marks
from nbt.numerals import Numerals, number_in
from nbt.opening import open_source
from nbt.records import LONGEST, Reading, Records, one_character, reading_of
from nbt.sources import Source

__all__ = ["table"]


def table(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    targets: Sequence[str] = (),
    *,
    format: str | None = None,
    missing: str = "keep",
    follow: bool = False,
    encoding: str | None = None,
    errors: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    na: Sequence[str] = (),
    dates: str | None = None,
    booleans: bool = False,
    on_bad_record: str | None = None,
    longest: int = LONGEST,
) -> Table | Columnar:
    """A stream over named columns of numbers, a record a step.

    A number is decimal digits, with a decimal mark, a sign and an exponent. A moment is one, too:
    seconds since 1970-01-01 UTC. What stands between fields and the decimal mark are found out
    where they are not given: from the heading, and from the first number that shows it.

    Parameters
    ----------
    path : str or path-like
        As in `text`. What is compressed by gzip, bzip2, xz or Zstandard is unpacked.
    columns : sequence of str
        Names of the columns, in the first line of CSV or in every record of JSON lines: what is
        predicted, or with `targets` the inputs.
    targets : sequence of str
        Names of the columns that are predicted from `columns` of the same record.
    format : {"csv", "jsonl", "parquet", "arrow", "xlsx"}, optional
        By default by the content: Parquet, Arrow (Feather) and the first sheet of Excel, which need
        ``pip install "nobacktrack[tables]"``, and only files; then by the name: .jsonl, .ndjson and
        .json are JSON lines, or an array of objects.
    missing : {"keep", "error"}
        What an empty field does, one that is not in a JSON record, or a word such as NA, null and
        nan: it is NaN, or the record is a bad one.
    follow : bool
        As in `text`.
    encoding, errors
        As in `text`; "replace" is the default also where bad records are skipped.
    delimiter : str, optional
        What stands between the fields of CSV, one character. Default: that of , ; | and the tab by
        which the heading has the columns.
    decimal : {".", ","}, optional
        The decimal mark. Default: as the first number shows that has one; 1,234 does not.
    thousands : str, optional
        What stands between groups of three digits; "": nothing. Default: as the first number shows
        that has both marks.
    na : sequence of str
        More words, or numbers such as -999, for what is missing.
    dates : str, optional
        How moments are written, as in ``datetime.strptime``; by default as in ISO 8601.
    booleans : bool
        Whether true and false are 1 and 0. Otherwise they are no numbers.
    on_bad_record : {"stop", "skip"}, optional
        What a record does that is not as it should be: a `DataError`, each time it is met; or it
        is passed over, counted in `counts`, and `notes` names the first ones with their lines.
        Default: skip where the source never ends (a pipe, a file that is followed), else stop.
    longest : int
        Most characters of a record.

    Returns
    -------
    Stream
        Its `read(n)` gives float64, shape (n, len(columns)); with targets, a pair of that and of
        shape (n, len(targets)). Its `alphabet` is None, its `columns` and `targets` are tuples.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.
    MissingExtra
        What reads the format is not installed.
    DataError, OSError
        As in `text`; also for a field that is no number or is infinite, for fields too many or too
        few, for a column that is not there, and where not one of the first hundred records can be
        read.

    Examples
    --------
    >>> import io, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weather.csv"
    >>> _ = path.write_text("hour;wind;rain\\n0;3,5;0\\n1;;0,2\\n")
    >>> table(path, ["rain", "wind"]).read(9).tolist()
    [[0.0, 3.5], [0.2, nan]]
    """
    columns, targets = _names("columns", columns), _names("targets", targets)
    if not columns:
        raise ValueError("columns: expected at least one name, got none")
    path = _arguments.path("path", path)
    if format is None:
        lines = path.lower().endswith((".jsonl", ".ndjson", ".json"))
        format = kind_of_file(path) or ("jsonl" if lines else "csv")
    format = _arguments.one_of("format", format, ("csv", "jsonl", *COLUMNAR))
    missing = _arguments.one_of("missing", missing, ("keep", "error"))
    reading = reading_of(format, delimiter, on_bad_record, longest)
    if decimal is not None:
        _arguments.one_of("decimal", decimal, (".", ","))
    if thousands:
        one_character("thousands", thousands)
    if thousands and thousands == (decimal or "."):
        raise ValueError(
            f"thousands: expected another mark than the decimal one, got {thousands!r}"
        )
    numerals = Numerals(missing=tuple(_words("na", na)), dates=dates, booleans=bool(booleans))
    marks = Marks(decimal, thousands)
    if format in COLUMNAR:
        if path == "-" or follow:
            raise ValueError(f"format: {format} is read from a file that does not grow")
        numerals = replace(numerals, decimal=decimal or ".", thousands=thousands or "")
        bad = missing == "error", on_bad_record != "skip"
        return Columnar(path, format, columns, targets, numerals, *bad)
    source, close = open_source(path, follow)
    goes_on = source.live or on_bad_record == "skip"
    decoder = Decoder(encoding, errors or ("replace" if goes_on else "strict"))
    stream = Table(source, reading, columns, targets, missing, numerals, marks, decoder=decoder)
    if close:
        weakref.finalize(stream, close)
    return stream


def _words(argument: str, words: Sequence[str]) -> list[str]:
    words = list(words) if not isinstance(words, str) else None
    if words is None or not all(isinstance(word, (str, int, float)) for word in words):
        raise TypeError(f"{argument}: expected a sequence of words, got {words!r}")
    return [str(word) for word in words]


def _names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument}: expected a sequence of names, got {names!r}")
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise ValueError(f"{argument}: expected each name once, got {twice[0]!r} twice")
    return tuple(names)


class Table(Records):
    """See `table`. Underneath a record is one row: inputs, then targets."""

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
        self._asked, self._known = marks, marks  # marks: those that were given; found out
        self._seen = marks  # by the records that were cut last, whether they are taken or not
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
        """The next `n` records; see `table`."""
        rows = super().read(n)
        count = len(self.columns)
        return (rows[:, :count], rows[:, count:]) if self.targets else rows

    # ---- numbers ---------------------------------------------------------------------------------

    def _by(self, marks: Marks) -> Numerals:
        return replace(self._base, decimal=marks.decimal or ".", thousands=marks.thousands or "")

    def _whole_records(self, n: int) -> tuple[list[Any], int, Any]:
        if self._seen != self._known:  # records were looked at and not taken
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
            raise ValueError(f"column {name!r}: a number is missing")
        return row

    def _quick(self, fields: list[Any]) -> list[float] | None:
        """The numbers, where all fields are plain ones; the same as of `_slow`."""
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
        """The numbers, and what the fields show of marks."""
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
    """Of JSON, where true is no number."""
    for field in fields:  # noqa: SIM110 - twice as fast as all()
        if type(field) is not float and type(field) is not int:
            return False
    return True


def _all_finite(row: list[float]) -> bool:
    try:
        return math.isfinite(sum(row))  # or too large as a sum: then it is looked at more closely
    except OverflowError:
        return False


def _has_point(field: str) -> bool:
    return "." in field and number_in(field) is not None


def _mark(code: int) -> str | None:
    return chr(code) if 0 < code < 0x110000 else None


def _advice(field: Any) -> str:
    """What may be meant by a field that is no number."""
    text = field.strip() if isinstance(field, str) else ""
    if re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", text):
        either = f"{text.replace(',', '.')} or {text.replace(',', '')}"
        return f"; it may be {either}: say which by decimal or thousands"
    if re.fullmatch(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}.*", text):
        return "; if it is a date, say by dates how it is written, such as %d.%m.%Y"
    if text.lower() in ("true", "false") or isinstance(field, bool):
        return "; booleans makes it one"
    return ""
