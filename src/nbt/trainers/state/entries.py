"""Entries: where an array of the state lies in the padded arrays that C uses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nbt.trainers.state.panels import Panels
from nbt.trainers.state.sizes import Shape

__all__ = ["Entry", "flat", "matrices_of", "plain", "row_of", "rows_of"]


@dataclass(frozen=True)
class Entry:
    """Public shape of an array, and how that part of the padded one is read and written."""

    array: str
    shape: tuple[int, ...]
    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray, np.ndarray], None]


def plain(array: str, shape: Shape) -> Entry:
    """Return an entry that lies as its shape says, with padded rows. The array may have more rows
    than the entry."""
    rows = math.prod(shape[:-1])

    def view(x: np.ndarray) -> np.ndarray:
        return x[:rows].reshape(*shape[:-1], -1)[..., : shape[-1]]

    def write(x: np.ndarray, value: np.ndarray) -> None:
        view(x)[...] = value

    return Entry(array, shape, lambda x: view(x).copy(), write)


def flat(array: str, shape: Shape) -> Entry:
    """Return an entry whose rows lie one after the other, without padding between them."""
    size = math.prod(shape)

    def write(x: np.ndarray, value: np.ndarray) -> None:
        x[0, :size] = value.ravel()

    return Entry(array, shape, lambda x: x[0, :size].reshape(shape).copy(), write)


def rows_of(panels: Panels, array: str, shape: Shape, first: int, gated: bool = False) -> Entry:
    """Return an entry of the rows of a matrix in panels, from `first` on. Its shape is (rows,
    columns), or with gates (gates, rows, units)."""
    last = first + shape[-2]
    return Entry(
        array,
        shape,
        lambda x: _by_gates(panels.read(x[0], first, last), shape, gated),
        lambda x, value: panels.write(x[0], _side_by_side(panels, value, gated), first),
    )


def row_of(panels: Panels, array: str, shape: Shape, place: int) -> Entry:
    """Return an entry of one row of a matrix in panels, below row 0. Its shape is (gates,
    units)."""
    return Entry(
        array,
        shape,
        lambda x: panels.read(x[0], place, place + 1).reshape(shape).copy(),
        lambda x, value: panels.write(x[0], value.reshape(1, -1), place),
    )


def matrices_of(panels: Panels, array: str, shape: Shape, first: int, gated: bool = False) -> Entry:
    """Return an entry of the rows of several matrices in panels, one after the other."""
    own = shape[-3:] if gated else shape[-2:]
    count, last = math.prod(shape[: -len(own)]), first + own[-2]

    def read(x: np.ndarray) -> np.ndarray:
        each = [_by_gates(panels.read(one, first, last), own, gated) for one in x[:count]]
        return np.stack(each).reshape(shape).copy()

    def write(x: np.ndarray, value: np.ndarray) -> None:
        for place, one in zip(x, value.reshape(count, *own), strict=True):
            panels.write(place, _side_by_side(panels, one, gated), first)

    return Entry(array, shape, read, write)


def _by_gates(matrix: np.ndarray, shape: Shape, gated: bool) -> np.ndarray:
    """Return a matrix (rows, columns); with gates as (gates, rows, units), the first ones."""
    if not gated:
        return matrix
    gates, rows, units = shape
    each = matrix.reshape(rows, -1, units).swapaxes(0, 1)[:gates]
    return each.copy()


def _side_by_side(panels: Panels, value: np.ndarray, gated: bool) -> np.ndarray:
    """Return what `_by_gates` made as a matrix; columns of further gates are 0."""
    if not gated:
        return value
    matrix = value.swapaxes(0, 1).reshape(value.shape[1], -1)
    return np.pad(matrix, ((0, 0), (0, panels.columns - matrix.shape[1])))
