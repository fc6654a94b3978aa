"""Check an array of a state before it is taken: its type, shape and range, by its name."""

from __future__ import annotations

import numpy as np

from nbt.trainers.state.layered import without_layer
from nbt.trainers.state.sizes import Sizes

__all__ = ["blind", "integers", "numbers", "refuse_mask", "within"]

HORIZON = 2**16  # most values that a mean and a variance count (csrc/shared/scaler.h)


def refuse_mask(key: str, value, instead: str = "expected numbers that are all there") -> None:
    """Raise for a masked array, whose masked entries `numpy.asarray` would take for numbers."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{key}: expected an array without a mask, got one; {instead}")


def numbers(key: str, value, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return finite real numbers of this shape as `dtype`, in the range that the key demands."""
    refuse_mask(key, value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{key}: expected shape {shape}, got {error}") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{key}: expected real numbers, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{key}: expected shape {shape}, got {array.shape}")
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"{key}: expected finite {np.dtype(dtype)} numbers, got some that are not")
    if key.endswith(".alpha") and not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{key}: expected leaks in [0, 1], got {array}")
    if key.endswith(".tau") and not (array > 0).all():
        raise ValueError(f"{key}: expected time constants above 0, got {array}")
    if key.endswith(".count") and not ((array >= 0) & (array <= HORIZON)).all():
        raise ValueError(f"{key}: expected counts in [0, {HORIZON}], got {array}")
    # rounding takes entries of the diagonal below 0 where features are huge and nearly the same
    if key == "optimizer.phi.P" and not (
        np.array_equal(array, array.T) and (array.diagonal() >= 0).any()
    ):
        raise ValueError(f"{key}: expected a covariance, symmetric and not below 0 on its diagonal")
    squares = key.endswith((".J", ".variance", ".error", ".limited"))
    squares |= key in ("estimator.fisher", "waiting.norm")
    squares |= without_layer(key) in ("optimizer.theta.v", "optimizer.phi.v")
    if squares and not (array >= 0).all():
        raise ValueError(f"{key}: expected means of squares, at least 0, got {array.min()}")
    return array


def integers(key: str, value, shape: tuple[int, ...]) -> np.ndarray:
    """Return integers of this shape, unchanged."""
    refuse_mask(key, value)
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.shape != shape:
        raise ValueError(
            f"{key}: expected integers of shape {shape}, got {array.dtype} of shape {array.shape}"
        )
    return array


def within(key: str, array: np.ndarray, low: int, end: int) -> np.ndarray:
    """Return the array, whose numbers must be in [low, end)."""
    if ((array < low) | (array >= end)).any():
        raise ValueError(f"{key}: expected integers in [{low}, {end}), got {array}")
    return array


def blind(key: str, array: np.ndarray, sizes: Sizes) -> None:
    """Raise unless an array is 0 where a gate does not see y or x; C would let the gate see it."""
    assert sizes.blind is not None
    unseen, rows = np.zeros(sizes.theta, bool), sizes.rows
    unseen[sizes.blind[0], rows["W"]] = unseen[sizes.blind[1], rows["r"]] = True
    own = without_layer(key)
    part = rows.get(own.removeprefix("cell."), slice(None))
    if array[..., unseen[:, part]].any():
        name = sizes.gates.names[sizes.blind[own == "cell.r"]] if sizes.gates else ""
        raise ValueError(f"{key}: expected 0 for what a gate does not see, such as {name!r}")
