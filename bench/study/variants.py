"""What is varied: streams, and groups of trainers that differ from the defaults in one choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import nbt
from bench.study import learning
from bench.study.gated import GATED, GatedVariant
from nbt.trainers.base import Trainer

STREAMS = {
    "anbn": lambda seed: nbt.datasets.anbn(1, 32, seed=1000 + seed),
    "text": lambda seed: nbt.datasets.shakespeare(),
    "music": lambda seed: nbt.datasets.music(seed=1000 + seed),
    "brackets": lambda seed: nbt.datasets.brackets(seed=1000 + seed),
    "anbn64": lambda seed: nbt.datasets.anbn(1, 64, seed=1000 + seed),
    "anbn128": lambda seed: nbt.datasets.anbn(1, 128, seed=1000 + seed),
    "copy": lambda seed: nbt.datasets.delayed_copy(seed=1000 + seed),
}
PLAIN = ("music", "text")  # streams for networks without leaks; the others have LeakyRNN


def own_learn(trainer: Trainer, symbols: np.ndarray) -> np.ndarray:
    return trainer.learn(symbols)


@dataclass(frozen=True)
class Variant:
    """A trainer: the defaults, but for what is named; its first weights, changed; how it learns."""

    rule: type = nbt.NoBackTrack
    units: int = 20
    cell: dict[str, Any] = field(default_factory=dict)
    optimizer: Any = None
    own: dict[str, Any] = field(default_factory=dict)
    weights: Callable[[dict[str, np.ndarray]], None] | None = None
    learn: learning.Learn = own_learn

    def suits(self, stream: str) -> bool:
        """Leaks are for cells that have them."""
        return stream not in PLAIN or "leak" not in self.cell

    def build(self, stream: str, symbols: int, seed: int) -> Trainer:
        kind = nbt.RNN if stream in PLAIN else nbt.LeakyRNN
        optimizer = {} if self.optimizer is None else {"optimizer": self.optimizer}
        trainer = self.rule(
            kind(self.units, **self.cell), nbt.Softmax(symbols), seed=seed, **optimizer, **self.own
        )
        if self.weights:
            state = trainer.state_dict()
            self.weights(state)
            trainer.load_state_dict(state)
        return trainer


def kalman(**choices) -> Variant:
    return Variant(optimizer=nbt.Kalman(**choices))


def own(units=20, **choices) -> Variant:
    return Variant(units=units, own=choices)


def scaled(key: str, factor: float) -> Variant:
    def weights(state):
        state[key] *= factor

    return Variant(weights=weights)


def identity(factor: float) -> Variant:
    def weights(state):
        state["cell.W"][np.diag_indices(len(state["cell.W"]))] += factor

    return Variant(weights=weights)


def log_leaks(longest: float, units: int = 20) -> Variant:
    """Time constants from 1 to `longest` steps, evenly spaced on a logarithmic axis."""
    return Variant(units=units, cell={"leak": tuple(1 - 1 / np.geomspace(1, longest, units))})


FIRST = nbt.InverseSqrt(1.0)
DEFAULT = "default"
SIZES = (20, 32, 40, 64, 128, 256)
EXPONENTS = ((0.01, 1 / 3), (1.0, 2 / 3), (10.0, 1.0))
MEMORIES = ((1, 0), (4, 0), (1, 4), (4, 4), (20, 4), (1, 8), (4, 8))
GROUPS: dict[str, dict[str, Variant | GatedVariant]] = {
    "reference": {
        DEFAULT: Variant(),
        "RTRL": Variant(nbt.RTRL),
        "the paper's": Variant(
            optimizer=nbt.Kalman(FIRST, prior=1.0, outlier=None),
            own={"norm": "kalman", "blocks": 1, "exact_self": False, "window": 0},
        ),
    },
    "pairs": {  # the rules of `reference` with the other optimizer, and truncated BPTT with each
        "default, SGD 1/√t": Variant(optimizer=nbt.SGD(FIRST)),
        "RTRL, SGD 1/√t": Variant(nbt.RTRL, optimizer=nbt.SGD(FIRST)),
        **{
            f"TBPTT-{window}, {name}": Variant(
                nbt.TruncatedBPTT, optimizer=optimizer, own={"window": window}
            )
            for window in (5, 15, 50)
            for name, optimizer in (("Kalman", nbt.Kalman()), ("SGD 1/√t", nbt.SGD(FIRST)))
        },
    },
    "prior": {
        f"prior {prior:g}": kalman(prior=prior, readout_prior=3.0)
        for prior in (0.03, 0.1, 0.3, 1, 3)
    }
    | {f"readout prior {prior:g}": kalman(readout_prior=prior) for prior in (0.3, 1, 10, 30)},
    "decay": {
        f"decay {scale:g}/√t": kalman(decay=nbt.InverseSqrt(scale)) for scale in (0.03, 0.3, 1)
    }
    | {f"decay {value:g}": kalman(decay=value) for value in (1e-5, 1e-4, 1e-3)}
    | {
        f"decay {scale:g}/t^{exponent:.2g}": Variant(learn=learning.power_decay(scale, exponent))
        for scale, exponent in EXPONENTS
    },
    "norm": {f"norm {norm}": own(norm=norm) for norm in ("kalman", "euclidean")},
    "rank": {f"rank {rank}": own(rank=rank) for rank in (2, 4)},
    "memory": {f"blocks {s}, window {t}": own(blocks=s, window=t) for s, t in MEMORIES}
    | {"blocks 20, no exact_self": own(blocks=20, exact_self=False, window=0)},
    "weights": {
        "W × 0.5": scaled("cell.W", 0.5),
        "W × 2": scaled("cell.W", 2.0),
        "r × 0.5": scaled("cell.r", 0.5),
        "r × 2": scaled("cell.r", 2.0),
        "W + 1": identity(1.0),
        "leaks to 32, log": log_leaks(32),
        "leaks to 128, log": log_leaks(128),
        "tanh": Variant(cell={"activation": "tanh"}),
    },
    "average": {
        f"mean over {steps} steps": Variant(learn=learning.exponential(steps))
        for steps in (1000, 10_000, 100_000)
    }
    | {"mean weighted by t": Variant(learn=learning.tail(0.5))},
    "units": {f"{units} units": own(units=units) for units in SIZES}
    | {f"{n} units, blocks 1, window 8": own(units=n, blocks=1, window=8) for n in SIZES}
    | {f"{n} units, blocks 16, window 0": own(units=n, blocks=16, window=0) for n in SIZES},
    **GATED,
}


def variant(name: str) -> Variant | GatedVariant:
    return next(group[name] for group in GROUPS.values() if name in group)
