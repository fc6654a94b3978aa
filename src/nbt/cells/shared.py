"""What layers of units have in common: arguments by name, activations, first weights."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Literal, TypeVar, get_args

import numpy as np

from nbt import _arguments

Activation = Literal["sigmoid", "tanh"]
ACTIVATIONS = get_args(Activation)
Drawn = Literal["random"] | float | Sequence[float] | np.ndarray  # of leaks and time constants
QUIET = {"quiet": True}  # a field that a repr shows only if it differs from its default
Kind = TypeVar("Kind")


def rest_by_name(kind: type[Kind]) -> type[Kind]:
    """Return the class, whose constructor now takes only units and activation by position."""
    made = kind.__init__

    @functools.wraps(made)
    def init(self, *given, **named):
        if len(given) > 2:
            names = [one.name for one in fields(kind) if one.name not in ("units", "activation")]
            raise TypeError(
                f"{kind.__name__}: expected units and activation, as in {kind.__name__}(20, "
                f"'tanh'), and {', '.join(names)} by name, got {len(given)} values without one"
            )
        made(self, *given, **named)

    kind.__init__ = init  # type: ignore[method-assign]
    return kind


def check_activation(cell, second: str = "") -> None:
    """Check the activation. `second` is the name of what was the second argument in older
    versions."""
    if second and (cell.activation == "random" or not isinstance(cell.activation, str)):
        kind, value = type(cell).__name__, reprlib.Repr().repr(cell.activation)
        raise TypeError(
            f"activation: expected {' or '.join(map(repr, ACTIVATIONS))}, got {value}; "
            f"{second} goes by its name: {kind}({cell.units}, {second}={value})"
        )
    _arguments.one_of("activation", cell.activation, ACTIVATIONS)


def short_repr(value) -> str:
    shown = [
        f"{one.name}={getattr(value, one.name)!r}"
        for one in fields(value)
        if not one.metadata or getattr(value, one.name) != one.default
    ]
    return f"{type(value).__name__}({', '.join(shown)})"


def drawn(cell, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Return b, W and r of a layer.

    The numbers of W are drawn in the order of a mask's entries, so that a graph with all edges
    begins like the network without a graph.
    """
    n, graph = cell.units, cell.graph
    shape = (n, n) if graph is None else graph.edges
    W = random.standard_normal(shape)
    if graph is None:
        W /= np.sqrt(n)
    else:
        sources = np.diff(graph.indptr)
        W /= np.sqrt(np.repeat(sources, sources)[graph.by_source])
    return {"b": np.zeros(n), "W": W, "r": random.standard_normal((inputs, n))}


def each_unit(name: str, value, units: int, high=np.inf, above=None) -> float | tuple[float, ...]:
    """Return one number for all units, or one for each unit."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        return _arguments.real(name, value, 0, high, above=above)
    values = np.asarray(value, dtype=object)
    if values.shape != (units,):
        raise ValueError(f"{name}: expected {units} numbers, got shape {values.shape}")
    return tuple(_arguments.real(name, one, 0, high, above=above) for one in values)
