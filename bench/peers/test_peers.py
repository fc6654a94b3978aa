"""Each peer does our job: the same losses, with the same signs, to rounding."""

import importlib

import numpy as np
import pytest

from bench.peers.job import ONLINE, WINDOW, Job, philox_signs

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}  # nats
STEPS = 12 * WINDOW
CASES = [
    ("numpy", "euclidean", "arrays"),
    ("numba", "euclidean", "loops, fastmath"),
    ("numba", "kalman", "loops, fastmath"),
    ("jax", "euclidean", "scan"),
    ("jax", "euclidean", "scan, tuned"),
    ("jax", "kalman", "scan"),
    ("jax", "kalman", "scan, tuned"),
    ("jax", "tbptt", "scan"),
    ("jax", "tbptt", "scan, tuned"),
    ("torch", "tbptt", "eager"),
    ("torch", "tbptt", "compiled"),
]
ONLINE_CASES = [case for case in CASES if case[1] in ONLINE]
WITHOUT_RATE = [case for case in CASES if case[1] != "kalman"]


def make(tool, rule, variant, job):
    """A peer with the job's weights, in the job's number type."""
    pytest.importorskip(tool)
    if tool == "jax":
        importlib.import_module("jax").config.update("jax_enable_x64", job.dtype == "float64")
    peer = importlib.import_module(f"bench.peers.{tool}_peer").RULES[rule][variant]
    return peer(*job.weights(), job.scale, job.seed)


def losses_of_both(case, job, steps=STEPS, blocks=3):
    """Losses (steps,) of the peer, the stream cut into some blocks, and of ours."""
    rule = case[1]
    peer, ours = make(*case, job), job.trainer(rule)
    symbols = job.stream(steps + 1)
    if rule in ONLINE:
        signs = philox_signs(job.seed, steps, job.units, job.dtype)
        arguments, own = (symbols[:-1], signs), (symbols[:-1],)
    else:
        arguments = own = (symbols[:-1], symbols[1:])
    cut = [np.split(a, blocks) for a in arguments]
    theirs = np.concatenate([peer.learn(*block) for block in zip(*cut, strict=True)])
    return theirs, ours.learn(*own)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_losses_are_ours(case, dtype):
    theirs, ours = losses_of_both(case, Job(7, 5, dtype, scale=0.3))
    assert ours.std() > 0.1
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_losses_are_ours_beyond_128_units(case):
    job = Job(130, 64, "float64", scale=0.3 if case[1] == "kalman" else 0.03)
    theirs, ours = losses_of_both(case, job, steps=4 * WINDOW, blocks=2)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE["float64"])


@pytest.mark.parametrize("case", WITHOUT_RATE, ids="-".join)
def test_at_rate_zero_the_losses_are_those_of_observing(case):
    job = Job(6, 9, "float64", scale=0.0)
    symbols = job.stream(STEPS + 1)
    theirs, _ = losses_of_both(case, job)
    trainer = job.trainer(case[1])
    pairs = (symbols[:-1],) if case[1] in ONLINE else (symbols[:-1], symbols[1:])
    ours = trainer.observe(*pairs)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE["float64"])


@pytest.mark.parametrize("case", ONLINE_CASES, ids="-".join)
def test_own_signs_are_drawn_and_matter(case):
    job = Job(7, 5, "float64", scale=0.3)
    symbols = job.stream(STEPS)
    first, again = (make(*case, job).learn(symbols) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for sign in (1.0, -1.0):
        constant = make(*case, job).learn(symbols, np.full((STEPS, job.units), sign))
        assert abs(first - constant).max() > 1e-3
