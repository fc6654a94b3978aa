"""Online EM: one symbol, by number of states and kind of statistics."""

import pytest

import nbt

STEPS = 100


@pytest.mark.parametrize("statistics", ["exact", "rank-one", "filtered"])
@pytest.mark.parametrize("states", [4, 32])
def test_hmm(time_steps, symbols, states, statistics):
    model = nbt.HMM(states, 16, statistics=statistics)
    block = symbols(16, STEPS)
    time_steps(lambda: model.learn(block), STEPS, model=repr(model))
