"""Checks that the values and the trainers share. An error names the argument, what was expected and
what came."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import operator
import os
import warnings
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

LARGEST_SIZE = 2**24
"""Largest number of units, inputs, symbols, pairs or window steps. C counts exactly far beyond it;
memory is what limits it."""


def integer(name: str, value: object, low: int = 1, high: int = LARGEST_SIZE) -> int:
    """Return an integer in [low, high] as an int. Every integer type is accepted but bool."""
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name}: expected an integer, got {value!r}")
    if not low <= number <= high:
        raise ValueError(f"{name}: expected an integer in [{low}, {high}], got {number}")
    return number


def real(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: float | None = None,
) -> float:
    """Return a finite number in [low, high] as a float; it must exceed `above` where that is
    given."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or not low <= number <= high:
        raise ValueError(f"{name}: expected a finite number in [{low}, {high}], got {number}")
    if above is not None and number <= above:
        raise ValueError(f"{name}: expected a number above {above}, got {number}")
    return number


def one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Return the value if it is one of the names in `choices`."""
    choices = tuple(choices)
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def flag(name: str, value: object) -> bool:
    """Return a bool; True and False of Python and of NumPy are accepted."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def path(name: str, value: object) -> str:
    """Return the path of a file or a folder as a str."""
    try:
        return os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{name}: expected a str or a path, got {value!r}") from None


def instance(name: str, value: object, *types: type) -> object:
    """Return the value if it is an instance of one of the types."""
    not_called(name, value)
    if not isinstance(value, types):
        expected = " or ".join(kind.__name__ for kind in types)
        raise TypeError(f"{name}: expected {expected}, got {value!r}")
    return value


def not_called(name: str, value: object) -> None:
    """Raise TypeError for a class or a function of nbt: the caller forgot to call it."""
    if not (isinstance(value, type | FunctionType) and value.__module__.split(".")[0] == "nbt"):
        return
    what = "class" if isinstance(value, type) else "function"
    raise TypeError(
        f"{name}: expected an instance: {_example(value)}, got the {what} {value.__name__}"
    )


EXAMPLES = {"units": "20", "symbols": "10", "dim": "1", "size": "3", "states": "5"}
EXAMPLES |= dict.fromkeys(("value", "scale", "dt"), "0.1")
EXAMPLES |= {"cell": "RNN(20)", "readout": "Softmax(10)", "field": "CTRNN(20)"}
EXAMPLES |= {"cells": "[RNN(20)]"}


def _example(made: Any) -> str:
    """Return a call of a class or function as text, with example values for arguments without a
    default."""
    needed = [
        EXAMPLES.get(one.name, "...")
        for one in inspect.signature(made).parameters.values()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    ]
    return f"{made.__name__}({', '.join(needed)})"


Function = TypeVar("Function", bound=Callable[..., Any])


def renamed(old: str, new: str) -> Callable[[Function], Function]:
    """Return a decorator of a function that takes an argument under its older name, too, with a
    warning. The older name is in no signature."""

    def decorated(function: Function) -> Function:
        name = function.__name__

        @functools.wraps(function)
        def with_older(*arguments: Any, **named: Any) -> Any:
            if old in named:
                if new in named:
                    raise TypeError(f"{name}: {old}= is the older name of {new}=; expected one")
                warnings.warn(
                    f"{name}: {old}= is {new}= now; the older name will go",
                    DeprecationWarning,
                    stacklevel=2,
                )
                named[new] = named.pop(old)
            return function(*arguments, **named)

        return cast(Function, with_older)

    return decorated


class Closed:
    """Base of objects that have only their own attributes: setting another one is an error, and so
    is setting a read-only one. Classes derived by users are not restricted.

    Their own attributes are those of the class, the arguments of its constructor, and `_more`.
    """

    __slots__ = ()
    _more: ClassVar[tuple[str, ...]] = ()

    if not TYPE_CHECKING:  # a checker of types would think that any name may be set

        def __setattr__(self, name: str, value: Any) -> None:
            kind = type(self)
            if not name.startswith("_") and kind.__module__.partition(".")[0] == "nbt":
                _check_settable(kind, name)
            super().__setattr__(name, value)


def _check_settable(kind: type[Closed], name: str) -> None:
    what = inspect.getattr_static(kind, name, None)
    if isinstance(what, property) and what.fset is None:
        raise AttributeError(f"{name}: of {kind.__name__} it can be read, not set")
    if what is None and name not in _own(kind):
        import difflib  # takes time, and only an error needs it

        known = [one for one in {*dir(kind), *_own(kind)} if not one.startswith("_")]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise AttributeError(f"{name}: {kind.__name__} has no such attribute{hint}")


@functools.cache
def _own(kind: type[Closed]) -> frozenset[str]:
    """Return the names of what its objects have and the class has not."""
    return frozenset((*inspect.signature(kind).parameters, *kind._more))
