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
MOST_SCALED = 2048  # units of a layer whose spectral radius is set: eigenvalues take O(units³)
QUIET = {"quiet": True}  # a field that a repr shows only if it differs from its default
LATER = QUIET | {"later": True}  # one that no description of version 0.1.0 has (descriptions.py)
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


def check_first_values(cell) -> None:
    """Check how the first values are drawn, and whether they are learned."""
    radius = getattr(cell, "spectral_radius", None)
    if radius is not None:
        object.__setattr__(cell, "spectral_radius", _arguments.real("spectral_radius", radius, 0))
        if cell.units > MOST_SCALED:
            raise ValueError(
                f"spectral_radius: expected None above {MOST_SCALED} units, whose eigenvalues take "
                f"too long, got {radius} for {cell.units} units"
            )
    for name in ("input_scaling", "bias_scaling"):
        object.__setattr__(cell, name, _arguments.real(name, getattr(cell, name), 0))
    object.__setattr__(cell, "learn", _arguments.flag("learn", cell.learn))


def drawn(cell, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Return b, W and r of a layer, each N(0, 1) except that W has the variance 1 / sources and
    b = 0.

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


def scaled(cell, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Return b, W and r of a layer that says how they are scaled."""
    values = drawn(cell, inputs, random)
    values["r"] *= cell.input_scaling
    if cell.bias_scaling:
        values["b"] = cell.bias_scaling * random.standard_normal(cell.units)
    if cell.spectral_radius is not None:
        values["W"] *= radius_factor(cell, _whole(cell, values["W"]))
    return values


def _whole(cell, W: np.ndarray) -> np.ndarray:
    """Return the matrix (n, n) of W (n, n) or (edges,)."""
    if cell.graph is None:
        return W
    whole = np.zeros((cell.units, cell.units))
    target = np.repeat(np.arange(cell.units), np.diff(cell.graph.indptr))
    by_source = cell.graph.by_source
    whole[cell.graph.indices[by_source], target[by_source]] = W
    return whole


def radius_factor(cell, W: np.ndarray) -> float:
    """Return by what a W (n, n) is multiplied, so that its largest |eigenvalue| is that which the
    cell asks for."""
    radius = float(np.abs(np.linalg.eigvals(W)).max())
    if not radius > 0:
        raise ValueError(
            "spectral_radius: expected None for a graph without a cycle, whose W has no eigenvalue "
            f"but 0, got {cell.spectral_radius}"
        )
    return cell.spectral_radius / radius


def each_unit(name: str, value, units: int, high=np.inf, above=None) -> float | tuple[float, ...]:
    """Return one number for all units, or one for each unit."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        return _arguments.real(name, value, 0, high, above=above)
    values = np.asarray(value, dtype=object)
    if values.shape != (units,):
        raise ValueError(f"{name}: expected {units} numbers, got shape {values.shape}")
    return tuple(_arguments.real(name, one, 0, high, above=above) for one in values)
