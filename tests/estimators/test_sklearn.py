"""The estimators as scikit-learn's: its own checks, and what a sequence means to it."""

import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest

import nbt

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import nbt.sklearn

CLASSIFIER, REGRESSOR = nbt.sklearn.RNNClassifier, nbt.sklearn.RNNRegressor
SEQUENCE = "rows are steps of one sequence: what is predicted depends on the rows before"
EXPECTED = {
    "check_methods_sample_order_invariance": SEQUENCE,
    "check_methods_subset_invariance": SEQUENCE,
}
MASKED = {"check_supervised_y_no_nan": "a NaN is a target that is missing, as was asked for"}
NOT_HERE = {"SCIPY_ARRAY_API is not set", "pandas is not installed"}


@pytest.mark.parametrize(
    "model",
    [
        CLASSIFIER(),
        CLASSIFIER(rule="RTRL", cell=nbt.LeakyRNN(5)),
        CLASSIFIER(missing="mask"),
        REGRESSOR(),
        REGRESSOR(missing="mask"),
        REGRESSOR(missing="skip"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(model):
    """All pass but those two, which must not: a model that passed them would have no state."""
    expected = EXPECTED | (
        MASKED if isinstance(model, REGRESSOR) and model.missing != "error" else {}
    )
    results = check_estimator(model, expected_failed_checks=expected, on_fail=None, on_skip=None)
    by_status = {}
    for result in results:
        by_status.setdefault(result["status"], []).append(result)
    assert "failed" not in by_status, [
        (result["check_name"], result["exception"]) for result in by_status["failed"]
    ]
    assert {result["check_name"] for result in by_status["xfail"]} == set(expected)
    for result in by_status.get("skipped", []):
        assert any(reason in str(result["exception"]) for reason in NOT_HERE), result
    assert len(by_status["passed"]) >= 45


def series(steps, seed=0):
    """What the label or number of a row depends on is the row before."""
    x = np.random.default_rng(seed).normal(size=(steps, 2))
    return x, np.roll(x[:, 0], 1)


@pytest.fixture
def labelled():
    x, y = series(1200)
    return x, np.where(y > 0, "up", "down")


def test_rows_are_steps(labelled):
    """The same numbers as a trainer's that is fed by hand."""
    X, y = labelled
    model = CLASSIFIER(nbt.RNN(7), options={"rank": 2}, random_state=3).fit(X[:900], y[:900])
    trainer = nbt.NoBackTrack(
        nbt.RNN(7),
        nbt.Softmax(2),
        inputs=nbt.Vector(2, standardize=True),
        rank=2,
        seed=model.trainer_.seed,
    )
    trainer.learn(X[:900], (y[:900] == "up").astype(int))
    p = model.predict_proba(X[900:])
    for k in range(300):
        expected = trainer.predict(X[900 + k : 901 + k])
        np.testing.assert_allclose(p[k], expected, rtol=1e-6)
        trainer.observe(X[900 + k : 901 + k], ...)
    assert (model.predict(X[900:]) == np.array(["down", "up"])[p.argmax(axis=1)]).all()
    assert model.score(X[900:], y[900:]) > 0.85


def test_predicting_changes_nothing(labelled):
    X, y = labelled
    model = CLASSIFIER(random_state=0).fit(X, y)
    before = model.trainer_.state_dict()
    p = model.predict_proba(X[:50])
    assert (model.predict_proba(X[:50]) == p).all()
    after = model.trainer_.state_dict()
    assert all((after[key] == before[key]).all() for key in before)


def test_partial_fit_goes_on(labelled):
    """However a sequence is cut, the bits are the same; `fit` starts anew."""
    X, y = labelled
    whole = CLASSIFIER(random_state=0).fit(X, y)
    parts = CLASSIFIER(random_state=0)
    for begin in range(0, len(X), 100):
        parts.partial_fit(X[begin : begin + 100], y[begin : begin + 100])
    assert (parts.predict_proba(X[:20]) == whole.predict_proba(X[:20])).all()
    parts.fit(X, y)
    assert (parts.predict_proba(X[:20]) == whole.predict_proba(X[:20])).all()


def test_new_classes_may_come(labelled):
    X, y = labelled
    model = CLASSIFIER(random_state=0).partial_fit(X[:10], np.repeat("m", 10))
    model.partial_fit(X, y)
    assert model.classes_.tolist() == ["down", "m", "up"]
    p = model.predict_proba(X)
    assert p.shape == (1200, 3)
    assert p[:, 1].max() < 0.2  # not seen since
    by_hand = nbt.NoBackTrack(
        nbt.RNN(20),
        nbt.Softmax(1),
        inputs=nbt.Vector(2, standardize=True),
        seed=model.trainer_.seed,
    )
    by_hand.learn(X[:10], np.zeros(10, int))
    by_hand.grow(3)
    by_hand.learn(X, np.where(y == "up", 2, 1))  # in the order in which they came
    np.testing.assert_allclose(p, by_hand.predict_along(X)[:, [1, 0, 2]], rtol=1e-6)
    known = CLASSIFIER(random_state=0).partial_fit(X[:1], y[:1], classes=["up", "zero", "down"])
    assert known.classes_.tolist() == ["down", "up", "zero"]
    known.partial_fit(X, y)
    agree = (np.asarray(known.predict(X)) == np.asarray(model.predict(X))).mean()
    assert agree > 0.9


def test_epochs_are_passes(labelled):
    X, y = labelled
    twice = CLASSIFIER(random_state=0, epochs=2).fit(X, y)
    again = CLASSIFIER(random_state=0).fit(X, y).partial_fit(X, y)
    assert (twice.predict_proba(X) == again.predict_proba(X)).all()
    assert twice.trainer_.step == 2400
    with pytest.raises(ValueError, match="epochs"):
        CLASSIFIER(epochs=0).fit(X, y)


def test_numbers_and_how_sure():
    x = np.sin(np.arange(3000) / 10)[:, np.newaxis]
    model = REGRESSOR(random_state=0).fit(x[:2000], 50 + 7 * x[1:2001, 0])
    mean, std = model.predict(x[2000:2500], return_std=True)
    assert mean.shape == std.shape == (500,)
    first = model.trainer_.predict(x[2000:2001])[:, 0]
    np.testing.assert_allclose([mean[0], std[0] ** 2], first, rtol=1e-6)
    assert (std > 0).all()
    assert model.score(x[2000:-1], 50 + 7 * x[2001:, 0]) > 0.95
    both = REGRESSOR(random_state=0).fit(x[:2000], np.c_[x[1:2001], -x[1:2001]])
    mean, std = both.predict(x[2000:2500], return_std=True)
    assert mean.shape == std.shape == (500, 2)
    np.testing.assert_allclose(mean[:, 0], -mean[:, 1], atol=0.2)


def test_a_regressor_has_the_preset_for_numbers():
    """Unless anything else is asked for."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, :2] @ [1.0, -2.0]
    made = nbt.sklearn.RNNRegressor(random_state=0).fit(X, y).trainer_
    setting = nbt.preset("numbers", readout=nbt.Gaussian(1), inputs=3)
    assert made.describe() == nbt.NoBackTrack(**setting, seed=made.seed).describe()
    plain = nbt.NoBackTrack(nbt.RNN(20), nbt.Gaussian(1), inputs=3, seed=made.seed).describe()
    for asked in ({"cell": nbt.RNN(20)}, {"optimizer": nbt.Kalman()}, {"options": {"rank": 1}}):
        other = nbt.sklearn.RNNRegressor(**asked, random_state=0).fit(X, y).trainer_
        assert (other.readout, other.inputs) == (nbt.Gaussian(1), nbt.Vector(3))
    same = nbt.sklearn.RNNRegressor(nbt.RNN(20), random_state=0).fit(X, y).trainer_
    assert same.describe() == plain
    rtrl = nbt.sklearn.RNNRegressor(rule="RTRL", random_state=0).fit(X, y).trainer_
    assert rtrl.cell == nbt.RNN(20)


def test_missing_numbers():
    X, y = series(500)
    X[::5, 1], y[::7] = np.nan, np.nan
    for model in (REGRESSOR(), CLASSIFIER()):
        with pytest.raises(ValueError, match="NaN"):
            model.fit(X, y > 0 if isinstance(model, CLASSIFIER) else y)
    model = REGRESSOR(missing="mask", random_state=0).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    CLASSIFIER(missing="skip").fit(X, y > 0)


def test_among_scikit_learns_own(labelled):
    X, y = labelled
    splits = TimeSeriesSplit(3)
    pipeline = make_pipeline(StandardScaler(), CLASSIFIER(random_state=0))
    assert cross_val_score(pipeline, X, y, cv=splits).mean() > 0.7
    grid = {"cell": [nbt.RNN(2), nbt.RNN(20)], "options": [None, {"rank": 2}]}
    search = GridSearchCV(CLASSIFIER(random_state=0), grid, cv=splits).fit(X, y)
    assert search.best_params_["cell"] in grid["cell"]
    assert clone(search.best_estimator_).get_params()["cell"] == search.best_params_["cell"]


def test_before_fit():
    for kind in (CLASSIFIER, REGRESSOR):
        with pytest.raises(NotFittedError):
            kind().predict([[1.0]])


# ---- labels of one kind, masks, divergence -----------------------------------------------------


@pytest.mark.parametrize(
    ("first", "other"), [([0, 1], ["a", "b"]), (["a", "b"], [0, 1]), ([True, False], ["a", "b"])]
)
def test_labels_are_of_one_kind_as_in_scikit_learn(first, other):
    """Numbers, then strings, then numbers: refused, where each call made the readout grow."""
    X = series(6)[0]
    model = CLASSIFIER(random_state=0).partial_fit(X, np.array(first * 3))
    before = model.trainer_.state_dict()
    with pytest.raises(ValueError, match=r"y: expected labels that are \w+, as others are, got"):
        model.partial_fit(X, np.array(other * 3))
    with pytest.raises(ValueError, match="classes: expected labels that are"):
        model.partial_fit(X, np.array(first * 3), classes=other)
    after = model.trainer_.state_dict()
    assert all((after[key] == before[key]).all() for key in before)
    for y in (first, first, np.array(first, float) if first != ["a", "b"] else first):
        model.partial_fit(X, np.array(list(y) * 3))
    assert model.classes_.tolist() == sorted(first)
    assert model.trainer_.readout == nbt.Softmax(2)


def test_labels_that_are_equal_are_the_same():
    X = series(6)[0]
    model = CLASSIFIER(random_state=0).partial_fit(X, [0, 1] * 3)
    for y in ([True, False] * 3, np.array([0.0, 1.0] * 3), np.array([0, 1] * 3, np.int8)):
        model.partial_fit(X, y)
    assert model.classes_.tolist() == [0, 1]
    assert model.classes_.dtype == int
    assert model.trainer_.readout == nbt.Softmax(2)
    texts = CLASSIFIER(random_state=0).partial_fit(X, list("ababab"))
    texts.partial_fit(X, np.array(["a", "longer"] * 3, object))
    assert texts.classes_.tolist() == ["a", "b", "longer"]
    assert texts.trainer_.readout == nbt.Softmax(3)


@pytest.mark.parametrize("kind", [CLASSIFIER, REGRESSOR])
def test_masks_are_refused(kind):
    X, y = series(6)
    y = (y > 0).astype(int)
    masked = np.ma.masked_greater(X, X.mean())
    with pytest.raises(TypeError, match="X: expected an array without a mask"):
        kind().fit(masked, y)
    with pytest.raises(TypeError, match="y: expected an array without a mask"):
        kind().partial_fit(X, np.ma.masked_equal(y, 1))
    with pytest.raises(TypeError, match="X: expected an array without a mask"):
        kind().fit(X, y).predict(masked)


def fatal(monkeypatch, steps):
    """These steps of every trainer diverge, once each."""
    real = nbt.NoBackTrack.learn
    left = set(steps)

    def learn(self, x, y):
        for k in range(len(x)):
            if self.step + k in left:
                left.discard(self.step + k)
                begin, at = self.step, self.step + k
                real(self, x[: k + 1], y[: k + 1])
                self.load_state_dict(
                    self.state_dict() | {"cell.W": np.full((self.cell.units,) * 2, 1e30)}
                )
                raise nbt.DivergenceError("ruined", at, position=at - begin, array="cell.W")
        return real(self, x, y)

    monkeypatch.setattr(nbt.NoBackTrack, "learn", learn)


@pytest.mark.parametrize("cuts", [[], [100, 120], range(1, 300), [40, 90, 91]])
def test_a_row_that_diverges_is_only_observed(cuts, monkeypatch):
    """To the bit, however the rows are cut."""
    X, y = series(300)
    expected = REGRESSOR(nbt.RNN(5), random_state=1).partial_fit(X[:40], y[:40])
    expected.trainer_.observe(X[40:41], ...)
    expected.partial_fit(X[41:90], y[41:90])
    expected.trainer_.observe(X[90:92], ...)
    expected.partial_fit(X[92:], y[92:])
    fatal(monkeypatch, {40, 90, 91})
    model = REGRESSOR(nbt.RNN(5), random_state=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for begin, end in pairwise([0, *cuts, 300]):
            model.partial_fit(X[begin:end], y[begin:end])
    messages = [str(one.message) for one in caught]
    assert [message.split()[8] for message in messages] == ["40", "90", "91"]
    assert all("(cell.W), X[" in message for message in messages)
    states = model.trainer_.state_dict(), expected.trainer_.state_dict()
    assert all(states[0][key].tobytes() == states[1][key].tobytes() for key in states[0])
    assert "_chunks" not in vars(pickle.loads(pickle.dumps(model)))


@pytest.mark.filterwarnings("ignore:learning left the range")
def test_rows_before_an_interrupt_stay_learned(monkeypatch):
    """Also where a later row diverges."""
    X, y = series(150)
    expected = REGRESSOR(nbt.RNN(5), random_state=1).partial_fit(X[:70], y[:70])
    expected.partial_fit(X[100:120], y[100:120])
    expected.trainer_.observe(X[120:121], ...)
    expected.partial_fit(X[121:], y[121:])
    model = REGRESSOR(nbt.RNN(5), random_state=1).partial_fit(X[:40], y[:40])

    learn = nbt.NoBackTrack.learn

    def interrupted(trainer, x, y):
        learn(trainer, x[:30], y[:30])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nbt.NoBackTrack, "learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X[40:100], y[40:100])
    fatal(monkeypatch, {90})
    model.partial_fit(X[100:], y[100:])
    states = model.trainer_.state_dict(), expected.trainer_.state_dict()
    assert all(states[0][key].tobytes() == states[1][key].tobytes() for key in states[0])


@pytest.mark.filterwarnings("ignore:learning left the range")
def test_what_always_diverges_is_an_error_and_the_model_whole(monkeypatch):
    X, y = series(100)
    model = REGRESSOR(nbt.RNN(5), random_state=1).partial_fit(X, y)
    fatal(monkeypatch, range(100, 200))
    with pytest.raises(nbt.DivergenceError):
        model.partial_fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.trainer_.step == 109


def test_a_fit_that_failed_is_none():
    model = nbt.sklearn.RNNRegressor(options={"rank": 0})
    X = np.zeros((5, 2))
    with pytest.raises(ValueError, match="rank"):
        model.fit(X, X[:, 0])
    with pytest.raises(NotFittedError):
        model.predict(X)
