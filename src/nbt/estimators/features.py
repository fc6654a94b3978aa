"""Features by name, as vectors. A name or a string gets a column when it is first seen."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any, Literal, get_args

import numpy as np

from nbt.streams.tables.dialects import marks_in
from nbt.streams.tables.numerals import NO_REALS, is_missing, number_in, seconds_of, shown
from nbt.trainers.state.checks import refuse_mask

__all__ = ["ABSENT", "KEYS", "SHARED", "Features", "as_names"]

Absent = Literal["zero", "missing"]
ABSENT = get_args(Absent)
KEYS = (str, int, float, bool, type(None))  # what JSON holds and returns unchanged
REALS = (int, float, np.floating, np.integer, np.bool_)
SHARED = "shared"  # instead of a name: (SHARED, k) is the k-th shared column


class Features:
    """Meaning of the columns of a vector.

    A feature whose value is a number has one column. A feature whose value is a string has a column
    for each string seen: 1 if the value is this string, else 0. Text that is a number or a date
    (`nbt.streams.tables.numerals`) is read as a number; a date is its seconds since 1970 UTC. Once
    all columns are used, what is new is hashed into columns that it shares with others; the hash
    also gives a sign, 1 or -1, by which the value is multiplied.

    A single value is a feature named 0. A sequence or a one-dimensional array has features 0, 1, …

    Parameters
    ----------
    most : int
        Most columns for numbers, and most columns for strings. Shared columns come on top.
    absent : {"zero", "missing"}
        What the columns of a feature hold that x does not have: 0, or NaN.
    categorical : collection of names
        Features whose values are all read as strings.

    Attributes
    ----------
    columns : list of tuple
        (name,) for numbers, (name, string) for strings, (SHARED, k) for the k-th shared column.
    """

    def __init__(self, most: int, absent: Absent = "zero", categorical: Collection = ()) -> None:
        self.most = most
        self.absent = 0.0 if absent == "zero" else math.nan
        self.categorical = frozenset(categorical)
        self.take([])

    def take(self, columns: list[tuple]) -> None:
        """Replace all columns by these."""
        self.columns: list[tuple] = []
        self._numbers: dict[Any, int] = {}
        self._strings: dict[Any, dict[str, int]] = {}
        self._usual: dict[tuple, int] = {}  # strings for which only this column must be written
        self._room = [self.most, self.most]
        self._shared: slice | None = None
        self._plain, self._get, self._pack = -1, None, None
        self._add(columns)

    def _add(self, columns: list[tuple]) -> None:
        """Add these columns, and update all that depends on the columns."""
        for column in columns:
            k, name = len(self.columns), column[0]
            if len(column) == 1:
                self._numbers[name] = k
                self._room[0] -= 1
                for string in self._strings.get(name, ()):
                    self._usual.pop((name, string), None)
            elif type(column[1]) is str:
                self._strings.setdefault(name, {})[column[1]] = k
                self._room[1] -= 1
                if self.absent == 0 and name not in self._numbers:
                    self._usual[column] = k
            else:
                self._shared = slice(k if self._shared is None else self._shared.start, k + 1)
            self.columns.append(column)
        self._plain = -1
        if not (self._strings or self._shared or self.categorical.intersection(self._numbers)):
            self._plain = len(self.columns)
            self._get = _getter(list(self._numbers))
            self._pack = struct.Struct(f"{len(self.columns)}d").pack_into

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def shares(self) -> bool:
        """Whether there are columns that several features share."""
        return self._shared is not None

    def names(self) -> list:
        """Return the names of the features that have columns of their own, each once, in order."""
        own = (name for name, *rest in self.columns if not rest or type(rest[0]) is str)
        return list(dict.fromkeys(own))

    def learn(self, x: Any) -> bool:
        """Add columns for what is new in x, in the order of the names; return whether there were
        any.

        Raises
        ------
        TypeError
            A value is no number, or a name is not allowed; the message names it. Nothing was added.
        ValueError
            A number is not finite, or a name is there twice; the message names it. Nothing was
            added.
        """
        new: tuple[list, list] = [], []
        for name, value in _items(x):
            read = self._read(name, value)
            if read is None:
                continue
            if type(read) is str:
                if read not in self._strings.get(name, ()):
                    new[1].append((_name(name), read))
            elif name not in self._numbers:
                new[0].append((_name(name),))
        room = [max(0, left) for left in self._room]
        taken = [sorted(found, key=repr)[:left] for found, left in zip(new, room, strict=True)]
        short = sum(map(len, taken)) < sum(map(len, new)) and not self.shares
        shared = [(SHARED, k) for k in range(max(1, self.most // 4))] if short else []
        more = sorted(taken[0] + taken[1], key=repr) + shared
        if more:
            self._add(more)
        return bool(more)

    def doubtful(self, since: int) -> list[tuple]:
        """Return those of the columns from `since` on that are the first string of a feature and
        look like a number with a decimal comma, such as 21,5."""
        strings = [column for column in self.columns[since:] if type(column[-1]) is str]
        first = [c for c in strings if len(c) == 2 and next(iter(self._strings[c[0]])) == c[1]]
        return [c for c in first if c[0] not in self.categorical and marks_in(c[1])]

    def fill_known(self, x: Any, row: np.ndarray) -> bool:
        """Do what `fill` does, if x has a number for every column and nothing else; otherwise
        return False."""
        if type(x) is not dict or len(x) != self._plain:
            return False
        try:
            values = self._get(x)
            sum(values, 0.0)  # refuses NumPy's dates, which float() accepts in units of their own
            self._pack(row, 0, *values)
        except (KeyError, TypeError, ValueError, OverflowError, struct.error):
            return False
        return True

    def fill(self, x: Any, row: np.ndarray) -> bool:
        """Write x into a row (1, columns or more) of float64, with NaN for what is missing. Return
        whether x has anything for which `learn` would add a column.

        Raises
        ------
        TypeError
            A value is no number; the message names it.
        ValueError
            A number is not finite; the message names it.
        """
        cells = row[0]
        cells.fill(self.absent)
        if len(cells) > len(self.columns):
            cells[len(self.columns) :] = math.nan
        if self._shared is not None:
            cells[self._shared] = 0.0
        new, numbers, strings = False, self._numbers, self._usual
        for name, value in x.items() if type(x) is dict else _items(x):
            if type(value) is str:  # the most frequent case first
                k = strings.get((name, value))
                if k is not None:
                    cells[k] = 1.0
                    continue
            elif type(value) is float and name in numbers and -math.inf < value < math.inf:
                if name not in self._strings and name not in self.categorical:
                    cells[numbers[name]] = value
                    continue
            new |= self._put(cells, name, self._read(name, value))
        return new

    def _put(self, cells: np.ndarray, name: Any, read: float | str | None) -> bool:
        """Write a value that was read; return whether `learn` would add a column for it."""
        number, strings = self._numbers.get(name), self._strings.get(name, {})
        if strings:
            cells[[*strings.values()]] = math.nan if read is None else 0.0
        if type(read) is float:
            if number is None:
                return self._share(cells, 0, (name,), read)
            cells[number] = read
            return False
        if number is not None:
            cells[number] = math.nan
        if read in strings:
            cells[strings[read]] = 1.0
            return False
        return read is not None and self._share(cells, 1, (name, read), 1.0)

    def _share(self, cells: np.ndarray, kind: int, what: tuple, value: float) -> bool:
        """Add a value to its shared column if it has no other; return whether `learn` would add a
        column."""
        if self._room[kind] > 0 or self._shared is None:
            return True
        mark = zlib.crc32("=".join(map(str, what)).encode(errors="surrogatepass"))
        place = self._shared.start + (mark >> 1) % (self._shared.stop - self._shared.start)
        cells[place] += value if mark & 1 else -value
        return False

    def _read(self, name: Any, value: Any) -> float | str | None:
        """Return a finite number, a string that is no number, or None for a missing value."""
        if name in self.categorical:
            return _category(name, value)
        if isinstance(value, str):
            if value in self._strings.get(name, ()):
                return str(value)
            number = number_in(value)
            if number is None and is_missing(value):
                return None
            number = seconds_of(value) if number is None else number
            return str(value) if number is None else _finite(name, number, value)
        number = None
        if not isinstance(value, REALS) or isinstance(value, np.timedelta64):
            if value is np.ma.masked or is_missing(value):
                return None
            number = seconds_of(value)
        number = _number(name, value) if number is None else number
        return None if number != number else _finite(name, number, value)

    def __getstate__(self) -> tuple:
        return self.most, self.absent, self.categorical, list(self.columns)

    def __setstate__(self, state: tuple) -> None:
        self.most, self.absent, self.categorical, columns = state
        self.take(columns)


def _getter(names: list):
    """Return a function that returns the values of these names."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda x: [x[name] for name in names]


def as_names(argument: str, names: Any) -> frozenset:
    """Return the names of features, checked.

    Raises
    ------
    TypeError
        This is no collection of names.
    """
    if isinstance(names, str | bytes) or not isinstance(names, Collection):
        raise TypeError(f"{argument}: expected a list of names, got {shown(names)}")
    try:
        return frozenset(_name(name) for name in names)
    except TypeError as error:
        raise TypeError(str(error).replace("x:", f"{argument}:")) from None


def _name(name: Any) -> Any:
    """Return a name as it is kept: a string, a number, None, or a tuple of these.

    Raises
    ------
    TypeError
        The name is none of these.
    """
    if isinstance(name, np.generic):
        name = name.item()
    if type(name) is tuple and name:
        return tuple(_name(part) for part in name)
    if type(name) not in KEYS or name != name:
        raise TypeError(f"x: expected names that are strings or numbers, got {shown(name)}")
    return name


def _items(x: Any) -> Iterable[tuple[Any, Any]]:
    """Return the names and values of x."""
    if isinstance(x, Mapping):
        return x.items()
    if x is None or isinstance(x, str | bytes | bytearray | Set):
        raise TypeError(
            "x: expected features by name, a number or a sequence of values, "
            f"got {shown(x)}; {{}} has no features, {{'word': 'a'}} one that is a string"
        )
    if isinstance(x, Sequence) and not hasattr(x, "keys"):
        return enumerate(x)
    if np.ndim(x) > 1:
        raise ValueError(f"x: expected one step's features, got shape {np.shape(x)}")
    refuse_mask("x", x, "None or NaN is what is missing")
    if hasattr(x, "keys"):  # a row of a data frame
        names = list(x.keys())
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"x: expected each name once, got {twice!r} twice")
        return x.items() if hasattr(x, "items") else [(name, x[name]) for name in names]
    return enumerate(x) if np.ndim(x) else [(0, x)]


def _category(name: Any, value: Any) -> str | None:
    """Return a string or a number as a string (7.0 as "7"); None for a missing value that is no
    string."""
    if isinstance(value, str):
        return str(value)
    if value is np.ma.masked or is_missing(value):
        return None
    if isinstance(value, Collection):
        raise TypeError(f"x: {name!r}: expected a string or a number, got {shown(value)}")
    return str(value).removesuffix(".0")


def _number(name: Any, value: Any) -> float:
    """Return a number; it may be NaN or infinite."""
    try:
        if isinstance(value, NO_REALS) or np.ndim(value):
            raise TypeError
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError, RecursionError):
        raise TypeError(
            f"x: {name!r}: expected a number, a string or a moment, got {shown(value)}"
        ) from None


def _finite(name: Any, number: float, given: Any) -> float:
    if not math.isfinite(number):
        raise ValueError(f"x: {name!r}: expected a finite number, got {shown(given)}")
    return number
