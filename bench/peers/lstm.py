"""The second job: a network of LSTM units that learns by truncated backpropagation.

A layer of LSTM units with a softmax readout reads symbols one at a time (batch of one). Windows of
10 steps do not overlap; at the end of each, the gradient of its losses changes the parameters by
Adam, with a constant rate: θ ← θ - rate m̂ / √(v̂ + 10⁻⁶). One bias a gate.

Ours is `TruncatedBPTT` and changes the readout at every step. The others change it with the rest,
once in a window, which is less work. So losses are compared where the readout does not learn
(`readout_rate` 0); where it does, those of the others with a window written in NumPy.

Ours has two more: ``lstm default``, what `nbt.NoBackTrack` is when only the cell is chosen; and
``lstm forward``, a step without learning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import nbt
from bench.peers.job import FORWARD_STEPS, stream_of

__all__ = ["B1", "B2", "FLOOR", "WINDOW", "LSTMJob"]

WINDOW = 10
B1, B2, FLOOR = 0.9, 0.9999, 1e-6


@dataclass(frozen=True)
class LSTMJob:
    """Sizes, number type, rates and first weights."""

    units: int = 64
    symbols: int = 64
    dtype: str = "float32"
    rate: float = 0.002
    seed: int = 1
    readout_rate: float | None = None  # None: as `rate`

    window = WINDOW
    forward = "lstm forward"
    ours = ("lstm forward", "lstm", "lstm default")
    module = "lstm_{}"  # of a tool

    def weights(self) -> dict[str, np.ndarray]:
        """The first weights by our names, none of them zero; the gates are f, i, z, o."""
        n, A = self.units, self.symbols
        random = np.random.default_rng(self.seed)
        found = {
            "cell.b": 0.1 * random.standard_normal((4, n)) + [[1], [0], [0], [0]],
            "cell.W": random.standard_normal((4, n, n)) / np.sqrt(n),
            "cell.r": 0.5 * random.standard_normal((4, A, n)),
            "readout.b": 0.3 * random.standard_normal(A),
            "readout.W": 0.3 * random.standard_normal((n, A)) / np.sqrt(n),
        }
        return {name: value.astype(self.dtype) for name, value in found.items()}

    def rates(self) -> tuple[float, float]:
        """The rate of the network and that of the readout."""
        return self.rate, self.rate if self.readout_rate is None else self.readout_rate

    def stream(self, steps: int) -> np.ndarray:
        """Symbols, as those of the first job."""
        return stream_of(self.symbols, self.seed, steps)

    def given(self, rule: str, steps: int) -> tuple[np.ndarray, ...]:
        """What a block of steps is learned from: inputs and targets."""
        symbols = self.stream(steps + 1)
        return symbols[:-1], symbols[1:]

    def peer(self, make):
        """Another tool's learner."""
        return make(self.weights(), *self.rates())

    def trainer(self, rule: str) -> nbt.Trainer:
        """Ours, with these weights."""
        network = nbt.LSTM(self.units), nbt.Softmax(self.symbols)
        common = {"dtype": self.dtype, "seed": self.seed}
        theta, phi = (nbt.Adam(rate, b1=B1, b2=B2) for rate in self.rates())
        if rule == "lstm":
            trainer = nbt.TruncatedBPTT(
                *network, theta, readout_optimizer=phi, window=WINDOW, **common
            )
        elif rule == "lstm forward":
            trainer = nbt.TruncatedBPTT(*network, theta, window=FORWARD_STEPS + 1, **common)
        elif rule == "lstm default":
            trainer = nbt.NoBackTrack(*network, **common)
        else:
            raise ValueError(f"rule: no rule is called {rule!r}")
        trainer.load_state_dict(trainer.state_dict() | self.weights())
        return trainer
