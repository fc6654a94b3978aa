"""Train recurrent networks online, without backtracking in time.

NoBackTrack (Ollivier, Tallec, Charpiat 2015) with a C core. A model learns from a stream as it
arrives. Memory does not grow, and a step costs little more than running the network.

>>> import nbt
>>> stream = nbt.datasets.anbn(1, 32, seed=0)
>>> trainer = nbt.NoBackTrack(nbt.LeakyRNN(20), nbt.Softmax(len(stream.alphabet)), seed=0)
>>> history = nbt.train(trainer, stream, steps=1000)
>>> trainer.step, trainer.predict().shape
(1000, (3,))

Begin with `NoBackTrack`, which has most of the options. The methods of all trainers are those of
`Trainer`. `train` makes a trainer learn from a stream of `nbt.streams` or of your own.

- *Learning rules*: `NoBackTrack`, `RTRL`, `TruncatedBPTT`, `UORO`; all are a `Trainer`
- *The best known settings*: `preset`
- *The loop*: `train`, `learn_many`, `History`, `HistoryRow`, `Interrupts`, `Terminated`
- *Stopping and going on*: `load`, `Checkpoint`
- *Networks*: `RNN`, `LeakyRNN`, `LSTM`, `GRU`, `MGU`, `LRU`, `Stack`, `Graph`, `Continuous`,
  `CTRNN`
- *Systems of your own*: `System`, `CompiledSystem`, `check_system`, `DerivedWarning`
- *What is predicted*: `Softmax`, `Gaussian`, `Bernoulli`
- *What a network is fed*: `Symbols`, `Vector`
- *Optimizers and their rates*: `Kalman`, `SGD`, `Adam`, `InverseSqrt`, `Constant`
- *One event at a time*: `RNNClassifier`, `RNNRegressor`
- *How good an estimate is*: `diagnose`, `Diagnosis`, `DiagnosisRow`
- *Hidden Markov models*: `HMM`
- *The trick by itself*: `rank_one`, `rank_one_variance`, `rank_one_gaussian`,
  `rank_one_gaussian_variance`, `rank_one_tensor`
- *Errors*: `DivergenceError`, `DataError`, `CheckpointError`, `MissingExtra`
- *The build*: `build_info`, `__version__`
- *Data, and what to compare with*: `streams`, `datasets`, `baselines`
- *Weights of PyTorch and Keras*: `interop`

Losses are in nats; what is shown to people is in bits per symbol. Letters are the paper's: h is the
state, θ are the parameters. There are n units, m inputs, and P = 1 + n + m parameters a unit.
"""

from nbt import baselines, datasets, installation, interop, streams
from nbt.build import __version__, build_info
from nbt.cells import CTRNN, GRU, LRU, LSTM, MGU, RNN, Continuous, LeakyRNN, Stack
from nbt.checkpoints.checkpoint import Checkpoint, load
from nbt.diagnosis.measure import diagnose
from nbt.diagnosis.result import Diagnosis, DiagnosisRow
from nbt.divergence import DivergenceError
from nbt.errors import CheckpointError, DataError, MissingExtra
from nbt.estimators.online import RNNClassifier, RNNRegressor
from nbt.graphs import Graph
from nbt.hmm.model import HMM
from nbt.inputs import Symbols, Vector
from nbt.optimizers import SGD, Adam, Kalman
from nbt.rank_one_trick import (
    rank_one,
    rank_one_gaussian,
    rank_one_gaussian_variance,
    rank_one_tensor,
    rank_one_variance,
)
from nbt.readouts import Bernoulli, Gaussian, Softmax
from nbt.schedules import Constant, InverseSqrt
from nbt.systems.check import check_system
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import DerivedWarning, System
from nbt.trainers import RTRL, UORO, NoBackTrack, TruncatedBPTT
from nbt.trainers.base import Trainer
from nbt.trainers.learn_many import learn_many
from nbt.trainers.presets import preset
from nbt.training.history import History
from nbt.training.interrupts import Interrupts, Terminated
from nbt.training.loop import train
from nbt.training.rows import HistoryRow

__all__ = [  # noqa: RUF022 - in the order of the list above, and of the reference
    "NoBackTrack",
    "RTRL",
    "TruncatedBPTT",
    "UORO",
    "Trainer",
    "preset",
    "train",
    "learn_many",
    "History",
    "HistoryRow",
    "Interrupts",
    "Terminated",
    "load",
    "Checkpoint",
    "RNN",
    "LeakyRNN",
    "LSTM",
    "GRU",
    "MGU",
    "LRU",
    "Stack",
    "Graph",
    "Continuous",
    "CTRNN",
    "System",
    "CompiledSystem",
    "check_system",
    "DerivedWarning",
    "Softmax",
    "Gaussian",
    "Bernoulli",
    "Symbols",
    "Vector",
    "Kalman",
    "SGD",
    "Adam",
    "InverseSqrt",
    "Constant",
    "RNNClassifier",
    "RNNRegressor",
    "diagnose",
    "Diagnosis",
    "DiagnosisRow",
    "HMM",
    "rank_one",
    "rank_one_variance",
    "rank_one_gaussian",
    "rank_one_gaussian_variance",
    "rank_one_tensor",
    "DivergenceError",
    "DataError",
    "CheckpointError",
    "MissingExtra",
    "build_info",
    "__version__",
    "streams",
    "datasets",
    "baselines",
    "interop",
]

installation.warn()


def __dir__() -> list[str]:
    """Return the public names, for tab completion."""
    return __all__
