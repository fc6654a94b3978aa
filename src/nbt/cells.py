"""Recurrent networks, described: frozen values that say how large and how they begin.

Those of one layer take units and activation in this order, and everything else by its name.
"""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from nbt import _arguments
from nbt.graphs import Graph, as_graph
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System

__all__ = ["CTRNN", "RNN", "Cell", "Continuous", "LeakyRNN", "Stack"]

ACTIVATIONS = ("sigmoid", "tanh")
TIMES = 1.0, 10.0  # of time constants that are drawn
MOST_LAYERS = 2**10
QUIET = {"quiet": True}  # a field that a repr names only where it is not as by default
Kind = TypeVar("Kind")


def _rest_by_name(kind: type[Kind]) -> type[Kind]:
    """Say so, where more than units and activation come without a name."""
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


def _check_activation(cell, second: str = "") -> None:
    """`second` is what used to be the second argument."""
    if second and (cell.activation == "random" or not isinstance(cell.activation, str)):
        kind, value = type(cell).__name__, reprlib.Repr().repr(cell.activation)
        raise TypeError(
            f"activation: expected {' or '.join(map(repr, ACTIVATIONS))}, got {value}; "
            f"{second} goes by its name: {kind}({cell.units}, {second}={value})"
        )
    _arguments.one_of("activation", cell.activation, ACTIVATIONS)


def _short_repr(value) -> str:
    shown = [
        f"{one.name}={getattr(value, one.name)!r}"
        for one in fields(value)
        if not one.metadata or getattr(value, one.name) != one.default
    ]
    return f"{type(value).__name__}({', '.join(shown)})"


@_rest_by_name
@dataclass(frozen=True)
class RNN:
    """Recurrent network, equation (31) with biases; fully connected, or with the edges of a graph.

    The state is the pre-activations h, and h'_i = b_i + Σ_{j→i} W_ji σ(h_j) + Σ_l r_li x_l.
    Weights begin as W ~ N(0, 1/units), with a graph N(0, 1/sources) for a unit's sources,
    r ~ N(0, 1), b = 0.

    Parameters
    ----------
    units : int
        How many, at least 1.
    activation : {"sigmoid", "tanh"}
        σ.
    graph : Graph, mask, CSR arrays, optional
        The edges; see `Graph.of`. A step's cost and the memory go with their number. Default: all,
        by kernels for dense networks.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> RNN(20)
    RNN(units=20, activation='sigmoid')
    >>> RNN(4096, graph=Graph.random(4096, 16))
    RNN(units=4096, activation='sigmoid', graph=Graph(units=4096, edges=65536))
    """

    units: int
    activation: str = "sigmoid"
    graph: Graph | Any | None = field(default=None, metadata=QUIET, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.whole("units", self.units))
        _check_activation(self)
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))

    __repr__ = _short_repr

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """First values of the parameters, float64: b (n,), W (n, n), r (inputs, n), alpha (n,).

        With a graph W is (edges,), in the order of a mask's non-zero entries.

        Parameters
        ----------
        inputs : int
            m, numbers of an input.
        random : numpy.random.Generator
            What draws.
        """
        return {"alpha": np.zeros(self.units), **_drawn(self, inputs, random)}


@_rest_by_name
@dataclass(frozen=True)
class LeakyRNN:
    """Recurrent network whose units keep part of their pre-activation, equation (37).

    h'_i = α_i h_i + b_i + Σ_{j→i} W_ji σ(h_j) + Σ_l r_li x_l. The leaks α are not learned, as in
    the paper, or learned through β with α = 1 / (1 + e^-β), which keeps them in (0, 1): footnote
    16's change of variables. Weights begin as in `RNN`.

    Parameters
    ----------
    units : int
        How many, at least 1.
    activation : {"sigmoid", "tanh"}
        σ.
    leak : "random", float or sequence of floats
        α in [0, 1]: drawn uniformly for each unit, the same for all, or given (units,). Where they
        are learned α begins so, and is in (0, 1).
    learn_leak : bool
        Learn α.
    graph : Graph, mask, CSR arrays, optional
        The edges, as in `RNN`.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> LeakyRNN(3, leak=[0.0, 0.5, 0.9])
    LeakyRNN(units=3, activation='sigmoid', leak=(0.0, 0.5, 0.9))
    >>> LeakyRNN(3, learn_leak=True)
    LeakyRNN(units=3, activation='sigmoid', leak='random', learn_leak=True)
    """

    units: int
    activation: str = "sigmoid"
    leak: str | float | Sequence[float] | np.ndarray = field(default="random", kw_only=True)
    learn_leak: bool = field(default=False, metadata=QUIET, kw_only=True)
    graph: Graph | Any | None = field(default=None, metadata=QUIET, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.whole("units", self.units))
        _check_activation(self, "leak")
        object.__setattr__(self, "learn_leak", _arguments.flag("learn_leak", self.learn_leak))
        object.__setattr__(self, "leak", self._checked_leak())
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))

    __repr__ = _short_repr

    def _checked_leak(self) -> str | float | tuple[float, ...]:
        if isinstance(self.leak, str):
            return _arguments.one_of("leak", self.leak, ["random"])
        leaks = _each_unit("leak", self.leak, self.units, high=1)
        if self.learn_leak and not (np.min(leaks) > 0 and np.max(leaks) < 1):
            raise ValueError(f"leak: expected numbers in (0, 1) to learn from, got {self.leak}")
        return leaks

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """First values of the parameters, as of `RNN`; beta (n,) in place of alpha if learned.

        Parameters
        ----------
        inputs : int
            m, numbers of an input.
        random : numpy.random.Generator
            What draws.
        """
        values = _drawn(self, inputs, random)
        if self.leak == "random":
            alpha = random.random(self.units)
        else:
            alpha = np.broadcast_to(np.float64(self.leak), self.units).copy()
        if not self.learn_leak:
            return {"alpha": alpha, **values}
        alpha = np.maximum(alpha, np.finfo(float).eps)  # 0 may be drawn
        return {"beta": np.log(alpha) - np.log1p(-alpha), **values}


@_rest_by_name
@dataclass(frozen=True)
class CTRNN:
    """Continuous-time recurrent network, a vector field for `Continuous`, equation (47).

    τ_i dh_i/dt = -h_i + b_i + Σ_{j→i} W_ji σ(h_j) + Σ_l r_li x_l. Weights begin as in `RNN`.

    Parameters
    ----------
    units : int
        How many, at least 1.
    activation : {"sigmoid", "tanh"}
        σ.
    tau : "random", float or sequence of floats
        Time constants τ > 0, in units of time, not learned: drawn from [1, 10] with a logarithm
        that is uniform, the same for all, or given (units,).
    graph : Graph, mask, CSR arrays, optional
        The edges, as in `RNN`.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> Continuous(CTRNN(20, tau=2.0), dt=0.1)
    Continuous(field=CTRNN(units=20, activation='sigmoid', tau=2.0), dt=0.1)
    """

    units: int
    activation: str = "sigmoid"
    tau: str | float | Sequence[float] | np.ndarray = field(default="random", kw_only=True)
    graph: Graph | Any | None = field(default=None, metadata=QUIET, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.whole("units", self.units))
        _check_activation(self, "tau")
        object.__setattr__(self, "tau", self._checked_tau())
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))

    __repr__ = _short_repr

    def _checked_tau(self) -> str | float | tuple[float, ...]:
        if isinstance(self.tau, str):
            return _arguments.one_of("tau", self.tau, ["random"])
        return _each_unit("tau", self.tau, self.units, above=0)

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """First values of the parameters, as of `RNN`; tau (n,) in place of alpha.

        Parameters
        ----------
        inputs : int
            m, numbers of an input.
        random : numpy.random.Generator
            What draws.
        """
        values = _drawn(self, inputs, random)
        if self.tau == "random":
            tau = np.exp(random.uniform(*np.log(TIMES), self.units))
        else:
            tau = np.broadcast_to(np.float64(self.tau), self.units).copy()
        return {"tau": tau, **values}


@dataclass(frozen=True)
class Continuous:
    """A continuous-time system dh/dt = F(h, x, θ), a step of Euler's method at a time: (47).

    h(t + dt) = h(t) + dt F(h(t), x(t), θ), so ∂f/∂h = 1 + dt ∂F/∂h and ∂f/∂θ = dt ∂F/∂θ.

    Parameters
    ----------
    field : CTRNN, System or CompiledSystem
        F. Of a system, `step` gives F(h, x, θ) rather than the next state, and `jvp`, `vjp` and
        `rows` its derivatives.
    dt : float
        Length of a step > 0, in units of time.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> Continuous(CTRNN(3, tau=[1.0, 2.0, 4.0]), dt=0.5).units
    3
    """

    field: CTRNN | System | CompiledSystem
    dt: float

    def __post_init__(self) -> None:
        _arguments.instance("field", self.field, CTRNN, System, CompiledSystem)
        if getattr(self.field, "phases", 1) > 1:
            raise ValueError(f"field: expected a system of one phase, got {self.field.phases}")
        object.__setattr__(self, "dt", _arguments.real("dt", self.dt, above=0))

    @property
    def units(self) -> int:
        """How many."""
        return self.field.units

    @property
    def activation(self) -> str:
        """σ of the field; what a readout sees of a system's h."""
        return self.field.activation

    @property
    def graph(self) -> Graph | None:
        """The edges of a CTRNN."""
        return self.field.graph

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """First values of the parameters: those of a CTRNN.

        Parameters
        ----------
        inputs : int
            m, numbers of an input.
        random : numpy.random.Generator
            What draws.
        """
        return self.field.draw(inputs, random)


@dataclass(frozen=True)
class Stack:
    """Layers of recurrent networks, (39)–(42), in the rolling form (43)–(46).

    A step moves one layer after the other; each is fed by the input x and by the new activities of
    the layer below, and the rank-one reduction is done after each. The state is that of all
    layers, and the readout reads the activities of all of them.

    Parameters
    ----------
    cells : sequence of RNN, LeakyRNN or Continuous
        The layers, from the input on; at least 1. Each has its own activation.
    skip : bool
        All layers see x, as in the paper; otherwise the first one alone.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> Stack([RNN(8), LeakyRNN(5)])
    Stack(cells=(RNN(units=8, activation='sigmoid'), LeakyRNN(units=5, \
activation='sigmoid', leak='random')))
    """

    cells: Sequence[RNN | LeakyRNN | Continuous]
    skip: bool = field(default=True, metadata=QUIET)

    def __post_init__(self) -> None:
        _arguments.not_called("cells", self.cells)
        if not isinstance(self.cells, (list, tuple)):
            raise TypeError(f"cells: expected a list of cells, got {self.cells!r}")
        for k, cell in enumerate(self.cells):
            _arguments.instance(f"cells[{k}]", cell, RNN, LeakyRNN, Continuous)
            if isinstance(cell, Continuous):
                _arguments.instance(f"cells[{k}].field", cell.field, CTRNN)
        _arguments.whole("cells", len(self.cells), high=MOST_LAYERS)
        object.__setattr__(self, "cells", tuple(self.cells))
        object.__setattr__(self, "skip", _arguments.flag("skip", self.skip))

    __repr__ = _short_repr

    @property
    def activation(self) -> str | tuple[str, ...]:
        """σ of all layers; where they differ, of each unit: (units,)."""
        if len({cell.activation for cell in self.cells}) == 1:
            return self.cells[0].activation
        return tuple(cell.activation for cell in self.cells for _ in range(cell.units))

    @property
    def units(self) -> int:
        """Of all layers."""
        return sum(cell.units for cell in self.cells)


Cell = RNN | LeakyRNN | Continuous | Stack


def _drawn(cell, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """b, W and r of a layer. W's numbers are drawn in the order of a mask's entries, so that a
    graph with all edges begins as the network without one."""
    n, graph = cell.units, cell.graph
    shape = (n, n) if graph is None else graph.edges
    W = random.standard_normal(shape)
    if graph is None:
        W /= np.sqrt(n)
    else:
        sources = np.diff(graph.indptr)
        W /= np.sqrt(np.repeat(sources, sources)[graph.by_source])
    return {"b": np.zeros(n), "W": W, "r": random.standard_normal((inputs, n))}


def _each_unit(name: str, value, units: int, high=np.inf, above=None) -> float | tuple[float, ...]:
    """One number for all units, or one for each."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        return _arguments.real(name, value, 0, high, above=above)
    values = np.asarray(value, dtype=object)
    if values.shape != (units,):
        raise ValueError(f"{name}: expected {units} numbers, got shape {values.shape}")
    return tuple(_arguments.real(name, one, 0, high, above=above) for one in values)
