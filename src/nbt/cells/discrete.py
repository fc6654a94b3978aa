"""Networks of one layer in discrete time: fully connected, or with the edges of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.cells.shared import QUIET, check_activation, drawn, each_unit, rest_by_name, short_repr
from nbt.graphs import Graph, as_graph

__all__ = ["RNN", "LeakyRNN"]


@rest_by_name
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
        check_activation(self)
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))

    __repr__ = short_repr

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
        return {"alpha": np.zeros(self.units), **drawn(self, inputs, random)}


@rest_by_name
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
        check_activation(self, "leak")
        object.__setattr__(self, "learn_leak", _arguments.flag("learn_leak", self.learn_leak))
        object.__setattr__(self, "leak", self._checked_leak())
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))

    __repr__ = short_repr

    def _checked_leak(self) -> str | float | tuple[float, ...]:
        if isinstance(self.leak, str):
            return _arguments.one_of("leak", self.leak, ["random"])
        leaks = each_unit("leak", self.leak, self.units, high=1)
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
        values = drawn(self, inputs, random)
        if self.leak == "random":
            alpha = random.random(self.units)
        else:
            alpha = np.broadcast_to(np.float64(self.leak), self.units).copy()
        if not self.learn_leak:
            return {"alpha": alpha, **values}
        alpha = np.maximum(alpha, np.finfo(float).eps)  # 0 may be drawn
        return {"beta": np.log(alpha) - np.log1p(-alpha), **values}
