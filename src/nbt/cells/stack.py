"""Stacks of layers, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nbt import _arguments
from nbt.cells.continuous import CTRNN, Continuous
from nbt.cells.discrete import RNN, LeakyRNN
from nbt.cells.shared import QUIET, short_repr

__all__ = ["Stack"]

MOST_LAYERS = 2**10


@dataclass(frozen=True)
class Stack:
    """Stack of recurrent layers, (39)–(42), in the rolling form (43)–(46).

    A step moves one layer after the other. Each layer gets the input x and the new activities of
    the layer below. The rank-one reduction is done after each layer. The state is that of all
    layers, and the readout gets the activities of all layers.

    Parameters
    ----------
    cells : sequence of RNN, LeakyRNN or Continuous
        The layers, from the input on; from 1 to 1024. Each has its own activation.
    skip : bool
        Whether all layers get x, as in the paper, or only the first one.

    Raises
    ------
    TypeError
        `cells` is no list or tuple, or has an element that is no `RNN`, `LeakyRNN` or `Continuous`
        of a `CTRNN`; `skip` is no bool.
    ValueError
        `cells` is empty or has more than 1024 layers, or some of them learn and others do not.

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
        _arguments.integer("cells", len(self.cells), high=MOST_LAYERS)
        object.__setattr__(self, "cells", tuple(self.cells))
        if len({getattr(cell, "learn", True) for cell in self.cells}) > 1:
            raise ValueError("cells: expected all to learn, or all with learn=False, got both")
        object.__setattr__(self, "skip", _arguments.flag("skip", self.skip))

    __repr__ = short_repr

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
