"""Ways to learn a block that no trainer has by itself: (trainer, symbols) → losses in nats."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import nbt
from nbt.trainers.base import Trainer

Learn = Callable[[Trainer, np.ndarray], np.ndarray]
LEARNED = ("cell.b", "cell.W", "cell.r", "readout.b", "readout.W")
PIECE = 250  # steps between two updates of an average
GROWTH = 0.02  # a decay is constant over pieces this much longer than the stream so far


def pieces(symbols: np.ndarray, length: Callable[[int], int]) -> Iterator[np.ndarray]:
    """The symbols cut up: a piece that begins at t has length(t)."""
    begin = 0
    while begin < len(symbols):
        end = begin + length(begin)
        yield symbols[begin:end]
        begin = end


def averaged(weight: Callable[[int], float]) -> Learn:
    """Learned as ever, and scored by a second network, which holds the running mean of the
    parameters and does not learn: mean += weight(count) (parameters - mean), count = 1, 2, …

    The mean is renewed each `PIECE` steps; the second network keeps a state of its own.
    """

    def learn(trainer: Trainer, symbols: np.ndarray) -> np.ndarray:
        scored = nbt.TruncatedBPTT(trainer.cell, trainer.readout, window=1024)
        mean = {key: trainer.state_dict()[key].astype(np.float64) for key in LEARNED}
        losses = []
        for count, piece in enumerate(pieces(symbols, lambda begin: PIECE), 1):
            state = scored.state_dict()
            state |= {key: mean[key].astype(state[key].dtype) for key in LEARNED}
            if count == 1:
                state["cell.alpha"] = trainer.state_dict()["cell.alpha"]
            scored.load_state_dict(state)
            losses.append(scored.observe(piece))
            trainer.learn(piece)
            now = trainer.state_dict()
            for key in LEARNED:
                mean[key] += weight(count) * (now[key] - mean[key])
        return np.concatenate(losses)

    return learn


def exponential(steps: int) -> Learn:
    """Averaged with weights that fall by a factor e in so many steps."""
    return averaged(lambda count: max(1 / count, PIECE / steps))


def tail(part: float) -> Learn:
    """Averaged with weights t^(1/part - 1): nearly all on the last `part` of the steps so far."""
    return averaged(lambda count: min(1.0, 1 / (part * count)))


def power_decay(scale: float, exponent: float) -> Learn:
    """Kalman's decay scale / t^exponent, constant over short pieces."""

    def learn(trainer: Trainer, symbols: np.ndarray) -> np.ndarray:
        losses, begin = [], 0
        for piece in pieces(symbols, lambda begin: 1 + int(GROWTH * begin)):
            decay = min(1.0, scale / (begin + len(piece) / 2) ** exponent)
            last, trainer = (
                trainer,
                type(trainer)(
                    trainer.cell, trainer.readout, nbt.Kalman(decay=decay), seed=trainer.seed
                ),
            )
            trainer.load_state_dict(last.state_dict())
            losses.append(trainer.learn(piece))
            begin += len(piece)
        return np.concatenate(losses)

    return learn
