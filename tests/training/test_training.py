"""The loop, with a trainer whose losses are known."""

import inspect
import math
import os
import signal
import threading
import time

import numpy as np
import pytest

import nbt
from nbt import datasets, streams
from nbt.divergence import DivergenceError
from nbt.errors import DataError
from nbt.training.history import History
from nbt.training.loop import PACE, train

MAIN = threading.current_thread() is threading.main_thread()


class Counting:
    """The loss of step t is t nats; remembers what it was given."""

    def __init__(self, delay=0.0, diverge_at=None):
        self.step = 0
        self.chunks = []
        self.delay, self.diverge_at = delay, diverge_at

    def learn(self, chunk):
        self.chunks.append(chunk)
        if self.diverge_at is not None and self.step + len(chunk) > self.diverge_at:
            raise DivergenceError(
                f"the loss is not finite at step {self.diverge_at}", self.diverge_at
            )
        time.sleep(self.delay * len(chunk))
        losses = np.arange(self.step, self.step + len(chunk), dtype=np.float64)
        self.step += len(chunk)
        return losses


def average_bits(steps):
    return (steps - 1) / 2 / math.log(2)


@pytest.mark.parametrize("chunk", [None, 1, 7, 1000])
@pytest.mark.parametrize("steps", [1, 5, 64, 1000])
def test_exact_steps(steps, chunk):
    trainer = Counting()
    history = train(trainer, datasets.anbn(1, 5), steps=steps, chunk=chunk)
    assert trainer.step == steps
    assert history.stopped == "steps"
    assert all(len(b) <= (chunk or steps) for b in trainer.chunks)
    expected = [2**k for k in range(11) if 2**k <= steps]
    assert history.step.tolist() == expected + [steps] * (expected[-1] != steps)
    np.testing.assert_allclose(history.average_bits, [average_bits(s) for s in history.step])
    learned = np.concatenate(trainer.chunks)
    assert learned.tolist() == datasets.anbn(1, 5).read(steps).tolist()


def test_older_names_of_arguments_warn():
    trainer, stream = Counting(), datasets.anbn(1, 5)
    with pytest.warns(DeprecationWarning, match="train: block= is chunk= now") as caught:
        history = train(trainer, stream, steps=20, block=3)
    assert caught[0].filename == __file__
    assert history.step[-1] == 20
    assert max(map(len, trainer.chunks)) == 3
    with pytest.raises(TypeError, match="block= is the older name of chunk=; expected one"):
        train(trainer, stream, steps=20, block=3, chunk=3)
    with (
        pytest.warns(DeprecationWarning, match="block= is"),
        pytest.raises(ValueError, match="chunk: expected an integer"),
    ):
        train(trainer, stream, steps=20, block=0)
    with pytest.warns(DeprecationWarning, match="learn_many: blocks= is chunks= now"):
        (losses,) = nbt.learn_many([trainer], blocks=[[0, 1]])
    assert losses.tolist() == [20.0, 21.0]
    assert "block" not in inspect.signature(train).parameters


def test_second_call_goes_on_in_the_stream():
    trainer, stream = Counting(), datasets.anbn(1, 5)
    train(trainer, stream, steps=100)
    history = train(trainer, stream, steps=30)
    assert (trainer.step, stream.position) == (130, 130)
    assert history.step.tolist() == [1, 2, 4, 8, 16, 30]


def test_to_the_end():
    trainer = Counting()
    history = train(trainer, streams.symbols(np.zeros(777, int)))
    assert (trainer.step, history.stopped, history.step[-1]) == (777, "end", 777)
    history = train(trainer, streams.symbols([0, 1]), steps=5)
    assert (history.stopped, history.step[-1]) == ("end", 2)


def test_seconds():
    for delay in (0.0, 1e-4, 0.01):
        begun = time.perf_counter()
        history = train(Counting(delay), datasets.anbn(1, 5), seconds=0.5)
        took = time.perf_counter() - begun
        assert history.stopped == "seconds"
        assert 0.5 <= took < 5  # 0.6 on a machine that does nothing else
        assert history.seconds[-1] <= took
        assert (np.diff(history.seconds) >= 0).all()


def test_chunks_take_little_time():
    trainer = Counting(delay=1e-3)
    train(trainer, datasets.anbn(1, 5), steps=400)
    assert 4 <= max(map(len, trainer.chunks)) <= 100
    trainer = Counting()
    train(trainer, datasets.anbn(1, 5), steps=300_000)
    assert max(map(len, trainer.chunks)) > 1000


def test_progress_sees_every_chunk():
    trainer, rows = Counting(), []

    def progress(history, row):
        rows.append(row)
        assert history.live() == row
        assert len(history) == row.step.bit_length()

    train(trainer, datasets.anbn(1, 5), steps=100, chunk=10, progress=progress)
    assert [row.step for row in rows] == np.cumsum([len(b) for b in trainer.chunks]).tolist()
    assert rows[-1].average_bits == pytest.approx(average_bits(100))


def test_divergence_carries_the_history():
    with pytest.raises(DivergenceError, match="step 50") as error:
        train(Counting(diverge_at=50), datasets.anbn(1, 5), steps=1000, chunk=8)
    history = error.value.history
    assert error.value.step == 50
    assert history.stopped == "divergence"
    assert 42 < history.step[-1] <= 50
    assert history.average_bits[-1] == pytest.approx(average_bits(history.step[-1]))


def test_bad_data_carries_the_history(tmp_path):
    (tmp_path / "f").write_text("ababx")
    trainer = Counting()
    with pytest.raises(DataError, match="'x'") as error:
        train(trainer, streams.text(tmp_path / "f", "ab"))
    assert trainer.step == 4
    assert (error.value.history.step[-1], error.value.history.stopped) == (4, "error")


@pytest.mark.skipif(not MAIN or os.name == "nt", reason="needs signals")
def test_interrupt_waits_for_the_chunk():
    class Interrupted(Counting):
        def learn(self, chunk):
            losses = super().learn(chunk)
            if self.step > 20:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)  # the handler has run
            return losses

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    trainer = Interrupted()
    with pytest.raises(KeyboardInterrupt) as error:
        train(trainer, datasets.anbn(1, 5), steps=1000, chunk=10)
    history = error.value.history
    assert history.stopped == "interrupt"
    assert trainer.step == history.step[-1] > 20  # the chunk in which it came counts
    assert history.average_bits[-1] == pytest.approx(average_bits(trainer.step))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(not MAIN or os.name == "nt", reason="needs signals")
def test_second_interrupt_does_not_wait():
    class Hanging(Counting):
        def learn(self, chunk):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
            pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        train(Hanging(), datasets.anbn(1, 5), steps=1000)


@pytest.mark.skipif(not MAIN or os.name == "nt", reason="needs signals")
def test_interrupt_while_a_pipe_gives_nothing():
    read, write = os.pipe()
    os.write(write, b"abc")
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    stream = streams.text(f"/dev/fd/{read}", "bytes")
    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt) as error:
        train(Counting(), stream)
    assert time.perf_counter() - begun < 5
    assert error.value.history.step[-1] == 3
    os.close(read)
    os.close(write)


@pytest.mark.skipif(not MAIN, reason="needs the main thread")
def test_handlers_of_the_host_are_left_alone():
    seen = []

    class Looking(Counting):
        def learn(self, chunk):
            seen.append(signal.getsignal(signal.SIGINT))
            return super().learn(chunk)

    def own(number, frame):
        pass

    before = signal.signal(signal.SIGINT, own)
    try:
        train(Looking(), datasets.anbn(1, 5), steps=3)
    finally:
        signal.signal(signal.SIGINT, before)
    assert set(seen) == {own}


def test_outside_the_main_thread():
    results = []
    thread = threading.Thread(
        target=lambda: results.append(train(Counting(), datasets.anbn(1, 5), steps=10))
    )
    thread.start()
    thread.join()
    assert results[0].step[-1] == 10


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ValueError, "steps or seconds.*never ends"),
        ({"steps": 0}, ValueError, "steps: expected an integer in"),
        ({"steps": 1e3}, TypeError, "steps: expected an integer, got 1000.0"),
        ({"steps": True}, TypeError, "steps: expected an integer, got True"),
        ({"steps": 5, "chunk": 0}, ValueError, "chunk: expected"),
        ({"seconds": 0}, ValueError, "seconds: expected"),
        ({"seconds": math.nan}, ValueError, "seconds: expected"),
        ({"seconds": math.inf}, ValueError, "seconds: expected"),
        ({"seconds": "5"}, TypeError, "seconds: expected a number, got '5'"),
        ({"steps": 5, "progress": 3}, TypeError, "progress: expected a function, got 3"),
        ({"steps": 5, "history": 3}, TypeError, "history: expected History, got 3"),
    ],
)
def test_bad_arguments(arguments, error, words):
    trainer, stream = Counting(), datasets.anbn(1, 5)
    with pytest.raises(error, match=words):
        train(trainer, stream, **arguments)
    assert (trainer.step, stream.position) == (0, 0)


@pytest.mark.parametrize(
    ("trainer", "stream", "words"),
    [
        (Counting(), [0, 1, 2], r"stream: expected .* nbt.streams.symbols\(array\), got list"),
        (Counting(), None, "stream: expected .* got NoneType"),
        (datasets.anbn(1, 5), Counting(), "trainer: expected .* got <data:anbn"),
        (nbt.NoBackTrack, datasets.anbn(1, 5), "trainer: expected an instance.* got the class"),
    ],
)
def test_what_is_no_trainer_or_no_stream(trainer, stream, words):
    with pytest.raises(TypeError, match=words):
        train(trainer, stream, steps=5)


def test_a_stream_that_can_do_no_more_than_read():
    class Zeros:
        def read(self, n):
            return np.zeros(n, int)

    history = train(nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(3)), Zeros(), steps=20)
    assert (history.step[-1], history.unit, history.settings["symbols"]) == (20, "bits", 3)


def test_stream_with_more_symbols_than_the_readout():
    class Readout:
        symbols = 2

    trainer = Counting()
    trainer.readout = Readout()
    with pytest.raises(ValueError, match="3 symbols, the readout 2"):
        train(trainer, datasets.anbn(1, 5), steps=1)


def test_settings():
    class Described(Counting):
        def describe(self):
            return {"rank": 2}

    history = train(Described(), datasets.anbn(1, 32), steps=np.int64(3))
    assert history.settings == {
        "trainer": {"rank": 2},
        "stream": "data:anbn[1,32]",
        "symbols": 3,
        "entropy_rate": pytest.approx(1 / 7),
        "steps": 3,
        "seconds": None,
    }
    assert type(history.settings["steps"]) is int


def test_a_clock_of_the_callers_own():
    now = iter(range(10**6))
    history = train(Counting(), datasets.anbn(1, 5), seconds=30, clock=lambda: next(now))
    assert history.stopped == "seconds"
    assert history.seconds[-1] >= 29


@pytest.mark.parametrize("delay", [1e-5, 1e-3, 0.1])
def test_a_time_limit_is_met_within_one_chunk(delay):
    trainer = Counting()
    history = train(trainer, datasets.anbn(1, 5), seconds=2, clock=lambda: trainer.step * delay)
    assert 2 <= history.seconds[-1] < 2 + 1.001 * max(delay, PACE)
    assert history.seconds[-1] == pytest.approx(trainer.step * delay)


def test_cpu_time_does_not_count_sleep():
    history = train(Counting(delay=0.01), datasets.anbn(1, 5), steps=50, clock=time.thread_time)
    assert history.seconds[-1] < 0.25 < 50 * 0.01


def test_denser_rows():
    history = train(Counting(), datasets.anbn(1, 5), steps=9, history=History(per_octave=2))
    assert history.step.tolist() == [1, 2, 4, 5, 8, 9]
