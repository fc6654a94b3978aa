"""A trainer in several threads: one plays the script, others look and exchange its learner."""

from __future__ import annotations

import copy
import random
import sys
import threading
from dataclasses import replace

import nbt

from .cases import CHANGES
from .checks import Unlike, next_input, play, same_bits, threaded

LOOKERS = 2
TIMES = 4  # as many steps as in the case: so that there is time to look between two


def check_threads(case):
    """The losses and the end are those of one thread. What others see is what there was: of
    predictions, after some step; of states, after some operation, never amid one."""
    longer = tuple((verb, form, TIMES * count, more) for verb, form, count, more in case.script)
    case, losses, states, predictions = alone(replace(case, script=longer))
    trainer, stop, wrong = case.build(), threading.Event(), []
    present = threading.Barrier(LOOKERS + 1)

    def looker(number):
        rng = random.Random(LOOKERS * case.seed + number)
        present.wait()
        try:
            while not stop.is_set():
                look(rng, trainer, states, predictions)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=looker, args=(k,), daemon=True) for k in range(LOOKERS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        present.wait()
        got = [play(case, trainer, k) for k in range(len(case.script))]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    if wrong:
        raise wrong[0]
    for k, (one, other) in enumerate(zip(losses, got, strict=True)):
        if one is not None:
            same_bits(f"losses of {k} {case.script[k][0]}", one, other)
    if mark(trainer.state_dict()) not in states[-1:]:
        raise Unlike("another state in the end")


def alone(case):
    """The case as far as it does not diverge; its losses, states after each operation, and
    predictions after each step."""
    whole, steps, losses = case.build(), case.build(), []
    states, predictions = [mark(whole.state_dict())], {steps.predict().tobytes()}
    for k, (verb, _, count, _) in enumerate(case.script):
        try:
            losses.append(play(case, whole, k))
        except nbt.DivergenceError:
            return replace(case, script=case.script[:k]), losses, states, predictions
        if verb in CHANGES:
            play(case, steps, k)
            predictions.add(steps.predict().tobytes())
        else:
            for s in range(count):
                play(case, steps, k, slice(s, s + 1))
                predictions.add(steps.predict().tobytes())
        losses[-1] = None if verb in (*CHANGES, "pass") else losses[-1]
        states.append(mark(whole.state_dict()))
    return case, losses, states, predictions


def mark(state):
    """A state as one value, to be found among others."""
    return tuple((key, state[key].shape, state[key].tobytes()) for key in sorted(state))


def look(rng, trainer, states, predictions):
    """Something that another thread may do at any time."""
    kind = rng.choice(("predict", "predict", "predict", "state", "copy", "threads", "along"))
    if kind == "predict":
        if trainer.predict().tobytes() not in predictions:
            raise Unlike("a prediction of no step")
    elif kind == "along":
        inputs = trainer.inputs
        try:
            trainer.predict_along(next_input(rng, trainer, 2))
        except ValueError:
            if trainer.inputs == inputs:  # it has not grown meanwhile
                raise
    elif kind == "threads":
        threaded(rng, trainer)
    else:
        seen = trainer if kind == "state" else copy.copy(trainer)
        if mark(seen.state_dict()) not in states:
            raise Unlike(f"a state ({kind}) of no moment between two calls")
