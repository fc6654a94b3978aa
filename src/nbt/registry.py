"""Classes by the names that files use. So what reads a file imports none of these classes.

A class is registered where it is defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["ESTIMATORS", "LEARNERS", "Kind", "Registry"]

T = TypeVar("T")


class Kind(NamedTuple):
    """Something that learns and has a description.

    Attributes
    ----------
    made : callable
        Makes a new one from the description.
    shapes : callable
        Returns the shapes of the arrays that a file of it must have, by name. It takes the
        description and what the file says of its arrays. These shapes bound the size of every other
        array.
    """

    made: Callable[[Mapping[str, Any]], Any]
    shapes: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, tuple[int, ...]]]


class Registry(Generic[T]):
    """Values by name.

    Parameters
    ----------
    what : str
        What the values are, for error messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._values: dict[str, T] = {}

    def add(self, name: str, value: T) -> None:
        """Register a value under a name."""
        self._values[name] = value

    def __getitem__(self, name: Any) -> T:
        """Return the value of that name. ValueError if there is none."""
        value = self._values.get(name) if isinstance(name, str) else None
        if value is None:
            expected = ", ".join(sorted(self._values))
            raise ValueError(f"{self._what}: expected one of {expected}, got {name!r:.80}")
        return value


LEARNERS: Registry[Kind] = Registry("trainer")
ESTIMATORS: Registry[Any] = Registry("estimator")  # classes, which have `restored`
