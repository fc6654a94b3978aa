"""Networks and systems in continuous time, integrated by Euler's method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.cells.shared import (
    QUIET,
    Activation,
    Drawn,
    check_activation,
    drawn,
    each_unit,
    rest_by_name,
    short_repr,
)
from nbt.graphs import Graph, as_graph
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System

__all__ = ["CTRNN", "Continuous"]

TIMES = 1.0, 10.0  # range of time constants that are drawn


@rest_by_name
@dataclass(frozen=True)
class CTRNN:
    """Continuous-time recurrent network, a vector field for `Continuous`, equation (47).

    τ_i dh_i/dt = -h_i + b_i + Σ_{j→i} W_ji σ(h_j) + Σ_l r_li x_l. Weights begin as in `RNN`.

    Parameters
    ----------
    units : int
        Number of units, in [1, 65536].
    activation : {"sigmoid", "tanh"}
        The activation function σ.
    tau : "random", float or sequence of floats
        Time constants τ > 0, in units of time: one for all units, or one for each unit (units,).
        "random": drawn from [1, 10] with a uniform logarithm. They are not learned.
    graph : Graph, mask, CSR arrays, optional
        The edges, as in `RNN`.

    Raises
    ------
    TypeError
        `units` is no integer, `activation` no string, `tau` no "random", number or sequence of
        numbers, or `graph` no graph.
    ValueError
        `units` is less than 1, `activation` neither "sigmoid" nor "tanh", `tau` not above 0 or not
        of the length `units`, or `graph` malformed or of another number of units.

    Examples
    --------
    >>> Continuous(CTRNN(20, tau=2.0), dt=0.1)
    Continuous(field=CTRNN(units=20, activation='sigmoid', tau=2.0), dt=0.1)
    """

    units: int
    activation: Activation = "sigmoid"
    tau: Drawn = field(default="random", kw_only=True)
    graph: Graph | Any | None = field(default=None, metadata=QUIET, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.integer("units", self.units))
        check_activation(self, "tau")
        object.__setattr__(self, "tau", self._checked_tau())
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))

    __repr__ = short_repr

    def _checked_tau(self) -> str | float | tuple[float, ...]:
        if isinstance(self.tau, str):
            return _arguments.one_of("tau", self.tau, ["random"])
        return each_unit("tau", self.tau, self.units, above=0)

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters, as `RNN` does, with tau (n,) instead of alpha.

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        values = drawn(self, inputs, random)
        if self.tau == "random":
            tau = np.exp(random.uniform(*np.log(TIMES), self.units))
        else:
            tau = np.broadcast_to(np.float64(self.tau), self.units).copy()
        return {"tau": tau, **values}


@dataclass(frozen=True)
class Continuous:
    """Continuous-time system dh/dt = F(h, x, θ), integrated by Euler's method: (47).

    h(t + dt) = h(t) + dt F(h(t), x(t), θ), so ∂f/∂h = 1 + dt ∂F/∂h and ∂f/∂θ = dt ∂F/∂θ.

    Parameters
    ----------
    field : CTRNN, System or CompiledSystem
        The vector field F. The `step` of a system then returns F(h, x, θ) instead of the next
        state, and its `jvp`, `vjp` and `rows` the derivatives of F.
    dt : float
        Length of a step, above 0, in units of time.

    Raises
    ------
    TypeError
        `field` is no `CTRNN` and no system, or `dt` no number.
    ValueError
        `field` is a system of several phases, or `dt` is not above 0 or not finite.

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
        """Number of units."""
        return self.field.units

    @property
    def activation(self) -> str:
        """The activation function σ of the field; for a system, the function of h that a readout
        sees."""
        return self.field.activation

    @property
    def graph(self) -> Graph | None:
        """The edges of a CTRNN."""
        return self.field.graph

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters of a CTRNN.

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        return self.field.draw(inputs, random)
