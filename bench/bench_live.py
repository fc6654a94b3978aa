"""One symbol at a time from Python: what a live stream pays for each call."""

import numpy as np
import pytest

from bench import trainers

ONE = np.array([5], np.int32)
CALLS = {
    "learn-int": lambda trainer: lambda: trainer.learn(5),
    "learn-array": lambda trainer: lambda: trainer.learn(ONE),
    "observe-int": lambda trainer: lambda: trainer.observe(5),
    "predict": lambda trainer: trainer.predict,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["euclidean", "kalman", "default", "bptt-sgd"])
def test_live(time_steps, name, call):
    trainer = trainers.make(name, 20)
    time_steps(CALLS[call](trainer), 1, trainer=repr(trainer))
