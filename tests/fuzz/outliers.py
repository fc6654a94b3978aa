"""Series in which a few values are far off: learned as if they had not been."""

from __future__ import annotations

import math
import random

import numpy as np

import nbt

from .checks import Unlike

STEPS, LATE = 2500, 2000


def trainer(rng, dtype):
    rule = rng.choice((nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT))
    optimizer = rng.choice((nbt.SGD(), nbt.Kalman()))
    kind = rng.choice((nbt.RNN, nbt.LeakyRNN))
    more = {"window": 15} if rule is nbt.TruncatedBPTT else {}
    units, seed = rng.choice((5, 8, 20)), rng.randrange(100)
    return lambda: rule(
        kind(units), nbt.Gaussian(1), optimizer, inputs=2, dtype=dtype, seed=seed, **more
    )


def error(make, x, y, clean):
    """Root of the mean squared error of what is predicted late, of a tenth of the steps."""
    model, squares = make(), []
    losses = model.learn(x[:LATE], y[:LATE])
    if not np.isfinite(losses[12:]).all():
        raise Unlike("a loss that is not finite")
    for k in range(LATE, STEPS, 10):
        squares.append((model.predict(x[k])[0, 0] - clean[k]) ** 2)
        model.learn(x[k : k + 10], y[k : k + 10])
    return math.sqrt(np.mean(squares))


def check_outliers(case) -> None:
    """Values of 10³ to 10³⁰, in a target or in a feature, at any place: after 1 000 steps
    and more the error is at most 1.5 times that without them, but for chance."""
    rng, normal = random.Random(case.seed), np.random.default_rng(case.seed)
    x = normal.normal(size=(STEPS, 2)) * 10.0 ** normal.uniform(-3, 6, 2)
    offset, scale = rng.choice((0, 20, 1e9)), 10.0 ** rng.uniform(-2, 3)
    y = offset + scale * (x / x.std(axis=0) @ [0.8, 0.6] + 0.2 * normal.normal(size=STEPS))
    make = trainer(rng, rng.choice(("float32", "float64")))
    off_x, off_y = x.copy(), y.copy()
    off = off_x[:, rng.randrange(2)] if rng.random() < 0.5 else off_y
    place = rng.choice((rng.randrange(10), rng.randrange(LATE - 1000)))
    size = 10.0 ** rng.uniform(3, 30) * rng.choice((-1, 1))
    off[place : place + (rng.choice((1, 2)) if place > 10 else 1)] = size
    usual, found = error(make, x, y, y), error(make, off_x, off_y, y)
    if not found <= 1.5 * usual + 0.05 * scale:
        raise Unlike(f"{size:.3g} at step {place}: an error of {found:.3g}, {usual:.3g} without it")
