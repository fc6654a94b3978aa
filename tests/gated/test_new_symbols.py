"""Symbols that come later than the network: it learns them, too."""

import numpy as np
import pytest

import nbt

CELLS = [
    *(nbt.LSTM(8), nbt.LSTM(8, norm="rms"), nbt.LSTM(8, coupled=True), nbt.GRU(8), nbt.MGU(8)),
    nbt.LRU(8),
    *(nbt.RNN(8, "tanh"), nbt.LeakyRNN(8, "tanh"), nbt.RNN(8)),
]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_stream_of_new_symbols_alone_is_learned(cell):
    """Of the one symbol that was known none comes: as a text begins, with an alphabet that grows
    from U+FFFD."""
    trainer = nbt.NoBackTrack(cell, nbt.Softmax(1))
    trainer.grow(4)
    losses = trainer.learn(np.tile([1, 2, 3], 1000))
    assert losses[-300:].mean() < 0.2  # a third of the time each: 1.1 without memory


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_it_does_not_matter_how_many_come_at_once(cell):
    states = []
    for steps in ((5,), (2, 5), (2, 3, 4, 5)):
        trainer = nbt.NoBackTrack(cell, nbt.Softmax(1), seed=7)
        for size in steps:
            trainer.grow(size)
        trainer.learn(np.tile([1, 2, 4, 3], 50))
        states.append(trainer.state_dict())
    for other in states[1:]:
        for name, value in states[0].items():
            assert other[name].tobytes() == value.tobytes(), name


def test_weights_of_a_new_symbol_are_as_large_as_others():
    trainer = nbt.NoBackTrack(nbt.GRU(64), nbt.Softmax(3), seed=1)
    before = trainer.state_dict()["cell.r"]
    trainer.grow(6)
    after = trainer.state_dict()["cell.r"]
    assert np.array_equal(after[:, :3], before)
    assert np.array_equal(after[:, 3:] == 0, before == 0)  # what a sum does not see
    assert after[0, 3:].std() == pytest.approx(before[0].std(), rel=0.2)
    assert len(np.unique(after[0])) == 6 * 64
    other = nbt.NoBackTrack(nbt.GRU(64), nbt.Softmax(3), seed=2)
    other.grow(6)
    assert not np.array_equal(other.state_dict()["cell.r"][:, 3:], after[:, 3:])
