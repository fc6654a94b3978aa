"""Numbers at the ends of their range: what is not finite is an error in its own step."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

import nbt

from .checks import Unlike, part, same_bits

KEPT = ("alpha", "count", "tau")  # which have a range of their own


def check_finite(case):
    """Every number of a state is finite after each step that was not refused."""
    rng = random.Random(case.seed)
    arguments = dict(case.arguments)
    if isinstance(arguments["optimizer"], nbt.SGD):
        arguments["optimizer"] = nbt.SGD(10.0 ** rng.uniform(-3, 12))
    trainer = replace(case, arguments=arguments).build()
    enlarge(rng, trainer)
    for k, (verb, form, count, _) in enumerate(case.script):
        if verb not in ("learn", "observe", "pass"):
            continue
        x, y = (far(rng, one, trainer) for one in case.data(k, min(count, 5), trainer))
        for step in range(min(count, 5)):
            try:
                call = trainer.learn if verb == "learn" else trainer.observe
                losses = call(*part(verb, form, x, y, slice(step, step + 1)))
            except nbt.DivergenceError:
                return
            except ValueError as error:
                if "expected finite" not in str(error) and "in [0, 1]" not in str(error):
                    raise
                return
            if losses is not None and np.isinf(losses).any():
                raise Unlike(f"{k} {verb}: a loss of {losses}")
            state = trainer.state_dict()
            bad = [key for key, value in state.items() if not np.isfinite(value).all()]
            if bad:
                raise Unlike(f"{k} {verb}, step {step}: {bad} not finite, and no error")
            trainer.load_state_dict(state)


def check_hostile(case):
    """A state with other arrays in it is refused, changing nothing, or as good as any."""
    rng, trainer = np.random.default_rng(case.seed), case.build()
    for k in range(len(case.script)):
        before = trainer.state_dict()
        state = dict(before)
        for key in rng.choice(sorted(state), 1 + rng.integers(3)):
            state[key] = garbage(rng, state[key])
        try:
            trainer.load_state_dict(state)
        except (TypeError, ValueError):
            same_bits(f"{k}: a state that was refused", before, trainer.state_dict())
            continue
        try:
            for _ in range(2):
                x, y = case.data(k, 5, trainer)
                trainer.learn(x, y)
                trainer.predict(x[0])
                trainer.load_state_dict(trainer.state_dict())
        except nbt.DivergenceError:
            trainer.load_state_dict(before)
        except ValueError as error:  # of what is not finite after all
            raise Unlike(f"{k}: {error}") from None


def garbage(rng, array):
    """An array of the same kind, nearly always of the same shape."""
    shape = array.shape if rng.random() < 0.9 else (*array.shape, 1)
    if array.dtype.kind != "f":
        wide = 10 ** int(rng.integers(1, 5))
        low = 0 if array.dtype.kind == "u" else -2
        return rng.integers(low, wide, shape).astype(array.dtype)
    size = 10.0 ** rng.integers(-12, 12)
    x = rng.choice([size, 1.0, 0.0]) * rng.normal(size=shape)
    return (np.abs(x) if rng.random() < 0.5 else x).astype(array.dtype)


def enlarge(rng, trainer):
    """Some arrays of the state, by as much as their type holds half of."""
    state, top = trainer.state_dict(), 17 if trainer.dtype == "float32" else 140
    reals = [k for k, v in state.items() if v.dtype.kind == "f" and not k.endswith(KEPT)]
    for key in rng.sample(reals, min(len(reals), 2)):
        state[key] = state[key] * 10.0 ** rng.uniform(-top, top)
    trainer.load_state_dict(state)


def far(rng, x, trainer):
    """A block of numbers, some of it far out."""
    top = 36 if trainer.dtype == "float32" else 300
    if x.dtype.kind != "f" or isinstance(trainer.readout, nbt.Bernoulli):
        return x
    return x * 10.0 ** (rng.uniform(-top, top) if rng.random() < 0.3 else 0)
