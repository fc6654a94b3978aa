"""Train recurrent networks online, without backtracking in time.

NoBackTrack (Ollivier, Tallec, Charpiat 2015) with a C core: a model that learns from a stream as it
arrives, in memory that does not grow, at a cost a step close to running the network itself.
"""

from nbt import baselines, datasets, streams
from nbt.build import __version__, build_info
from nbt.cells import CTRNN, RNN, Continuous, LeakyRNN, Stack
from nbt.checkpoint import Checkpoint, load
from nbt.compiled import CompiledSystem
from nbt.diagnosis import Diagnosis, diagnose
from nbt.errors import CheckpointError, DataError, DivergenceError, MissingExtra
from nbt.estimators import RNNClassifier, RNNRegressor
from nbt.graphs import Graph
from nbt.history import History
from nbt.hmm import HMM
from nbt.inputs import Symbols, Vector
from nbt.optimizers import SGD, Kalman
from nbt.rank_one_trick import (
    rank_one,
    rank_one_gaussian,
    rank_one_gaussian_variance,
    rank_one_tensor,
    rank_one_variance,
)
from nbt.readouts import Bernoulli, Gaussian, Softmax
from nbt.replicas import learn_many
from nbt.schedules import Constant, InverseSqrt
from nbt.system import DerivedWarning, System
from nbt.system_check import check_system
from nbt.trainers import RTRL, NoBackTrack, TruncatedBPTT
from nbt.training import train

__all__ = [
    "CTRNN",
    "HMM",
    "RNN",
    "RTRL",
    "SGD",
    "Bernoulli",
    "Checkpoint",
    "CheckpointError",
    "CompiledSystem",
    "Constant",
    "Continuous",
    "DataError",
    "DerivedWarning",
    "Diagnosis",
    "DivergenceError",
    "Gaussian",
    "Graph",
    "History",
    "InverseSqrt",
    "Kalman",
    "LeakyRNN",
    "MissingExtra",
    "NoBackTrack",
    "RNNClassifier",
    "RNNRegressor",
    "Softmax",
    "Stack",
    "Symbols",
    "System",
    "TruncatedBPTT",
    "Vector",
    "__version__",
    "baselines",
    "build_info",
    "check_system",
    "datasets",
    "diagnose",
    "learn_many",
    "load",
    "rank_one",
    "rank_one_gaussian",
    "rank_one_gaussian_variance",
    "rank_one_tensor",
    "rank_one_variance",
    "streams",
    "train",
]


def __dir__() -> list[str]:
    """What is public: what tab completion shows."""
    return __all__
