"""Stopped and gone on with is never stopped, to the bit; and nothing grows."""

import os
import subprocess
import sys
import zlib
from itertools import pairwise

import numpy as np
import pytest

import nbt

CUTS, STEPS = 200, 60


def _run(trainer, x, y, learn):
    """Learns, observing some steps, in blocks of any size."""
    for begin, end, learns in learn:
        verb = trainer.learn if learns else trainer.observe
        args = (x[begin:end],) if y is None else (x[begin:end], y[begin:end])
        verb(*args)


def test_two_hundred_cuts(subject, tmp_path, monkeypatch, assert_same_state):
    """Cut at random places, saved and loaded there, the state at the end has the same bits."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # two hundred of them take seconds
    rng = np.random.default_rng(zlib.crc32(str(subject).encode()))
    form = subject.forms[0]
    x, y = subject.data(STEPS, form=form)
    whole = subject.build()
    edges = [0, 20, 27, STEPS]
    parts = [(a, b, i != 1) for i, (a, b) in enumerate(pairwise(edges))]
    _run(whole, x, y, parts)
    expected = whole.state_dict()
    path = tmp_path / "t"
    for _ in range(CUTS // 5):  # each leg goes on from a file that the one before wrote
        trainer, begin = subject.build(), 0
        for end in [*sorted(rng.integers(0, STEPS + 1, 5).tolist()), STEPS]:
            nbt.Checkpoint(trainer).save(path)
            trainer = nbt.load(path)
            leg = [(max(a, begin), min(b, end), on) for a, b, on in parts]
            _run(trainer, x, y, [one for one in leg if one[0] < one[1]])
            begin = end
        assert_same_state(trainer.state_dict(), expected)
        assert trainer.step == STEPS


@pytest.mark.parametrize("cut", [0, 1, 5, 17, 40])
def test_growing_and_resuming(own_subject, tmp_path, cut, assert_same_state, arguments):
    """A trainer that grows at some step, resumed before or after it."""
    subject = own_subject
    x, y = subject.data(50, form="symbols")

    def grow_at_17(trainer, begin, end):
        for step in range(begin, end):
            if step == 17:
                trainer.grow(9)
            trainer.learn(
                *arguments(x if step != 17 else np.full_like(x, 8), y, slice(step, step + 1))
            )

    whole, first = subject.build(), subject.build()
    grow_at_17(whole, 0, 50)
    grow_at_17(first, 0, cut)
    first.save(tmp_path / "t")
    second = nbt.load(tmp_path / "t")
    grow_at_17(second, cut, 50)
    assert_same_state(second.state_dict(), whole.state_dict())


def test_growing_leaves_what_is_known(symbol_subject):
    subject = symbol_subject
    x, y = subject.data(30)
    trainer = subject.build()
    trainer.learn(*((x,) if y is None else (x, y)))
    before, old = trainer.state_dict(), trainer.readout.symbols
    known = trainer.predict()
    own = trainer.inputs == nbt.Symbols(old)
    trainer.grow(old + 3)
    after, now = trainer.state_dict(), trainer.predict()
    # odds between known symbols are as they were, and a new one has logit 0; counts, which leave
    # something to what was never seen, have a test of their own (test_counts)
    if subject.readout == "softmax":
        np.testing.assert_allclose(now[:old] / now[0], known / known[0], rtol=1e-5)
    assert len({*now[old:].tolist()}) == 1
    for key, value in after.items() if subject.by_units else ():
        where = tuple(slice(0, size) for size in before[key].shape)
        assert value[where].tobytes() == before[key].tobytes(), key
        rest = value.copy()
        rest[where] = 0
        assert not rest.any(), key
    inputs = subject.build().inputs.size
    assert trainer.inputs.size == inputs + 3 * own
    trainer.learn(*((x,) if y is None else (x, y)))
    assert trainer.step == 60


@pytest.mark.parametrize("symbols", [4, 0, -1, 2**30, 2.0, "5", None, True])
def test_growing_refuses(symbols, assert_same_state):
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(5))
    before = trainer.state_dict()
    with pytest.raises((TypeError, ValueError), match="symbols"):
        trainer.grow(symbols)
    assert_same_state(trainer.state_dict(), before)
    assert trainer.readout.symbols == 5


def test_a_step_that_would_wrap_is_refused():
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(5))
    state = trainer.state_dict()
    for step in (2**64 - 1, 2**63):
        with pytest.raises(ValueError, match="step"):
            trainer.load_state_dict({**state, "step": np.uint64(step)})
    trainer.load_state_dict({**state, "step": np.uint64(2**63 - 1)})
    trainer.learn([0, 1, 2])
    assert trainer.step == 2**63 + 2


# ---- nothing grows --------------------------------------------------------------------------

LIVING = """
import os, sys, nbt

folder, steps, units = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def measure():
    return resident(), len(os.listdir("/proc/self/fd"))

stream = nbt.datasets.anbn(1, 32)
trainer = nbt.NoBackTrack(nbt.LeakyRNN(units), nbt.Softmax(3))
seen, due = [], steps // 10

from nbt.checkpoints.runs import Run
with Run(folder) as run:
    def progress(history, row):
        global due
        run.rows(history)
        if row.step >= due:
            run.save(nbt.Checkpoint.of(trainer, stream, history))
            trainer.predict()
            seen.append(measure())
            due = row.step + steps // 50
    nbt.train(trainer, stream, steps=steps, progress=progress, chunk=steps // 100)

warm = seen[len(seen) // 4 :]
sizes, files = [one[0] for one in warm], {one[1] for one in warm}
print(max(sizes) - sizes[0], len(files), len(seen))
"""


def live_long(folder, steps, units):
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("needs /proc")
    done = subprocess.run(
        [sys.executable, "-c", LIVING, str(folder), str(steps), str(units)],
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr
    return map(int, done.stdout.split())


def test_memory_and_descriptors_stay(tmp_path):
    grown, files, looks = live_long(tmp_path / "run", 300_000, 4)
    assert looks > 20
    assert files == 1
    assert grown <= 1 << 20


@pytest.mark.soak
def test_memory_and_descriptors_stay_over_ten_million_steps(tmp_path):
    grown, files, looks = live_long(tmp_path / "run", 10_000_000, 20)
    assert looks > 20
    assert files == 1
    assert grown <= 1 << 20
