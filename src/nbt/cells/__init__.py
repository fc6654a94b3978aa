"""Recurrent networks as frozen values that say their size and how they begin.

Networks of one layer take units and activation in this order, and all other arguments by name.
"""

from nbt.cells.continuous import CTRNN, Continuous
from nbt.cells.discrete import RNN, LeakyRNN
from nbt.cells.shared import ACTIVATIONS
from nbt.cells.stack import MOST_LAYERS, Stack

__all__ = ["ACTIVATIONS", "CTRNN", "MOST_LAYERS", "RNN", "Cell", "Continuous", "LeakyRNN", "Stack"]

Cell = RNN | LeakyRNN | Continuous | Stack
