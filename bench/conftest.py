"""What every benchmark shares: the result says where it ran, and what one step took."""

from __future__ import annotations

import numpy as np
import pytest

import nbt
from bench import machine


def pytest_benchmark_update_machine_info(config, machine_info) -> None:
    machine_info["nbt"] = nbt.build_info()
    machine_info["versions"] = machine.versions()
    machine_info["processor_name"] = machine.processor()
    machine_info["load_average"] = machine.load()


@pytest.fixture
def symbols():
    """A function (alphabet, steps): a stream in which, as in text, some symbols are rare."""

    def draw(alphabet: int, steps: int) -> np.ndarray:
        odds = 1 / np.arange(1.0, alphabet + 1)
        random = np.random.default_rng(1)
        return random.choice(alphabet, steps, p=odds / odds.sum()).astype(np.int32)

    return draw


@pytest.fixture
def time_steps(benchmark):
    """A function (call, steps, setup, **facts): times `call()`, which takes that many steps."""

    def measure(call, steps: int, setup=None, **facts) -> None:
        for _ in range(2):
            if setup:
                setup()
            call()  # caches filled, first updates over
        benchmark.extra_info |= {"steps": steps, "isa": nbt.build_info()["isa"], **facts}
        if setup:
            benchmark.pedantic(call, setup=setup, rounds=50)
        else:
            benchmark(call)
        if benchmark.stats:
            stats = benchmark.stats.stats
            benchmark.extra_info["microseconds_per_step"] = 1e6 * stats.median / steps
            benchmark.extra_info["quartiles"] = [1e6 * q / steps for q in (stats.q1, stats.q3)]

    return measure


def pytest_terminal_summary(terminalreporter, config) -> None:
    """Microseconds a step, which the table of pytest-benchmark does not know; and of calls that
    were timed one by one, how they are spread."""
    session = getattr(config, "_benchmarksession", None)
    run = session.benchmarks if session else []
    _show_spread(terminalreporter, [b for b in run if "percentiles" in b.extra_info])
    timed = [b for b in run if "microseconds_per_step" in b.extra_info]
    if not timed:
        return
    terminalreporter.section("microseconds a step: median (quartiles)")
    width = max(len(b.name) for b in timed)
    for b in timed:
        info = b.extra_info
        low, high = info["quartiles"]
        terminalreporter.write_line(
            f"{b.name:{width}}  {info['microseconds_per_step']:10.3f}  ({low:.3f}–{high:.3f})"
        )
    terminalreporter.write_line(f"{machine.processor()}, {nbt.build_info()}")


def _show_spread(terminalreporter, timed) -> None:
    if not timed:
        return
    terminalreporter.section("microseconds a call: median, 90th and 99th percentile")
    width = max(len(b.name) for b in timed)
    for b in timed:
        each = "".join(f"{value:10.2f}" for value in b.extra_info["percentiles"].values())
        terminalreporter.write_line(f"{b.name:{width}}{each}")
