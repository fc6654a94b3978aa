"""The sizes of a trainer, and the shapes of its state apart from what a rule keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbt.cells import Cell, Gated, Gates, Stack, gates_of, last_row_of
from nbt.inputs import Inputs, Vector
from nbt.optimizers import Adam, Kalman, Optimizer
from nbt.readouts import OwnLoss, Readout
from nbt.trainers.state.layered import of_layer

__all__ = ["KEPT", "LAST_ROWS", "MOMENTS", "TYPICAL", "Shape", "Sizes"]

Shape = tuple[int, ...]
MOMENTS = ("count", "mean", "variance")  # of numbers that are standardised (csrc/shared/scaler.h)
KEPT = "inputs.kept_mean", "inputs.kept_variance"  # by which inputs are read, if not by these
LAST_ROWS = ("gain", "polar")  # of θ, where units have one; the second rows of its arrays
TYPICAL = ("error", "limited")  # typical errors, of targets only


@dataclass(frozen=True)
class Sizes:
    """Sizes from which the shapes follow. No array is made.

    Attributes
    ----------
    units : int
        n.
    inputs, readout, optimizer, readout_optimizer
        As in `Plan`.
    cell : mapping of str to shape
        The arrays that θ consists of, including α.
    theta : shape
        (P, n) for a dense cell, (gates, P, n) for one with gates, (p,) for a system.
    squares : int, optional
        Number of entries of the groups' matrices of θ in the Kalman metric, where it is known.
    phases : int
        Number of phases of a step of a system.
    gates : Gates, optional
        The sums that its units make, if they have gates.
    layers : tuple of Sizes
        Those of the layers of a stack of cells with gates, as if each were alone. Otherwise none.
    whole : int, optional
        Units of the stack that it is a layer of, if it is one.
    """

    units: int
    inputs: Inputs
    readout: Readout
    optimizer: Optimizer
    readout_optimizer: Optimizer
    cell: Mapping[str, Shape]
    theta: Shape
    squares: int | None = None
    phases: int = 1
    gates: Gates | None = None
    layers: tuple[Sizes, ...] = ()
    whole: int | None = None

    @classmethod
    def of_dense(
        cls,
        cell: Cell,
        inputs: Inputs,
        readout: Readout,
        optimizer: Optimizer,
        readout_optimizer: Optimizer,
    ) -> Sizes:
        """Return the sizes of a fully connected cell, or of a stack of cells with gates."""
        n, m, values = cell.units, inputs.width, (inputs, readout, optimizer, readout_optimizer)
        if isinstance(cell, Stack):
            return cls._of_stack(cell, *values)
        if not isinstance(cell, Gated):
            arrays = {"b": (n,), "W": (n, n), "r": (m, n), "alpha": (n,)}
            return cls(n, *values, arrays, (1 + n + m, n))
        gates, others = len(cell.gates), n if cell.recurrent else 0
        W = {"W": (gates, n, n)} if others else {}
        last = last_row_of(cell)
        row = {last: (gates, n)} if last else {}
        arrays = {"b": (gates, n), **row, **W, "r": (gates, m, n)}
        rows = 1 + len(row) + others + m
        return cls(n, *values, arrays, (gates, rows, n), gates=gates_of(cell))

    @classmethod
    def _of_stack(cls, cell: Stack, inputs: Inputs, *values: Any) -> Sizes:
        layers: list[Sizes] = []
        for one in cell.cells:
            fed = Vector(layers[-1].units, standardize=False) if layers else inputs
            layers.append(replace(cls.of_dense(one, fed, *values), whole=cell.units))
        arrays = {
            f"{k}.{name}": shape
            for k, layer in enumerate(layers)
            for name, shape in layer.cell.items()
        }
        theta = (sum(math.prod(layer.theta) for layer in layers),)
        gates = layers[0].gates
        return cls(cell.units, inputs, *values, arrays, theta, gates=gates, layers=tuple(layers))

    def of_layers(self, shapes: Callable[[Sizes], Mapping[str, Shape]]) -> dict[str, Shape]:
        """Return the shapes of all layers, by names with the layer's number; without layers those
        of this."""
        if not self.layers:
            return dict(shapes(self))
        each = enumerate(map(shapes, self.layers))
        return {of_layer(key, k): shape for k, one in each for key, shape in one.items()}

    @property
    def states(self) -> int:
        """Units of the stack that it is a layer of, or its own."""
        return self.units if self.whole is None else self.whole

    @property
    def dense(self) -> bool:
        """Whether the rules for dense cells train it."""
        return len(self.theta) > 1 or bool(self.layers)

    @property
    def gated(self) -> bool:
        """Whether its units have gates."""
        return self.gates is not None

    @property
    def kept(self) -> Shape:
        """Shape of what the carried numbers depend on: θ, or its first gates."""
        return (self.gates.kept, *self.theta[1:]) if self.gates else self.theta

    @property
    def rows(self) -> dict[str, slice]:
        """Which rows of θ each array of a dense cell has."""
        rows, first = {}, 0
        for name in ("b", *LAST_ROWS, "W", "r"):
            if name in self.cell:
                last = first + (self.cell[name][-2] if name in ("W", "r") else 1)
                rows[name], first = slice(first, last), last
        return rows

    @property
    def blind(self) -> tuple[int, int] | None:
        """A gate that does not see y, and one that does not see x, if there are any."""
        return self.gates.blind if self.gates else None

    @property
    def learned(self) -> int:
        """How many numbers of θ are learned."""
        if self.layers:
            return sum(layer.learned for layer in self.layers)
        unseen = (self.units + self.inputs.width) * self.units if self.blind else 0
        return math.prod(self.theta) - unseen

    @property
    def state(self) -> dict[str, Shape]:
        """The state: h, or what units with gates carry and show."""
        return dict.fromkeys(("c", "y") if self.gated else ("h",), (self.units,))

    @property
    def phi(self) -> Shape:
        """Shape of φ; () if there is none."""
        if isinstance(self.readout, OwnLoss):
            return ()
        inputs = self.inputs.width if self.direct else 0
        return (1 + self.units + inputs, self.readout.outputs)

    @property
    def direct(self) -> bool:
        """Whether the readout sees the last input."""
        return not isinstance(self.readout, OwnLoss) and bool(self.readout.direct)

    def vectors(self, key: str, *steps: int) -> dict[str, Shape]:
        """Return the shape of an array of an input, or of the inputs of that many steps; nothing if
        inputs are symbols."""
        return {key: (*steps, self.inputs.width)} if isinstance(self.inputs, Vector) else {}

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes by name, in the order of `state_dict`."""
        return {
            **{f"cell.{name}": shape for name, shape in self.cell.items()},
            **{f"state.{name}": shape for name, shape in self.state.items()},
            **self._of_lags(),
            **(self.vectors("state.x") if self.direct else {}),
            **self.of_layers(lambda one: one._kept_of_theta()),
            **self._of_readout(),
            **self._of_scales(),
            **self._kept("phi", self.readout_optimizer, *self._phi_in_metric()),
        }

    def _kept_of_theta(self) -> dict[str, Shape]:
        return self._kept("theta", self.optimizer, self.theta, self.squares)

    def _of_lags(self) -> dict[str, Shape]:
        lags = self.inputs.width // self.inputs.size
        return {"state.lags": (lags - 1, self.inputs.size)} if lags > 1 else {}

    def _of_readout(self) -> dict[str, Shape]:
        if not self.phi:
            return {}
        outputs = self.readout.outputs
        shapes: dict[str, Shape] = {"readout.b": (outputs,), "readout.W": (self.units, outputs)}
        return shapes | ({"readout.r": (self.inputs.width, outputs)} if self.direct else {})

    def _of_scales(self) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {}
        for name, of in (("inputs", self.inputs), ("targets", self.readout)):
            if getattr(of, "standardize", False):
                size = self.inputs.size if name == "inputs" else self.readout.targets.size
                keys = MOMENTS if name == "inputs" else MOMENTS + TYPICAL
                shapes |= dict.fromkeys((f"{name}.{key}" for key in keys), (size,))
        return shapes

    def _phi_in_metric(self) -> tuple[Shape, int | None]:
        """Return the shape of φ in the metric: flat, one output after the other, unless it is the
        default metric."""
        if self.readout_optimizer.plain or not self.phi:
            return self.phi, None
        rows, outputs = self.phi
        return (rows * outputs,), outputs * rows**2

    @staticmethod
    def _kept(
        name: str, optimizer: Optimizer, shape: Shape, squares: int | None
    ) -> dict[str, Shape]:
        """Return the shapes of what the optimizer of θ or φ keeps: two arrays of its shape, with
        "shared" also P; or the groups' matrices of J one after the other."""
        if isinstance(optimizer, Adam) and shape:
            return {f"optimizer.{name}.{key}": shape for key in ("m", "v")}
        if not isinstance(optimizer, Kalman) or not shape:
            return {}
        if optimizer.reduction not in ("block", "full"):
            whole = {f"optimizer.{name}.P": shape[:1] * 2} if optimizer.shared else {}
            return {f"optimizer.{name}.{key}": shape for key in ("J", "J0")} | whole
        if optimizer.reduction == "full":
            return {f"optimizer.{name}.blocks": (math.prod(shape) ** 2,)}
        return {} if squares is None else {f"optimizer.{name}.blocks": (squares,)}
