"""What every trainer promises, one promise a test.

The same bits are in test_bits, bad calls in test_bad_input.
"""

import contextlib
import copy
import gc
import os
import pickle
import random
import signal
import sys
import threading
import time

import numpy as np
import pytest
from helpers.windows import seen_by_gates

import nbt
from nbt.trainers import from_description

PARAMETERS = ("cell.b", "cell.W", "cell.r", "cell.alpha", "readout.b", "readout.W")


def run_in(subject, form, steps=20, **build):
    """A trainer that has run for a while."""
    trainer = subject.build(**build)
    trainer.learn(*subject.data(steps, form=form))
    return trainer


# ---- what a call returns -----------------------------------------------------------------------


def test_shapes_and_types(subject, arguments):
    for form in subject.forms:
        trainer = subject.build()
        x, y = subject.data(10, form=form)
        for verb in (trainer.learn, trainer.observe):
            for steps in (0, 1, 7):
                losses = verb(*arguments(x, y, slice(0, steps)))
                assert (losses.dtype, losses.shape) == (np.float64, (steps,))
                assert np.isfinite(losses).all()
                assert subject.readout == "gaussian" or (losses > 0).all()
            assert verb(*arguments(x, y, 3)).shape == (1,)
        assert trainer.step == 2 * (0 + 1 + 7 + 1)
        p = trainer.predict()
        assert (p.dtype, p.shape) == (np.float64, subject.prediction())
        if subject.of_symbols:
            assert abs(p.sum() - 1) < 1e-6
        assert (p[-1] > 0).all()  # a probability or a variance
        if subject.readout != "gaussian":
            assert ((p > 0) & (p < 1)).all()


def test_results_are_the_callers_own(subject):
    """Nothing that is handed out is written again, or read again."""
    trainer = run_in(subject, subject.forms[0])
    handed_out = [
        trainer.learn(*subject.data(5)),
        trainer.predict(),
        *trainer.state_dict().values(),
    ]
    if subject.has_influence:
        handed_out.append(trainer.influence())
    copies = [array.copy() for array in handed_out]
    trainer.learn(*subject.data(5))
    for array, before in zip(handed_out, copies, strict=True):
        assert array.tobytes() == before.tobytes()
        assert array.flags.owndata
    reference = copy.copy(trainer)
    for array in handed_out:
        array[...] = 0
    assert trainer.learn(*subject.data(5)).tobytes() == reference.learn(*subject.data(5)).tobytes()


def test_inputs_are_untouched(subject):
    for form in subject.forms:
        trainer = subject.build()
        data = [part for part in subject.data(10, form=form) if part is not None]
        data = [
            part.astype(np.int32) if part.ndim == 1 else part.astype(subject.dtype) for part in data
        ]
        before = [part.copy() for part in data]
        trainer.learn(*data)
        trainer.observe(*data)
        trainer.predict(data[0][0])
        for part, kept in zip(data, before, strict=True):
            assert part.tobytes() == kept.tobytes()
        state = trainer.state_dict()
        kept = copy.deepcopy(state)
        trainer.load_state_dict(state)
        trainer.learn(*data)
        assert all(state[key].tobytes() == kept[key].tobytes() for key in kept)


def test_losses_are_what_was_predicted(subject, arguments):
    """-ln of the probability (density) given to the target, by `predict` just before."""
    tolerance = 1e-13 if subject.dtype == "float64" else 2e-6
    for form in subject.forms:
        trainer = run_in(subject, form, 30)
        x, y = subject.data(30, form=form, seed=5)
        for t in range(30):
            p = trainer.predict() if y is None else trainer.predict(x[t])
            verb = trainer.observe if t % 3 == 2 else trainer.learn
            target = x[t] if y is None else y[t]
            loss = verb(*arguments(x, y, t))[0]
            assert abs(loss - subject.loss(p, target)) <= tolerance * max(abs(loss), 1)


def test_predict_after_an_input_is_the_state_after_it(subject):
    form = "pairs"
    trainer = run_in(subject, form)
    x, _ = subject.data(20, form=form)
    for t in range(20):
        ahead = trainer.predict(x[t])
        trainer.observe(x[t : t + 1], ...)
        assert ahead.tobytes() == trainer.predict().tobytes()


# ---- what a call changes -----------------------------------------------------------------------


def test_looking_changes_nothing(subject, assert_same_state):
    for form in subject.forms:
        looked_at, left_alone = run_in(subject, form), run_in(subject, form)
        x, y = subject.data(20, form=form, seed=6)
        for _ in range(2):
            looked_at.predict()
            looked_at.predict(x[0])
            looked_at.state_dict()
            looked_at.describe()
            repr(looked_at)
            pickle.dumps(looked_at)
            copy.copy(looked_at).learn(x, y)
            if subject.has_influence:
                looked_at.influence()
            assert (looked_at.step, looked_at.seed, looked_at.parameter_count) == (
                20,
                11,
                subject.parameters(looked_at.inputs.width),
            )
        assert looked_at.learn(x, y).tobytes() == left_alone.learn(x, y).tobytes()
        assert_same_state(looked_at.state_dict(), left_alone.state_dict())


def test_observing_learns_nothing(subject):
    for form in subject.forms:
        trainer = run_in(subject, form)
        before = trainer.state_dict()
        trainer.observe(*subject.data(20, form=form, seed=7))
        after = trainer.state_dict()
        for key in after:
            learned = key.startswith(("cell", "readout", "optimizer")) or key == "estimator.fisher"
            assert not learned or before[key].tobytes() == after[key].tobytes(), key
        carried = "state.h" if "state.h" in before else "state.c"
        assert (before[carried] != after[carried]).all()
        assert after["step"] == before["step"] + 20
        if subject.has_influence:  # the estimate is carried along
            fresh = subject.build()
            assert np.abs(trainer.influence()).max() > 0.1
            assert not fresh.influence().any()


def test_learning_changes_every_parameter_but_the_leaks(subject):
    trainer = subject.build()
    before = trainer.state_dict()
    trainer.learn(*subject.data(60))
    after = trainer.state_dict()
    for key in before.keys() & {*PARAMETERS, *(k for k in before if k.startswith("cell"))}:
        changed, still = before[key] != after[key], key.endswith((".alpha", ".tau"))
        still |= subject.rule == "fixed" and key.startswith("cell.")
        seen = seen_by_gates(subject.build(), key)
        assert not changed.any() if still else changed[seen].all(), key


def test_learning_learns(symbol_subject):
    """A cycle is soon foreseen."""
    subject = symbol_subject
    trainer = subject.build(optimizer=nbt.SGD(0.2) if subject.optimizer == "sgd" else None)
    y = np.resize([0, 1, 2, 4, 3], 3000)
    x = (
        np.resize(np.eye(3)[[0, 1, 2, 1, 0]], (3000, 3))
        if subject.inputs in ("vector", "lagged")
        else np.resize([0, 1, 2, 1, 0], 3000)
    )
    losses = trainer.learn(y) if subject.inputs == "own" else trainer.learn(x, y)
    assert losses[:5].mean() > 1.5
    assert losses[-500:].mean() < 0.8


def test_the_host_process_is_left_alone(subject):
    """Random state, floating-point modes, threads."""
    legacy, plain = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    threads = threading.active_count()
    with np.errstate(all="raise"):
        trainer = run_in(subject, subject.forms[0], 50)
        trainer.predict()
        trainer.state_dict()
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002
    assert random.getstate() == plain
    assert threading.active_count() == threads
    for kind in (np.float32, np.float64):  # no flush to zero, rounding to nearest
        tiny = np.finfo(kind).smallest_subnormal
        assert np.full(64, tiny)[::2].sum() == 32 * tiny
        assert kind(1) + np.finfo(kind).eps / 2 == kind(1)
        assert kind(1) - np.finfo(kind).epsneg / 2 == kind(1)


# ---- what a trainer is -------------------------------------------------------------------------


def test_descriptions(subject, assert_same_state):
    trainer = run_in(subject, subject.forms[0])
    description = trainer.describe()
    again = from_description(description)
    assert type(again) is type(trainer)
    assert again.describe() == description
    assert (again.step, again.seed, again.dtype) == (0, 11, subject.dtype)
    assert_same_state(again.state_dict(), subject.build().state_dict())
    for name in ("cell", "readout", "optimizer", "inputs"):
        assert getattr(again, name) == getattr(trainer, name)


def test_repr_makes_it_again(subject):
    trainer = run_in(subject, subject.forms[0])
    text = repr(trainer)
    assert "\n" not in text
    assert text.endswith("step 20")
    names = {name: getattr(nbt, name) for name in nbt.__all__}
    assert eval(text, names).describe() == trainer.describe()


def test_what_it_is_made_of_cannot_be_set(subject):
    """A rank that is set would be in the checkpoint, and not in the state."""
    trainer = subject.build()
    form = trainer.form
    for name in ("cell", "readout", "optimizer", "inputs", "dtype", "seed", "step", "form", *form):
        with pytest.raises(AttributeError):
            setattr(trainer, name, getattr(trainer, name))
    assert {name: getattr(trainer, name) for name in form} == form
    form.clear()
    assert trainer.form or subject.rule in ("rtrl", "fixed")


def test_a_new_sequence(subject, arguments, assert_same_state):
    """What was learned goes on as in a new trainer that is given it."""
    form = subject.forms[-1]
    trainer, fresh = run_in(subject, form, 30), subject.build()
    learned = ("cell.", "readout.", "optimizer.", "inputs.", "targets.", "counts.")
    learned += ("estimator.fisher", "step")
    before, first = trainer.state_dict(), fresh.state_dict()
    trainer.reset_state()
    kept = {key: value for key, value in before.items() if key.startswith(learned)}
    kept.pop("counts.context", None)
    fresh.load_state_dict(first | kept)
    after = trainer.state_dict()
    assert_same_state({key: after[key] for key in first}, first | kept)
    carried = "state.h" if "state.h" in before else "state.c"
    assert (before[carried] != after[carried]).any()
    if subject.has_influence:
        assert not trainer.influence().any()
    x, y = subject.data(30, form=form, seed=3)
    for part in (slice(0, 20), slice(20, 30)):
        losses = trainer.learn(*arguments(x, y, part))
        assert losses.tobytes() == fresh.learn(*arguments(x, y, part)).tobytes()


def test_copies_are_independent(subject, assert_same_state):
    trainer = run_in(subject, subject.forms[0])
    before = trainer.state_dict()
    for twin in (copy.copy(trainer), copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        assert type(twin) is type(trainer)
        assert twin.describe() == trainer.describe()
        twin.learn(*subject.data(9))
        assert twin.step == 29
        assert_same_state(trainer.state_dict(), before)


# ---- divergence --------------------------------------------------------------------------------


def diverged(subject, form):
    """A trainer with steps far too large, and its error after a block of 400."""
    trainer = subject.build(optimizer=nbt.SGD(float(np.finfo(subject.dtype).max) / 4))
    with pytest.raises(nbt.DivergenceError) as caught:
        trainer.learn(*subject.data(400, form=form))
    return trainer, caught.value


def test_divergence_names_its_step(sgd_subject, arguments):
    for form in sgd_subject.forms:
        trainer, error = diverged(sgd_subject, form)
        assert f"step {error.step}" in str(error)
        assert trainer.step == error.step + 1
        assert error.position == error.step < 400
        if error.array is None:
            assert str(error).startswith("the loss is")
            assert not np.isfinite(error.loss)
        else:
            assert str(error).startswith(f"{error.array}[")
            value = trainer.state_dict()[error.array][error.index]
            assert not np.isfinite(value) or "too large" in str(error)
        with pytest.raises(nbt.DivergenceError) as caught:
            trainer.learn(*arguments(*sgd_subject.data(400, form=form), slice(0, 5)))
        assert str(caught.value).startswith(str(error))
        assert caught.value.step == error.step == trainer.step - 1


def test_divergence_is_seen_before_a_call_returns(sgd_subject, arguments):
    """A call that returns has left a finite state behind, so no checkpoint holds another. Where it
    may be looked at after each step, divergence is seen one step earlier at most."""
    for form in sgd_subject.forms:
        step = diverged(sgd_subject, form)[1].step
        trainer = sgd_subject.build(optimizer=nbt.SGD(float(np.finfo(sgd_subject.dtype).max) / 4))
        data = sgd_subject.data(400, form=form)
        for t in range(step + 1):
            try:
                losses = trainer.learn(*arguments(*data, t))
            except nbt.DivergenceError as error:
                seen = error.step
                break
            assert np.isfinite(losses).all()
            for key, value in trainer.state_dict().items():
                assert np.isfinite(value).all(), f"{key} after step {t}; divergence came at {step}"
        assert seen == t >= step - 1


def test_a_state_loaded_after_divergence(sgd_subject, arguments, assert_same_state):
    """Nothing of what was not finite is left, in lanes and scratch that no state_dict shows."""
    for form in sgd_subject.forms:
        trainer, _ = diverged(sgd_subject, form)
        x, y = sgd_subject.data(20, form=form)
        for t in range(20):  # until everything is infected
            with contextlib.suppress(nbt.DivergenceError):
                trainer.learn(*arguments(x, y, t))
        gentle = run_in(sgd_subject, form)
        trainer.load_state_dict(gentle.state_dict())
        reference = sgd_subject.build(optimizer=trainer.optimizer)
        reference.load_state_dict(gentle.state_dict())
        assert trainer.observe(x, y).tobytes() == reference.observe(x, y).tobytes()
        assert_same_state(trainer.state_dict(), reference.state_dict())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", ["exact_self", "plain", "rtrl"])
def test_divergence_of_the_estimate(rule, dtype):
    """h is bounded by tanh, but the influence of an expanding network grows until it overflows."""
    own = {} if rule == "rtrl" else {"exact_self": rule == "exact_self"}
    kind = nbt.RTRL if rule == "rtrl" else nbt.NoBackTrack
    trainer = kind(nbt.RNN(4, activation="tanh"), nbt.Softmax(3), nbt.SGD(0.0), dtype=dtype, **own)
    state = trainer.state_dict()
    h = np.zeros(4)
    trainer.load_state_dict(
        state | {"cell.W": np.eye(4) * 3 + 1, "cell.r": 0 * state["cell.r"], "state.h": h}
    )
    with pytest.raises(nbt.DivergenceError) as caught:
        trainer.observe(np.zeros(5000, np.int32))
    assert 20 < caught.value.step < 5000


# ---- long calls --------------------------------------------------------------------------------


class Timer:
    """Raises KeyboardInterrupt in the main thread after some seconds, and says when."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self.ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        self.due = time.monotonic() + self.seconds
        return self

    def ring(self, *_):
        raise KeyboardInterrupt

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
@pytest.mark.parametrize("verb", ["learn", "observe"])
@pytest.mark.parametrize(
    ("rule", "units", "steps"),  # seconds, if not interrupted
    [
        (nbt.NoBackTrack, 3, 5_000_000),
        (nbt.NoBackTrack, 200, 20_000),
        (nbt.RTRL, 40, 20_000),
        (nbt.TruncatedBPTT, 20, 3_000_000),
    ],
)
def test_interrupt(rule, units, steps, verb, assert_same_state):
    """Answered soon, at a step boundary, and the trainer goes on from there."""
    x = np.random.default_rng(8).integers(0, 5, steps, dtype=np.int32)
    trainer, straight = (rule(nbt.RNN(units), nbt.Softmax(5)) for _ in range(2))
    with Timer(0.05) as timer, pytest.raises(KeyboardInterrupt):
        getattr(trainer, verb)(x)
    # promised is 0.1 s; a busy machine may be elsewhere for longer
    assert time.monotonic() - timer.due < 2.0
    done = trainer.step
    assert 0 < done < len(x)
    getattr(straight, verb)(x[:done])
    assert_same_state(trainer.state_dict(), straight.state_dict())
    rest = x[done : done + 20]
    assert trainer.learn(rest).tobytes() == straight.learn(rest).tobytes()


class Background:
    """learn() of a block in another thread; `losses` when it is done."""

    def __init__(self, trainer, x):
        self.losses = None
        self.started = trainer.step
        self.thread = threading.Thread(target=self.run, args=(trainer, x))
        self.thread.start()
        while trainer.step == self.started and self.thread.is_alive():
            time.sleep(0.001)

    def run(self, trainer, x):
        self.losses = trainer.learn(x)


@pytest.mark.parametrize(
    ("rule", "steps"),
    [(nbt.NoBackTrack, 80_000), (nbt.RTRL, 4_000), (nbt.TruncatedBPTT, 300_000)],
)
def test_other_threads_run_meanwhile(rule, steps):
    """The GIL is released: two trainers learn at once, and Python goes on."""
    x = np.random.default_rng(9).integers(0, 5, steps)
    expected = rule(nbt.RNN(30), nbt.Softmax(5)).learn(x)
    seen = set()
    for _ in range(5):  # on a busy machine this thread may sleep through it
        one, two = (rule(nbt.RNN(30), nbt.Softmax(5)) for _ in range(2))
        background = Background(one, x)
        while background.thread.is_alive() and len(seen) < 3:
            seen.add(one.step)
        losses = two.learn(x)
        background.thread.join()
        assert losses.tobytes() == background.losses.tobytes() == expected.tobytes()
        if len(seen) == 3:  # time passed there while code ran here
            return
    pytest.fail(f"in five runs, only steps {seen} were seen from outside")


VERBS = {
    "learn": lambda trainer, other: trainer.learn([1, 2]),
    "observe": lambda trainer, other: trainer.observe([1, 2]),
    "load_state_dict": lambda trainer, other: trainer.load_state_dict(other),
    "predict": lambda trainer, other: trainer.predict(),
    "predict after": lambda trainer, other: trainer.predict(2),
    "state_dict": lambda trainer, other: trainer.state_dict(),
    "influence": lambda trainer, other: trainer.influence(),
    "pickle": lambda trainer, other: pickle.dumps(trainer),
    "copy": lambda trainer, other: copy.copy(trainer),
}


@pytest.mark.parametrize("verb", VERBS)
def test_one_trainer_in_two_threads(verb, assert_same_state):
    """While one call runs, another waits; neither harms the other."""
    x = np.random.default_rng(10).integers(0, 5, 30_000).astype(np.int32)
    trainer, reference = (nbt.NoBackTrack(nbt.RNN(40), nbt.Softmax(5)) for _ in range(2))
    other = nbt.NoBackTrack(nbt.RNN(40), nbt.Softmax(5), seed=5).state_dict()
    background = Background(trainer, x)
    VERBS[verb](trainer, other)
    background.thread.join()
    assert background.losses.tobytes() == reference.learn(x).tobytes()
    VERBS[verb](reference, other)
    assert_same_state(trainer.state_dict(), reference.state_dict())


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_a_state_is_of_one_step(rule, assert_same_state):
    """What state_dict() gives while another thread takes step after step is never half of two."""
    x = np.random.default_rng(11).integers(0, 5, 1000).astype(np.int32)
    trainer, reference = (rule(nbt.RNN(16), nbt.Softmax(5)) for _ in range(2))
    expected = [reference.state_dict()]
    for symbol in x:
        reference.learn(symbol)
        expected.append(reference.state_dict())

    def steps():
        for symbol in x:
            trainer.learn(symbol)

    thread = threading.Thread(target=steps)
    interval = sys.getswitchinterval()
    states = []
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        while thread.is_alive():
            states.append(trainer.state_dict())
    finally:
        thread.join()
        sys.setswitchinterval(interval)
    for state in states:
        assert_same_state(state, expected[int(state["step"])])
    assert_same_state(trainer.state_dict(), expected[-1])


# ---- memory ------------------------------------------------------------------------------------


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc on this system")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="freed memory is kept")
@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_memory_does_not_grow(rule):
    """Over 10^6 steps in blocks, and 10^5 calls of every kind, good and bad."""
    x = np.random.default_rng(12).integers(0, 3, 10_000).astype(np.int32)
    trainer = rule(nbt.RNN(4), nbt.Softmax(3))

    def calls(count):
        for _ in range(count):
            trainer.learn(x[:1])
            trainer.learn(2)
            trainer.observe([0, 1], [1, 2])
            trainer.predict()
            trainer.predict(1)
            with pytest.raises(ValueError):
                trainer.learn([0, 7])
            with pytest.raises(TypeError):
                trainer.predict("no")
            with pytest.raises(ValueError):
                trainer.learn([1, 2], [1])

    def looks(count):
        for _ in range(count):
            trainer.load_state_dict(trainer.state_dict())
            copy.copy(trainer)

    calls(500)
    looks(50)
    trainer.learn(x)
    gc.collect()
    before = resident()
    for _ in range(100):
        trainer.learn(x)
    calls(5000)
    looks(300)
    gc.collect()
    assert trainer.step > 1_000_000
    assert resident() - before < 1_000_000


@pytest.mark.parametrize("units", [7, 16])
def test_padding_cannot_diverge(units):
    """What lies in the lanes past the last unit does not grow: it is no divergence."""
    trainer = nbt.NoBackTrack(
        nbt.LeakyRNN(units, leak=0.5),
        nbt.Softmax(3),
        nbt.SGD(0.0),
        inputs=nbt.Vector(2, False),
        seed=3,
    )
    state = trainer.state_dict()
    trainer.load_state_dict(state | {"cell.r": state["cell.r"] * 1e-16})
    trainer.observe(np.full((20_000, 2), 1e16, np.float32), np.zeros(20_000, np.int32))
    assert trainer.step == 20_000
