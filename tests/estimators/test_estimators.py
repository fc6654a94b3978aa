"""Estimators that take one step at a time: features by name, labels of any kind."""

import copy
import math
import pickle
import random

import numpy as np
import pytest
from helpers.refusals import expect

import nbt
from nbt.estimators.features import Features
from nbt.storage import container as sealed

NAN = float("nan")


def weather(steps, seed=0):
    """Features that come and go, numbers and strings, and a label that depends on the step
    before."""
    rng = random.Random(seed)
    before = 0.0
    for t in range(steps):
        x = {"b": rng.gauss(5, 2), "a": rng.gauss(0, 1), "sky": rng.choice(["clear", "grey"])}
        if t > steps // 2:
            x["late"] = rng.random()
        if t % 7 == 3:
            del x["a"]
        y = "rain" if before > 5 else "dry"
        before = x["b"]
        yield x, y


def learned(steps=60, **choices):
    model = nbt.RNNClassifier(nbt.RNN(7), **choices)
    for x, y in weather(steps):
        model.learn_one(x, y)
    return model


def learned_numbers(steps=60, **choices):
    model = nbt.RNNRegressor(nbt.RNN(7), **choices)
    for x, _ in weather(steps):
        model.learn_one(x, 100 + 7 * x["b"])
    return model


MAKE = {"classifier": learned, "regressor": learned_numbers}


@pytest.fixture(params=MAKE)
def model(request):
    return MAKE[request.param]()


def said(model, x):
    """Everything that a model says of x."""
    if isinstance(model, nbt.RNNClassifier):
        return model.predict_proba_one(x), model.predict_one(x)
    return model.predict_one(x, return_std=True)


# ---- what they are in terms of a trainer -------------------------------------------------------


def test_a_classifier_is_a_trainer_with_a_softmax():
    """The same numbers, put in columns and labels by hand, give the same bits."""
    steps = [({"b": 1.0, "a": t * 0.5}, ("x", "y")[t % 2]) for t in range(20)]
    model = nbt.RNNClassifier(nbt.RNN(7), nbt.SGD(), seed=3, options={"rank": 2})
    vector = nbt.Vector(2, standardize=True)
    trainer = nbt.NoBackTrack(
        nbt.RNN(7),
        nbt.Softmax(1),
        nbt.SGD(),
        inputs=vector,
        rank=2,
        seed=3,
        missing="mask",
    )
    for t, (x, y) in enumerate(steps):
        model.learn_one(x, y)
        if t == 1:
            trainer.grow(2)
        trainer.learn([[x["a"], x["b"]]], t % 2)  # columns are in the order of names
    x = {"a": 3.0, "b": 2.0}
    expected = trainer.predict([[3.0, 2.0]])
    assert list(model.predict_proba_one(x)) == ["x", "y"]
    np.testing.assert_allclose(list(model.predict_proba_one(x).values()), expected, rtol=1e-6)
    assert model.predict_one(x) == "xy"[expected.argmax()]
    assert model.step == trainer.step == 20


def test_a_regressor_is_a_trainer_with_a_gaussian():
    model = nbt.RNNRegressor(seed=3)
    vector = nbt.Vector(1, standardize=True)
    readout = nbt.Gaussian(1, standardize=True)
    trainer = nbt.NoBackTrack(nbt.RNN(20), readout, inputs=vector, seed=3, missing="mask")
    nats = []
    for t in range(30):
        model.learn_one(t % 5, 10.0 * (t % 3))
        nats += trainer.learn([[t % 5]], [[10.0 * (t % 3)]]).tolist()
    mean, variance = trainer.predict([[2.0]])[:, 0]
    assert model.predict_one(2, return_std=True) == (mean, math.sqrt(variance))
    assert model.predict_one(2) == mean
    known = [loss for loss in nats if loss == loss]
    assert model.loss == pytest.approx(sum(known) / len(known), rel=1e-12)


@pytest.mark.parametrize("rule", ["NoBackTrack", "RTRL", "TruncatedBPTT"])
def test_they_learn(rule):
    """The label is what was seen a step ago: it takes a state to know it."""
    rng = random.Random(1)
    model, right, before = nbt.RNNClassifier(rule=rule, seed=1), 0, "a"
    for t in range(4000):
        x = {"seen": rng.choice("ab")}
        right += t >= 3000 and model.predict_one(x) == before
        model.learn_one(x, before)
        before = x["seen"]
    assert right >= 980
    assert model.loss < math.log(2)


# ---- predictions, observations -----------------------------------------------------------------


def test_predictions_change_nothing(model):
    before = pickle.dumps(model)
    x = {"b": 4.0, "never seen": 1.0, "sky": "never seen"}
    first = said(model, x)
    said(model, {"a": NAN})
    assert said(model, x) == first
    assert pickle.dumps(model) == before


def test_predict_is_what_learning_will_predict():
    model = learned()
    for x, y in weather(30, seed=5):
        expected = -math.log(model.predict_proba_one(x)[y])
        nats = model.loss * model._learned
        model.learn_one(x, y)
        assert model.loss * model._learned - nats == pytest.approx(expected, abs=1e-4)


def test_observing_moves_the_state_and_learns_nothing(model):
    weights = model.trainer.state_dict()["cell.W"]
    before, loss, step = said(model, {"b": 1.0}), model.loss, model.step
    model.observe_one({"b": 9.0, "a": -1.0})
    assert said(model, {"b": 1.0}) != before
    assert (model.trainer.state_dict()["cell.W"] == weights).all()
    assert (model.loss, model.step) == (loss, step + 1)


def test_a_target_that_is_missing_is_observed():
    model, other = learned_numbers(), learned_numbers()
    model.learn_one({"b": 2.0, "late": 0.5}, NAN)
    other.observe_one({"b": 2.0, "late": 0.5})
    x = {"b": 1.0}
    assert model._learned == other._learned
    assert model.predict_one(x) == pytest.approx(other.predict_one(x), rel=0.05)


def test_before_anything_came():
    classifier, regressor = nbt.RNNClassifier(), nbt.RNNRegressor()
    assert classifier.predict_proba_one({"a": 1}) == {}
    assert classifier.predict_one({"a": 1}) is None
    assert regressor.predict_one({"a": 1}) == 0.0
    assert math.isnan(regressor.predict_one({"a": 1}, return_std=True)[1])
    assert math.isnan(regressor.loss)
    classifier.observe_one({"a": 1})
    assert classifier.predict_proba_one({"a": 1}) == {}
    assert (classifier.step, classifier.features) == (1, ["a"])


def test_no_features_at_all():
    """What comes next can depend on time alone; a feature may still come."""
    model = nbt.RNNClassifier(seed=2)
    for _ in range(3):
        model.learn_one({}, "a")
        model.learn_one([], "b")
    assert set(model.predict_proba_one({})) == {"a", "b"}
    model.learn_one({"x": 1.0}, "b")
    assert model.features == ["x"]


# ---- features ----------------------------------------------------------------------------------


def test_the_order_of_features_is_no_matter(model):
    other = MAKE["classifier" if isinstance(model, nbt.RNNClassifier) else "regressor"](0)
    for x, y in weather(60):
        other.learn_one(
            dict(reversed(x.items())),
            y if isinstance(model, nbt.RNNClassifier) else 100 + 7 * x["b"],
        )
    x = {"sky": "grey", "b": 4.5}
    assert said(other, x) == said(model, x)


def test_new_features_change_nothing_until_they_are_learned(model):
    x = {"b": 4.0, "a": 0.1, "sky": "grey", "late": 0.5}
    before = said(model, x)
    model.trainer.grow(inputs=model.trainer.inputs.size + 2)
    model._adopt(model.trainer)
    assert said(model, x) == before


@pytest.mark.parametrize(
    ("x", "columns"),
    [
        (2.5, {0: 2.5}),
        (np.float32(2.5), {0: 2.5}),
        (("u", 2), {0: "u", 1: 2}),
        ([1, 2], {0: 1, 1: 2}),
        (np.array([1.0, 2.0]), {0: 1, 1: 2}),
        ({"b": True, "a": np.int64(3)}, {"a": 3, "b": 1}),
        (np.array(4), {0: 4}),
    ],
)
def test_values_are_features(x, columns):
    one, two = nbt.RNNRegressor(), nbt.RNNRegressor()
    for y in (1.0, 3.0, 2.0):
        one.learn_one(x, y)
        two.learn_one(columns, y)
    assert one.features == list(columns)
    assert one.predict_one(x) == two.predict_one(columns)


def row_of(features, x):
    row = np.full((1, len(features)), 7.0)
    features.fill(x, row)
    return row[0].tolist()


def test_columns():
    features = Features(3, "missing")
    assert features.learn({"n": 2, "c": "red", "gone": None, "nan": NAN})
    assert features.columns == [("c", "red"), ("n",)]
    assert not features.learn({"n": 3})
    assert features.learn({"c": "blue"})
    assert row_of(features, {"n": 4, "c": "blue"}) == [0.0, 4.0, 1.0]
    assert row_of(features, {"c": "green", "n": "a string"}) == [
        0.0,
        pytest.approx(NAN, nan_ok=True),
        0.0,
    ]
    assert np.isnan(row_of(features, {})).all()
    features.learn({"c": 5})  # now a number, too
    assert row_of(features, {"c": 5})[3] == 5.0
    assert features.learn({"x": 1, "y": 2, "z": 3})
    assert len(features) == 6  # three numbers, two strings, and what y and z share
    assert features.columns[4:] == [("x",), ("shared", 0)]
    assert not features.learn({"y": 2})
    assert features.names() == ["c", "n", "x"]
    assert abs(row_of(features, {"y": 2})[5]) == 2.0


def test_a_full_row_takes_the_short_way_and_comes_out_the_same():
    features = Features(9)
    features.learn({"b": 1, "a": 2})
    row = np.full((1, 2), NAN)
    assert features.fill_known({"b": 5, "a": 0.1}, row)
    assert row.tolist() == [[0.1, 5.0]]
    for x in ({"b": 5}, {"b": 5, "c": 1}, {"b": 5, "a": None}, {"b": 5, "a": "s"}, 5, None, [1, 2]):
        assert not features.fill_known(x, row)
    assert not features.fill_known({"b": 5, "a": 1, "c": 2}, row)
    one = Features(9)
    one.learn(3.0)
    assert one.fill_known({0: 4}, row)


def test_few_features_are_taken_in():
    model = nbt.RNNClassifier(max_features=2)
    with pytest.warns(UserWarning, match="more than 2 numbers"):
        model.learn_one({"a": 1, "b": 2, "c": 3}, 1)
    model.learn_one({"c": 3, "d": 3}, 2)  # it is said once
    assert model.features == ["a", "b"]
    assert model.columns == ["a", "b", "shared=0"]


# ---- labels ------------------------------------------------------------------------------------


def test_labels_of_any_kind():
    model = nbt.RNNClassifier()
    labels = ["a", 1, 2.5, (3, 4), True, np.int64(7)]  # True is 1
    for label in labels:
        model.learn_one(0.0, label)
    assert model.labels == ["a", 1, 2.5, (3, 4), 7]
    assert type(model.labels[-1]) is int
    p = model.predict_proba_one(0.0)
    assert list(p) == model.labels
    assert sum(p.values()) == pytest.approx(1, rel=1e-12)


def test_a_new_label_keeps_the_odds_of_the_others():
    model = learned()
    x = {"b": 3.0, "a": 1.0}
    before = model.predict_proba_one(x)
    model._new_label(x, "snow")
    after = model.predict_proba_one(x)
    assert after["rain"] / after["dry"] == pytest.approx(before["rain"] / before["dry"], rel=1e-5)
    assert after["snow"] > 0


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "error", "arguments"),
    [
        ("x: 'b'", TypeError, ({"b": object()}, 1)),
        ("x: 'b'", TypeError, ({"b": b"bytes", "new": 1}, 1)),
        ("x: 'b'", TypeError, ({"b": [1, 2], "new": 1}, 1)),
        ("x: 'b'", ValueError, ({"b": math.inf, "new": 2.0}, 1)),
        ("x: 'b'", ValueError, ({"b": 10**400}, 1)),
        ("x", ValueError, ({"b": math.inf, "a": 1.0, "late": 0.0}, 1)),
        ("x", ValueError, (np.zeros((2, 2)), 1)),
        ("x", TypeError, ({frozenset("no name"): 1}, 1)),
        ("x", TypeError, ({NAN: 1}, 1)),
        ("x", TypeError, (None, 1)),
        ("x", TypeError, ("text", 1)),
        ("x", TypeError, (b"bytes", 1)),
        ("x", TypeError, ({1, 2}, 1)),
        ("x: 'b'", TypeError, ({"b": {"nested": 1}}, 1)),
        ("x: 'b'", TypeError, ({"b": 1j}, 1)),
        ("x: 'b'", ValueError, ({"b": 10**5000}, 1)),
        ("x: 1", TypeError, ([1, [2, 3]], 1)),
        ("x", TypeError, (np.ma.masked_equal([1.0, 2.0], 2), 1)),
    ],
)
def test_features_that_are_refused(model, name, error, arguments):
    before = pickle.dumps(model)
    if isinstance(model, nbt.RNNClassifier):
        expect(error, name, lambda: model.learn_one(arguments[0], "a new label"))
    expect(error, name, lambda: model.learn_one(*arguments))
    expect(error, name, lambda: model.observe_one(arguments[0]))
    assert pickle.dumps(model) == before


def test_an_infinity_that_took_the_short_way_is_refused():
    model = nbt.RNNClassifier()
    model.learn_one({"a": 1.0, "b": 2.0}, "x")
    before = pickle.dumps(model)
    for y in ("x", "a new label"):
        expect(ValueError, "x", lambda y=y: model.learn_one({"a": math.inf, "b": 1.0}, y))
    assert pickle.dumps(model) == before


def test_labels_that_are_refused():
    model = learned(max_labels=2)
    before = pickle.dumps(model)
    for y in (None, NAN):
        expect(TypeError, "y", lambda y=y: model.learn_one({"b": 1}, y))
    expect(ValueError, "y: expected at most 2", lambda: model.learn_one({"b": 1}, "snow"))
    with pytest.raises(TypeError):
        model.learn_one({"b": 1}, ["unhashable"])
    assert pickle.dumps(model) == before


def test_targets_that_are_refused():
    model = learned_numbers()
    before = pickle.dumps(model)
    for y in ("one", None, b"1", [1.0], np.zeros(2), 1j, {}, "1_000"):
        expect(TypeError, "y", lambda y=y: model.learn_one({"new": 1}, y))
    for y in (np.datetime64("2026-03-01", "ns"), np.timedelta64(1, "ns"), np.timedelta64(1, "Y")):
        expect(TypeError, "y", lambda y=y: model.learn_one({"new": 1}, y))
    for y in (math.inf, -math.inf, 10**400):
        with pytest.raises((TypeError, ValueError), match="y: expected"):
            model.learn_one({"new": 1}, y)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("rule", {"rule": "backprop"}),
        ("cell", {"cell": 20}),
        ("optimizer", {"optimizer": "sgd"}),
        ("options", {"options": ["rank"]}),
        ("options", {"options": {"seed": 1}}),
        ("rank", {"options": {"rank": 0}}),
        ("max_features", {"max_features": 0}),
        ("seed", {"seed": -1}),
        ("absent", {"absent": "mean"}),
        ("absent", {"absent": None}),
        ("categorical", {"categorical": "zip"}),
        ("categorical", {"categorical": [["zip"]]}),
        ("categorical", {"categorical": 3}),
    ],
)
def test_arguments_that_are_refused(name, choices):
    for kind in (nbt.RNNClassifier, nbt.RNNRegressor):
        with pytest.raises((TypeError, ValueError), match=name):
            kind(**choices)


# ---- copies and files --------------------------------------------------------------------------


def go_on(model, steps=25):
    """What a model says of the steps to come, learning them."""
    result = []
    for x, y in weather(steps, seed=9):
        result.append(said(model, {**x, "new": 1.0}))
        if isinstance(model, nbt.RNNClassifier):
            model.learn_one({**x, "new": 1.0}, y + "!" * (len(result) > 10))
        else:
            model.learn_one({**x, "new": 1.0}, x["b"])
    return [*result, repr(model), model.loss]


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("rule", ["NoBackTrack", "RTRL", "TruncatedBPTT"])
def test_copies_go_on_to_the_bit(kind, rule, tmp_path):
    model = MAKE[kind](rule=rule, options={"dtype": "float64"})
    model.save(tmp_path / "m")
    copies = [
        copy.deepcopy(model),
        copy.copy(pickle.loads(pickle.dumps(model))),
        nbt.load(tmp_path / "m"),
        type(model).load(tmp_path / "m"),
    ]
    expected = go_on(model)
    for other in copies:
        assert type(other) is type(model)
        assert go_on(other) == expected


def test_a_fresh_one_is_saved_fresh(tmp_path):
    model = nbt.RNNClassifier(nbt.LeakyRNN(7), nbt.SGD(nbt.Constant(0.5)), max_labels=9, seed=4)
    model.save(tmp_path / "m")
    other = nbt.load(tmp_path / "m")
    assert repr(other) == repr(model)
    assert go_on(other) == go_on(model)


def test_files_of_something_else(tmp_path):
    learned().save(tmp_path / "m")
    with pytest.raises(nbt.CheckpointError, match="expected RNNRegressor, got RNNClassifier"):
        nbt.RNNRegressor.load(tmp_path / "m")
    nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(2)).save(tmp_path / "t")
    with pytest.raises(nbt.CheckpointError, match="expected RNNClassifier, got a trainer"):
        nbt.RNNClassifier.load(tmp_path / "t")
    model = nbt.RNNClassifier()
    model.learn_one({}, (1, 2))
    with pytest.raises(TypeError, match="labels"):
        model.save(tmp_path / "tuple")
    assert not (tmp_path / "tuple").exists()


@pytest.mark.parametrize(
    "edit",
    [
        {"estimator": "Other"},
        {"labels": ["rain"], "started": True, "features": [["a"], ["b"]]},
        {"estimator": None},
        {"labels": ["rain"]},
        {"labels": "rain"},
        {"labels": ["rain", ["dry"]]},
        {"labels": ["rain", "rain"]},
        {"features": [["b"], ["b"]]},
        {"features": [["b"]]},
        {"features": [["a", "b", "c"]]},
        {"features": [[{}]]},
        {"features": 3},
        {"features": [["a"], ["shared", 0], ["b"], ["shared", 1]]},
        {"features": [["b", 1.5]]},
        {"undone": [0, 0]},
        {"undone": [0, -1, 0]},
        {"parameters": {}},
        {"parameters": {"cell": {"kind": "os.system"}, "options": None}},
        {"parameters": {"options": {"rank": 4}, "x": 1}},
        {"learned": -1},
        {"nats": "x"},
        {"started": 1},
    ],
)
def test_files_that_were_edited(edit, tmp_path):
    model = learned()
    nbt.Checkpoint(model.trainer, estimator=model.describe() | edit).save(tmp_path / "m")
    with pytest.raises(nbt.CheckpointError, match="holds no estimator"):
        nbt.load(tmp_path / "m")
    with pytest.raises(nbt.CheckpointError, match=r"holds no estimator|expected RNNC"):
        nbt.RNNClassifier.load(tmp_path / "m")


def test_files_of_the_first_version_go_on_as_they_were(tmp_path):
    """They say nothing of what came later; an absent key was missing, a number in text a column."""
    model = learned(absent="missing")
    model._features.take([*model._features.columns, ("b", "12")])
    model.trainer.grow(inputs=len(model.columns))
    model._adopt(model.trainer)
    description = model.describe()
    for name in ("absent", "categorical"):
        del description["parameters"][name]
    del description["undone"]
    nbt.Checkpoint(model.trainer, estimator=description).save(tmp_path / "m")
    again = nbt.load(tmp_path / "m")
    assert (again.absent, again.undone) == ("missing", 0)
    for x in ({"a": 1.0}, {"b": "12"}, {"b": "13", "late": 0.5}):
        assert said(again, x) == said(model, x)
    assert go_on(again)[:-2] == go_on(model)[:-2]


def test_what_takes_its_place_is_no_mapping(tmp_path):
    nbt.Checkpoint(learned().trainer, estimator=["a"]).save(tmp_path / "m")
    with pytest.raises(nbt.CheckpointError, match="estimator: expected a mapping"):
        nbt.load(tmp_path / "m")


def test_a_file_that_could_not_be_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(sealed, "LONGEST_HEADER", 10_000)
    model = nbt.RNNClassifier(nbt.RNN(2))
    model.learn_one({}, "x" * 20_000)
    with pytest.raises(nbt.CheckpointError, match="at most"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# ---- what is shown -----------------------------------------------------------------------------


def test_repr():
    assert repr(nbt.RNNClassifier()) == "RNNClassifier()  # 0 features, 0 labels, step 0"
    model = nbt.RNNRegressor(nbt.RNN(3), seed=2)
    model.learn_one({"a": 1.0}, 2.0)
    expected = (
        "RNNRegressor(cell=RNN(units=3, activation='sigmoid'), seed=2)  "
        "# 1 feature, 23 parameters, step 1"
    )
    assert repr(model).startswith(expected)
    assert "bits per label" in repr(learned())
    assert eval(repr(model), vars(nbt)).arguments() == model.arguments()
