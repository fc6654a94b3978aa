"""Variants with gates, and of learning once in several steps: `LSTM`, which differs from the preset
of symbols in its units alone, and one choice varied at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import nbt
from bench.study import learning
from nbt.optimizers import default_for_readout
from nbt.trainers.base import Trainer

__all__ = ["GATED", "REFERENCE", "GatedVariant"]

UNITS = 32
CELL = nbt.LSTM(UNITS)
REFERENCE = "LSTM"
PRESET = nbt.preset("symbols")
READOUT = default_for_readout(nbt.Adam())
SGD = nbt.SGD(nbt.InverseSqrt(1.0))
PAST = {"every", "rank"}  # what only NoBackTrack has


def own_learn(trainer: Trainer, symbols) -> Any:
    return trainer.learn(symbols)


@dataclass(frozen=True)
class GatedVariant:
    """A trainer: the preset's arguments, but for what is named in `own`."""

    cell: Any = CELL
    rule: type = nbt.NoBackTrack
    own: dict[str, Any] = field(default_factory=dict)
    readout: dict[str, Any] = field(default_factory=dict)
    learn: learning.Learn = own_learn

    def suits(self, stream: str) -> bool:
        return True

    def build(self, stream: str, symbols: int, seed: int) -> Trainer:
        usual = {key: value for key, value in PRESET.items() if key != "cell"}
        if self.rule is not nbt.NoBackTrack:
            usual = {key: value for key, value in usual.items() if key not in PAST}
        readout = nbt.Softmax(symbols, **self.readout)
        return self.rule(self.cell, readout, seed=seed, **usual | self.own)


def own(cell: Any = CELL, **choices: Any) -> GatedVariant:
    return GatedVariant(cell, own=choices)


def by(optimizer: Any, **choices: Any) -> GatedVariant:
    """The readout learns as ever."""
    return own(optimizer=optimizer, **choices)


def adam(scale: float = 0.006, after: float = 20_000, **choices: float) -> GatedVariant:
    return by(nbt.Adam(nbt.InverseSqrt(scale, after=after), **choices))


def of_readout(optimizer: Any) -> GatedVariant:
    return own(readout_optimizer=optimizer)


def truncated(window: int) -> GatedVariant:
    return GatedVariant(rule=nbt.TruncatedBPTT, own={"window": window})


LSTM = nbt.LSTM
GATED: dict[str, dict[str, GatedVariant]] = {
    "rules": {
        REFERENCE: GatedVariant(),
        **{f"LSTM, rank {rank}": own(rank=rank) for rank in (1, 4)},
        "LSTM, rank 1, not balanced": own(rank=1, norm="none"),
        **{f"LSTM, TBPTT-{window}": truncated(window) for window in (10, 32)},
        "LSTM, RTRL": GatedVariant(rule=nbt.RTRL, own={"every": PRESET["every"]}),
    },
    "optimizers": {
        **{f"LSTM, Adam {scale:g}": adam(scale) for scale in (0.003, 0.012)},
        "LSTM, Adam 0.01, after 5000": adam(0.01, after=5000),
        "LSTM, Adam b1=0": adam(b1=0.0),
        "LSTM, Adam b2=0.999": adam(b2=0.999),
        "LSTM, Kalman": by(nbt.Kalman()),
        "LSTM, SGD 1/√t": by(SGD),
        "LSTM, rank 1, Kalman": by(nbt.Kalman(), rank=1),
        "LSTM, rank 1, SGD 1/√t": by(SGD, rank=1),
    },
    "cells": {
        "LSTM, coupled": own(LSTM(UNITS, coupled=True)),
        "LSTM, rms": own(LSTM(UNITS, norm="rms")),
        "LSTM, rms, memory to 8": own(LSTM(UNITS, norm="rms", memory=(1, 8))),
        "LSTM, memory to 8": own(LSTM(UNITS, memory=(1, 8))),
        "LSTM, memory to 128": own(LSTM(UNITS, memory=(1, 128))),
        "LSTM, no W": own(LSTM(UNITS, recurrent=False)),
        "GRU": own(nbt.GRU(UNITS)),
        "MGU": own(nbt.MGU(UNITS)),
        "RNN tanh, T = 10": own(nbt.RNN(UNITS, "tanh")),
        "LeakyRNN, T = 10": own(nbt.LeakyRNN(UNITS)),
        **({"LRU": own(nbt.LRU(UNITS))} if hasattr(nbt, "LRU") else {}),
    },
    "steps": {f"LSTM, T = {steps}": own(every=steps) for steps in (1, 3, 5, 20, 32, 64)},
    "readout": {
        **{
            f"LSTM, readout prior {prior:g}": of_readout(replace(READOUT, readout_prior=prior))
            for prior in (1.0, 3.0, 10.0, 30.0)
        },
        **{
            f"LSTM, readout decay {scale:g}/√t": of_readout(
                replace(READOUT, decay=nbt.InverseSqrt(scale))
            )
            for scale in (0.005, 0.01, 0.05, 0.1)
        },
        "LSTM, readout by Adam": of_readout(nbt.Adam()),
        "LSTM, readout by SGD 0.3/√t": of_readout(nbt.SGD(nbt.InverseSqrt(0.3))),
        "LSTM, direct": GatedVariant(readout={"direct": True}),
        "LSTM, counts": GatedVariant(readout={"counts": 6}),
    },
    "gated units": {f"LSTM, {units} units": own(LSTM(units)) for units in (16, 64, 96, 128, 160)},
}
