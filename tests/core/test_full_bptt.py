"""Backpropagation through a whole file: TruncatedBPTT with a window as long as the file.

Its one step goes along the exact gradient of the summed losses, which RTRL adds up forward: with a
rate too small to matter, both move the parameters by the same amount.
"""

import numpy as np
import pytest

import nbt

RATE = 1e-9


@pytest.mark.parametrize("steps", [1, 40, 700])
@pytest.mark.parametrize("cell", [nbt.LeakyRNN(5), nbt.RNN(5, activation="tanh")], ids=str)
def test_a_window_as_long_as_the_file_gives_the_gradient_of_rtrl(cell, steps):
    file = nbt.datasets.anbn(1, 6, seed=1).read(steps)
    optimizer, readout = nbt.SGD(nbt.Constant(RATE)), nbt.Softmax(3)
    moved = []
    for trainer in (
        nbt.TruncatedBPTT(cell, readout, optimizer, window=steps, dtype="float64"),
        nbt.RTRL(cell, readout, optimizer, dtype="float64"),
    ):
        before = trainer.state_dict()
        trainer.learn(file)
        after = trainer.state_dict()
        names = ("cell.b", "cell.W", "cell.r", "readout.b", "readout.W")
        moved.append(np.concatenate([((after[k] - before[k]) / RATE).ravel() for k in names]))
    scale = np.abs(moved[1]).max()
    assert scale > 0.1
    np.testing.assert_allclose(moved[0], moved[1], rtol=0, atol=1e-5 * scale)
