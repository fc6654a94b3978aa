"""Trainers side by side learn what they learn one after another."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import nbt


def build(seed, **choices):
    return nbt.NoBackTrack(nbt.LeakyRNN(5), nbt.Softmax(4), seed=seed, **choices)


def chunk(seed, steps):
    return np.random.default_rng(seed).integers(0, 4, steps)


@pytest.mark.parametrize("threads", [1, 2, 7, None])
def test_the_same_bits(threads):
    steps = (3000, 1, 0, 700, 5000)
    chunks = [chunk(seed, count) for seed, count in enumerate(steps)]
    together = [build(seed) for seed in range(5)]
    losses = nbt.learn_many(together, chunks, threads=threads)
    for seed, (loss, trainer) in enumerate(zip(losses, together, strict=True)):
        alone = build(seed)
        np.testing.assert_array_equal(loss, alone.learn(chunks[seed]))
        for key, value in alone.state_dict().items():
            np.testing.assert_array_equal(trainer.state_dict()[key], value, err_msg=key)


def test_pairs_of_inputs_and_targets():
    x, y = np.random.default_rng(0).normal(size=(900, 2)), chunk(1, 900)
    first, second = build(0, inputs=2), build(1)
    losses = nbt.learn_many([first, second], [(x, y), y])
    np.testing.assert_array_equal(losses[0], build(0, inputs=2).learn(x, y))
    np.testing.assert_array_equal(losses[1], build(1).learn(y))


def test_one_that_fails_does_not_stop_the_others():
    good, bad = build(0), build(1)
    with pytest.raises(ValueError, match=r"x: expected symbols in \[0, 4\), got 9"):
        nbt.learn_many([bad, good], [[1, 9], chunk(0, 600)])
    assert (bad.step, good.step) == (0, 600)


def test_nothing_to_do():
    assert nbt.learn_many([], []) == []


@pytest.mark.parametrize(
    ("count", "threads", "error", "message"),
    [
        (1, None, ValueError, "chunks: expected 2, one a trainer, got 1"),
        (2, 0.5, TypeError, "threads"),
        (2, -1, ValueError, "threads"),
    ],
)
def test_bad_arguments(count, threads, error, message):
    trainers = [build(0), build(1)]
    with pytest.raises(error, match=message):
        nbt.learn_many(trainers, [[1, 2]] * count, threads=threads)
    assert [trainer.step for trainer in trainers] == [0, 0]


def test_what_is_no_trainer():
    for trainers, chunks, words in (
        (build(0), [[0]], "trainers: expected a sequence of trainers, got NoBackTrack"),
        ([build(0), 3], [[0], [1]], r"trainers\[1\]: expected a trainer, got 3"),
        ([build(0)], None, "chunks: expected a sequence of chunks, got None"),
    ):
        with pytest.raises(TypeError, match=words):
            nbt.learn_many(trainers, chunks)


def test_one_trainer_twice():
    trainer = build(0)
    with pytest.raises(ValueError, match="one of them twice"):
        nbt.learn_many([trainer, trainer], [[1], [2]])
    assert trainer.step == 0


def test_ctrl_c_is_heard():
    trainers, many = [build(0), build(1)], chunk(0, 30_000_000)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        nbt.learn_many(trainers, [many, many], threads=2)
    assert time.perf_counter() - start < 2
    assert all(0 < trainer.step < 30_000_000 for trainer in trainers)


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda x: np.where(np.arange(len(x)) == 900, 77, x), ValueError, "77 at position 900"),
        (lambda x: np.ma.array(x, mask=np.arange(len(x)) == 900), TypeError, "x: .*mask"),
        (lambda x: (x, x[:900]), ValueError, "y: expected 1000 targets, one for each x, got 900"),
        (lambda x: (x[:900], x), ValueError, "y: expected 900 targets, one for each x, got 1000"),
    ],
)
@pytest.mark.parametrize("cell", [nbt.RNN(4), nbt.LSTM(4)], ids=str)
def test_a_refused_chunk_is_refused_as_a_whole(cell, spoil, error, words, assert_same_state):
    """However late in it the fault is; with windows and counts, too."""
    readout = nbt.Softmax(3, counts=2, counts_memory=4096)
    bad, good = (nbt.NoBackTrack(cell, readout, rank=1) for _ in range(2))
    x = np.random.default_rng(0).integers(0, 3, 1000)
    bad.learn(x[:33]), good.learn(x[:33])
    before = bad.state_dict()
    with pytest.raises(error, match=words):
        nbt.learn_many([bad, good], [spoil(x), x])
    assert_same_state(bad.state_dict(), before)
    assert good.step == 1033
    good.load_state_dict(before)
    assert bad.learn(x).tobytes() == good.learn(x).tobytes()
