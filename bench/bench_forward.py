"""A step that learns nothing: the network alone, the unit of our ratios, and `observe`.

The core has no network without a trainer. Truncated backpropagation that observes fewer steps than
its window has comes closest: nothing is propagated back, only the window is written.
"""

import pytest

import nbt
from bench import trainers

STEPS = 512


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [20, 128, 512])
def test_forward(time_steps, symbols, units, dtype):
    network = nbt.RNN(units), nbt.Softmax(trainers.SYMBOLS)
    trainer = nbt.TruncatedBPTT(*network, window=STEPS + 1, dtype=dtype)
    block, begin = symbols(trainers.SYMBOLS, STEPS), trainer.state_dict()
    time_steps(
        lambda: trainer.observe(block),
        STEPS,
        setup=lambda: trainer.load_state_dict(begin),
        trainer=repr(trainer),
    )


@pytest.mark.parametrize("units", [20, 128, 512])
@pytest.mark.parametrize("name", ["euclidean", "kalman", "default"])
def test_observe(time_steps, symbols, name, units):
    trainer = trainers.make(name, units)
    block = symbols(trainers.SYMBOLS, trainers.round_steps(name, units))
    time_steps(lambda: trainer.observe(block), len(block), trainer=repr(trainer))
