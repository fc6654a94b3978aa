"""Read text as numbers: which text is a number, what is missing, and which number a date is."""

from __future__ import annotations

import datetime
import math
import re
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "GAP",
    "MISSING",
    "NO_REALS",
    "Numerals",
    "check_form",
    "is_missing",
    "number_in",
    "seconds_of",
    "shown",
]

#: Words for a missing value, in lower case: those of spreadsheets, databases, pandas, R.
MISSING = frozenset(
    ["", "-", "?", "na", "n/a", "#n/a", "#na", "#nv", "<na>", "nan", "nat", "null", "none", r"\n"]
)

#: Types that Python's float() accepts, but whose values are no numbers here.
NO_REALS = (bytes, bytearray, complex, np.complexfloating, np.datetime64, np.timedelta64)

GAP = "a number is missing; missing= says what is done then"  # error of a record
SHOWN = 60  # most characters of a value in a message
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
TRUTH = {"true": 1.0, "false": 0.0}


def number_in(text: str, decimal: str = ".", thousands: str = "") -> float | None:
    """Return the finite number that a text is, or None if it is none.

    A number has decimal digits and may have one decimal mark, a sign, an exponent, and spaces
    around it. So 1_000, 0x10, inf and true are no numbers, nor is 1e999, which is too large.

    Parameters
    ----------
    text : str
        The text to read.
    decimal : str
        The decimal mark, one character.
    thousands : str
        The mark that may stand between groups of three digits before the decimal mark; "": none.

    Examples
    --------
    >>> number_in(" -1.5e3 "), number_in("1_000"), number_in("1.234,5", ",", ".")
    (-1500.0, None, 1234.5)
    """
    if thousands and thousands in text:
        text = _without(text, decimal, thousands)
    if decimal != ".":
        if "." in text:
            return None
        text = text.replace(decimal, ".")
    try:
        number = float(text)
    except ValueError:
        return None
    plain = text.strip().isascii() and "_" not in text
    return number if plain and math.isfinite(number) else None


def _without(text: str, decimal: str, thousands: str) -> str:
    """Remove the thousands marks; if they are not where they belong, return text that is no
    number."""
    whole, mark, rest = text.strip().partition(decimal)
    if re.fullmatch(rf"[+-]?[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+", whole):
        return whole.replace(thousands, "") + mark + rest
    return "no number"


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT, pandas' NA, or a word of `MISSING` in any case.

    Parameters
    ----------
    value : object
        Any value.

    Examples
    --------
    >>> [is_missing(value) for value in (None, float("nan"), " n/a ", 0.0, "0")]
    [True, True, True, False, False]
    """
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    if value is None:
        return True
    if isinstance(value, (float, np.floating, np.datetime64, np.timedelta64, datetime.date)):
        return bool(value != value)  # NaN; pandas' NaT is a datetime, too
    pandas = sys.modules.get("pandas")  # if it was not imported, the value is not its NA
    return pandas is not None and value is getattr(pandas, "NA", None)


def seconds_of(value: Any, form: str | None = None) -> float | None:
    """Return the seconds from 1970-01-01 00:00 UTC to a moment, or those of a duration; None for
    other values.

    A time without a time zone is taken as UTC, and a date as its first moment.

    Parameters
    ----------
    value : datetime, date, timedelta, numpy.datetime64, numpy.timedelta64, or str
        Text as in ISO 8601: 2026-01-31, 2026-01-31 12:00:00.5+01:00.
    form : str, optional
        How text is written instead, as in ``datetime.strptime``: ``"%d.%m.%Y %H:%M"``.

    Returns
    -------
    float or None
        NaN for a missing moment (NaT).

    Examples
    --------
    >>> seconds_of("1970-01-02"), seconds_of("1970-01-01T01:00+01:00"), seconds_of("soon")
    (86400.0, 0.0, None)
    """
    if isinstance(value, str):
        value = _moment_in(value.strip(), form)
    if isinstance(value, (datetime.date, datetime.timedelta)):
        if value != value:  # pandas' NaT is both
            return math.nan
        if isinstance(value, datetime.timedelta):
            return value.total_seconds()
        if not isinstance(value, datetime.datetime):
            value = datetime.datetime(value.year, value.month, value.day)
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.UTC)
        return (value - EPOCH).total_seconds()
    if isinstance(value, (np.datetime64, np.timedelta64)):
        if np.isnat(value):
            return math.nan
        if isinstance(value, np.timedelta64) and np.datetime_data(value)[0] in ("Y", "M"):
            return None  # years and months have no fixed length
        since = np.datetime64(0, "s") if isinstance(value, np.datetime64) else np.timedelta64(0)
        return float((value - since) / np.timedelta64(1, "s"))
    return None


def _moment_in(text: str, form: str | None) -> datetime.datetime | None:
    try:
        if form is not None:
            return datetime.datetime.strptime(text, form)
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def check_form(argument: str, form: Any) -> None:
    """Raise TypeError or ValueError unless ``datetime.strptime`` can read dates written in this
    form."""
    if not isinstance(form, str):
        raise TypeError(f"{argument}: expected text such as '%d.%m.%Y %H:%M', got {form!r}")
    try:
        datetime.datetime.strptime(EPOCH.strftime(form), form)
    except (ValueError, re.error) as error:
        raise ValueError(
            f"{argument}: expected directives of strptime, as in '%d.%m.%Y %H:%M', each once, "
            f"got {form!r} ({error})"
        ) from None


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a table are written.

    Parameters
    ----------
    decimal, thousands : str
        As in `number_in`.
    missing : tuple of str
        Words, or numbers such as -999, that mean a missing value, besides the words of `MISSING`.
    dates : str or None
        How dates and times are written, as in ``datetime.strptime``. None: as in ISO 8601.
    booleans : bool
        Whether true and false are read as 1 and 0. Otherwise they are no numbers.

    Attributes
    ----------
    numbers : frozenset of float
        The numbers among `missing`.

    Examples
    --------
    >>> Numerals(",", missing=("-999",)).value("2,5"), Numerals(missing=("-999",)).value("-999.0")
    (2.5, nan)
    """

    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()
    dates: str | None = None
    booleans: bool = False

    def __post_init__(self) -> None:
        numbers = (number_in(word, self.decimal, self.thousands) for word in self.missing)
        gaps = MISSING | {word.strip().lower() for word in self.missing}
        object.__setattr__(self, "_gaps", gaps)
        object.__setattr__(self, "numbers", frozenset(numbers) - {None})

    def value(self, field: Any) -> float:
        """Return the number of a field, NaN where it is missing.

        Parameters
        ----------
        field : object
            Text, a number, a date or time, a duration, True, False or None.

        Raises
        ------
        ValueError
            `field` is no number, or is infinite.
        """
        number = self._number(field)
        if number is None:
            raise ValueError(f"{shown(field)} {self._what(field)}")
        return math.nan if number in self.numbers else number

    def _number(self, field: Any) -> float | None:
        if isinstance(field, str):
            number = number_in(field, self.decimal, self.thousands)
            if number is not None:
                return number
            word = field.strip().lower()
            if word in self._gaps:
                return math.nan
            if self.booleans and word in TRUTH:
                return TRUTH[word]
            return seconds_of(field, self.dates)
        if isinstance(field, (bool, np.bool_)):
            return float(field) if self.booleans else None
        if is_missing(field):
            return math.nan
        moment = seconds_of(field)
        if moment is not None or isinstance(field, np.timedelta64):
            return moment
        try:
            number = float(field)
        except (TypeError, ValueError, OverflowError):
            return None
        return None if math.isinf(number) else number

    def _what(self, field: Any) -> str:
        """Return what is wrong with a field that is no number."""
        try:
            if math.isinf(float(field)):
                return "is infinite, or too large"
        except OverflowError:
            return "is infinite, or too large"
        except (TypeError, ValueError):
            pass
        return "is not a number"


def shown(value: Any) -> str:
    """Return the value as text for a message, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer with more digits than Python writes
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
