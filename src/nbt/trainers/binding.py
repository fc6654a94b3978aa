"""Systems that a trainer trains instead of a dense cell: values turned into functions that C calls.

`bind` has one implementation for each kind of value; a new kind registers its own.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nbt import _arguments, _core
from nbt.build import isa_in_use
from nbt.cells import CTRNN, RNN, Cell, Continuous, LeakyRNN, Stack, is_gated
from nbt.readouts import OwnLoss
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.network import Network

__all__ = [
    *("BoundSystem", "bind", "check_cell", "has_dense_rule", "is_dense"),
    *("is_learned", "own_loss"),
]

MOST_ENTRIES = 2**30
MOST_PARAMETERS = 2**31 - 1


@dataclass(frozen=True)
class BoundSystem:
    """System with given inputs and precision, ready to be trained.

    Attributes
    ----------
    core : _core.CoreSystem
        Its functions. Each learner has its own.
    state : array (n,)
        h where training begins, float64.
    size : int
        p, the number of parameters.
    theta : function
        Returns θ where training begins, (p,), float64. It may take long.
    starts : array of int64
        First parameter of each group in the Kalman metric, beginning with 0.
    parts : mapping of names to arrays of integers
        The arrays that θ consists of: the places of their numbers in θ.
    fixed : int
        How many numbers of θ are not learned.
    grown : function of an array (inputs,) and a number, optional
        Takes the new place of each input, and how many there are then. Returns the new place of
        each number of θ, (p,), and the new `parts`.
    """

    core: _core.CoreSystem
    state: np.ndarray
    size: int
    theta: Callable[[], np.ndarray]
    starts: np.ndarray
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    fixed: int = 0
    grown: Callable[[np.ndarray, int], tuple[np.ndarray, Mapping[str, np.ndarray]]] | None = None


@functools.singledispatch
def bind(cell, inputs: int, dtype: str, random: np.random.Generator, rule: str) -> BoundSystem:
    """Return the functions and first values of a system with `inputs` inputs, for a learning
    rule."""
    raise TypeError(f"cell: expected a cell such as RNN or LeakyRNN, or a System, got {cell!r}")


def own_loss(cell) -> OwnLoss:
    """Return the stand-in for a readout where there is none."""
    if getattr(cell, "loss", None) is None:
        raise TypeError(
            "readout: expected one such as Softmax, or None for a System(loss=...), got None"
        )
    return OwnLoss(cell.units, cell.targets or cell.units)


def check_cell(cell) -> None:
    """Raise unless this can be trained."""
    _arguments.not_called("cell", cell)
    if not is_dense(cell) and bind.dispatch(type(cell)) is bind.dispatch(object):
        bind(cell, 0, "", None, "")  # raises


def is_dense(cell) -> bool:
    """Return whether this is a fully connected cell, or a stack of cells with gates, for which C
    has its own rules."""
    if isinstance(cell, LeakyRNN) and cell.learn_leak:
        return False
    return is_gated(cell) or (isinstance(cell, RNN | LeakyRNN) and cell.graph is None)


def is_learned(cell) -> bool:
    """Return whether the parameters of this are learned, and not the readout's alone."""
    return getattr(cell, "learn", True)


def has_dense_rule(cell, optimizer, as_system: bool = False) -> bool:
    """Return whether the rules for dense cells train it; otherwise the rules for systems do.
    `as_system`: the rule has no other."""
    return is_dense(cell) and optimizer.plain and not as_system


@bind.register
def _(
    system: System, inputs: int, dtype: str, random: np.random.Generator, rule: str
) -> BoundSystem:
    state, theta = system.first_values()
    _needs_vjp(system, rule)
    entries = system.entries or len(state) * len(theta)
    if entries > MOST_ENTRIES:
        raise ValueError(
            f"entries: expected System(entries=...), the most that ∂f/∂θ may have at once, for "
            f"{len(state)} states and {len(theta)} parameters"
        )
    functions = {name: getattr(system, name) for name in ("step", "jvp", "vjp", "rows", "loss")}
    core = _core.PythonCoreSystem(
        n=len(state),
        m=inputs,
        p=len(theta),
        entries=entries,
        phases=system.phases,
        dtype=dtype,
        functions=functions,
        targets=system.targets or len(state),
    )
    return BoundSystem(core, state, len(theta), lambda: theta, system.starts)


@bind.register
def _(
    system: CompiledSystem, inputs: int, dtype: str, random: np.random.Generator, rule: str
) -> BoundSystem:
    if dtype != system.dtype:
        raise ValueError(
            f"dtype: expected {system.dtype!r}, the numbers that this compiled system takes, "
            f"got {dtype!r}"
        )
    state, theta = system.first_values()
    _needs_vjp(system, rule)
    core = _core.CompiledCoreSystem(
        n=len(state),
        m=inputs,
        p=len(theta),
        entries=system.entries,
        pattern=system.pattern,
        **system.addresses(),
    )
    return BoundSystem(core, state, len(theta), lambda: theta, system.starts)


def _needs_vjp(system: System | CompiledSystem, rule: str) -> None:
    if rule == "bptt" and system.vjp is None:
        raise TypeError(
            f"vjp: expected {type(system).__name__}(vjp=...), which backpropagation needs, got None"
        )


@bind.register(RNN | LeakyRNN | Stack)
def _network(
    cell: Cell, inputs: int, dtype: str, random: np.random.Generator, rule: str
) -> BoundSystem:
    network = Network(cell, inputs)
    if network.size > MOST_PARAMETERS:
        raise ValueError(
            f"units: expected at most {MOST_PARAMETERS} parameters in all, got {network.size}"
        )
    core = _core.NetworkCoreSystem(network.layers, inputs=inputs, dtype=dtype, isa=isa_in_use())

    def grown(kept: np.ndarray, more: int):
        return network.moved(kept, more), Network(cell, more).parts()

    return BoundSystem(
        core,
        np.zeros(network.units),
        network.size,
        lambda: network.draw(random),
        network.starts[:-1],
        network.parts(),
        network.size - network.learned,
        grown,
    )


@bind.register
def _(
    cell: Continuous, inputs: int, dtype: str, random: np.random.Generator, rule: str
) -> BoundSystem:
    if isinstance(cell.field, CTRNN):
        return _network(cell, inputs, dtype, random, rule)
    field = bind(cell.field, inputs, dtype, random, rule)
    core = _core.EulerCoreSystem(field.core, dt=cell.dt, dtype=dtype, isa=isa_in_use())
    return dataclasses.replace(field, core=core)
