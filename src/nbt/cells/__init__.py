"""Recurrent networks as frozen values that say their size and how they begin.

Networks of one layer take units and activation in this order, and all other arguments by name.
"""

from nbt.cells.continuous import CTRNN, Continuous
from nbt.cells.discrete import RNN, LeakyRNN
from nbt.cells.gated import GRU, LSTM, MGU, Gated, gates_of, has_gains, last_row_of
from nbt.cells.gates import Gates
from nbt.cells.lru import LRU
from nbt.cells.shared import ACTIVATIONS
from nbt.cells.stack import MOST_LAYERS, Stack, is_gated, layers_of

__all__ = [
    "ACTIVATIONS",
    "CTRNN",
    "GRU",
    "LRU",
    "LSTM",
    "MGU",
    "MOST_LAYERS",
    "RNN",
    "Cell",
    "Continuous",
    "Gated",
    "Gates",
    "LeakyRNN",
    "Stack",
    "gates_of",
    "has_gains",
    "is_gated",
    "last_row_of",
    "layers_of",
]

Cell = RNN | LeakyRNN | Gated | Continuous | Stack
