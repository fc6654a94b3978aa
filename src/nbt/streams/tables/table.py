"""Streams over columns of numbers in a table."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from nbt import _arguments
from nbt.streams.decoding import Decoder, Errors
from nbt.streams.sources.opening import open_source
from nbt.streams.sources.rotations import PACKED
from nbt.streams.tables.columnar import COLUMNAR, Columnar, kind_of_file
from nbt.streams.tables.dialects import LONGEST, Marks, one_character, reading_of
from nbt.streams.tables.numerals import Numerals, check_form
from nbt.streams.tables.rows import Table

__all__ = ["table"]


def table(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    targets: Sequence[str] = (),
    *,
    format: Literal["csv", "jsonl", "parquet", "arrow", "xlsx"] | None = None,
    missing: Literal["keep", "error"] = "keep",
    follow: bool = False,
    encoding: str | None = None,
    errors: Errors | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    thousands: str | None = None,
    na: Sequence[str] = (),
    dates: str | None = None,
    booleans: bool = False,
    on_bad_record: Literal["stop", "skip"] | None = None,
    longest: int = LONGEST,
) -> Table | Columnar:
    """Return a stream over named columns of numbers, one record a step.

    A number has decimal digits, and may have a decimal mark, a sign and an exponent. A date or time
    is a number, too: seconds since 1970-01-01 UTC. If they are not given, the delimiter is found
    out from the heading, and the decimal mark from the first number that shows it.

    Parameters
    ----------
    path : str or path-like
        As in `text`. Files compressed by gzip, bzip2, xz or Zstandard are unpacked.
    columns : sequence of str
        Names of the columns, in the first line of CSV or in every record of JSON lines. They are
        what is predicted, or with `targets` the inputs.
    targets : sequence of str
        Names of the columns that are predicted from `columns` of the same record.
    format : {"csv", "jsonl", "parquet", "arrow", "xlsx"}, optional
        "parquet", "arrow" (Feather) and "xlsx" (the first sheet) need a file that does not grow,
        and ``pip install "nobacktrack[tables]"``. Default: one of these three if the content says
        so; else "jsonl" (lines, or an array of objects) if the name ends in .jsonl, .ndjson or
        .json, also before .gz, .bz2, .xz or .zst; else "csv".
    missing : {"keep", "error"}
        What to do with a missing value: an empty field, one that a JSON record lacks, or a word
        such as NA, null and nan. "keep": give NaN. "error": the record is bad.
    follow : bool
        As in `text`.
    encoding, errors
        As in `text`. The default of `errors` is "replace" also where bad records are skipped.
    delimiter : str, optional
        The one character between the fields of CSV, no letter or digit. Default: that of comma,
        semicolon, | and tab by which the heading has the columns.
    decimal : {".", ","}, optional
        The decimal mark. Default: as the first number shows that has one. A number such as 1,234
        does not show it.
    thousands : str, optional
        The mark between groups of three digits, one character; "": none. Default: as the first
        number shows that has both marks.
    na : sequence of str
        Further words, or numbers such as -999, that mean a missing value.
    dates : str, optional
        How dates and times are written, as in ``datetime.strptime``. Default: ISO 8601.
    booleans : bool
        Whether true and false are read as 1 and 0. Otherwise they are no numbers.
    on_bad_record : {"stop", "skip"}, optional
        What to do with a bad record. "stop": raise `DataError`, at every call that meets it.
        "skip": pass over it; `counts` counts these records, and `notes` names the first ones with
        their lines. Default: "skip" where the source never ends (a pipe, a file that is followed),
        else "stop".
    longest : int
        Most characters of a record, in [1, 2³¹]. A field of CSV may have at most
        ``csv.field_size_limit()`` characters, 131072 by default.

    Returns
    -------
    Stream
        Its `read(n)` returns float64, shape (n, len(columns)); with targets, a pair of that and an
        array of shape (n, len(targets)). Its `alphabet` is None; its `columns` and `targets` are
        tuples.

    Raises
    ------
    TypeError
        `path` is no path; `columns` or `targets` is no sequence of names, `na` no sequence of
        words; `format`, `missing`, `encoding`, `errors`, `delimiter`, `decimal`, `thousands`,
        `dates` or `on_bad_record` is no string; `longest` is no integer.
    ValueError
        `columns` is empty; a name is in `columns` and `targets` together twice; `format`,
        `missing`, `errors`, `decimal` or `on_bad_record` is none of the names above; `encoding` is
        not allowed, see `text`; `delimiter` or `thousands` is not one character or is a letter or
        digit; `thousands` is the decimal mark; `dates` has directives that ``datetime.strptime``
        does not read; `longest` is out of range; `follow` is True for standard input; `follow` is
        True or `path` is "-" for "parquet", "arrow" or "xlsx".
    MissingExtra
        The package that reads the format is not installed.
    DataError, OSError
        As in `text`. `DataError` also for a bad record: one with a field that is no number or is
        infinite, or with too many or too few fields. Also for a column that is not there, and where
        none of the first hundred records can be read.

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
    for name in targets:
        if name in columns:
            raise ValueError(
                f"targets: expected none of the columns that they are predicted from, got {name!r}"
            )
    path = _arguments.path("path", path)
    if format is None:
        lines = PACKED.sub("", path.lower()).endswith((".jsonl", ".ndjson", ".json"))
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
    if dates is not None:
        check_form("dates", dates)
    numerals = Numerals(missing=tuple(_words("na", na)), dates=dates, booleans=bool(booleans))
    marks = Marks(decimal, thousands)
    if format in COLUMNAR:
        if path == "-" or follow:
            raise ValueError(f"format: {format} is read from a file that does not grow")
        numerals = replace(numerals, decimal=decimal or ".", thousands=thousands or "")
        bad = missing == "error", on_bad_record != "skip"
        return Columnar(path, format, columns, targets, numerals, *bad)
    source, close = open_source(path, follow)
    try:
        goes_on = source.live or on_bad_record == "skip"
        decoder = Decoder(encoding, errors or ("replace" if goes_on else "strict"))
        stream = Table(source, reading, columns, targets, missing, numerals, marks, decoder=decoder)
    except BaseException:
        if close:
            close()
        raise
    if close:
        weakref.finalize(stream, close)
    return stream


def _words(argument: str, words: Sequence[str]) -> list[str]:
    return [str(word) for word in _sequence(argument, words, "words", (str, int, float))]


def _names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    names = _sequence(argument, names, "names", (str,))
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{argument}: expected each name once, got {twice[0]!r} twice")
    return names


def _sequence(argument: str, given: object, what: str, kinds: tuple[type, ...]) -> tuple:
    parts = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    if parts is None or not all(isinstance(part, kinds) for part in parts):
        raise TypeError(f"{argument}: expected a sequence of {what}, got {given!r}")
    return parts
