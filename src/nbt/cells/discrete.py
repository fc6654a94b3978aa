"""Networks of one layer in discrete time: fully connected, or with the edges of a graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.cells.shared import (
    LATER,
    QUIET,
    Activation,
    Drawn,
    check_activation,
    check_first_values,
    each_unit,
    rest_by_name,
    scaled,
    short_repr,
)
from nbt.graphs import Graph, as_graph

__all__ = ["RNN", "LeakyRNN"]


@rest_by_name
@dataclass(frozen=True)
class RNN:
    """Recurrent network, equation (31) with biases; fully connected, or with the edges of a graph.

    The state h has the pre-activations: h'_i = b_i + Σ_{j→i} W_ji σ(h_j) + Σ_l r_li x_l. The first
    weights are W ~ N(0, 1/units), or with a graph N(0, 1/sources), with the number of sources of
    the unit; r ~ N(0, 1) and b = 0.

    Parameters
    ----------
    units : int
        Number of units, in [1, 65536].
    activation : {"sigmoid", "tanh"}
        The activation function σ.
    graph : Graph, mask, CSR arrays, optional
        The edges; see `Graph.of`. The cost of a step and the memory grow with their number.
        Default: all edges, with kernels for dense networks.
    learn : bool
        Whether b, W and r are learned. If not, the readout alone is: an echo state network, for
        which `NoBackTrack` keeps no estimate, so that a step costs the network and the readout.
    spectral_radius : float, optional
        Largest |eigenvalue| that the first W is scaled to, for up to 2048 units. Default: W as
        drawn, about 1.
    input_scaling, bias_scaling : float
        What the first r is multiplied by; the deviation of the first b.

    Raises
    ------
    TypeError
        `units` is no integer, `activation` no string, `graph` no graph, `learn` no bool, or
        `spectral_radius`, `input_scaling` or `bias_scaling` no number.
    ValueError
        `units` is less than 1, `activation` neither "sigmoid" nor "tanh", or `graph` malformed or
        of another number of units; `spectral_radius`, `input_scaling` or `bias_scaling` is
        negative, or a radius is given for more than 2048 units, or (when W is drawn) for a graph
        without a cycle. A trainer refuses more than 65536 units.

    References
    ----------
    H. Jaeger, The "echo state" approach to analysing and training recurrent neural networks, GMD
    Report 148, 2001.

    Examples
    --------
    >>> RNN(20)
    RNN(units=20, activation='sigmoid')
    >>> RNN(4096, graph=Graph.random(4096, 16))
    RNN(units=4096, activation='sigmoid', graph=Graph(units=4096, edges=65536))
    >>> RNN(300, "tanh", learn=False, spectral_radius=0.9)
    RNN(units=300, activation='tanh', learn=False, spectral_radius=0.9)
    """

    units: int
    activation: Activation = "sigmoid"
    graph: Graph | Any | None = field(default=None, metadata=QUIET, kw_only=True)
    learn: bool = field(default=True, metadata=LATER, kw_only=True)
    spectral_radius: float | None = field(default=None, metadata=LATER, kw_only=True)
    input_scaling: float = field(default=1.0, metadata=LATER, kw_only=True)
    bias_scaling: float = field(default=0.0, metadata=LATER, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.integer("units", self.units))
        check_activation(self)
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))
        check_first_values(self)

    __repr__ = short_repr

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters, float64: b (n,), W (n, n), r (inputs, n),
        alpha (n,).

        With a graph W is (edges,), in the order of a mask's non-zero entries.

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        return {"alpha": np.zeros(self.units), **scaled(self, inputs, random)}


@rest_by_name
@dataclass(frozen=True)
class LeakyRNN:
    """Recurrent network whose units keep part of their pre-activation, equation (37).

    h'_i = α_i h_i + b_i + Σ_{j→i} W_ji σ(h_j) + Σ_l r_li x_l. The leaks α are fixed, as in the
    paper, or learned through β with α = 1 / (1 + e^-β), which keeps them in (0, 1), as in footnote
    16. The first weights are those of `RNN`.

    Parameters
    ----------
    units : int
        Number of units, in [1, 65536].
    activation : {"sigmoid", "tanh"}
        The activation function σ.
    leak : "random", float or sequence of floats
        The leaks α in [0, 1]: one for all units, or one for each unit (units,). "random": drawn
        uniformly. If they are learned, these are their first values, which must be in (0, 1).
    learn_leak : bool
        Whether to learn α.
    graph : Graph, mask, CSR arrays, optional
        The edges, as in `RNN`.
    learn, spectral_radius, input_scaling, bias_scaling
        As in `RNN`.

    Raises
    ------
    TypeError
        `units` is no integer, `activation` no string, `leak` no "random", number or sequence of
        numbers, `learn_leak` no bool, or `graph` no graph; `learn` and the others are refused as by
        `RNN`.
    ValueError
        `units` is less than 1, `activation` neither "sigmoid" nor "tanh", `leak` out of range or
        not of the length `units`, or `graph` malformed or of another number of units; `learn_leak`
        is True and `learn` False; `spectral_radius` and the others are refused as by `RNN`.

    Examples
    --------
    >>> LeakyRNN(3, leak=[0.0, 0.5, 0.9])
    LeakyRNN(units=3, activation='sigmoid', leak=(0.0, 0.5, 0.9))
    >>> LeakyRNN(3, learn_leak=True)
    LeakyRNN(units=3, activation='sigmoid', leak='random', learn_leak=True)
    """

    units: int
    activation: Activation = "sigmoid"
    leak: Drawn = field(default="random", kw_only=True)
    learn_leak: bool = field(default=False, metadata=QUIET, kw_only=True)
    graph: Graph | Any | None = field(default=None, metadata=QUIET, kw_only=True)
    learn: bool = field(default=True, metadata=LATER, kw_only=True)
    spectral_radius: float | None = field(default=None, metadata=LATER, kw_only=True)
    input_scaling: float = field(default=1.0, metadata=LATER, kw_only=True)
    bias_scaling: float = field(default=0.0, metadata=LATER, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.integer("units", self.units))
        check_activation(self, "leak")
        object.__setattr__(self, "learn_leak", _arguments.flag("learn_leak", self.learn_leak))
        object.__setattr__(self, "leak", self._checked_leak())
        object.__setattr__(self, "graph", as_graph(self.graph, self.units))
        check_first_values(self)
        if self.learn_leak and not self.learn:
            raise ValueError("learn_leak: expected False with learn=False, got True")

    __repr__ = short_repr

    def _checked_leak(self) -> str | float | tuple[float, ...]:
        if isinstance(self.leak, str):
            return _arguments.one_of("leak", self.leak, ["random"])
        leaks = each_unit("leak", self.leak, self.units, high=1)
        if self.learn_leak and not (np.min(leaks) > 0 and np.max(leaks) < 1):
            raise ValueError(f"leak: expected numbers in (0, 1) to learn from, got {self.leak}")
        return leaks

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters, as `RNN` does; if leaks are learned, with beta
        (n,) instead of alpha.

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        values = scaled(self, inputs, random)
        if self.leak == "random":
            alpha = random.random(self.units)
        else:
            alpha = np.broadcast_to(np.float64(self.leak), self.units).copy()
        if not self.learn_leak:
            return {"alpha": alpha, **values}
        alpha = np.maximum(alpha, np.finfo(float).eps)  # a drawn α may be 0
        return {"beta": np.log(alpha) - np.log1p(-alpha), **values}
