"""What must hold of any case: the same bits, however the script is cut and what is looked at."""

from __future__ import annotations

import copy
import os
import pickle
import random
import tempfile

import numpy as np

import nbt
from nbt.trainers.binding import is_learned

from .cases import CHANGES


class Unlike(AssertionError):  # noqa: N818
    """Two ways that must come to the same do not."""


def same_bits(what, a, b):
    """Two state_dicts, or two arrays, are the same to the bit."""
    if isinstance(a, dict):
        if a.keys() != b.keys():
            raise Unlike(f"{what}: {sorted(a.keys() ^ b.keys())}")
        for key in a:
            same_bits(f"{what}: {key}", a[key], b[key])
        return
    a, b = np.asarray(a), np.asarray(b)
    if (a.dtype, a.shape) != (b.dtype, b.shape) or a.tobytes() != b.tobytes():
        far = "" if a.shape != b.shape else f", off by {np.nanmax(np.abs(a - b), initial=0)}"
        raise Unlike(f"{what}: {a.dtype} {a.shape}, {b.dtype} {b.shape}{far}")


def part(verb, form, x, y, steps):
    """Arguments of a verb for some of the steps."""
    if verb == "pass":
        return x[steps], ...
    return (y[steps],) if form == "own" else (x[steps], y[steps])


def play(case, trainer, k, steps=None, dress=None):
    """Operation k of the script, or some of its steps; what it returned."""
    verb, form, count, more = case.script[k]
    if verb in CHANGES:
        return change(trainer, verb, k, more)
    x, y = case.data(k, count, trainer)
    call = trainer.learn if verb == "learn" else trainer.observe
    arguments = part(verb, form, x, y, slice(None) if steps is None else steps)
    if dress is not None:
        arguments = [one if one is ... else dress(one) for one in arguments]
    return call(*arguments)


def change(trainer, verb, k, more):
    """Operation k of the script, if it takes no steps."""
    if verb == "reset":
        trainer.reset_state()
    elif verb == "grow":
        grow(trainer, more)
    elif verb == "edit":
        edit(trainer, k)
    else:
        trainer.flush()


def dressed(rng, x):
    """The same numbers as another kind of object."""
    kind = rng.choice(("plain", "strided", "list", "bare", "swapped", "fixed", "small"))
    if kind == "strided":
        return np.repeat(x, 2, axis=0)[::2]
    if kind == "list" and len(x):
        return x.tolist()
    if kind == "bare" and len(x) == 1:  # a step without its axis; numbers of Python's
        return x[0].tolist()
    if kind == "swapped":
        return x.astype(x.dtype.newbyteorder())
    if kind == "fixed":
        x.flags.writeable = False
    if kind == "small" and x.dtype.kind == "i":
        return x.astype(np.uint8)
    return np.asfortranarray(x) if kind == "small" else x


def grow(trainer, more):
    """By as much as is allowed: outputs, or else inputs."""
    readout, inputs, cell = trainer.readout, trainer.inputs, trainer.cell
    if isinstance(cell, nbt.System) or not (trainer.optimizer.plain and is_learned(cell)):
        return
    if isinstance(readout, nbt.Softmax):
        trainer.grow(readout.symbols + more)
    elif isinstance(inputs, nbt.Vector) and inputs != readout.targets:
        trainer.grow(inputs=inputs.size + more)


def edit(trainer, k):
    """Another number in one of the arrays."""
    state = trainer.state_dict()
    keys = [key for key in sorted(state) if key.startswith(("cell.r", "readout.W", "estimator.w"))]
    if keys:
        state[keys[k % len(keys)]].ravel()[:1] += 0.25
        trainer.load_state_dict(state)


# ---- what changes nothing ------------------------------------------------------------------------


def moved(trainer):
    """The same state in another trainer."""
    other = type(trainer)(**arguments_of(trainer))
    other.load_state_dict(trainer.state_dict())
    return other


def arguments_of(trainer):
    names = ("cell", "readout", "optimizer", "readout_optimizer", "inputs")
    names += ("dtype", "seed", "threads", "missing")
    choices, fast = trainer.form.items(), trainer._live.plan.as_dense
    own = {k: v for k, v in choices if fast or k not in ("blocks", "exact_self", "window")}
    if isinstance(trainer, nbt.TruncatedBPTT):
        own["window"] = trainer.window
    return {name: getattr(trainer, name) for name in names} | own


def saved(trainer):
    if isinstance(trainer.cell, nbt.System):
        return moved(trainer)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trainer")
        trainer.save(path)
        return nbt.load(path)


def threaded(rng, trainer):
    trainer.threads = rng.choice((1, 2, 3))


def reload(trainer):
    trainer.load_state_dict(trainer.state_dict())


def next_input(rng, trainer, steps=None):
    x = [[0.25 * rng.random() for _ in range(trainer.inputs.size)] for _ in range(steps or 1)]
    if isinstance(trainer.inputs, nbt.Symbols):
        x = [rng.randrange(trainer.inputs.size) for _ in range(steps or 1)]
    return np.array(x if steps else x[0])


def refused(rng, trainer):
    """A call that is not allowed."""
    bad = [lambda: trainer.learn("text"), lambda: trainer.learn([[[1.0]]], [[[1.0]]])]
    x = next_input(rng, trainer, 3)
    if isinstance(trainer.readout, nbt.Softmax):
        symbols = trainer.readout.symbols
        bad += [lambda: trainer.learn(x, [0, symbols, 0]), lambda: trainer.learn(x, [0, 0, -1])]
        bad += [lambda: trainer.observe(x, [0, 0])]
    else:
        bad += [lambda: trainer.learn(x, np.full((3, trainer.readout.targets.size), np.inf))]
    bad += [lambda: trainer.load_state_dict({})]
    bad += [lambda: trainer.load_state_dict(trainer.state_dict() | {"step": -1})]
    bad += [lambda: trainer.load_state_dict(trainer.state_dict() | {"state.h": np.zeros(99)})]
    call = rng.choice(bad)
    try:
        call()
    except (TypeError, ValueError):
        return
    raise Unlike("a call that should have been refused was not")


def quiet(rng, trainer):
    """Something that changes nothing that counts; the trainer to go on with."""
    does = rng.choice(QUIET)
    before = trainer.state_dict() if does is not None and rng.random() < 0.5 else None
    if does is refused:
        refused(rng, trainer)
    elif does in (predicted, looked, followed, threaded):
        does(rng, trainer)
    elif does is not None:
        trainer = does(trainer) or trainer
    if before is not None:
        same_bits(f"after {getattr(does, '__name__', does)}", before, trainer.state_dict())
    return trainer


def predicted(rng, trainer):
    trainer.predict()
    trainer.predict(next_input(rng, trainer))


def followed(rng, trainer):
    x = next_input(rng, trainer, 3)
    if rng.random() < 0.5 and trainer.inputs != trainer.readout.targets:
        trainer.simulate(3, paths=2, x=x)
    along = trainer.predict_along(x)
    same_bits("predict_along", along[0], trainer.predict(x[0]))


def looked(rng, trainer):
    trainer.state_dict()
    if not isinstance(trainer, nbt.TruncatedBPTT) and is_learned(trainer.cell):
        trainer.influence()
    repr(trainer)


def pickled(trainer):
    if not isinstance(trainer.cell, nbt.System):
        return pickle.loads(pickle.dumps(trainer))
    return None


QUIET = (predicted, looked, followed, reload, moved, copy.copy, pickled, saved, threaded,
         refused, None)  # fmt: skip


# ---- the check -----------------------------------------------------------------------------------


def cuts(rng, count):
    """Where a block is cut."""
    at = sorted(rng.sample(range(1, count), min(count - 1, rng.randint(0, 3)))) if count > 1 else []
    return [slice(a, b) for a, b in zip([0, *at], [*at, count], strict=True)]


def check_bits(case):
    """The script in whole blocks, and again cut, with all that changes nothing in between."""
    rng = random.Random(case.seed)
    whole, cut = case.build(), case.build(threads=1)
    for k, (verb, _, count, _) in enumerate(case.script):
        try:
            expected = play(case, whole, k)
        except nbt.DivergenceError as error:
            diverges_alike(case, cut, k, error)
            return
        if verb in CHANGES:
            play(case, cut, k)
        else:
            got = []
            for steps in cuts(rng, count):
                got.append(play(case, cut, k, steps, lambda x: dressed(rng, x)))
                cut = quiet(rng, cut)
            if verb != "pass":
                same_bits(f"losses of {k} {verb}", expected, np.concatenate(got))
        if rng.random() < 0.3:
            same_bits(f"after {k} {verb}", whole.state_dict(), cut.state_dict())
    same_bits("in the end", whole.state_dict(), cut.state_dict())


def diverges_alike(case, trainer, k, error):
    try:
        verb, _, count, _ = case.script[k]
        for s in range(1 if verb in CHANGES else count):
            play(case, trainer, k, slice(s, s + 1))
    except nbt.DivergenceError as other:
        if other.step != error.step:
            raise Unlike(f"diverged at step {error.step}, cut at {other.step}") from None
        return
    raise Unlike(f"diverged at step {error.step}, not where it is cut")
