"""Decorators of methods for which threads take turns: one call at a time with an object that has
`_turns`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ["alone", "looks", "renews"]

Method = TypeVar("Method", bound=Callable[..., Any])


def alone(method: Method) -> Method:
    """Return the method as one during which no other call runs (`_core.Turns.alone`)."""

    @functools.wraps(method)
    def in_turn(self, *arguments: Any, **more: Any) -> Any:
        return self._turns.alone(method, self, *arguments, **more)

    return cast(Method, in_turn)


def looks(method: Method) -> Method:
    """Return the method as one that changes nothing, so that it may run between two pieces of
    another thread's call (`_core.Turns.look`)."""

    @functools.wraps(method)
    def in_turn(self, *arguments: Any, **more: Any) -> Any:
        return self._turns.look(method, self, *arguments, **more)

    return cast(Method, in_turn)


def renews(method: Method) -> Method:
    """Return the method as one that makes all whole, even after a fork tore it
    (`_core.Turns.renew`)."""

    @functools.wraps(method)
    def in_turn(self, *arguments: Any, **more: Any) -> Any:
        return self._turns.renew(method, self, *arguments, **more)

    return cast(Method, in_turn)
