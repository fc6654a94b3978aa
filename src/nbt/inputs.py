"""What a network is fed at each step: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from nbt import _arguments

__all__ = ["Inputs", "Symbols", "Vector"]


@dataclass(frozen=True)
class Symbols:
    """One of `size` symbols a step, one-hot.

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

    Examples
    --------
    >>> Vector(4)
    Vector(size=4)
    """

    size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _arguments.whole("size", self.size))


Inputs = Symbols | Vector


def as_inputs(value: object, targets: Inputs) -> Inputs:
    """None is what is predicted, an integer a vector of that size."""
    if value is None:
        return targets
    if isinstance(value, Inputs):
        return value
    return Vector(_arguments.whole("inputs", value))
