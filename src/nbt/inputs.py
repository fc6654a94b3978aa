"""What a network receives at each step: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from nbt import _arguments
from nbt.cells.shared import LATER, short_repr

__all__ = ["MOST_LAGS", "Inputs", "Symbols", "Vector"]

MOST_LAGS = 4096


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

    @property
    def width(self) -> int:
        """Number of inputs of the network: `size`."""
        return self.size


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
    lags : int
        How many vectors the network is fed at each step: the last ones, newest first, as
        (lags * size,) numbers. In [1, 4096].

    Raises
    ------
    TypeError
        `size` or `lags` is no integer, `standardize` no bool.
    ValueError
        `size` is not in [1, 2²⁴], `lags` not in [1, 4096], or their product is above 2²⁴.

    Notes
    -----
    Mean and deviation are learned as the numbers come. The n-th value has the weight max(1/n,
    2⁻¹⁶), so at first all values count alike, and later about the last 2¹⁶. Both are part of the
    state (`inputs.mean`, ..., float64).

    Every x is standardised by what was known before it came, and clipped to 10 deviations either
    way. When the mean and the deviation learn from a value, it counts as at most √(n + 8)
    deviations off, which is where it doubles the variance. So a single value cannot ruin them, and
    a new level or a new scale is still followed.

    A network that is not learned (``learn=False``) cannot follow a scale that drifts. It reads
    inputs by the mean and the deviation that were known after 32 values, which move on only to stay
    within one deviation, and a factor of 3, of what is known now (`inputs.kept_mean`, ...).

    A number has a scale from its third value on, if it has varied. Before that it is read as 0. The
    mean is subtracted before numbers are rounded to the trainer's precision. Deviations may lie
    between 10⁻¹⁵⁰ and 10¹⁵⁰.

    With lags, a trainer still takes one vector a step, and keeps those before (`state.lags`,
    (lags - 1, size)), each as the network was fed it when it came. Before the first one, all are 0.
    `Trainer.reset_state` forgets them. A `System` receives all of them as its x.

    Examples
    --------
    >>> Vector(4)
    Vector(size=4, standardize=True)
    >>> Vector(4, lags=10).width
    40
    """

    size: int
    standardize: bool = True
    lags: int = field(default=1, metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _arguments.integer("size", self.size))
        object.__setattr__(self, "standardize", _arguments.flag("standardize", self.standardize))
        object.__setattr__(self, "lags", _arguments.integer("lags", self.lags, high=MOST_LAGS))
        if self.width > _arguments.LARGEST_SIZE:
            raise ValueError(
                f"lags: expected at most {_arguments.LARGEST_SIZE} numbers in all, "
                f"got {self.lags} vectors of {self.size}"
            )

    __repr__ = short_repr

    @property
    def width(self) -> int:
        """Number of inputs of the network: `size` times `lags`."""
        return self.size * self.lags


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
