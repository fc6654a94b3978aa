"""Features by name, as vectors: columns are given out as names are first seen."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

import numpy as np

__all__ = ["Features"]

KEYS = (str, int, float, bool, type(None))  # what JSON holds, and gives back as it was
REALS = (float, np.floating)


class Features:
    """Which column of a vector stands for what.

    A feature whose value is a number has a column. One whose value is a string has a column for
    each string seen, 1 where it is this one and 0 where it is another. What is absent, None or NaN
    is NaN in its columns. A plain value is a feature named 0, a sequence or an array of one
    dimension has features 0, 1, …

    Parameters
    ----------
    most : int
        Columns at most: names and strings that come after are not taken in.
    dtype : {"float32", "float64"}
        Of the vectors.
    """

    def __init__(self, most: int, dtype: str) -> None:
        self.most, self.dtype = most, dtype
        self.columns: list[tuple] = []  # (name,) of a number, (name, string) of a string
        self._refresh()

    def _refresh(self) -> None:
        """Everything that follows from the columns."""
        self._numbers = {column[0]: k for k, column in enumerate(self.columns) if len(column) == 1}
        self._strings: dict[Any, dict[str, int]] = {}
        for k, column in enumerate(self.columns):
            if len(column) == 2:
                self._strings.setdefault(column[0], {})[column[1]] = k
        self._plain = -1 if self._strings else len(self.columns)
        self._get = _getter(list(self._numbers))
        code = "f" if self.dtype == "float32" else "d"
        self._pack = struct.Struct(f"{len(self.columns)}{code}").pack_into

    def __len__(self) -> int:
        return len(self.columns)

    def names(self) -> list:
        """The names of the features, each once, in the order of their columns."""
        return list(dict.fromkeys(column[0] for column in self.columns))

    def learn(self, x: Any) -> bool:
        """Gives columns to what is new in x, in the order of its names; were there any?

        Raises
        ------
        TypeError, ValueError
            A value is no number, or not finite, or a name is none; it is named. Then nothing was
            learned.
        """
        new = []
        for name, value in _known(x):
            if isinstance(value, str):
                if value not in self._strings.get(name, ()):
                    new.append((name, str(value)))
            else:
                _number(name, value, self.dtype)
                if name not in self._numbers:
                    new.append((name,))
            if type(name) not in KEYS:
                raise TypeError(f"x: expected names that are strings or numbers, got {name!r}")
        new = sorted(new, key=repr)[: self.most - len(self.columns)]
        if new:
            self.columns += new
            self._refresh()
        return bool(new)

    def fill_known(self, x: Any, row: np.ndarray) -> bool:
        """`fill`, where x has a number for every column and nothing else; otherwise False."""
        if type(x) is not dict or len(x) != self._plain:
            return False
        try:
            self._pack(row, 0, *self._get(x))
        except (KeyError, TypeError, ValueError, OverflowError, struct.error):
            return False
        return True

    def fill(self, x: Any, row: np.ndarray) -> None:
        """Writes x into a row (1, columns or more), NaN where nothing is known of a column.

        Raises
        ------
        TypeError, ValueError
            A value is no number, or not finite; it is named.
        """
        if self.fill_known(x, row):
            return
        row.fill(math.nan)
        for name, value in _known(x):
            for string, k in self._strings.get(name, {}).items():
                row[0, k] = float(string == value)
            if name in self._numbers and not isinstance(value, str):
                row[0, self._numbers[name]] = _number(name, value, self.dtype)

    def __getstate__(self) -> tuple:
        return self.most, self.dtype, list(self.columns)

    def __setstate__(self, state: tuple) -> None:
        self.most, self.dtype, self.columns = state
        self._refresh()


def _getter(names: list):
    """A function: the values of these names, a tuple."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda x: [x[name] for name in names]


def _known(x: Any) -> Iterator[tuple[Any, Any]]:
    """Names and values of x; None and NaN are no values."""
    if x is None:
        return
    if not isinstance(x, Mapping):
        if not isinstance(x, str) and np.ndim(x) > 1:
            raise ValueError(f"x: expected one step's features, got shape {np.shape(x)}")
        plain = isinstance(x, str) or np.ndim(x) == 0
        x = {0: x} if plain else dict(enumerate(x))
    for name, value in x.items():
        if value is not None and not (isinstance(value, REALS) and value != value):
            yield name, value


def _number(name: Any, value: Any, dtype: str) -> float:
    """A finite number of that type."""
    try:
        if isinstance(value, bytes):
            raise TypeError
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"x: {name!r}: expected a number or a string, got {value!r}") from None
    if not abs(result) <= float(np.finfo(dtype).max):
        raise ValueError(f"x: {name!r}: expected a finite {dtype} number, got {value!r}")
    return result
