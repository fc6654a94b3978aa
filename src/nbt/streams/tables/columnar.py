"""Tables in files that hold numbers as numbers: Parquet, Arrow (Feather), Excel sheets."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nbt.errors import DataError, MissingExtra
from nbt.streams.base import Numbers
from nbt.streams.tables.numerals import GAP, Numerals

__all__ = ["COLUMNAR", "Columnar", "kind_of_file"]

BATCH = 4096  # records read at once
NOTED = 3  # bad records that are named; later ones are only counted
MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"PK\x03\x04": "xlsx"}
MOST_UNPACKED = 1 << 26  # bytes that an Excel file may unpack to, or 100 times its size if more
SUFFIXES = {".parquet": "parquet", ".feather": "arrow", ".arrow": "arrow", ".xlsx": "xlsx"}

Rows = Iterator[tuple[Any, ...]]


class Columnar(Numbers):
    """The stream that `table` returns for Parquet, Arrow and Excel.

    Records come in the order of the file; a place is a number of records.

    Parameters
    ----------
    path : str
        Path of the file.
    format : str
        One of `COLUMNAR`.
    columns, targets : tuple of str
        As in `table`.
    numerals : Numerals
        How text is read as numbers.
    strict : bool
        Whether a missing number makes a record bad.
    stops : bool
        Whether a bad record is an error.
    """

    def __init__(
        self,
        path: str,
        format: str,
        columns: tuple[str, ...],
        targets: tuple[str, ...],
        numerals: Numerals,
        strict: bool,
        stops: bool,
    ) -> None:
        super().__init__(path, columns)
        self.targets, self.form = targets, {"xlsx": "Excel"}.get(format, format)
        self._path, self._open = path, COLUMNAR[format]
        self._names = columns + targets
        self._arguments = path, format, columns, targets, numerals, strict, stops
        self._numerals, self._strict, self._stops = numerals, strict, stops
        self._nothing = np.empty((0, len(self._names)))
        self.notes: list[str] = []
        self._restart()

    def _restart(self) -> None:
        self._rows, self._record, self._skipped = self._opened(), 0, 0
        self._failure = ""

    def _opened(self) -> Rows:
        try:
            yield from self._open(self._path, self._names)
        except (DataError, MissingExtra):
            raise
        except Exception as error:  # a damaged file may raise anything in the library that reads it
            if isinstance(error, OSError) and error.errno is not None:
                raise
            said = " ".join(str(error).split())[:200]
            raise DataError(f"{self.name}: not a table in {self.form}: {said}") from error

    @property
    def counts(self) -> dict[str, int]:
        return {"skipped": self._skipped}

    def peek(self) -> None:
        """Do nothing: how the file is written is already known."""

    def read(self, n: int) -> Any:
        """Return the next `n` records; see `table`."""
        rows, count = super().read(n), len(self.columns)
        return (rows[:, :count], rows[:, count:]) if self.targets else rows

    def _next(self, n: int) -> np.ndarray:
        found: list[list[float]] = []
        while len(found) < min(n, BATCH) and not self._failure:
            try:
                cells = next(self._rows, None)
            except DataError as error:  # raised again at the next call
                self._failure = str(error)
                break
            if cells is None:
                break
            self._record += 1
            try:
                found.append(self._numbers(cells))
            except ValueError as error:
                self._meet(error)
        if self._failure and not found:
            raise DataError(self._failure)
        if not found and not self.position:
            raise DataError(f"{self.name}: has no records that can be read")
        return np.array(found, np.float64).reshape(-1, len(self._names))

    def _numbers(self, cells: tuple[Any, ...]) -> list[float]:
        row = []
        for name, cell in zip(self._names, cells, strict=True):
            try:
                row.append(self._numerals.value(cell))
            except ValueError as error:
                raise ValueError(f"column {name!r}: {error}") from None
            if self._strict and row[-1] != row[-1]:
                raise ValueError(f"column {name!r}: {GAP}")
        return row

    def _meet(self, error: ValueError) -> None:
        """Handle a bad record."""
        said = f"{self.name}: record {self._record}: {error}"
        if self._stops:
            self._failure = f"{said}; on_bad_record='skip' goes on after it"
            return
        self._skipped += 1
        if self._skipped <= NOTED:
            self.notes.append(f"{said}, passed over")

    def _cursor(self) -> dict[str, int]:
        return {"record": self._record - bool(self._failure), "skipped": self._skipped}

    def _seek(self, state: Mapping[str, int]) -> None:
        again = Columnar(*self._arguments)
        left = state["position"]
        while left and len(part := Numbers.read(again, min(left, BATCH))):
            left -= len(part)
        if left or again._hash != state["hash"]:
            raise DataError(
                f"{self.name}: its first {state['position']} records are not those read"
            )
        self._rows, self._record, self._skipped = again._rows, again._record, again._skipped
        while self._record < state["record"] and next(self._rows, None) is not None:
            self._record += 1
            self._skipped += 1  # a bad record, which was counted before
        self._failure = ""


def kind_of_file(path: str) -> str | None:
    """Return the kind of a file, one of `COLUMNAR`, by its first bytes; by its name if it does not
    exist. None: it is no such file."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            beginning = file.read(6)
        return next((kind for magic, kind in MAGIC.items() if beginning.startswith(magic)), None)
    return SUFFIXES.get(os.path.splitext(path)[1].lower())


def _need(package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        said = f'this table needs {package.partition(".")[0]}: pip install "nobacktrack[tables]"'
        raise MissingExtra(said) from None


def _places(path: str, known: list[Any], names: tuple[str, ...]) -> list[int]:
    known = [str(name).strip() for name in known]
    for name in names:
        if known.count(name) != 1:
            what = f"{name!r} is there twice" if name in known else f"no column {name!r}"
            raise DataError(f"{path}: {what} among {', '.join(known[:40])}")
    return [known.index(name) for name in names]


def _parquet(path: str, names: tuple[str, ...]) -> Rows:
    with _need("pyarrow.parquet").ParquetFile(path) as file:
        known = file.schema_arrow.names
        chosen = [known[place] for place in _places(path, known, names)]
        yield from _rows_of(file.iter_batches(BATCH, columns=sorted(set(chosen))), chosen)


def _arrow(path: str, names: tuple[str, ...]) -> Rows:
    with _need("pyarrow.ipc").open_file(path) as file:
        chosen = [file.schema.names[k] for k in _places(path, file.schema.names, names)]
        yield from _rows_of(map(file.get_batch, range(file.num_record_batches)), chosen)


def _rows_of(batches: Iterator[Any], chosen: list[str]) -> Rows:
    for batch in batches:
        yield from zip(*(batch.column(name).to_pylist() for name in chosen), strict=True)


def _xlsx(path: str, names: tuple[str, ...]) -> Rows:
    """Yield the rows of the first sheet, which has a heading. Empty rows are passed over."""
    with open(path, "rb") as file:
        _check_archive(path, file)
        book = _need("openpyxl").load_workbook(file, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        places = _places(path, list(next(rows, ())), names)
        for row in rows:
            if any(cell is not None for cell in row):
                yield tuple(row[place] if place < len(row) else None for place in places)


def _check_archive(path: str, file: Any) -> None:
    """Check that a zip archive is an Excel file, and that it does not unpack to an absurd size."""
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member.file_size for member in archive.infolist()}
    if "[Content_Types].xml" not in members:
        held = ", ".join(list(members)[:5])
        raise DataError(f"{path}: a zip archive of {held}, and none of Excel; unpack it first")
    size = sum(members.values())
    if size > max(MOST_UNPACKED, 100 * os.fstat(file.fileno()).st_size):
        raise DataError(
            f"{path}: unpacks to {size:,} bytes, more than a table of its size; save it as CSV"
        )
    file.seek(0)


COLUMNAR: dict[str, Callable[[str, tuple[str, ...]], Rows]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "xlsx": _xlsx,
}
