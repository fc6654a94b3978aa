"""Rates and decays as functions of the step: frozen values, which C takes as a small struct."""

from __future__ import annotations

import math
from dataclasses import dataclass

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

    def lower(self) -> tuple[str, float]:
        """Return kind and scale, as C takes them."""
        return "constant", self.value


@dataclass(frozen=True)
class InverseSqrt:
    """The schedule ``scale / sqrt(t + 1)`` at step t = 0, 1, …, the paper's choice.

    Parameters
    ----------
    scale : float
        The value at step 0; at least 0, dimensionless.

    Raises
    ------
    TypeError
        `scale` is no number.
    ValueError
        `scale` is negative or not finite.

    Examples
    --------
    >>> InverseSqrt(0.3)(8)
    0.09999999999999999
    """

    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _arguments.real("scale", self.scale, low=0))

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
        return self.scale / math.sqrt(_arguments.integer("t", t, low=0, high=2**64 - 1) + 1.0)

    def lower(self) -> tuple[str, float]:
        """Return kind and scale, as C takes them."""
        return "inverse_sqrt", self.scale


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
