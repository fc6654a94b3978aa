"""The same bits for a seed, however the stream is cut and whichever way a step was reached."""

import copy
import hashlib
import itertools
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers.windows import seen_by_gates

import nbt

STEPS = 150  # past the steps at which the core clears what has decayed


def whole(subject, form, **build):
    """Losses and last state of a run in one block."""
    trainer = subject.build(**build)
    x, y = subject.data(STEPS, form=form)
    return trainer.learn(x, y), trainer.state_dict()


def test_a_seed_says_everything(subject, assert_same_state):
    form = subject.forms[0]
    losses, state = whole(subject, form)
    again, state_again = whole(subject, form)
    assert losses.tobytes() == again.tobytes()
    assert_same_state(state, state_again)
    other, state_other = whole(subject, form, seed=12)
    assert (losses[4:] != other[4:]).all()  # before, a window is not yet full
    drawn = [key for key in state if key.startswith("cell.") and key.endswith((".W", ".r"))]
    for key in drawn[:1]:  # W; r where units do not see each other
        seen = seen_by_gates(subject.build(), key)
        assert (state[key] != state_other[key])[seen].all()


@pytest.mark.parametrize("cutting", ["ints", "ones", "halves", "random", "lists", "with looks"])
def test_every_cutting(subject, cutting, arguments, assert_same_state):
    rng = np.random.default_rng(21)
    for form in subject.forms:
        expected, state = whole(subject, form)
        trainer = subject.build()
        x, y = subject.data(STEPS, form=form)
        if cutting == "ints":  # single symbols as int, single vectors as (m,)
            pieces = list(range(STEPS))
        elif cutting in ("random", "lists"):
            edges = [0, 0, *sorted(rng.integers(0, STEPS, 20)), STEPS, STEPS]
            pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
        else:
            size = STEPS // 2 if cutting == "halves" else 1
            pieces = [slice(a, a + size) for a in range(0, STEPS, size)]
        losses = []
        for piece in pieces:
            block = arguments(x, y, piece)
            if cutting == "ints":
                block = [part.item() if part.ndim == 0 else part for part in block]
            elif cutting == "lists":
                block = [
                    part if part.ndim == 2 and not len(part) else part.tolist() for part in block
                ]
            elif cutting == "with looks":
                trainer.state_dict()
                trainer.predict()
                trainer.predict(block[0])
            losses.append(trainer.learn(*block))
        assert np.concatenate(losses).tobytes() == expected.tobytes()
        assert_same_state(trainer.state_dict(), state)


def by_state_dict(trainer, subject, tmp_path):
    other = subject.build(seed=999)
    other.learn(*subject.data(5))
    other.load_state_dict(trainer.state_dict())
    return other


def by_pickle(trainer, subject, tmp_path):
    return pickle.loads(pickle.dumps(trainer))


def by_deepcopy(trainer, subject, tmp_path):
    return copy.deepcopy(trainer)


def by_copy(trainer, subject, tmp_path):
    return copy.copy(trainer)


def by_checkpoint(trainer, subject, tmp_path):
    trainer.save(tmp_path / "trainer.safetensors")
    return nbt.load(tmp_path / "trainer.safetensors")


@pytest.mark.parametrize(
    "way", [by_state_dict, by_pickle, by_deepcopy, by_copy, by_checkpoint], ids=lambda f: f.__name__
)
def test_every_way_on(subject, way, arguments, assert_same_state, tmp_path):
    """Stopped at random steps and taken up by another trainer; learning and observing by turns."""
    rng = np.random.default_rng(22)
    for form in subject.forms:
        x, y = subject.data(STEPS, form=form)
        edges = [0, *sorted(rng.choice(np.arange(1, STEPS), 3, replace=False)), STEPS]
        pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
        straight, stopped = subject.build(), subject.build()
        for k, piece in enumerate(pieces):
            verb = "observe" if k == 2 else "learn"
            block = arguments(x, y, piece)
            expected = getattr(straight, verb)(*block)
            assert getattr(stopped, verb)(*block).tobytes() == expected.tobytes()
            successor = way(stopped, subject, tmp_path)
            assert successor is not stopped
            assert_same_state(successor.state_dict(), straight.state_dict())
            stopped.learn(*arguments(x, y, slice(0, 3)))  # the successor is on its own
            stopped = successor


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_both_forms_are_one_loop(rule):
    """A symbol's transition and the next one's loss are a pair: entered at another point."""
    x = np.random.default_rng(24).integers(0, 5, STEPS)
    symbols = rule(nbt.LeakyRNN(7), nbt.Softmax(5))
    symbols.learn(x)
    pairs = copy.copy(symbols)
    losses = symbols.observe(x)
    assert pairs.observe(x[:-1], x[1:]).tobytes() == losses[1:].tobytes()


SCRIPT = """
import hashlib, os, sys
import numpy as np
import nbt

def digest():
    total = hashlib.sha256()
    for rule in (nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT):
        for dtype in ("float32", "float64"):
            trainer = rule(nbt.LeakyRNN(20), nbt.Softmax(5), nbt.Kalman(), dtype=dtype, seed=7)
            total.update(trainer.learn(np.random.default_rng(8).integers(0, 5, 200)).tobytes())
            state = trainer.state_dict()
            for key in sorted(state):
                total.update(state[key].tobytes())
    return total.hexdigest()
"""


def in_process():
    space = {}
    exec(SCRIPT, space)
    return space["digest"]()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_and_number_of_threads(threads):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT + "print(digest())"],
        check=True,
        text=True,
        capture_output=True,
        timeout=60,
        env=os.environ | {"OMP_NUM_THREADS": threads},
    )
    assert result.stdout.strip() == in_process()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_fork():
    """The child learns the same and does not hang."""
    forking = """
reader, writer = os.pipe()
digest()
if os.fork() == 0:
    os.write(writer, digest().encode())
    os._exit(0)
os.wait()
print(os.read(reader, 1000).decode())
"""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT + forking],
        check=True,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert result.stdout.strip() == in_process()


def test_where_the_data_lies_does_not_matter():
    """Blocks at odd addresses, strided, reversed, in the other byte order."""
    rng = np.random.default_rng(23)
    y = rng.integers(0, 5, 40).astype(np.int32)
    x = rng.normal(size=(40, 3))
    memory = np.zeros(40 * 3 * 8 + 1, np.uint8)[1:]
    odd = memory.view(np.float64).reshape(40, 3)
    odd[:] = x
    backwards = x[::-1].copy()[::-1]
    columns = np.asfortranarray(x)
    digests = set()
    for data in (x, odd, backwards, columns, x.astype(">f8")):
        trainer = nbt.RTRL(nbt.RNN(6), nbt.Softmax(5), inputs=nbt.Vector(3, False), dtype="float64")
        digests.add(hashlib.sha256(trainer.learn(data, y).tobytes()).hexdigest())
    assert len(digests) == 1


def test_a_zero_has_no_sign(assert_same_state):
    """Without a recurrent weight a pair is dropped at each step, what it had being times 0."""
    trainers = [
        nbt.NoBackTrack(
            nbt.RNN(5), nbt.Softmax(3), nbt.SGD(0.0), inputs=nbt.Symbols(7), blocks=2,
            exact_self=False, norm="euclidean",
        )
        for _ in range(2)
    ]  # fmt: skip
    x, y = np.random.default_rng(0).integers(0, 3, (2, 8))
    for trainer in trainers:
        state = trainer.state_dict()
        trainer.load_state_dict(state | {"cell.W": 0 * state["cell.W"]})
    whole, cut = trainers
    whole.learn(x, y)
    for step in zip(x, y, strict=True):
        cut.learn(*step)
        cut.load_state_dict(cut.state_dict())
    assert_same_state(whole.state_dict(), cut.state_dict())


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("norm", ["kalman", "fisher"])
def test_norms_of_a_state_that_was_loaded(norm, rank, assert_same_state):
    """Inputs come first, so that a step begins with norms: of the step before, or made anew."""
    whole, cut = (
        nbt.NoBackTrack(
            nbt.RNN(18, "tanh"), nbt.Softmax(3), inputs=nbt.Symbols(16), rank=rank, blocks=2,
            exact_self=False, norm=norm, seed=1,
        )
        for _ in range(2)
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 16, 60), rng.integers(0, 3, 60)
    losses = whole.learn(x, y)
    for t in range(60):
        assert cut.learn(x[t], y[t]) == losses[t]
        cut.load_state_dict(cut.state_dict())
    assert_same_state(whole.state_dict(), cut.state_dict())
