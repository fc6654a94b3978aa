"""What a network receives at each step: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from nbt import _arguments

__all__ = ["Inputs", "Symbols", "Vector"]


@dataclass(frozen=True)
class Symbols:
    """Inputs of one symbol a step, one-hot.

    Parameters
    ----------
    size : int
        Number of symbols, in [1, 2²⁴].

    Raises
    ------
    TypeError
        `size` is no integer.
    ValueError
        `size` is not in [1, 2²⁴].

    Examples
    --------
    >>> Symbols(256)
    Symbols(size=256)
    """

    size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _arguments.integer("size", self.size))


@dataclass(frozen=True)
class Vector:
    """Inputs of one vector of `size` real numbers a step.

    Parameters
    ----------
    size : int
        Length of a vector, in [1, 2²⁴].
    standardize : bool
        If True, feed the network (x - mean) / deviation instead of x, each number of the vector by
        itself. If False, feed it x. See *Notes*.

    Raises
    ------
    TypeError
        `size` is no integer, `standardize` no bool.
    ValueError
        `size` is not in [1, 2²⁴].

    Notes
    -----
    Mean and deviation are learned as the numbers come. The n-th value has the weight max(1/n,
    2⁻¹⁶), so at first all values count alike, and later about the last 2¹⁶. Both are part of the
    state (`inputs.mean`, ..., float64).

    Every x is standardised by what was known before it came, and clipped to 10 deviations either
    way. When the mean and the deviation learn from a value, it counts as at most √(n + 8)
    deviations off, which is where it doubles the variance. So a single value cannot ruin them, and
    a new level or a new scale is still followed.

    A number has a scale from its third value on, if it has varied. Before that it is read as 0. The
    mean is subtracted before numbers are rounded to the trainer's precision. Deviations may lie
    between 10⁻¹⁵⁰ and 10¹⁵⁰.

    Examples
    --------
    >>> Vector(4)
    Vector(size=4, standardize=True)
    """

    size: int
    standardize: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _arguments.integer("size", self.size))
        object.__setattr__(self, "standardize", _arguments.flag("standardize", self.standardize))


Inputs = Symbols | Vector


def as_inputs(value: object, targets: Inputs, standardize: bool) -> Inputs:
    """Return the inputs that an argument stands for: None is what is predicted, an integer a vector
    of that size."""
    if value is None:
        return targets
    _arguments.not_called("inputs", value)
    if isinstance(value, Inputs):
        return value
    if isinstance(value, str) or not hasattr(value, "__index__"):
        raise TypeError(f"inputs: expected Symbols, Vector or an integer, got {value!r}")
    return Vector(_arguments.integer("inputs", value), standardize)
