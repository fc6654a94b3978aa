"""Stacks of layers, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from nbt import _arguments
from nbt.cells.continuous import CTRNN, Continuous
from nbt.cells.discrete import RNN, LeakyRNN
from nbt.cells.gated import Gated, same_units
from nbt.cells.shared import QUIET

__all__ = ["Stack", "is_gated", "layers_of"]

MOST_LAYERS = 2**10


@dataclass(frozen=True)
class Stack:
    """Stack of recurrent layers, (39)–(42), in the rolling form (43)–(46), or of layers with gates.

    A step moves one layer after the other. Each layer gets the new activities of the layer below,
    and, unless its units have gates, the input x. The rank-one reduction is done after each layer;
    with gates see Notes. The state is that of all layers, and the readout gets the activities of
    all layers.

    Parameters
    ----------
    cells : sequence of RNN, LeakyRNN, LSTM, GRU, MGU, LRU or Continuous
        The layers, from the input on; from 1 to 1024. Each has its own activation. Layers with
        gates are all of one kind: they differ only in `units` and in how they begin, `memory` and
        the scales.
    skip : bool, optional
        Whether all layers get x, as in the paper, or only the first one. Default: whether units
        have no gates. With gates it is False.

    Raises
    ------
    TypeError
        `cells` is no list or tuple, or has an element that is none of these, or a `Continuous` not
        of a `CTRNN`; `skip` is no bool.
    ValueError
        `cells` is empty or has more than 1024 layers, some of them learn and others do not, or some
        have gates and others do not, or other gates; or `skip` is True with gates.

    Notes
    -----
    For layers with gates the rules have windows of ``every`` steps. The gradient is exact inside a
    window, through all layers. Of what is older each layer knows what its units keep along their
    own paths, so with ``rank=0`` the gradient is biased, even without W, because what a layer got
    from the one below before the window is lost. Pairs, ``rank`` ≥ 1, are of the states of all
    layers and make it unbiased. `TruncatedBPTT` has neither, and `RTRL` is exact.

    Examples
    --------
    >>> Stack([RNN(8), LeakyRNN(5)])
    Stack(cells=(RNN(units=8, activation='sigmoid'), LeakyRNN(units=5, \
activation='sigmoid', leak='random')))
    >>> import nbt
    >>> Stack([nbt.LSTM(48), nbt.LSTM(48)]).units
    96
    """

    cells: Sequence[RNN | LeakyRNN | Gated | Continuous]
    skip: bool | None = field(default=None, metadata=QUIET)

    def __post_init__(self) -> None:
        _arguments.not_called("cells", self.cells)
        if not isinstance(self.cells, (list, tuple)):
            raise TypeError(f"cells: expected a list of cells, got {self.cells!r}")
        kinds = RNN, LeakyRNN, *get_args(Gated), Continuous
        for k, cell in enumerate(self.cells):
            _arguments.instance(f"cells[{k}]", cell, *kinds)
            if isinstance(cell, Continuous):
                _arguments.instance(f"cells[{k}].field", cell.field, CTRNN)
        _arguments.integer("cells", len(self.cells), high=MOST_LAYERS)
        object.__setattr__(self, "cells", tuple(self.cells))
        if len({getattr(cell, "learn", True) for cell in self.cells}) > 1:
            raise ValueError("cells: expected all to learn, or all with learn=False, got both")
        gated = any(isinstance(cell, Gated) for cell in self.cells)
        if gated:
            _check_gates(self.cells)
        skip = not gated if self.skip is None else _arguments.flag("skip", self.skip)
        if skip and gated:
            raise ValueError(
                "skip: expected False for layers with gates, of which only the first one sees the "
                "input, got True"
            )
        object.__setattr__(self, "skip", skip)

    def __repr__(self) -> str:
        usual = self.skip is not isinstance(self.cells[0], Gated)
        return f"Stack(cells={self.cells!r}{'' if usual else f', skip={self.skip}'})"

    @property
    def activation(self) -> str | tuple[str, ...]:
        """The activation function σ of all layers; if they differ, that of each unit, (units,)."""
        if len({cell.activation for cell in self.cells}) == 1:
            return self.cells[0].activation
        return tuple(cell.activation for cell in self.cells for _ in range(cell.units))

    @property
    def learn(self) -> bool:
        """Whether the layers are learned."""
        return getattr(self.cells[0], "learn", True)

    @property
    def units(self) -> int:
        """Number of units of all layers."""
        return sum(cell.units for cell in self.cells)

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters of layers with gates, as each layer draws them,
        with its number before their names: "0.b", "1.W" ….

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        values = {}
        for k, cell in enumerate(self.cells):
            drawn = cell.draw(inputs, random)
            values |= {f"{k}.{name}": value for name, value in drawn.items()}
            inputs = cell.units
        return values


def layers_of(cell: Any) -> tuple[Any, ...]:
    """Return the layers of a stack; of any other cell the cell itself."""
    return tuple(cell.cells) if isinstance(cell, Stack) else (cell,)


def is_gated(cell: Any) -> bool:
    """Return whether the units of this cell, or stack, have gates."""
    return isinstance(layers_of(cell)[0], Gated)


def _check_gates(cells: Sequence[Any]) -> None:
    """Raise unless all layers have the same gates."""
    first = cells[0]
    for k, cell in enumerate(cells):
        both = isinstance(first, Gated) and type(cell) is type(first)
        if not both or not same_units(first, cell):
            raise ValueError(
                f"cells: expected layers with gates that differ only in units and in how they "
                f"begin, got {first} and, as layer {k}, {cell}"
            )
