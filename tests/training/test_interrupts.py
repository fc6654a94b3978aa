"""Ctrl-C at every single operation of entering and leaving `Interrupts`: by a schedule."""

import dis
import os
import signal
import sys
import threading

import pytest

import nbt
from nbt.training.interrupts import Interrupts, Terminated

CODES = (Interrupts.__enter__, Interrupts.__exit__, Interrupts._begin, Interrupts._end)
CODES = tuple(function.__code__ for function in CODES)


def returning(code):
    """The operations that hand over what a function returns: the interpreter looks for signals at
    calls and jumps, before them and after, but not there."""
    steps = [one for one in dis.get_instructions(code) if one.opname != "CACHE"]
    ends = [k for k, one in enumerate(steps) if one.opname.startswith("RETURN")]
    loads = [k - 1 for k in ends if steps[k - 1].opname.startswith("LOAD_")]
    return {steps[k].offset for k in (*ends, *loads)}


RETURNING = {code: returning(code) for code in CODES}
NUMBERS = [signal.SIGINT, *([signal.SIGTERM] if os.name != "nt" else [])]


@pytest.fixture
def handlers():
    """The handlers of the host, which must be in force again afterwards."""
    kept = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: [signal.getsignal(number) for number in NUMBERS]
    for number, handler in kept.items():
        signal.signal(number, handler)


class Schedule:
    """Raises a signal at operation number `at` of the methods above, and again at `at + apart`."""

    def __init__(self, at, number, apart=None):
        self.at, self.number, self.apart = at, number, apart
        self.count, self.sent = 0, 0

    def trace(self, frame, event, argument):
        if frame.f_code not in CODES:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.step

    def step(self, frame, event, argument):
        if event == "opcode" and frame.f_lasti not in RETURNING[frame.f_code]:
            self.count += 1
            again = self.apart is not None and self.count == self.at + self.apart
            if self.count == self.at or again:
                self.sent += 1
                signal.raise_signal(self.number)
        return self.step

    def run(self, action):
        """What the action raised."""
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            action()
        except KeyboardInterrupt as error:
            return error
        finally:
            sys.settrace(before)
        return None


def entered_and_left(interrupts, nested, reached):
    with interrupts:
        if nested:
            with interrupts, interrupts.hold():
                reached.append(1)
        reached.append(2)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("apart", [None, 1, 2, 3, 7, 20])
def test_ctrl_c_at_every_operation(handlers, nested, apart):
    before, at, seen = handlers(), 0, set()
    while True:
        at += 1
        interrupts, reached = Interrupts(terminate=True), []
        schedule = Schedule(at, signal.SIGINT, apart)
        raised = schedule.run(lambda: entered_and_left(interrupts, nested, reached))  # noqa: B023
        assert handlers() == before, at
        assert interrupts._depth == 0
        if not schedule.sent:
            break
        assert type(raised) is KeyboardInterrupt, at  # never lost
        seen.add(tuple(reached))
        # and it goes on as if nothing had been
        again = []
        entered_and_left(interrupts, nested, again)
        assert again == ([1, 2] if nested else [2])
        assert handlers() == before
    assert at > 40
    assert seen >= {(), (1, 2) if nested else (2,)}  # while it was entered, and while it was left


class Restless:
    """The module `signal`, where Ctrl-C comes once more as handlers are changed after a first."""

    def __init__(self, schedule, late):
        self.schedule, self.late, self.done = schedule, late, False

    def __getattr__(self, name):
        return getattr(signal, name)

    def signal(self, number, handler):
        first = self.schedule.sent and not self.done
        self.done = self.done or bool(first)
        if first and not self.late:
            signal.raise_signal(signal.SIGINT)
        before = signal.signal(number, handler)
        if first and self.late:
            signal.raise_signal(signal.SIGINT)
        return before


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_second_one_while_all_is_put_back(handlers, monkeypatch, nested, late):
    """A tracer that raised is gone; so the second one comes by another way."""
    before, at, twice = handlers(), 0, 0
    while True:
        at += 1
        schedule = Schedule(at, signal.SIGINT)
        restless = Restless(schedule, late)
        with monkeypatch.context() as patch:
            patch.setattr("nbt.training.interrupts.signal", restless)
            interrupts = Interrupts(terminate=True)
            raised = schedule.run(lambda: entered_and_left(interrupts, nested, []))  # noqa: B023
        if not schedule.sent:
            break
        twice += restless.done
        assert handlers() == before, at
        assert type(raised) is KeyboardInterrupt
        entered_and_left(interrupts, nested, [])
        assert handlers() == before
    assert twice > 20


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM cannot be heard there")
def test_a_kill_once_it_is_heard(handlers):
    """Before and after it would end this process."""
    before = handlers()

    def heard(interrupts):
        return signal.getsignal(signal.SIGTERM) == interrupts._on_end

    at, found = 0, 0
    while True:
        at += 1
        interrupts, schedule = Interrupts(terminate=True), Schedule(at, signal.SIGTERM)
        step = schedule.step

        def careful(frame, event, argument, step=step, schedule=schedule, interrupts=interrupts):
            if heard(interrupts) or schedule.count + 1 != schedule.at:
                step(frame, event, argument)
            else:
                schedule.count += event == "opcode"
            return careful

        schedule.step = careful
        raised = schedule.run(lambda: entered_and_left(interrupts, True, []))  # noqa: B023
        assert handlers() == before
        if schedule.count < at:
            break
        if schedule.sent:
            found += 1
            assert type(raised) is Terminated
    assert found > 20


def test_ctrl_c_in_a_block_that_fails_is_not_lost(handlers):
    """The error is what the interrupt came upon."""
    before = handlers()

    def fails():
        with Interrupts() as interrupts, interrupts.hold():
            signal.raise_signal(signal.SIGINT)
            raise ArithmeticError

    with pytest.raises(KeyboardInterrupt) as caught:
        fails()
    assert isinstance(caught.value.__context__, ArithmeticError)
    assert handlers() == before


def test_the_hosts_handler_is_left_alone(handlers):
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    own = handlers()
    with Interrupts():
        signal.raise_signal(signal.SIGINT)
        assert handlers() == own
    assert (heard, handlers()) == ([1], own)


def test_entered_again_after_an_interrupt(handlers):
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts:
        signal.raise_signal(signal.SIGINT)
    with interrupts, interrupts.hold():
        pass
    assert not interrupts.hurried


def test_nothing_is_done_outside_the_main_thread(handlers):
    before, seen = handlers(), []

    def work():
        trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(3))
        with Interrupts(terminate=True) as interrupts:
            seen.append(handlers())
            nbt.train(trainer, nbt.datasets.anbn(), steps=10, interrupts=interrupts)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
