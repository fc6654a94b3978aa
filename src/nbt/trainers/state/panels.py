"""Matrices of parameters as C keeps them: row 0, then panels of columns (csrc/machine/panels.h)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Panels"]


@dataclass(frozen=True)
class Panels:
    """Where a matrix of 1 + rows rows lies in a flat array.

    Parameters
    ----------
    rows, columns : int
        Rows below row 0, and columns.
    ld : int
        Numbers that row 0 takes.
    full : int
        Columns in whole panels, `lanes` each.
    width : int
        Columns of the tail panel, 0 where there is none.
    depth : int
        Rows of a panel, with its padding.
    lanes : int
    """

    rows: int
    columns: int
    ld: int
    full: int
    width: int
    depth: int
    lanes: int

    def _panels(self, flat: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """First column and a view (rows, columns) of each panel, without padding."""
        for first in range(0, self.columns, self.lanes):
            width = self.lanes if first < self.full else self.width
            start = self.ld + first * self.depth
            panel = flat[start : start + self.depth * width].reshape(self.depth, width)
            yield first, panel[: self.rows, : self.columns - first]

    def read(self, flat: np.ndarray, first: int, last: int) -> np.ndarray:
        """Rows first … last - 1 of the matrix that lies in `flat`: a new (rows, columns) array."""
        out = np.empty((last - first, self.columns), flat.dtype)
        if first == 0:
            out[0] = flat[: self.columns]
        below = out[1:] if first == 0 else out
        rows = slice(max(first - 1, 0), last - 1)
        for column, panel in self._panels(flat):
            below[:, column : column + panel.shape[1]] = panel[rows]
        return out

    def write(self, flat: np.ndarray, value: np.ndarray, first: int) -> None:
        """Sets rows first … of the matrix that lies in `flat` to value (some rows, columns)."""
        if first == 0:
            flat[: self.columns] = value[0]
            value, first = value[1:], 1
        rows = slice(first - 1, first - 1 + len(value))
        for column, panel in self._panels(flat):
            panel[rows] = value[:, column : column + panel.shape[1]]
