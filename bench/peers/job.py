"""The job that every tool does, and how this package does it.

A plain recurrent network of sigmoid units with a softmax readout reads symbols one at a time
(batch of one) and learns. theta (P, n) has the biases, W and r below each other, P = 1 + n + A;
phi (1 + n, A) the readout's biases and weights. The rate, or the decay, is scale / sqrt(t + 1).

Rules:

- ``euclidean``: rank-one NoBackTrack, Euclidean norms, gradient descent
- ``kalman``: rank-one NoBackTrack, quasi-diagonal Kalman and its norms, prior 1
- ``tbptt``: truncated backpropagation over windows of 15 steps, gradient descent

The first two, the paper's algorithms to the letter, take a block of symbols, each first the target
and then the input. The third takes inputs and targets, so that a window begins with a transition.

Ours has more: ``euclidean, every=10`` and ``kalman, every=10``, optimizers of the first two with
one update of theta in 10 steps, exact in between, and pairs balanced by Euclidean norms;
``default``, what `nbt.NoBackTrack` is when nothing is chosen; and ``forward``, a step without
learning, the unit that the others are measured in: truncated backpropagation that observes fewer
steps than its window has, so that nothing is propagated back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

import nbt

__all__ = ["EVERY", "FORWARD_STEPS", "ONLINE", "WINDOW", "Job", "philox_signs", "stream_of"]

WINDOW = 15
FORWARD_STEPS = 512
ONLINE = ("euclidean", "kalman")
EVERY = ", every=10"
RANK_ONE = {"rank": 1, "blocks": 1, "exact_self": False}


@dataclass(frozen=True)
class Job:
    """Sizes, number type and first weights."""

    units: int
    symbols: int = 64
    dtype: str = "float32"
    scale: float = 0.03
    seed: int = 1

    window = WINDOW
    forward = "forward"
    ours = ("forward", "euclidean", "kalman", "default", "tbptt")
    ours += tuple(rule + EVERY for rule in ONLINE)
    module = "{}_peer"  # of a tool

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """The first theta and phi, none of them zero."""
        n, A = self.units, self.symbols
        random = np.random.default_rng(self.seed)
        theta = np.concatenate(
            [
                0.1 * random.standard_normal((1, n)),
                random.standard_normal((n, n)) / np.sqrt(n),
                random.standard_normal((A, n)),
            ]
        )
        phi = 0.3 * random.standard_normal((1 + n, A)) / np.sqrt(n)
        return theta.astype(self.dtype), phi.astype(self.dtype)

    def stream(self, steps: int) -> np.ndarray:
        """Symbols, independent, frequencies as 1/1, 1/2, 1/3, …: like text, some are rare."""
        return stream_of(self.symbols, self.seed, steps)

    def given(self, rule: str, steps: int) -> tuple[np.ndarray, ...]:
        """What a block of steps is learned from: symbols, or for windows inputs and targets."""
        symbols = self.stream(steps + 1)
        return (symbols[:-1], symbols[1:]) if rule == "tbptt" else (symbols[:-1],)

    def peer(self, make):
        """Another tool's learner."""
        return make(*self.weights(), self.scale, self.seed)

    def trainer(self, rule: str) -> nbt.Trainer:
        """Ours, with these weights; ``forward`` is for `observe`."""
        cell, readout = nbt.RNN(self.units), nbt.Softmax(self.symbols)
        rate, common = nbt.InverseSqrt(self.scale), {"dtype": self.dtype, "seed": self.seed}
        optimizers = {
            "euclidean": nbt.SGD(rate),
            "kalman": nbt.Kalman(rate, prior=1.0, outlier=None),
        }
        of = rule.removesuffix(EVERY)
        if of in optimizers:
            form = {"rank": 1, "every": 10} if rule != of else RANK_ONE | {"norm": of}
            trainer = nbt.NoBackTrack(cell, readout, optimizers[of], **form, **common)
        elif rule == "tbptt":
            trainer = nbt.TruncatedBPTT(cell, readout, nbt.SGD(rate), window=WINDOW, **common)
        elif rule == "forward":
            trainer = nbt.TruncatedBPTT(cell, readout, window=FORWARD_STEPS + 1, **common)
        elif rule == "default":
            trainer = nbt.NoBackTrack(cell, readout, **common)
        else:
            raise ValueError(f"rule: no rule is called {rule!r}")
        theta, phi = self.weights()
        n = self.units
        parts = {"cell.b": theta[0], "cell.W": theta[1 : 1 + n], "cell.r": theta[1 + n :]}
        parts |= {"readout.b": phi[0], "readout.W": phi[1:]}
        trainer.load_state_dict(trainer.state_dict() | parts)
        return trainer


@cache
def stream_of(symbols: int, seed: int, steps: int) -> np.ndarray:
    """Independent symbols; the frequency of the k-th is as 1/k."""
    odds = 1 / np.arange(1.0, symbols + 1)
    random = np.random.default_rng(seed)
    return random.choice(symbols, steps, p=odds / odds.sum()).astype(np.int32)


def philox_signs(seed: int, steps: int, units: int, dtype: str) -> np.ndarray:
    """The signs (steps, units) that our trainer of this seed draws in its first steps."""
    signs = np.empty((steps, units), dtype)
    for step in range(steps):
        for first in range(0, units, 128):
            words = nbt._core.sign_bits(seed, 0, step, first // 128)
            bits = np.array(words, "<u4").view(np.uint8)
            bits = np.unpackbits(bits, bitorder="little")[: units - first]
            signs[step, first : first + 128] = 2.0 * bits - 1.0
    return signs
