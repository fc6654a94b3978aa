"""Where the parameters of a cell lie in θ, for the kernels that take any graph
(csrc/systems/network.h)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbt.cells import RNN, Cell, Continuous, LeakyRNN, Stack
from nbt.graphs import Graph

__all__ = ["Layer", "Network"]


@dataclass(frozen=True)
class Layer:
    """One layer: where its states and parameters begin, its sizes, and what it is made of.

    Its units lie one after the other. Each has b, W from its sources, r from the inputs, r from the
    units below, and the number of its leak, if any.
    """

    first: int
    start: int
    units: int
    inputs: int
    below: int
    activation: str
    leak: str | None  # the kind of its number: "alpha", "beta" or "tau"
    dt: float
    graph: Graph | None

    @property
    def others(self) -> int:
        """Number of parameters of a unit besides its W."""
        return 1 + self.inputs + self.below + (self.leak is not None)

    @property
    def edges(self) -> int:
        return self.units**2 if self.graph is None else self.graph.edges

    @property
    def size(self) -> int:
        return self.edges + self.units * self.others

    @property
    def squares(self) -> int:
        """Number of entries of the matrices that have a row for each parameter of a unit, for all
        units together."""
        if self.graph is None:
            return self.units * (self.others + self.units) ** 2
        return int(((self.others + np.diff(self.before)) ** 2).sum())

    @property
    def before(self) -> np.ndarray:
        """Edges of the units before, (units + 1,)."""
        if self.graph is None:
            return np.arange(self.units + 1) * self.units
        return self.graph.indptr

    @property
    def starts(self) -> np.ndarray:
        """Places where the parameters of each unit begin, and the end of the last one, (units +
        1,)."""
        return self.start + np.arange(self.units + 1) * self.others + self.before

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array: b (n,), W (n, n) or (edges,), r (inputs + below, n), leaks
        (n,)."""
        if name == "W":
            return (self.units, self.units) if self.graph is None else (self.edges,)
        return (self.inputs + self.below, self.units) if name == "r" else (self.units,)

    def places(self, name: str) -> np.ndarray:
        """Return the places in θ of the numbers of an array, in its shape."""
        starts = self.starts
        if name == "b":
            return starts[:-1]
        if name == "W" and self.graph is None:
            return 1 + starts[:-1] + np.arange(self.units)[:, np.newaxis]
        if name == "W":
            shift = starts[:-1] + 1 - self.before[:-1]
            return (np.arange(self.edges) + np.repeat(shift, np.diff(self.before)))[
                self.graph.by_source
            ]
        if name == "r":
            rows = np.arange(self.inputs + self.below)[:, np.newaxis]
            return 1 + starts[:-1] + np.diff(self.before) + rows
        return starts[1:] - 1


class Network:
    """Cell as layers on one state and one θ.

    Parameters
    ----------
    cell : RNN, LeakyRNN, Continuous or Stack
        The cell.
    inputs : int
        m, the length of an input.

    Attributes
    ----------
    layers : tuple of Layer
        The layers.
    units, size : int
        n, and the number of entries of θ.
    learned : int
        How many of these are learned.
    """

    def __init__(self, cell: Cell, inputs: int) -> None:
        self.cell, self.inputs = cell, inputs
        cells = cell.cells if isinstance(cell, Stack) else (cell,)
        layers: list[Layer] = []
        for one in cells:
            last = layers[-1] if layers else None
            layers.append(
                Layer(
                    first=last.first + last.units if last else 0,
                    start=last.start + last.size if last else 0,
                    units=one.units,
                    inputs=inputs if not last or cell.skip else 0,
                    below=last.units if last else 0,
                    activation=one.activation,
                    leak=_leak(one),
                    dt=one.dt if isinstance(one, Continuous) else 0.0,
                    graph=one.graph,
                )
            )
        self.layers = tuple(layers)
        self.units = layers[-1].first + layers[-1].units
        self.size = layers[-1].start + layers[-1].size
        self.learned = self.size - sum(one.units for one in layers if one.leak in ("alpha", "tau"))

    @property
    def starts(self) -> np.ndarray:
        """Places where the parameters of each state begin, and the end of the last one, (n +
        1,)."""
        return np.concatenate([[0], *(layer.starts[1:] for layer in self.layers)])

    def names(self) -> dict[str, tuple[Layer, str]]:
        """Return the names of the arrays in θ: "W", or "0.W", "1.W" … for the layers of a stack."""
        found = {}
        for k, layer in enumerate(self.layers):
            prefix = f"{k}." if isinstance(self.cell, Stack) else ""
            for name in ("b", "W", "r", layer.leak):
                if name is not None:
                    found[prefix + name] = (layer, name)
        return found

    def parts(self) -> dict[str, np.ndarray]:
        """Return the places in θ of the numbers of each array."""
        return {key: layer.places(name) for key, (layer, name) in self.names().items()}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array. Nothing of that size is made."""
        return {key: layer.shape(name) for key, (layer, name) in self.names().items()}

    def unpack(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Return copies of the arrays in θ (size,), by name."""
        return {key: theta[places] for key, places in self.parts().items()}

    def pack(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """Return θ, float64, made of arrays by name."""
        theta = np.zeros(self.size)
        for key, places in self.parts().items():
            theta[places] = arrays[key]
        return theta

    def moved(self, kept: np.ndarray, inputs: int) -> np.ndarray:
        """Return the new place of each number of θ for that many inputs, (size,); `kept` (inputs,)
        has the new place of each input."""
        grown = Network(self.cell, inputs)
        places = np.empty(self.size, np.int64)
        pairs = zip(self.names().values(), grown.names().values(), strict=True)
        for (layer, name), (later, _) in pairs:
            to = later.places(name)
            if name == "r":
                to = np.concatenate([to[kept[: layer.inputs]], to[later.inputs :]])
            places[layer.places(name)] = to
        return places

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Return the first values of θ, float64."""
        if not isinstance(self.cell, Stack):
            return self.pack(self.cell.draw(self.inputs, random))
        arrays = {}
        for k, (cell, layer) in enumerate(zip(self.cell.cells, self.layers, strict=True)):
            values = cell.draw(layer.inputs + layer.below, random)
            arrays |= {f"{k}.{name}": value for name, value in values.items()}
        return self.pack(arrays)


def _leak(cell: RNN | LeakyRNN | Continuous) -> str | None:
    if isinstance(cell, Continuous):
        return "tau"
    if isinstance(cell, LeakyRNN):
        return "beta" if cell.learn_leak else "alpha"
    return None
