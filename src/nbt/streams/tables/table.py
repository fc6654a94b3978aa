"""Columns of numbers in CSV files and JSON lines."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace

from nbt import _arguments
from nbt.streams.decoding import Decoder
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
        .json, also before .gz, .bz2, .xz and .zst, are JSON lines, or an array of objects.
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
        Most characters of a record; of a field of CSV no more than ``csv.field_size_limit()``,
        which is 131072 where nobody changed it.

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
