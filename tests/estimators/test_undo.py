"""A step that takes learning out of the range of numbers is taken back; learning goes on."""

import math
import pickle
import random
import warnings

import numpy as np
import pytest

import nbt

WILD = {"optimizer": nbt.SGD(nbt.Constant(1e30)), "cell": nbt.RNN(6)}


def diverging(model, later):
    """The steps that come so many after the present one diverge as if a number had overflowed:
    the state is ruined, and the error raised after that."""
    trainer, kind = model.trainer, type(model.trainer)
    fatal = {trainer.step + k for k in later}

    def learn(self, x, y):
        step, loss = self.step, kind.learn(self, x, y)
        if self is trainer and step in fatal:
            fatal.discard(step)
            state = trainer.state_dict()
            ruined = np.full_like(state["cell.W"], 1e30)
            trainer.load_state_dict(state | {"cell.W": ruined})
            raise nbt.DivergenceError("ruined", step, array="cell.W")
        return loss

    trainer.__class__ = type(kind.__name__, (kind,), {"__slots__": (), "learn": learn})


def steps(count, seed=0):
    rng = random.Random(seed)
    return [{"a": rng.gauss(5, 2), "b": rng.random()} for _ in range(count)]


@pytest.mark.parametrize("rule", ["NoBackTrack", "RTRL", "TruncatedBPTT"])
@pytest.mark.parametrize("kind", [nbt.RNNClassifier, nbt.RNNRegressor])
@pytest.mark.parametrize("at", [0, 1, 37, 150])
def test_what_is_taken_back_was_only_observed(kind, rule, at, monkeypatch):
    """To the bit, wherever in the steps since the last state that was kept."""
    monkeypatch.setattr("nbt.estimators.undo.STEPS", 64)
    one, two = (kind(nbt.RNN(6), rule=rule, seed=2) for _ in range(2))
    records = steps(200)
    for model in (one, two):
        model.learn_one(records[0], 1)
        model.learn_one(records[0], 0)
        model.observe_one(records[1])
    diverging(one, {at})
    for t, x in enumerate(records):
        if t == at:
            with pytest.warns(
                RuntimeWarning, match=rf"range of numbers at step {t + 3} \(cell.W\)"
            ):
                one.learn_one(x, t % 2)
            two.observe_one(x)
        else:
            one.learn_one(x, t % 2)
            two.learn_one(x, t % 2)
    states = one.trainer.state_dict(), two.trainer.state_dict()
    assert all(states[0][key].tobytes() == states[1][key].tobytes() for key in states[0])
    assert (one.undone, two.undone) == (1, 0)
    assert (one.learned, one.step) == (two.learned, two.step)


@pytest.mark.parametrize("at", [0, 1, 37])
def test_steps_before_it_stay_learned_where_there_is_one_label(at):
    one, two = (nbt.RNNClassifier(nbt.RNN(6), seed=2) for _ in range(2))
    records = steps(60)
    for model in (one, two):
        model.learn_one(records[0], "only")
    diverging(one, {at})
    for t, x in enumerate(records):
        if t == at:
            with pytest.warns(RuntimeWarning, match=f"range of numbers at step {at + 1} "):
                one.learn_one(x, "only")
            two.observe_one(x)
        else:
            one.learn_one(x, "only")
            two.learn_one(x, "only")
    states = one.trainer.state_dict(), two.trainer.state_dict()
    assert all(states[0][key].tobytes() == states[1][key].tobytes() for key in states[0])


def test_the_warning_names_step_feature_and_target():
    model = nbt.RNNRegressor(nbt.RNN(6))
    for x in steps(50):
        model.learn_one(x, 3.0)
    diverging(model, {0})
    with pytest.warns(RuntimeWarning) as caught:
        model.learn_one({"a": 4.0, "b": 7e9}, 2.5)
    message = str(caught[0].message)
    assert "at step 50 (cell.W); feature 'b' was furthest from its mean, 7e+09" in message
    assert "the target was 2.5; nothing was learned from that step" in message
    assert caught[0].filename == __file__


def test_a_network_that_can_learn_no_more_begins_anew():
    model = nbt.RNNRegressor(nbt.RNN(6), seed=3)
    records = steps(400)
    for x in records[:50]:
        model.learn_one(x, x["a"])
    diverging(model, set(range(10)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for x in records[50:60]:
            model.learn_one(x, x["a"])
    assert [str(one.message).split("; ")[-1] for one in caught] == [
        "nothing was learned from that step, and learning goes on",
        "that was step 10 of 10 in a row: the network begins anew",
    ]
    assert model.undone == 10
    assert model.trainer.state_dict()["targets.count"] == 0
    assert model.step >= 50
    for x in records[60:]:
        model.learn_one(x, x["a"])
    assert abs(model.predict_one({"a": 6.0, "b": 0.5}) - 6) < 2


@pytest.mark.parametrize("kind", [nbt.RNNClassifier, nbt.RNNRegressor])
def test_never_nan_for_ever(kind):
    """However wild the optimizer: predictions are numbers, at every step."""
    model = kind(**WILD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for t, x in enumerate(steps(300)):
            model.learn_one(x, t % 3)
            if kind is nbt.RNNRegressor:
                assert all(map(math.isfinite, model.predict_one(x, return_std=True)))
            else:
                assert all(map(math.isfinite, model.predict_proba_one(x).values()))
    assert math.isfinite(model.loss) or model.learned == 0


@pytest.mark.parametrize("size", [1e10, 1e20, 1e30, -3e38])
@pytest.mark.parametrize("rule", ["NoBackTrack", "RTRL", "TruncatedBPTT"])
def test_an_absurd_target_does_not_end_learning(size, rule):
    model = nbt.RNNRegressor(rule=rule, seed=1)
    rng = random.Random(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for t in range(600):
            x = rng.gauss(0, 1)
            model.learn_one({"x": x}, size if t == 300 else 20 + 3 * x)
            mean, std = model.predict_one({"x": x}, return_std=True)
            assert math.isfinite(mean)
            assert math.isfinite(std)
    assert model.learned + model.undone >= 595


def test_the_count_is_saved(tmp_path):
    model = nbt.RNNClassifier(nbt.RNN(6))
    for t, x in enumerate(steps(20)):
        model.learn_one(x, t % 2)
    diverging(model, {0})
    with pytest.warns(RuntimeWarning):
        model.learn_one({"a": 1.0, "b": 1.0}, 1)
    model.trainer.__class__ = nbt.NoBackTrack
    assert ", step 21, 1 step taken back, " in repr(model)
    model.save(tmp_path / "m")
    assert nbt.load(tmp_path / "m").undone == model.undone == 1
    assert pickle.loads(pickle.dumps(model)).undone == 1


def test_a_trainer_used_by_hand_in_between():
    """What was done to the trainer itself is not known: it is as it was at the last state kept."""
    model = nbt.RNNClassifier(nbt.RNN(6))
    records = steps(30)
    for t, x in enumerate(records):
        model.learn_one(x, t % 2)
    model.trainer.reset_state()
    diverging(model, {1})
    model.learn_one(records[0], 0)
    with pytest.warns(RuntimeWarning):
        model.learn_one(records[1], 0)
    assert all(map(math.isfinite, model.predict_proba_one(records[0]).values()))
