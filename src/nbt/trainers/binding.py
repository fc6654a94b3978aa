"""What a trainer trains when it is no dense cell: a value made into functions that C calls.

`bound` knows one kind of value a line; a new kind registers itself with it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nbt import _arguments, _core
from nbt.build import isa_in_use
from nbt.cells import CTRNN, RNN, Cell, Continuous, LeakyRNN, Stack
from nbt.readouts import OwnLoss
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.network import Network

__all__ = ["Bound", "bound", "check_cell", "is_dense", "is_fast", "own_loss"]

MOST_ENTRIES = 2**30
MOST_PARAMETERS = 2**31 - 1


@dataclass(frozen=True)
class Bound:
    """A system of given inputs and precision, ready to be trained.

    Attributes
    ----------
    core : _core.Dynamics
        Its functions; each learner has its own.
    state, theta : array (n,), array (p,)
        Where h and θ begin, float64.
    starts : array of int64
        First parameter of each block of the Kalman metric, the first of all being 0.
    parts : mapping of names to arrays of integers
        What θ consists of: where its numbers lie, each in one array.
    fixed : int
        How many numbers of θ are not learned.
    grown : function of a number of inputs, optional
        Where each number of θ lies once there are so many, (p,), and the `parts` then.
    """

    core: _core.Dynamics
    state: np.ndarray
    theta: np.ndarray
    starts: np.ndarray
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    fixed: int = 0
    grown: Callable[[int], tuple[np.ndarray, Mapping[str, np.ndarray]]] | None = None


@functools.singledispatch
def bound(cell, inputs: int, dtype: str, random: np.random.Generator, rule: str) -> Bound:
    """The functions and first values of a system with `inputs` inputs, for a learning rule."""
    raise TypeError(f"cell: expected a cell such as RNN or LeakyRNN, or a System, got {cell!r}")


def own_loss(cell) -> OwnLoss:
    """What stands in for a readout where there is none."""
    if getattr(cell, "loss", None) is None:
        raise TypeError(
            "readout: expected one such as Softmax, or None for a System(loss=...), got None"
        )
    return OwnLoss(cell.units, cell.targets or cell.units)


def check_cell(cell) -> None:
    """Raises unless it is something that can be trained."""
    _arguments.not_called("cell", cell)
    if not is_dense(cell) and bound.dispatch(type(cell)) is bound.dispatch(object):
        bound(cell, 0, "", None, "")  # which says so


def is_dense(cell) -> bool:
    """Is it a fully connected cell, which has rules of its own in C?"""
    if isinstance(cell, LeakyRNN) and cell.learn_leak:
        return False
    return isinstance(cell, RNN | LeakyRNN) and cell.graph is None


def is_fast(cell, optimizer, split: str | None = None) -> bool:
    """Do the rules for dense cells train it? Else the general ones do."""
    return is_dense(cell) and optimizer.plain and split is None


@bound.register
def _(system: System, inputs: int, dtype: str, random: np.random.Generator, rule: str) -> Bound:
    state, theta = system.first_values()
    _needs_vjp(system, rule)
    entries = system.entries or len(state) * len(theta)
    if entries > MOST_ENTRIES:
        raise ValueError(
            f"entries: expected System(entries=...), the most that ∂f/∂θ may have at once, for "
            f"{len(state)} states and {len(theta)} parameters"
        )
    functions = {name: getattr(system, name) for name in ("step", "jvp", "vjp", "rows", "loss")}
    core = _core.PythonDynamics(
        n=len(state),
        m=inputs,
        p=len(theta),
        entries=entries,
        phases=system.phases,
        dtype=dtype,
        functions=functions,
        targets=system.targets or len(state),
    )
    return Bound(core, state, theta, system.starts)


@bound.register
def _(
    system: CompiledSystem, inputs: int, dtype: str, random: np.random.Generator, rule: str
) -> Bound:
    if dtype != system.dtype:
        raise ValueError(
            f"dtype: expected {system.dtype!r}, the numbers that this compiled system takes, "
            f"got {dtype!r}"
        )
    state, theta = system.first_values()
    _needs_vjp(system, rule)
    core = _core.CompiledDynamics(
        n=len(state),
        m=inputs,
        p=len(theta),
        entries=system.entries,
        pattern=system.pattern,
        **system.addresses(),
    )
    return Bound(core, state, theta, system.starts)


def _needs_vjp(system: System | CompiledSystem, rule: str) -> None:
    if rule == "bptt" and system.vjp is None:
        raise TypeError(
            f"vjp: expected {type(system).__name__}(vjp=...), which backpropagation needs, got None"
        )


@bound.register(RNN | LeakyRNN | Stack)
def _network(cell: Cell, inputs: int, dtype: str, random: np.random.Generator, rule: str) -> Bound:
    network = Network(cell, inputs)
    if network.size > MOST_PARAMETERS:
        raise ValueError(
            f"units: expected at most {MOST_PARAMETERS} parameters in all, got {network.size}"
        )
    core = _core.NetworkDynamics(network.layers, inputs=inputs, dtype=dtype, isa=isa_in_use())

    def grown(more: int):
        return network.moved(more), Network(cell, more).parts()

    return Bound(
        core,
        np.zeros(network.units),
        network.draw(random),
        network.blocks[:-1],
        network.parts(),
        network.size - network.learned,
        grown,
    )


@bound.register
def _(cell: Continuous, inputs: int, dtype: str, random: np.random.Generator, rule: str) -> Bound:
    if isinstance(cell.field, CTRNN):
        return _network(cell, inputs, dtype, random, rule)
    field = bound(cell.field, inputs, dtype, random, rule)
    core = _core.EulerDynamics(field.core, dt=cell.dt, dtype=dtype, isa=isa_in_use())
    return dataclasses.replace(field, core=core)
