"""One symbol at a time from Python: what a live stream pays for each call."""

import numpy as np
import pytest

import nbt
from bench import trainers

WARM, CALLS_TIMED = 2000, 20_000
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


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("units", [32, 96])
def test_latency(benchmark, symbols, units, every):
    """A call of a live stream: the work of a window falls on its last step, so one call in `every`
    is long. Each call is timed alone."""
    cell, readout = nbt.LSTM(units), nbt.Softmax(trainers.SYMBOLS)
    trainer = nbt.NoBackTrack(cell, readout, every=every)
    stream = iter(symbols(trainers.SYMBOLS, WARM + CALLS_TIMED).tolist())
    for _ in range(WARM):
        trainer.learn(next(stream))
    facts = {"steps": 1, "isa": nbt.build_info()["isa"], "trainer": repr(trainer)}
    benchmark.extra_info |= facts
    benchmark.pedantic(lambda: trainer.learn(next(stream)), rounds=CALLS_TIMED)
    if benchmark.stats:
        times = 1e6 * np.array(benchmark.stats.stats.sorted_data)
        low, median, high, *rest = np.percentile(times, [25, 50, 75, 90, 99]).tolist()
        benchmark.extra_info["microseconds_per_step"] = median
        benchmark.extra_info["quartiles"] = [low, high]
        benchmark.extra_info["percentiles"] = dict(
            zip(("50", "90", "99"), (median, *rest), strict=True)
        )
