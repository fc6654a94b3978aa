"""Rates and decays as functions of the step: frozen values, which C takes as a small struct."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from nbt import _arguments

__all__ = ["Constant", "InverseSqrt", "Schedule"]


@dataclass(frozen=True)
class Constant:
    """The same value at every step.

    Parameters
    ----------
    value : float
        At least 0, dimensionless.

    Raises
    ------
    TypeError
        `value` is no number.
    ValueError
        `value` is negative or not finite.

    Examples
    --------
    >>> Constant(0.01)(1000)
    0.01
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _arguments.real("value", self.value, low=0))

    def __call__(self, t: int) -> float:
        """Return the value at step t = 0, 1, …

        Parameters
        ----------
        t : int
            The step, in [0, 2⁶⁴).

        Raises
        ------
        TypeError
            `t` is no integer.
        ValueError
            `t` is not in [0, 2⁶⁴).
        """
        _arguments.integer("t", t, low=0, high=2**64 - 1)
        return self.value

    def lower(self) -> tuple[str, float, float]:
        """Return kind and value, as C takes them, and a number that it ignores."""
        return "constant", self.value, 1.0


@dataclass(frozen=True, repr=False)
class InverseSqrt:
    """The schedule ``scale / sqrt(1 + t / after)`` at step t = 0, 1, …

    Parameters
    ----------
    scale : float
        The value at step 0; at least 0, dimensionless.
    after : float
        The number of steps after which the value is 1/√2 of that at step 0; above 0. It is nearly
        constant for fewer steps, and falls with 1/√t after many more. Default: 1, the paper's
        choice, ``scale / sqrt(t + 1)``.

    Raises
    ------
    TypeError
        `scale` or `after` is no number.
    ValueError
        `scale` is negative or not finite; `after` is not above 0 or not finite.

    Examples
    --------
    >>> InverseSqrt(0.3)(8)
    0.09999999999999999
    >>> InverseSqrt(0.3, after=1000)(8000)
    0.09999999999999999
    """

    scale: float
    after: float = field(default=1.0, metadata={"later": True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _arguments.real("scale", self.scale, low=0))
        object.__setattr__(self, "after", _arguments.real("after", self.after, above=0))

    def __repr__(self) -> str:
        after = "" if self.after == InverseSqrt.after else f", after={self.after}"
        return f"InverseSqrt(scale={self.scale}{after})"

    def __call__(self, t: int) -> float:
        """Return the value at step t = 0, 1, …

        Parameters
        ----------
        t : int
            The step, in [0, 2⁶⁴).

        Raises
        ------
        TypeError
            `t` is no integer.
        ValueError
            `t` is not in [0, 2⁶⁴).
        """
        step = float(_arguments.integer("t", t, low=0, high=2**64 - 1))
        return self.scale / math.sqrt(step / self.after + 1.0)

    def lower(self) -> tuple[str, float, float]:
        """Return kind, scale and `after`, as C takes them."""
        return "inverse_sqrt", self.scale, self.after


Schedule = Constant | InverseSqrt


def as_schedule(name: str, value: object) -> Schedule:
    """Return a schedule as it is, and a number as the constant schedule of that value."""
    _arguments.not_called(name, value)
    if isinstance(value, Schedule):
        return value
    try:
        return Constant(_arguments.real(name, value, low=0))
    except TypeError:
        expected = "a number, Constant or InverseSqrt"
        raise TypeError(f"{name}: expected {expected}, got {value!r}") from None
