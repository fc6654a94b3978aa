"""Threads inside a step: any number gives the bits of one."""

import subprocess
import sys

import numpy as np
import pytest

import nbt

SYMBOLS = 20


def make(rule, threads, units, **choices):
    network = nbt.LeakyRNN(units), nbt.Softmax(SYMBOLS)
    if rule == "rtrl":
        return nbt.RTRL(*network, nbt.SGD(0.1), threads=threads, **choices)
    if rule == "bptt":
        return nbt.TruncatedBPTT(*network, threads=threads, window=4, **choices)
    if rule == "euclidean":
        choices |= {"blocks": 1, "exact_self": False, "norm": "euclidean"}
        return nbt.NoBackTrack(*network, nbt.SGD(0.1), threads=threads, **choices)
    if rule == "paper":
        choices |= {"blocks": 1, "exact_self": False, "norm": "kalman"}
    return nbt.NoBackTrack(*network, threads=threads, **choices)


CASES = [
    ("euclidean", 530, {}),
    ("euclidean", 300, {"rank": 3, "dtype": "float64"}),
    ("paper", 740, {}),
    ("paper", 743, {"rank": 2}),
    ("default", 736, {}),
    ("default", 741, {"blocks": 5, "dtype": "float64"}),
    ("rtrl", 38, {}),
    ("bptt", 740, {}),
]


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize(("rule", "units", "choices"), CASES)
def test_the_bits_of_one_thread(rule, units, choices, threads):
    x = np.random.default_rng(5).integers(0, SYMBOLS, 12)
    alone, together = (make(rule, count, units, **choices) for count in (1, threads))
    np.testing.assert_array_equal(alone.learn(x), together.learn(x))
    np.testing.assert_array_equal(alone.observe(x[:5]), together.observe(x[:5]))
    for key, value in alone.state_dict().items():
        np.testing.assert_array_equal(value, together.state_dict()[key], err_msg=key)


def test_a_checkpoint_knows_no_threads(tmp_path):
    trainer = make("default", 2, 9)
    assert "threads" not in trainer.describe()
    trainer.save(tmp_path / "t")
    assert nbt.load(tmp_path / "t").threads == 1


def test_set_while_it_learns():
    x = np.random.default_rng(5).integers(0, SYMBOLS, 40)
    alone, changed = (make("euclidean", 1, 300) for _ in range(2))
    expected = alone.learn(x)
    losses = [changed.learn(x[:20])]
    changed.threads = 3
    losses.append(changed.learn(x[20:]))
    np.testing.assert_array_equal(np.concatenate(losses), expected)
    for key, value in alone.state_dict().items():
        np.testing.assert_array_equal(value, changed.state_dict()[key], err_msg=key)


def test_copies_take_them_along():
    import copy

    assert copy.deepcopy(make("default", 2, 9)).threads == 2


def test_divergence_in_any_thread_is_seen():
    trainer = nbt.NoBackTrack(
        nbt.RNN(400, "tanh"),
        nbt.Softmax(SYMBOLS),
        nbt.SGD(1e30),
        blocks=1,
        exact_self=False,
        norm="euclidean",
        threads=2,
    )
    with pytest.raises(nbt.DivergenceError):
        trainer.learn(np.random.default_rng(0).integers(0, SYMBOLS, 100))


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_a_forked_child_works_alone():
    """libgomp's threads do not live on in the child of a fork; waiting for them would never end."""
    code = """
import os, warnings, numpy as np, nbt
warnings.simplefilter("ignore")
x = np.random.default_rng(0).integers(0, 20, 20)
make = lambda: nbt.NoBackTrack(nbt.RNN(600), nbt.Softmax(20), threads=2)
expected = make().learn(x)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(make().learn(x), expected) else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(make().learn(x), expected)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("threads", "error"), [(0, ValueError), (257, ValueError), (1.5, TypeError)]
)
def test_a_number_of_threads(threads, error):
    with pytest.raises(error, match="threads"):
        make("default", threads, 5)
