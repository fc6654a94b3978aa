"""Columns of numbers in CSV files and JSON lines."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.decoding import Decoder
from nbt.records import Records
from nbt.sources import Source, open_source

__all__ = ["table"]

GAPS = {"", "-", "na", "n/a", "nan", "none", "null"}


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
) -> Table:
    """A stream over named columns of numbers, a record a step.

    Parameters
    ----------
    path : str or path-like
        As in `text`.
    columns : sequence of str
        Names of the columns, in the first line of CSV or in every record of JSON lines: what is
        predicted, or with `targets` the inputs.
    targets : sequence of str
        Names of the columns that are predicted from `columns` of the same record.
    format : {"csv", "jsonl"}, optional
        By default by the name: .jsonl, .ndjson and .json are JSON lines.
    missing : {"keep", "error"}
        What an empty field does, one that is not there, or a word such as NA, null and nan: it is
        NaN, or a `DataError` that names the line.
    follow, encoding, errors
        As in `text`.

    Returns
    -------
    Stream
        Its `read(n)` gives float64, shape (n, len(columns)); with targets, a pair of that and of
        shape (n, len(targets)). Its `alphabet` is None, its `columns` and `targets` are tuples.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.
    DataError, OSError
        As in `text`; also for a field that is no number, or is infinite.

    Examples
    --------
    >>> import io, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weather.csv"
    >>> _ = path.write_text("hour,wind,rain\\n0,3.5,0\\n1,,0.2\\n")
    >>> table(path, ["rain", "wind"]).read(9).tolist()
    [[0.0, 3.5], [0.2, nan]]
    """
    columns, targets = _names("columns", columns), _names("targets", targets)
    if not columns:
        raise ValueError("columns: expected at least one name, got none")
    path = _arguments.path("path", path)
    if format is None:
        format = "jsonl" if path.lower().endswith((".jsonl", ".ndjson", ".json")) else "csv"
    format = _arguments.one_of("format", format, ("csv", "jsonl"))
    missing = _arguments.one_of("missing", missing, ("keep", "error"))
    source, close = open_source(path, follow)
    decoder = Decoder(encoding, errors or ("replace" if source.live else "strict"))
    stream = Table(source, format, columns, targets, missing, decoder)
    if close:
        weakref.finalize(stream, close)
    return stream


def _names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument}: expected a sequence of names, got {names!r}")
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise ValueError(f"{argument}: expected each name once, got {twice[0]!r} twice")
    return tuple(names)


class Table(Records):
    """See `table`. Underneath a record is one row: inputs, then targets."""

    _unit = "records"

    def __init__(
        self,
        source: Source,
        format: str,
        columns: tuple[str, ...],
        targets: tuple[str, ...],
        missing: str,
        decoder: Decoder | None = None,
    ) -> None:
        super().__init__(source, format, columns + targets, decoder=decoder)
        self.alphabet = None
        self.columns, self.targets = columns, targets
        self._strict = missing == "error"
        self._nothing = np.empty((0, len(columns) + len(targets)))

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(self._columns)}; {self.position} records read>"

    def read(self, n: int) -> Any:
        """The next `n` records; see `table`."""
        rows = super().read(n)
        count = len(self.columns)
        return (rows[:, :count], rows[:, count:]) if self.targets else rows

    def _value(self, fields: list[Any]) -> list[float]:
        return [
            self._number(name, field) for name, field in zip(self._columns, fields, strict=True)
        ]

    def _number(self, name: str, field: Any) -> float:
        if field is None or (isinstance(field, str) and field.strip().lower() in GAPS):
            number = math.nan
        else:
            try:
                number = float(field)
            except (TypeError, ValueError):
                raise ValueError(f"column {name!r}: {field!r} is not a number") from None
        if math.isinf(number) or (self._strict and math.isnan(number)):
            state = "is infinite" if math.isinf(number) else "is missing"
            raise ValueError(f"column {name!r}: a number {state}")
        return number

    def _codes(self, symbols: Any, used: int) -> np.ndarray:
        self._take(used)
        return np.array(symbols, np.float64).reshape(-1, len(self._columns))

    def _cursor(self) -> dict[str, int]:
        places = self._places or [-1] * len(self._columns)
        return {
            **super()._cursor(),
            **{f"column.{i}": place + 1 for i, place in enumerate(places)},
        }
