"""One object in several threads: each call waits its turn, and none loses what another did.

What each thread does next is forced by gates. Nothing depends on which of them is faster.
"""

import contextlib
import copy
import gc
import os
import pickle
import signal
import sys
import threading

import numpy as np
import pytest
from helpers import systems
from helpers.calls import Call, Gate, Late, LateState, line_up, until

import nbt

A = 5
RULES = [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT]
SYMBOLS = np.random.default_rng(3).integers(0, A, 200).astype(np.int32)


def made(rule=nbt.NoBackTrack, **more):
    return rule(nbt.RNN(6), nbt.Softmax(A), **more)


class Stops:
    """A system's functions, whose step number `at` stops at a gate."""

    def __init__(self, at, gate=None, then=None):
        self.at, self.steps = at, 0
        self.gate, self.then = gate or Gate(), then

    def step(self, h, x, theta):
        self.steps += 1
        if self.steps == self.at:
            if self.then is None:
                self.gate.stop()
            else:
                self.then()
        return systems.Ring.step(h, x, theta)

    def trainer(self, **more):
        ring = systems.ring(step=self.step)
        return nbt.NoBackTrack(ring, nbt.Softmax(A), inputs=2, dtype="float64", **more)


def pairs(steps, seed=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, 2)), rng.integers(0, A, steps)


def ring():
    return nbt.NoBackTrack(systems.ring(), nbt.Softmax(A), inputs=2, dtype="float64")


# ---- nothing is lost -----------------------------------------------------------------------------


def set_threads(trainer):
    trainer.threads = 2


SWAPS = {
    "reset_state": lambda trainer: trainer.reset_state(),
    "grow": lambda trainer: trainer.grow(A + 2),
    "threads": set_threads,
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("swap", SWAPS)
def test_no_step_is_lost_where_a_call_was_there_first(rule, swap, assert_same_state):
    """A block that is being read when another call wants to exchange the learner."""
    trainer, reference, gate = made(rule), made(rule), Gate()
    learning = Call(trainer.learn, Late(SYMBOLS, gate))
    gate.wait()
    (swapping,) = line_up(trainer._turns, lambda: SWAPS[swap](trainer))
    gate.open()
    losses = learning.result()
    swapping.result()
    assert losses.tobytes() == reference.learn(SYMBOLS).tobytes()
    SWAPS[swap](reference)
    assert_same_state(trainer.state_dict(), reference.state_dict())


VERBS = {
    "learn": lambda trainer: trainer.learn(SYMBOLS).tobytes(),
    "observe": lambda trainer: trainer.observe(SYMBOLS).tobytes(),
    "predict": lambda trainer: trainer.predict().tobytes(),
    "predict_along": lambda trainer: trainer.predict_along(SYMBOLS).tobytes(),
    "simulate": lambda trainer: trainer.simulate(3, paths=2).tobytes(),
    "state_dict": lambda trainer: pickle.dumps(trainer.state_dict()),
    "pickle": lambda trainer: pickle.dumps(trainer),
    "copy": lambda trainer: pickle.dumps(copy.copy(trainer)),
    "reset_state": lambda trainer: trainer.reset_state(),
    "grow": lambda trainer: trainer.grow(A + 2),
    "threads": set_threads,
    "influence": lambda trainer: trainer.influence().tobytes(),
    "exact_influence": lambda trainer: trainer.exact_influence().tobytes(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_call_that_waited_finds_the_learner_that_is_there_now(verb, assert_same_state):
    """It began while another call was about to exchange it."""
    trainer, reference, gate = made(), made(), Gate()
    other = made(seed=8)
    other.learn(SYMBOLS[:30])
    loading = Call(trainer.load_state_dict, LateState(other.state_dict(), gate))
    gate.wait()
    (call,) = line_up(trainer._turns, lambda: VERBS[verb](trainer))
    gate.open()
    loading.result()
    reference.load_state_dict(other.state_dict())
    assert call.result() == VERBS[verb](reference)
    assert_same_state(trainer.state_dict(), reference.state_dict())


def test_two_calls_that_grow():
    trainer, gate = made(), Gate()
    loading = Call(trainer.load_state_dict, LateState(trainer.state_dict(), gate))
    gate.wait()
    growing = line_up(trainer._turns, *(lambda k=k: trainer.grow(A + k) for k in (1, 3)))
    gate.open()
    for call in (loading, *growing):
        call.result()
    assert trainer.readout.symbols == A + 3
    assert trainer.predict().shape == (A + 3,)


def test_a_checkpoint_is_of_one_moment(tmp_path):
    """Its description and its state, though another call grows the trainer meanwhile."""
    trainer, gate = made(), Gate()
    loading = Call(trainer.load_state_dict, LateState(trainer.state_dict(), gate))
    gate.wait()
    growing, saving = line_up(
        trainer._turns,
        lambda: trainer.grow(A + 1),
        lambda: trainer.save(tmp_path / "model.safetensors"),
    )
    gate.open()
    for call in (loading, growing, saving):
        call.result()
    assert nbt.load(tmp_path / "model.safetensors").readout.symbols == A + 1


# ---- the order -----------------------------------------------------------------------------------


def test_the_order_of_calls(assert_same_state):
    """As they came; but those that only look go between two pieces of a block."""
    stops = Stops(at=40)
    trainer, reference = stops.trainer(), ring()
    blocks = [pairs(steps, seed) for seed, steps in enumerate((90, 20, 30))]
    first = Call(trainer.learn, *blocks[0])
    stops.gate.wait()
    seen = []
    second, state, third, look, along = line_up(
        trainer._turns,
        lambda: trainer.learn(*blocks[1]),
        trainer.state_dict,
        lambda: trainer.learn(*blocks[2]),
        lambda: seen.append(trainer.step) or trainer.predict(),
        lambda: trainer.predict_along(blocks[0][0][:3]),
    )
    stops.gate.open()
    assert first.result().tobytes() == reference.learn(*blocks[0]).tobytes()
    assert second.result().tobytes() == reference.learn(*blocks[1]).tobytes()
    assert_same_state(state.result(), reference.state_dict())
    assert third.result().tobytes() == reference.learn(*blocks[2]).tobytes()
    assert_same_state(trainer.state_dict(), reference.state_dict())

    then = ring()
    then.learn(*(part[:40] for part in blocks[0]))
    assert look.result().tobytes() == then.predict().tobytes()
    assert along.result().tobytes() == then.predict_along(blocks[0][0][:3]).tobytes()


def test_looks_do_not_keep_a_block_from_going_on():
    """A look that comes while another looks waits until the block has gone on."""
    order, looks = [], []

    def look():
        looks.append(Call(trainer.predict, np.zeros(2)))
        until(lambda: trainer._turns.waiting == len(looks))

    def step(h, x, theta):
        learns = threading.current_thread() not in looks
        order.append("step" if learns else looks.index(threading.current_thread()))
        if len(looks) < (trainer.step == 6 if learns else 2):
            look()  # while the block learns, and again while this one looks
        return systems.Ring.step(h, x, theta)

    system = systems.ring(step=step)
    trainer = nbt.NoBackTrack(system, nbt.Softmax(A), inputs=2, dtype="float64")
    trainer.learn(*pairs(20))
    for call in looks:
        call.result()
    assert order == [*["step"] * 7, 0, "step", 1, *["step"] * 12]


@pytest.mark.parametrize(
    ("rule", "units", "steps"),
    [
        (nbt.NoBackTrack, 24, 40_000),
        (nbt.NoBackTrack, 2, 50_000),  # a small network's pieces are no longer than a large one's
        (nbt.RTRL, 24, 4000),
        (nbt.TruncatedBPTT, 24, 60_000),
    ],
)
def test_predictions_during_a_block_are_those_between_two_steps(rule, units, steps):
    """In C, without the GIL: a block of many pieces, and predictions all along."""
    x = np.random.default_rng(9).integers(0, A, steps).astype(np.int32)
    trainer, reference = (rule(nbt.RNN(units), nbt.Softmax(A)) for _ in range(2))
    learning, seen = Call(trainer.learn, x), []
    while learning.is_alive():
        before = trainer.step
        seen.append((before, trainer.predict(), trainer.step))
    losses = learning.result()
    looked = {p.tobytes() for _, p, _ in seen}
    possible = {reference.predict().tobytes()}
    expected = np.empty(steps)
    for t in range(steps):
        expected[t] = reference.learn(x[t : t + 1]).item()
        possible.add(reference.predict().tobytes())
    assert losses.tobytes() == expected.tobytes()
    assert looked <= possible
    assert any(before > 0 and after < steps for before, _, after in seen), "none during the block"


def test_a_call_of_the_same_thread_is_refused(assert_same_state):
    """It would wait for itself. Each call that its system's function makes is."""
    calls = [
        lambda: trainer.predict(),
        lambda: trainer.learn(*pairs(2)),
        lambda: trainer.state_dict(),
        lambda: trainer.reset_state(),
        lambda: copy.copy(trainer),
    ]
    messages = []

    def nosy():
        for call in calls:
            with contextlib.suppress(RuntimeError):
                call()
                messages.append("not refused")
        trainer.predict()

    trainer, reference = Stops(at=7, then=nosy).trainer(), ring()
    reference.learn(*pairs(5))
    trainer.learn(*pairs(5))
    with pytest.raises(RuntimeError, match="in use by another call of this thread"):
        trainer.learn(*pairs(20))
    assert not messages
    assert_same_state(trainer.state_dict(), reference.state_dict())


# ---- interrupts ----------------------------------------------------------------------------------


class Rings:
    """KeyboardInterrupt in this thread, as soon as a condition holds."""

    def __init__(self, condition):
        self.condition = condition

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self.ring)
        self.call = Call(self.wait)

    def wait(self):
        until(self.condition)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

    def ring(self, *_):
        raise KeyboardInterrupt

    def __exit__(self, *_):
        signal.signal(signal.SIGALRM, self.before)


needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no SIGALRM here")


@pytest.mark.parametrize("swap", ["load", "grow", "threads", "reset"])
def test_an_exchange_is_whole_wherever_it_is_interrupted(swap):
    """A call that waits with the learner of before is one of whichever the trainer has then."""
    code = nbt.Trainer._exchange.__code__
    swaps = {
        "load": lambda one: one.load_state_dict(one.state_dict() | {"step": np.uint64(70)}),
        "grow": lambda one: one.grow(A + 2),
        "threads": lambda one: setattr(one, "threads", 2),
        "reset": lambda one: one.reset_state(),
    }
    before, after = (nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(A), seed=1) for _ in range(2))
    for one in (before, after):
        one.learn([0, 1, 2])
    swaps[swap](after)
    expected = [{**one.state_dict(), "threads": np.int64(one.threads)} for one in (before, after)]
    found = set()
    for at in range(100):
        trainer, count = copy.copy(before), 0

        def trace(frame, event, argument, at=at):
            nonlocal count
            if frame.f_code is not code:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                count += 1
                if count == at + 1:
                    raise KeyboardInterrupt
            return trace

        waited_for = trainer._live.learner
        sys.settrace(trace)
        try:
            swaps[swap](trainer)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        state = {**trainer.state_dict(), "threads": np.int64(trainer.threads)}
        which = [key for key, one in enumerate(expected) if _equal(one, state)]
        assert which, at
        found |= set(which)
        waited_for.run(trainer, [1, 2], None, True)
        assert trainer.step == int(state["step"]) + 2
        if count <= at:
            break
    assert at > 5
    assert found == {0, 1}


def _equal(one, other):
    return one.keys() == other.keys() and all(
        one[key].tobytes() == other[key].tobytes() for key in one
    )


@needs_signals
@pytest.mark.parametrize("verb", ["learn", "predict", "state_dict", "reset_state"])
def test_waiting_answers_ctrl_c(verb, assert_same_state):
    stops = Stops(at=5)
    trainer, reference = stops.trainer(), ring()
    learning = Call(trainer.learn, *pairs(20))
    stops.gate.wait()
    arguments = pairs(3) if verb == "learn" else ()
    with Rings(lambda: trainer._turns.waiting == 1), pytest.raises(KeyboardInterrupt):
        getattr(trainer, verb)(*arguments)
    assert trainer._turns.waiting == 0
    stops.gate.open()
    assert learning.result().tobytes() == reference.learn(*pairs(20)).tobytes()
    assert_same_state(trainer.state_dict(), reference.state_dict())


@needs_signals
def test_ctrl_c_while_a_look_holds_up_a_block(assert_same_state):
    """The block ends between two steps; the look goes on."""
    gate, looks = Gate(), []

    def step(h, x, theta):
        if threading.current_thread() in looks:
            gate.stop()
        elif trainer.step == 6 and not looks:
            looks.append(Call(trainer.predict, np.zeros(2)))
            until(lambda: trainer._turns.waiting == 1)
        return systems.Ring.step(h, x, theta)

    system = systems.ring(step=step)
    trainer = nbt.NoBackTrack(system, nbt.Softmax(A), inputs=2, dtype="float64")
    with Rings(gate.reached.is_set), pytest.raises(KeyboardInterrupt):
        trainer.learn(*pairs(20))
    assert trainer.step == 7
    (later,) = line_up(trainer._turns, trainer.state_dict)
    gate.open()
    assert looks[0].result().shape == (A,)
    reference = ring()
    reference.learn(*(part[:7] for part in pairs(20)))
    assert_same_state(later.result(), reference.state_dict())


# ---- forks ---------------------------------------------------------------------------------------

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
no_warning = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def in_child(check):
    """Runs a check in a fork of this process; what it said was wrong."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            check()
            os.write(writing, b"ok")
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as said:
        answer = said.read()
    os.waitpid(child, 0)
    return answer


@needs_fork
@no_warning
def test_a_fork_in_the_midst_of_a_block_of_another_thread(assert_same_state):
    """The child's copy is half of a step: it says so, until it gets a whole state."""
    stops = Stops(at=5)
    trainer, reference = stops.trainer(), ring()
    start = reference.state_dict()
    learning = Call(trainer.learn, *pairs(20))
    stops.gate.wait()
    (waiting,) = line_up(trainer._turns, trainer.predict)

    def check():
        for call in (
            trainer.predict,
            trainer.state_dict,
            trainer.reset_state,
            lambda: trainer.learn(*pairs(3)),
            lambda: trainer.load_state_dict({}),
            lambda: copy.copy(trainer),
            trainer.predict,
        ):
            with pytest.raises((RuntimeError, ValueError), match=r"forked|expected the names"):
                call()
        trainer.load_state_dict(start)
        assert trainer.learn(*pairs(20)).tobytes() == reference.learn(*pairs(20)).tobytes()
        assert_same_state(trainer.state_dict(), reference.state_dict())

    assert in_child(check) == "ok"
    stops.gate.open()
    assert learning.result().tobytes() == reference.learn(*pairs(20)).tobytes()
    waiting.result()


@needs_fork
@no_warning
def test_a_fork_by_the_thread_whose_turn_it_is():
    """Its call goes on in both processes; who waited does so in the parent alone."""
    answers, parent, later = [], os.getpid(), []

    def fork():
        later.append(Call(lambda: trainer.learn(*pairs(4))))
        until(lambda: trainer._turns.waiting == 1)
        reading, writing = os.pipe()
        child = os.fork()
        answers.extend((child, reading, writing))

    trainer, reference = Stops(at=5, then=fork).trainer(), ring()
    losses = trainer.learn(*pairs(20))
    expected = reference.learn(*pairs(20))
    child, reading, writing = answers
    if os.getpid() != parent:
        try:
            same = losses.tobytes() == expected.tobytes() and trainer.step == 20
            same &= trainer.predict().tobytes() == reference.predict().tobytes()
            os.write(writing, b"ok" if same else b"other numbers")
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as said:
        assert said.read() == "ok"
    os.waitpid(child, 0)
    later[0].result()
    assert losses.tobytes() == expected.tobytes()
    assert trainer.step == 24


# ---- hidden Markov models ------------------------------------------------------------------------


class StopsAt:
    """A model's recursion, which stops at one of its steps."""

    def __init__(self, model, at):
        self.recursion, self.at, self.gate = model._recursion, at, Gate()

    def step(self, arrays, t, *more):
        if t == self.at:
            self.gate.stop()
        return self.recursion.step(arrays, t, *more)


def test_a_model_in_several_threads(assert_same_state):
    """What looks sees a whole step; what changes or copies waits for the block's end."""
    y = np.random.default_rng(5).integers(0, 3, 60)
    model, reference = nbt.HMM(2, 3, seed=1), nbt.HMM(2, 3, seed=1)
    stops = StopsAt(model, at=40)
    model.__dict__["_recursion"] = stops
    learning = Call(model.learn, y)
    stops.gate.wait()
    even = np.full((2, 2), 0.5)
    look, score, copied, state, setting, more = line_up(
        model._turns,
        model.predict,
        lambda: model.score(y),
        lambda: copy.copy(model).state_dict(),
        model.state_dict,
        lambda: setattr(model, "transmat_", even),
        lambda: model.learn(y[:10]),
    )
    stops.gate.open()
    then = nbt.HMM(2, 3, seed=1)
    then.learn(y[:41])
    assert look.result().tobytes() == then.predict().tobytes()
    assert score.result() == then.score(y)
    assert learning.result().tobytes() == reference.learn(y).tobytes()
    assert_same_state(state.result(), reference.state_dict())
    assert_same_state(copied.result(), reference.state_dict())
    reference.transmat_ = even
    setting.result()
    assert more.result().tobytes() == reference.learn(y[:10]).tobytes()
    assert_same_state(model.state_dict(), reference.state_dict())


@needs_fork
@no_warning
def test_a_fork_while_another_thread_learns_a_model():
    model, reference = nbt.HMM(2, 3, seed=1), nbt.HMM(2, 3, seed=1)
    stops = StopsAt(model, at=4)
    model.__dict__["_recursion"] = stops
    learning = Call(model.learn, np.zeros(9, int))
    stops.gate.wait()

    def check():
        with pytest.raises(RuntimeError, match="forked"):
            model.predict()
        model.load_state_dict(reference.state_dict())
        assert model.predict().tobytes() == reference.predict().tobytes()

    assert in_child(check) == "ok"
    stops.gate.open()
    learning.result()


# ---- garbage is collected meanwhile --------------------------------------------------------------


class Collects:
    """Does something at collection number `nth` of garbage in this thread, where other threads may
    run: up to Python 3.11 any object that is made may begin one."""

    def __init__(self, nth, then):
        self.left, self.then, self.thread = nth, then, threading.get_ident()

    def __enter__(self):
        self.threshold = gc.get_threshold()
        gc.collect()
        gc.callbacks.append(self)
        gc.set_threshold(1)

    def __call__(self, phase, info):
        if threading.get_ident() == self.thread and phase == "start" and self.left:
            self.left -= 1
            if not self.left:
                gc.set_threshold(0)
                self.then()

    def __exit__(self, *_):
        gc.set_threshold(*self.threshold)
        gc.callbacks.remove(self)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_turn_that_comes_while_a_call_gets_in_line(nth):
    turns, gate, done = nbt._core.Turns(), Gate(), []
    inside = Call(turns.alone, gate.stop)
    gate.wait()

    def leave():
        gate.open()
        inside.result()

    def run():
        done.append(1)

    def wait():
        collects = Collects(nth, leave)
        with collects:
            if nth > 1:  # whoever is inside leaves anyway
                gate.open()
            turns.alone(run)

    Call(wait).result()
    assert done == [1]
    assert turns.waiting == 0


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_call_that_comes_while_a_block_lets_others_by(nth):
    turns, done, calls = nbt._core.Turns(), [], []

    def block():
        calls.extend(line_up(turns, lambda: turns.look(done.append, "first")))
        collects = Collects(nth, lambda: calls.append(Call(turns.alone, done.append, "last")))
        with collects:
            turns.rest()
        done.append("block")

    turns.alone(block)
    for call in calls:
        call.result()
    assert done in (["first", "block"], ["first", "block", "last"])
    assert turns.waiting == 0
