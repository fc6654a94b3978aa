"""What an array of a state must be, before it is taken: its kind, shape and range, by its name."""

from __future__ import annotations

import numpy as np

__all__ = ["integers", "numbers", "refuse_mask", "within"]

HORIZON = 2**16  # values that a mean and a variance are of (csrc/shared/scaler.h)


def refuse_mask(key: str, value, instead: str = "expected numbers that are all there") -> None:
    """`numpy.asarray` would take what is masked for a number."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{key}: expected an array without a mask, got one; {instead}")


def numbers(key: str, value, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Finite real numbers of this shape, of the kind that the key says, as `dtype`."""
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
        raise ValueError(f"{key}: expected finite {dtype} numbers, got some that are not")
    if key.endswith(".alpha") and not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{key}: expected leaks in [0, 1], got {array}")
    if key.endswith(".tau") and not (array > 0).all():
        raise ValueError(f"{key}: expected time constants above 0, got {array}")
    if key.endswith(".count") and not ((array >= 0) & (array <= HORIZON)).all():
        raise ValueError(f"{key}: expected counts in [0, {HORIZON}], got {array}")
    squares = key.endswith((".J", ".variance", ".error", ".limited"))
    squares |= key in ("estimator.fisher", "waiting.norm")
    if squares and not (array >= 0).all():
        raise ValueError(f"{key}: expected means of squares, at least 0, got {array.min()}")
    return array


def integers(key: str, value, shape: tuple[int, ...]) -> np.ndarray:
    """Integers of this shape, as they are."""
    refuse_mask(key, value)
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.shape != shape:
        raise ValueError(
            f"{key}: expected integers of shape {shape}, got {array.dtype} of shape {array.shape}"
        )
    return array


def within(key: str, array: np.ndarray, low: int, end: int) -> np.ndarray:
    """All in [low, end)."""
    if ((array < low) | (array >= end)).any():
        raise ValueError(f"{key}: expected integers in [{low}, {end}), got {array}")
    return array
