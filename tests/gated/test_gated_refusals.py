"""What cells with gates, and windows of `every` steps, do not go with is refused by name."""

import warnings

import numpy as np
import pytest
from helpers.refusals import expect

import nbt

METRICS = [
    nbt.Kalman(reduction="diagonal"),
    nbt.Kalman(reduction="block"),
    nbt.Kalman(reduction="full"),
    nbt.Kalman(fisher="exact", outlier=None),
]
WINDOWS = {
    "lstm": lambda optimizer: nbt.NoBackTrack(nbt.LSTM(5), nbt.Softmax(3), optimizer),
    "gru, every=1": lambda o: nbt.NoBackTrack(nbt.GRU(5), nbt.Softmax(3), o, every=1),
    "mgu, rtrl": lambda optimizer: nbt.RTRL(nbt.MGU(5), nbt.Softmax(3), optimizer),
    "lstm, bptt": lambda optimizer: nbt.TruncatedBPTT(nbt.LSTM(5), nbt.Softmax(3), optimizer),
    "rnn": lambda optimizer: nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(3), optimizer, every=3),
    "leaky, rtrl": lambda o: nbt.RTRL(nbt.LeakyRNN(5), nbt.Softmax(3), o, every=3),
}


@pytest.mark.parametrize("optimizer", METRICS, ids=repr)
@pytest.mark.parametrize("name", WINDOWS)
def test_another_metric_is_refused(name, optimizer):
    """It would run by the path for systems, which has no windows."""
    expect(ValueError, "optimizer", lambda: WINDOWS[name](optimizer))


@pytest.mark.parametrize("kind", [nbt.LSTM, nbt.GRU, nbt.MGU, nbt.LRU])
def test_the_longest_memory_has_a_finite_bias(kind):
    """A unit that forgets nothing at all would need an infinite one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer = nbt.NoBackTrack(kind(4, memory=(1e9, 1e9)), nbt.Softmax(2))
        assert np.isfinite(trainer.learn([0, 1] * 20)).all()
    for memory in ((1, 1.1e9), (1, 1e300), (1, float("inf")), (0.5, 2), (1, float("nan"))):
        expect(ValueError, "memory", lambda memory=memory: kind(4, memory=memory))


@pytest.mark.parametrize("rank", [0, 1])
def test_the_memory_of_a_long_window_is_known_before(monkeypatch, rank):
    """What steps are worked with is several times the state that they add."""
    cell, readout, every = nbt.LSTM(64), nbt.Softmax(8), 10_000
    arrays = nbt.NoBackTrack(cell, readout, every=every, rank=rank)._live.learner.arrays
    used = sum(array.nbytes for array in arrays.values())
    monkeypatch.setattr("nbt.trainers.plan.MOST_BYTES", 0.8 * used)
    with pytest.raises(ValueError, match="units and window: a trainer of 64 units, 8 inputs"):
        nbt.NoBackTrack(cell, readout, every=every, rank=rank)


def test_no_room_for_pairs_without_pairs():
    """Each pair has a way back of its own through the window, beside that of the loss."""

    def sizes(rank):
        trainer = nbt.NoBackTrack(nbt.LSTM(5), nbt.Softmax(3), every=3, rank=rank)
        return {name: array.size for name, array in trainer._live.learner.arrays.items()}

    one, two, none = sizes(1), sizes(2), sizes(0)
    for name in ("pushed", "w_new"):
        assert (none[name], two[name]) == (0, 2 * one[name]), name
    for name in ("back", "back_W", "back_r"):
        assert (one[name], two[name]) == (2 * none[name], 3 * none[name]), name
