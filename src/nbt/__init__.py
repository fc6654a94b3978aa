"""Train recurrent networks online, without backtracking in time.

NoBackTrack (Ollivier, Tallec, Charpiat 2015) with a C core: a model that learns from a stream as it
arrives, in memory that does not grow, at a cost a step close to running the network itself.
"""

from nbt import baselines, datasets, streams
from nbt.build import __version__, build_info
from nbt.cells import RNN, LeakyRNN
from nbt.checkpoint import load
from nbt.errors import CheckpointError, DataError, DivergenceError, MissingExtra
from nbt.history import History
from nbt.inputs import Symbols, Vector
from nbt.optimizers import SGD, Kalman
from nbt.readouts import Softmax
from nbt.schedules import Constant, InverseSqrt
from nbt.trainers import RTRL, NoBackTrack, TruncatedBPTT
from nbt.training import train

__all__ = [
    "RNN",
    "RTRL",
    "SGD",
    "CheckpointError",
    "Constant",
    "DataError",
    "DivergenceError",
    "History",
    "InverseSqrt",
    "Kalman",
    "LeakyRNN",
    "MissingExtra",
    "NoBackTrack",
    "Softmax",
    "Symbols",
    "TruncatedBPTT",
    "Vector",
    "__version__",
    "baselines",
    "build_info",
    "datasets",
    "load",
    "streams",
    "train",
]
