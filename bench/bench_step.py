"""One step of `learn` in a block: every trainer, three sizes, both number types."""

import pytest

from bench import trainers

CASES = [
    (name, units)
    for name in trainers.TRAINERS
    for units in (20, 128, 512)
    if trainers.affordable(name, units)
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "units"), CASES)
def test_step(time_steps, symbols, name, units, dtype):
    trainer = trainers.make(name, units, dtype)
    block = symbols(trainers.SYMBOLS, trainers.round_steps(name, units))
    time_steps(lambda: trainer.learn(block), len(block), trainer=repr(trainer))
