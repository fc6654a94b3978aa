"""What a network is fed at each step: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from nbt import _arguments

__all__ = ["Inputs", "Symbols", "Vector"]


@dataclass(frozen=True)
class Symbols:
    """One of `size` symbols a step, one-hot.

    Parameters
    ----------
    size : int
        How many symbols there are, at least 1.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> Symbols(256)
    Symbols(size=256)
    """

    size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _arguments.whole("size", self.size))


@dataclass(frozen=True)
class Vector:
    """A vector of `size` real numbers a step.

    Parameters
    ----------
    size : int
        Numbers of a vector, at least 1.
    standardize : bool
        Feed the network (x - mean) / deviation, each number by itself, instead of x. Mean and
        deviation are learned as the numbers come: of all of them, and of about the last 2¹⁶ once
        there are more (the n-th value has the weight max(1/n, 2⁻¹⁶)). They are part of the state
        (`inputs.mean`, ..., float64), and every x is read with what was known before it, at most 10
        deviations either way. A value is at most as far off as doubles the variance, √(n + 8)
        deviations, so that one alone cannot ruin them, and a new level or scale is followed all the
        same. A number has a scale from its third value on; before, and until it has varied, it is
        read as 0. The mean is taken off before numbers are rounded to the trainer's precision.
        Deviations may be 10⁻¹⁵⁰ to 10¹⁵⁰. False: feed the network x itself.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> Vector(4)
    Vector(size=4, standardize=True)
    """

    size: int
    standardize: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _arguments.whole("size", self.size))
        object.__setattr__(self, "standardize", _arguments.flag("standardize", self.standardize))


Inputs = Symbols | Vector


def as_inputs(value: object, targets: Inputs, standardize: bool) -> Inputs:
    """None is what is predicted, an integer a vector of that size."""
    if value is None:
        return targets
    _arguments.not_called("inputs", value)
    if isinstance(value, Inputs):
        return value
    if isinstance(value, str) or not hasattr(value, "__index__"):
        raise TypeError(f"inputs: expected Symbols, Vector or an integer, got {value!r}")
    return Vector(_arguments.whole("inputs", value), standardize)
