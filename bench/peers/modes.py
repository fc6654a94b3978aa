"""Our own modes against each other and against what the machine allows, as groups of contenders.

What is compared is in one group, and a group is timed in alternation. Everything is float32, one
thread, 64 symbols, unless its name says otherwise. "paper" is rank 1, one block, no exact_self.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

import nbt
from bench.alternate import Contender
from bench.peers import limits
from bench.peers.job import Job

__all__ = ["GROUPS", "Group", "can_thread", "trainer"]

RATE = nbt.SGD(nbt.InverseSqrt(0.03))
LITERAL = nbt.Kalman(outlier=None)
PAPER = {"blocks": 1, "exact_self": False}
DENORMAL = 1e-40
MANY_SYMBOLS = 20_000


@dataclass(frozen=True)
class Group:
    """Contenders timed in alternation. `seconds`: of a block; `share`: of the usual repetitions."""

    make: Callable[[], Iterator[Contender]]
    seconds: float = 0.02
    share: float = 1.0


def trainer(rule: str, units: int, **choices):
    """A new trainer: ``euclidean``, ``kalman`` (the paper's), ``blocks``, ``default``, ``rtrl``."""
    symbols = choices.pop("symbols", 64)
    network = nbt.RNN(units), nbt.Softmax(symbols)
    if rule == "euclidean":
        return nbt.NoBackTrack(*network, RATE, norm="euclidean", **PAPER | choices)
    if rule == "kalman":
        return nbt.NoBackTrack(*network, LITERAL, norm="kalman", **PAPER | choices)
    if rule == "blocks":
        return nbt.NoBackTrack(*network, blocks=16, exact_self=True, **choices)
    if rule == "rtrl":
        return nbt.RTRL(*network, RATE, **choices)
    return nbt.NoBackTrack(*network, **choices)


def learning(name: str, learner, symbols: int = 64, **more) -> Contender:
    """A trainer that learns from symbols, named "nbt, `name`"."""
    stream = Job(1, symbols).stream
    return Contender(f"nbt, {name}", lambda steps: partial(learner.learn, stream(steps)), **more)


def sizes():
    for units in (128, 512):
        for rule in ("kalman", "blocks", "default"):
            yield learning(f"{rule} {units}", trainer(rule, units))


def precisions(units: int):
    for rule in ("euclidean", "kalman", "default"):
        for dtype in ("float32", "float64"):
            yield learning(f"{rule} {units} {dtype}", trainer(rule, units, dtype=dtype))


def ranks():
    for rule in ("kalman", "default"):
        for rank in (1, 2, 4):
            yield learning(f"{rule} 128 rank {rank}", trainer(rule, 128, rank=rank))


def live():
    for rule in ("euclidean", "kalman", "default"):
        learner = trainer(rule, 20)

        def block(steps: int, learner=learner):
            values = Job(1).stream(steps).tolist()

            def run() -> None:
                learn = learner.learn
                for value in values:
                    learn(value)

            return run

        yield Contender(f"nbt, live {rule} 20", block)


def exact():
    yield limits.multiply_adds()
    for units in (20, 64, 256):
        yield learning(f"rtrl {units}", trainer("rtrl", units, symbols=30), 30, steps=1)


def alphabets():
    for units in (20, 128):
        for size in (64, MANY_SYMBOLS):
            learner = trainer("euclidean", units, inputs=nbt.Symbols(size))

            def block(steps: int, learner=learner, size=size):
                return partial(learner.learn, Job(1, size).stream(steps), Job(1).stream(steps))

            yield Contender(f"nbt, {size} input symbols {units}", block)


def large():
    yield limits.read_and_write(4096 * 4097)
    for rule in ("euclidean", "kalman"):
        yield learning(f"{rule} 4096", trainer(rule, 4096), steps=1)


# ---- threads -----------------------------------------------------------------------------------


def can_thread() -> bool:
    """Does this version take a number of threads?"""
    return "threads" in inspect.signature(nbt.NoBackTrack).parameters


def threads():
    if not can_thread() or (os.cpu_count() or 1) < 2:
        return
    for units in (20, 128, 512, 2048):
        for count in (1, 2):
            learner = trainer("euclidean", units, threads=count)
            yield learning(f"euclidean {units} {count} threads", learner, steps=1)


def replicas():
    """Two trainers, one after the other and side by side; a step is one of both."""
    if not hasattr(nbt, "learn_many") or (os.cpu_count() or 1) < 2:
        return
    pair = [trainer("default", 20, seed=seed) for seed in (1, 2)]

    def in_turn(steps: int):
        blocks = [Job(1, 64, seed=seed).stream(steps) for seed in (1, 2)]
        return lambda: [one.learn(block) for one, block in zip(pair, blocks, strict=True)]

    def together(steps: int):
        blocks = [Job(1, 64, seed=seed).stream(steps) for seed in (1, 2)]
        return lambda: nbt.learn_many(pair, blocks, threads=2)

    yield Contender("nbt, replicas in turn", in_turn)
    yield Contender("nbt, replicas together", together)


# ---- denormal numbers --------------------------------------------------------------------------


def tiny_inputs(rule: str):
    """Vectors of ordinary and of denormal numbers."""
    for size in (1.0, DENORMAL):
        learner = trainer(rule, 20, inputs=8)

        def block(steps: int, learner=learner, size=size):
            vectors = size * np.random.default_rng(1).standard_normal((steps, 8))
            return partial(learner.learn, vectors.astype(np.float32), Job(1).stream(steps))

        yield Contender(f"nbt, {rule} inputs of {size:g}", block)


def tiny_states(rule: str):
    """A state as it is after a while, and with its estimate scaled down to denormal numbers."""
    for size in (1.0, DENORMAL):
        learner = trainer(rule, 20)
        learner.learn(Job(1).stream(1000))
        state = learner.state_dict()
        for key in ("estimator.v", "estimator.w", "estimator.d"):
            if key in state:
                state[key] = (size * state[key].astype(float)).astype(np.float32)
        again = partial(learner.load_state_dict, state)
        more = {"steps": 30, "fixed": 20, "reset": again}
        yield learning(f"{rule} state of {size:g}", learner, **more)


def certainty(rule: str):
    """A stream as ever, and one symbol without end: errors, and all that follows them, vanish."""
    yield learning(f"{rule} many symbols", trainer(rule, 20))
    learner = trainer(rule, 20)
    learner.learn(np.zeros(50_000, np.int32))

    def block(steps: int):
        return partial(learner.learn, np.zeros(steps, np.int32))

    yield Contender(f"nbt, {rule} one symbol", block)


def denormals():
    for rule in ("euclidean", "kalman", "default"):
        yield from tiny_inputs(rule)
        yield from tiny_states(rule)
        yield from certainty(rule)


GROUPS = (
    Group(sizes, 0.05),
    Group(partial(precisions, 20)),
    Group(partial(precisions, 128)),
    Group(ranks),
    Group(live),
    Group(exact, share=0.4),
    Group(alphabets),
    Group(large, 0.1),
    Group(threads, 0.05),
    Group(replicas, 0.5),  # a thread takes 1 to 3 ms to start on a virtual machine
    Group(denormals, 0.005),
)
