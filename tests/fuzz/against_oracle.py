"""C against the plain NumPy of tests/oracle, a step or two at a time, from the same state."""

from __future__ import annotations

import contextlib
import functools

import numpy as np
import oracle
import oracle.complex_units
import oracle.gated
import oracle.metric
import oracle.optimizer
from helpers.stacked import StackedWindowed
from oracle.windowed import Windowed

import nbt
from nbt.cells import is_gated, layers_of
from nbt.trainers.binding import is_learned

from .cases import CHANGES
from .checks import Unlike, change, part

ORACLES = {"nobacktrack": oracle.NoBackTrack, "rtrl": oracle.RTRL, "bptt": oracle.TruncatedBPTT}
#: Error allowed, relative to the largest entry of an array; where Kalman steps lose digits, more.
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
KALMAN = 300
#: States beyond which slopes are so flat that products of their squares leave the range of numbers,
#: and J / λ beyond which a Kalman step has no digit left.
FLAT = {"float64": 100, "float32": 15}
STEEP = {"float64": 1e10, "float32": 1e4}


def in_range(trainer, state):
    """Is rounding small beside what is compared?"""
    dtype = trainer.dtype
    if not np.abs(state["state.c" if "state.c" in state else "state.h"]).max() <= FLAT[dtype]:
        return False
    optimizers = trainer.optimizer, trainer.readout_optimizer
    for place, name in enumerate(("optimizer.theta.", "optimizer.phi.")):
        if not isinstance(optimizers[place], nbt.Kalman):
            continue
        one = optimizers[place].lambdas(trainer.cell, trainer.readout)[place]
        arrays = [v for k, v in state.items() if k.startswith(name)]
        if max((np.abs(v).max(initial=0) for v in arrays), default=0) / one > STEEP[dtype]:
            return False
    return True


def any_kalman(trainer):
    """Whether θ or φ learns by Kalman steps."""
    return nbt.Kalman in (type(trainer.optimizer), type(trainer.readout_optimizer))


@contextlib.contextmanager
def outlier(trainer):
    """The oracle's κ, which is a constant of its module."""
    before = oracle.optimizer.OUTLIER
    kalman = [
        one for one in (trainer.optimizer, trainer.readout_optimizer) if isinstance(one, nbt.Kalman)
    ]
    value = (kalman[0].outlier if kalman else None) or np.inf
    oracle.optimizer.OUTLIER = oracle.metric.OUTLIER = value
    try:
        yield
    finally:
        oracle.optimizer.OUTLIER = oracle.metric.OUTLIER = before


def described(optimizer, trainer):
    """An optimizer of a dense cell or its readout, as the oracle takes it."""
    if isinstance(optimizer, nbt.SGD):
        return ("sgd", optimizer.schedule)
    if isinstance(optimizer, nbt.Adam):
        return ("adam", optimizer.schedule, optimizer.b1, optimizer.b2)
    first, second = optimizer.lambdas(trainer.cell, trainer.readout)
    if optimizer.shared:
        prior = nbt.optimizers.SHARED_PRIOR
        return ("shared", optimizer.schedule, first / trainer.cell.units, prior)
    return ("kalman", optimizer.schedule, first / trainer.cell.units, second)


def follower(trainer, state, rule):
    """The oracle's trainer of a dense cell, in this state."""
    choices = trainer.form
    if is_gated(trainer.cell) or trainer.form.get("every", 1) > 1:
        if rule == "bptt":
            choices = {"every": trainer.window}
        one = StackedWindowed if isinstance(trainer.cell, nbt.Stack) else Windowed
        unit = unit_of(layers_of(trainer.cell)[0], state)
        kind = functools.partial(one, unit=unit, rule=rule)
    else:
        kind = functools.partial(ORACLES[rule], activation=trainer.cell.activation)
    return kind(
        state,
        units=trainer.cell.units,
        inputs="symbols" if isinstance(trainer.inputs, nbt.Symbols) else "vector",
        optimizer=described(trainer.optimizer, trainer),
        readout_optimizer=described(trainer.readout_optimizer, trainer),
        readout=type(trainer.readout).__name__.lower(),
        missing=trainer.missing,
        **choices,
    )


def unit_of(cell, state):
    """What a unit of the cell does, as the oracle takes it."""
    if isinstance(cell, nbt.LSTM):
        return oracle.gated.LSTM(cell.coupled)
    if isinstance(cell, nbt.LRU):
        return oracle.complex_units.LRU()
    if is_gated(cell):
        return getattr(oracle.gated, type(cell).__name__)()
    return oracle.gated.Leaky(state["cell.alpha"], cell.activation)


def shown(state):
    return {key: value for key, value in state.items() if not key.startswith("waiting.")}


def errors(losses, state, expected_losses, expected):
    """The largest error of each array relative to its largest entry."""
    found = {}
    if losses is not None:
        if (np.isnan(losses) != np.isnan(expected_losses)).any():
            raise Unlike(f"losses {losses}, {expected_losses}")
        wrong = np.abs(losses - expected_losses) / np.maximum(np.abs(expected_losses), 1.0)
        found["loss"] = np.nanmax(wrong, initial=0.0)
    if shown(state).keys() != expected.keys():
        raise Unlike(f"names: {shown(state).keys() ^ expected.keys()}")
    for key, value in expected.items():
        if state[key].shape != value.shape:
            raise Unlike(f"{key}: {state[key].shape}, {value.shape}")
        error = np.abs(state[key].astype(float) - value.astype(float)).max(initial=0.0)
        found[key] = error / max(np.abs(value.astype(float)).max(initial=0.0), 1e-6)
    return found


def jittered(state, dtype, rng):
    """The state moved by a rounding of its numbers: what the outcome may be off by at best."""
    eps = np.finfo(dtype).eps
    return {
        key: value * (1 + eps * rng.uniform(-1, 1, value.shape))
        if value.dtype.kind == "f"
        else value
        for key, value in state.items()
    }


def compare(what, trainer, before, call, rule):
    """The same call of the trainer, in the state `before`, and of the oracle."""
    theirs = follower(trainer, before, rule)
    with np.errstate(all="ignore"):
        expected = call(theirs)
    losses = call(trainer)
    state, dtype = trainer.state_dict(), trainer.dtype
    wrong = errors(losses, state, expected, theirs.state_dict())
    allowed = TOLERANCE[dtype]
    if dtype == "float32" and any_kalman(trainer):
        allowed *= KALMAN
    wrong = {key: error for key, error in wrong.items() if not error <= allowed}
    if not wrong or not in_range(trainer, state):
        return
    for seed in range(3):  # is it more than rounding explains?
        near = follower(trainer, jittered(before, dtype, np.random.default_rng(seed)), rule)
        moved = errors(call(near), near.state_dict(), expected, theirs.state_dict())
        wrong = {key: e for key, e in wrong.items() if not e <= 300 * moved[key]}
        if not wrong:
            return
    raise Unlike(f"{what}: {wrong}")


def check_oracle(case):
    """Does each step of a dense cell do what the oracle does? The first 4 steps of an operation."""
    trainer = case.build()
    if not (trainer._live.plan.as_dense and is_learned(trainer.cell)):
        return False
    if getattr(trainer.inputs, "lags", 1) > 1 or getattr(trainer.readout, "counts", 0):
        return False
    if case.rule == "rtrl" and isinstance(trainer.cell, nbt.Stack):
        return False
    with outlier(trainer):
        for k, (verb, form, count, more) in enumerate(case.script):
            if verb in CHANGES:
                change(trainer, verb, k, more)
            else:
                try:
                    follow(case, trainer, k, verb, form, min(count, 4))
                except nbt.DivergenceError:
                    return True
    return True


def follow(case, trainer, k, verb, form, count):
    x, y = case.data(k, count, trainer)
    x = x.astype(trainer.dtype) if x.dtype.kind == "f" else x
    y = y.astype(trainer.dtype) if y.dtype.kind == "f" else y
    for step in range(count):
        arguments = part(verb, form, x, y, slice(step, step + 1))
        before = trainer.state_dict()
        if not in_range(trainer, before):
            return

        def call(one, arguments=arguments):
            losses = getattr(one, "learn" if verb == "learn" else "observe")(*arguments)
            return None if verb == "pass" else losses

        compare(f"{k} {verb} {form}", trainer, before, call, case.rule)
