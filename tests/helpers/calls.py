"""Calls in other threads whose order is forced: they stop where a test wants them to."""

import threading
import time

import numpy as np

PATIENCE = 60  # seconds after which a test has failed


def until(condition):
    """Waits for what must come; nothing depends on when."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.001)


class Call(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, function, *arguments, **more):
        super().__init__(daemon=True)
        self.call = lambda: function(*arguments, **more)
        self.error = self.value = None
        self.start()

    def run(self):
        try:
            self.value = self.call()
        except BaseException as error:
            self.error = error

    def result(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "it did not end"
        if self.error is not None:
            raise self.error
        return self.value


class Gate:
    """Where a thread stops until it is opened."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def stop(self):
        self.reached.set()
        assert self.opened.wait(PATIENCE)

    def wait(self):
        assert self.reached.wait(PATIENCE)

    def open(self):
        self.opened.set()


class Late:
    """What NumPy can make an array of, once the gate is open."""

    def __init__(self, values, gate):
        self.values, self.gate = np.asarray(values), gate

    def __array__(self, dtype=None, copy=None):
        self.gate.stop()
        return self.values.astype(dtype) if dtype else self.values


class LateState(dict):
    """A state that is read once the gate is open."""

    def __init__(self, state, gate):
        super().__init__(state)
        self.gate = gate

    def __iter__(self):
        self.gate.stop()
        return super().__iter__()


def line_up(turns, *calls):
    """Starts calls one after the other, each once the one before it waits."""
    started = []
    for call in calls:
        before = turns.waiting
        started.append(Call(call))
        until(lambda before=before: turns.waiting == before + 1 or not started[-1].is_alive())
        assert started[-1].is_alive(), started[-1].error or "it did not wait"
    return started
