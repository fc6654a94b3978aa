"""Matrices of parameters as C keeps them: row 0, then panels of columns (csrc/machine/panels.h)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Panels"]


@dataclass(frozen=True)
class Panels:
    """Layout of a matrix of 1 + rows rows in a flat array.

    Parameters
    ----------
    rows, columns : int
        Number of rows below row 0, and of columns.
    ld : int
        How many numbers row 0 takes.
    full : int
        Number of columns in full panels, which have `lanes` columns each.
    width : int
        Number of columns of the last panel if it is not full; 0 if there is none.
    depth : int
        Number of rows of a panel, with its padding.
    lanes : int
        Number of columns of a full panel.
    last_row : bool
        Whether the matrix has a last row by itself (csrc/gated/network.h): its second row, but the
        last one of the panels, where rows of padding may lie before it.
    """

    rows: int
    columns: int
    ld: int
    full: int
    width: int
    depth: int
    lanes: int
    last_row: bool = False

    def _panels(self, flat: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first column of each panel, and a view (rows, columns) of it without
        padding."""
        for first in range(0, self.columns, self.lanes):
            width = self.lanes if first < self.full else self.width
            start = self.ld + first * self.depth
            panel = flat[start : start + self.depth * width].reshape(self.depth, width)
            yield first, panel[: self.rows, : self.columns - first]

    def _below(self, first: int, last: int) -> slice | np.ndarray:
        """Return where rows first … last - 1 of the matrix, none of which is row 0, are in
        panels."""
        if not self.last_row:
            return slice(first - 1, last - 1)
        rows = np.arange(first, last)
        return np.where(rows == 1, self.rows - 1, rows - 2)

    def read(self, flat: np.ndarray, first: int, last: int) -> np.ndarray:
        """Return rows first … last - 1 of the matrix in `flat`, as a new array (rows, columns)."""
        out = np.empty((last - first, self.columns), flat.dtype)
        if first == 0:
            out[0] = flat[: self.columns]
        below = out[1:] if first == 0 else out
        rows = self._below(max(first, 1), last)
        for column, panel in self._panels(flat):
            below[:, column : column + panel.shape[1]] = panel[rows]
        return out

    def write(self, flat: np.ndarray, value: np.ndarray, first: int) -> None:
        """Set the rows from `first` on of the matrix in `flat` to value (some rows, columns)."""
        if first == 0:
            flat[: self.columns] = value[0]
            value, first = value[1:], 1
        rows = self._below(first, first + len(value))
        for column, panel in self._panels(flat):
            panel[rows] = value[:, column : column + panel.shape[1]]
