"""What a feature may be: numbers, text, moments, missing, absent, one of too many."""

import csv
import datetime
import decimal
import fractions
import io
import math
import pickle
import random
import warnings

import numpy as np
import pytest

import nbt
from nbt.estimators.features import Features

NAN = math.nan
DAY = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def columns_of(*records, **choices):
    """Columns given out for these, and the row of the last of them."""
    features = Features(50, **choices)
    for x in records:
        features.learn(x)
    row = np.full((1, len(features)), 7.0)
    features.fill(records[-1], row)
    return features.columns, row[0].tolist()


# ---- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *[(3, 3.0), (2.5, 2.5), (True, 1.0), (np.float32(0.5), 0.5), (np.int8(-3), -3.0)],
        *[(np.bool_(True), 1.0), (decimal.Decimal("1.5"), 1.5), (fractions.Fraction(1, 4), 0.25)],
        *[("21.5", 21.5), (" -1e3 ", -1000.0), ("7", 7.0), (np.str_("0.5"), 0.5)],
        *[(np.array(2.0), 2.0), (np.uint64(2**63), 2.0**63)],
        (DAY, DAY.timestamp()),
        (DAY.replace(tzinfo=None), DAY.timestamp()),
        (DAY.date(), DAY.timestamp() - 12 * 3600),
        ("2026-03-01T12:00:00Z", DAY.timestamp()),
        ("2026-03-01 13:00+01:00", DAY.timestamp()),
        (np.datetime64("2026-03-01T12"), DAY.timestamp()),
        (datetime.timedelta(minutes=2), 120.0),
        (np.timedelta64(1500, "ms"), 1.5),
        (np.datetime64("2026-03-01T12:00:00.000000000"), DAY.timestamp()),
        (np.timedelta64(1_500_000_000, "ns"), 1.5),
    ],
)
def test_numbers(value, number):
    """The first time, and where it has a column."""
    assert columns_of({"a": value}) == ([("a",)], [number])
    features = Features(100)
    features.learn({"a": value, "b": 1.0})
    row = np.empty((1, 2))
    if features.fill_known({"a": value, "b": 2}, row):
        assert row.tolist() == [[number, 2.0]]


@pytest.mark.parametrize(
    "value",
    [
        *[None, NAN, np.float32("nan"), decimal.Decimal("nan"), np.datetime64("NaT")],
        *[np.ma.masked, "", " ", "NA", "n/a", "NaN", "null", "None"],
    ],
)
def test_what_is_missing(value):
    """It makes no column, and has no number in one that is there."""
    assert columns_of({"a": value}) == ([], [])
    columns, row = columns_of({"a": 1, "b": 2}, {"a": value, "b": 3})
    assert columns == [("a",), ("b",)]
    assert math.isnan(row[0])
    columns, row = columns_of({"c": "red"}, {"c": value})
    assert math.isnan(row[0])


def test_what_pandas_has():
    pd = pytest.importorskip("pandas")
    for value in (pd.NA, pd.NaT):
        assert math.isnan(columns_of({"a": 1}, {"a": value})[1][0])
        nbt.RNNRegressor().learn_one({"a": value}, 1.0)
    assert columns_of({"a": pd.Timestamp(DAY)})[1] == [DAY.timestamp()]
    assert columns_of({"a": pd.Timedelta("2min")})[1] == [120.0]
    table = pd.DataFrame({"b": [1, 2], "a": [0.5, None], "c": ["x", None]}).convert_dtypes()
    assert columns_of(table.iloc[0]) == ([("a",), ("b",), ("c", "x")], [0.5, 1.0, 1.0])
    columns, row = columns_of(table.iloc[0], table.iloc[1])
    assert [columns, row[1]] == [[("a",), ("b",), ("c", "x")], 2.0]
    assert [math.isnan(one) for one in row] == [True, False, True]
    with pytest.raises(ValueError, match=r"x: expected one step's features, got shape \(1, 3\)"):
        nbt.RNNClassifier().learn_one(table.iloc[:1], "a")
    twice = pd.Series([1.0, 2.0], index=["a", "a"])
    with pytest.raises(ValueError, match="x: expected each name once, got 'a' twice"):
        nbt.RNNClassifier().learn_one(twice, "a")


def test_strings_that_are_no_numbers_are_categories():
    for text in ("red", "1_000", "0x10", "True", "1,5", "inf", "nine"):
        assert columns_of({"a": text}) == ([("a", text)], [1.0])
    columns, row = columns_of({"a": "12"}, {"a": "ERR"})  # a number that once was none
    assert columns == [("a",), ("a", "ERR")]
    assert math.isnan(row[0])
    assert row[1] == 1.0
    assert columns_of({"a": "12"}, {"a": "ERR"}, {"a": "13"})[1] == [13.0, 0.0]


def test_categories_may_be_forced():
    given = {"zip": "01234", "code": 7, "n": "3"}
    columns, row = columns_of(given, {"zip": "2", "code": 7.0, "n": 4}, categorical=["zip", "code"])
    assert columns == [("code", "7"), ("n",), ("zip", "01234"), ("zip", "2")]
    assert row == [1.0, 4.0, 0.0, 1.0]
    assert columns_of({"a": None}, {"a": "NA"}, categorical={"a"})[0] == [("a", "NA")]
    for value in ([1], {"a": 1}, b"x"):
        with pytest.raises(TypeError, match="x: 'a': expected a string or a number, got"):
            columns_of({"a": value}, categorical=["a"])
    model = nbt.RNNClassifier(categorical=["zip"])
    model.learn_one({"zip": 12}, "a")
    assert model.columns == ["zip=12"]
    assert eval(repr(model), vars(nbt)).categorical == ["zip"]


def test_a_table_of_strings_is_learned_as_its_numbers():
    """Records of `csv.DictReader` give the same network as the numbers in them, to the bit."""
    rng = random.Random(0)
    numbers = [{"load": rng.random(), "fan": rng.gauss(1200, 50)} for _ in range(300)]
    text = "load,fan\n" + "".join(f"{x['load']!r},{x['fan']!r}\n" for x in numbers)
    one, two = nbt.RNNClassifier(), nbt.RNNClassifier()
    for x, record in zip(numbers, csv.DictReader(io.StringIO(text)), strict=True):
        one.learn_one(x, x["load"] > 0.5)
        two.learn_one(record, x["load"] > 0.5)
    assert two.columns == ["fan", "load"]
    assert two.trainer.parameter_count == one.trainer.parameter_count == 502
    assert two.predict_proba_one(record) == one.predict_proba_one(numbers[-1])
    regressor = nbt.RNNRegressor()
    for x, y in (({"a": "1"}, "2.5"), ({"a": "2"}, ""), ({"a": ""}, "3")):
        regressor.learn_one(x, y)
    assert regressor.step == 3
    assert regressor.columns == ["a"]


def test_names():
    """Strings, numbers, tuples of these; NumPy's are Python's."""
    columns, _ = columns_of({np.str_("a"): 1, np.int64(3): 2, ("of", "two"): 3, None: 4})
    assert set(columns) == {("a",), (3,), (("of", "two"),), (None,)}
    assert all(type(name) in (str, int, tuple, type(None)) for (name,) in columns)


def test_rows_of_other_things():
    import sqlite3

    base = sqlite3.connect(":memory:")
    base.row_factory = sqlite3.Row
    assert columns_of(base.execute("select 1 as a, 'x' as b").fetchone()) == (
        [("a",), ("b", "x")],
        [1.0, 1.0],
    )
    assert columns_of(range(3))[1] == [0.0, 1.0, 2.0]
    assert columns_of(np.array(["x", "2"])) == ([(0, "x"), (1,)], [1.0, 2.0])


# ---- what x does not have ----------------------------------------------------------------------


def test_absent_is_zero_or_missing():
    assert columns_of({"a": 1, "c": "red"}, {})[1] == [0.0, 0.0]
    assert all(map(math.isnan, columns_of({"a": 1, "c": "red"}, {}, absent="missing")[1]))
    assert columns_of({"c": "red"}, {"c": "blue"}, absent="missing")[1] == [0.0, 1.0]
    assert columns_of({"c": "red"}, {"c": "blue"})[1] == [0.0, 1.0]


def right(model, records):
    """The share of the second half that is predicted before it is learned."""
    hits = []
    for x, y in records:
        hits.append(model.predict_one(x) == y)
        model.learn_one(x, y)
    return sum(hits[len(hits) // 2 :]) / (len(hits) - len(hits) // 2)


@pytest.mark.parametrize("rule", ["NoBackTrack", "RTRL", "TruncatedBPTT"])
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_an_alarm_that_is_there_or_not(share, rule):
    """{"alarm": 1} against {}: river's logistic regression has 98.6 % of such a stream."""
    rng = random.Random(0)
    alarms = [rng.random() < share for _ in range(6000)]
    records = [({"alarm": 1} if alarm else {}, alarm) for alarm in alarms]
    assert right(nbt.RNNClassifier(rule=rule, seed=1), records) >= 0.999
    if rule == "NoBackTrack" and share == 0.5:  # what is missing says nothing
        assert right(nbt.RNNClassifier(seed=1, absent="missing"), records) < 0.6


def test_an_alarm_among_numbers():
    rng = random.Random(0)
    records = []
    for _ in range(6000):
        alarm = rng.random() < 0.01
        records.append(({"load": rng.gauss(20, 3)} | ({"alarm": 1} if alarm else {}), alarm))
    assert right(nbt.RNNClassifier(seed=1), records) >= 0.999


def test_bags_of_words():
    """Two words of twelve say what a text is about: river's logistic regression has 99.97 %."""
    rng = random.Random(0)
    words = {True: [f"good{k}" for k in range(20)], False: [f"bad{k}" for k in range(20)]}
    other = [f"word{k}" for k in range(100)]
    records = []
    for _ in range(6000):
        y = rng.random() < 0.5
        x = {}
        for word in rng.choices(other, k=10) + rng.choices(words[y], k=2):
            x[word] = x.get(word, 0) + 1
        records.append((x, y))
    assert right(nbt.RNNClassifier(seed=1), records) >= 0.999


# ---- too many ----------------------------------------------------------------------------------


@pytest.mark.parametrize("different", [1000, 100_000])
def test_many_strings_do_not_crowd_out_numbers(different):
    """One warning, a bounded network, and the number that came last is learned."""
    rng = random.Random(1)
    model = nbt.RNNClassifier(nbt.RNN(8), max_features=40, seed=1)
    hits = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for t in range(3000):
            x = {"user": f"user {rng.randrange(different)}"}
            if t >= 200:
                x["load"] = rng.random()
            y = x.get("load", 0) > 0.5
            hits.append(model.predict_one(x) == y)
            model.learn_one(x, y)
    assert len(caught) == 1
    assert "more than 40 numbers, or as many different strings" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert model.features == ["user", "load"]
    assert len(model.columns) == 40 + 10 + 1
    assert sum(hits[-1000:]) >= 900


@pytest.mark.parametrize("model", [nbt.RNNRegressor, nbt.RNNClassifier])
def test_numbers_with_a_decimal_comma_are_words_with_a_warning(model):
    """As csv.DictReader gives them where tables have decimal commas; once for a feature."""
    learner = model(seed=1)
    with pytest.warns(UserWarning, match="x: 'x': '-490,7' looks like a number with a") as caught:
        learner.learn_one({"x": "-490,7", "y": "4.5", "day": "mon"}, 1.0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.learn_one({"x": "1.234,5", "y": "4.5", "day": "tue"}, 1.0)
        assert learner.columns == ["day=mon", "x=-490,7", "y", "day=tue", "x=1.234,5"]
        model(categorical=["x"]).learn_one({"x": "-490,7"}, 1.0)
        model().learn_one({"x": "a,b", "y": "", "z": ",", 3: 2.5}, 1.0)


def test_what_shares_a_column_is_learned_nevertheless():
    """Strings that have no column of their own, and as many again in it."""
    model = nbt.RNNClassifier(max_features=8, seed=1)
    rng, hits = random.Random(2), []
    for k in range(8):
        model.learn_one({"c": f"early{k}"}, False)
    with pytest.warns(UserWarning, match="more than 8 numbers"):
        model.learn_one({"c": "late b"}, False)
    for _ in range(3000):
        c = rng.choice(["late a", "late b"])
        hits.append(model.predict_one({"c": c}) == (c == "late a"))
        model.learn_one({"c": c}, c == "late a")
    assert model.columns[8:] == ["shared=0", "shared=1"]
    assert sum(hits[-1000:]) >= 990


def test_hashes_stay_what_they_are():
    """Of a process, of a machine: a saved network goes on with the same columns."""
    features = Features(8)
    features.learn([f"s{k}" for k in range(1)] + [float(k) for k in range(9)])
    assert len(features) == 1 + 8 + 2
    found = []
    for name in ("x", "y", "z", "w"):
        row = np.zeros((1, len(features)))
        assert not features.fill({name: 2.0}, row)
        found.append(row[0, -2:].tolist())
    assert found == HASHED
    copied = pickle.loads(pickle.dumps(features))
    again = np.zeros((1, len(features)))
    copied.fill({"w": 2.0}, again)
    assert (again == row).all()


HASHED = [[0.0, 2.0], [2.0, 0.0], [0.0, 2.0], [0.0, -2.0]]


@pytest.mark.parametrize("kind", [nbt.RNNClassifier, nbt.RNNRegressor])
def test_all_of_it_is_saved(kind, tmp_path):
    model = kind(nbt.RNN(5), max_features=4, absent="missing", categorical=("zip", ("a", 1)))
    records = [{("a", 1): k, "zip": k % 3, "u": f"user{k}", "n": k * 0.5} for k in range(12)]
    model.learn_one(records[0], 0)
    with pytest.warns(UserWarning, match="as many different strings"):
        model.learn_one(records[1], 1)
    model.save(tmp_path / "m")
    again = nbt.load(tmp_path / "m")
    assert again.columns == model.columns
    assert "shared=0" in again.columns
    assert again.features == model.features
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it was said before it was saved
        for x in (*records, {"n": "3"}, {"new": "x"}):
            assert again.predict_one(x) == model.predict_one(x)
            model.learn_one(x, 1)
            again.learn_one(x, 1)
    assert again.trainer.state_dict()["cell.r"].tobytes() == (
        model.trainer.state_dict()["cell.r"].tobytes()
    )


def test_a_step_is_the_same_however_its_row_was_filled(tmp_path):
    """The short way and the long one, with a column or without: a copy takes the long one first."""
    for records in ([{}, {}, {}, {"a": 1}], [{"a": 1.0}, {}, {"a": 2}, {"a": "3"}]):
        one = nbt.RNNClassifier(seed=1)
        for k, x in enumerate(records):
            two = pickle.loads(pickle.dumps(one))
            for model in (one, two):
                model.learn_one(x, k % 2)
            states = one.trainer.state_dict(), two.trainer.state_dict()
            assert all(states[0][key].tobytes() == states[1][key].tobytes() for key in states[0])


# ---- what is wrong is named --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nbt.RNNClassifier, nbt.RNNRegressor])
def test_one_infinity_in_many_features_is_named_with_its_step(kind):
    model = kind()
    x = {f"f{k}": k * 0.5 for k in range(30)}
    for k in range(17):
        model.learn_one(x, k % 2)
    before = pickle.dumps(model)
    for wrong in (math.inf, -math.inf, np.float32("inf"), decimal.Decimal("1e999"), 10**400):
        bad = x | {"f17": wrong}
        for call in (model.observe_one, model.predict_one, lambda x: model.learn_one(x, 1)):
            with pytest.raises(
                ValueError, match=r"x: 'f17': expected a finite number, got .* at step 17$"
            ):
                call(bad)
    with pytest.raises(TypeError, match=r"x: 'f3': expected a number, a string .* at step 17$"):
        model.learn_one(x | {"f3": []}, 1)
    assert pickle.dumps(model) == before


def test_wrong_features_are_refused_before_anything_was_learned():
    for kind in (nbt.RNNClassifier, nbt.RNNRegressor):
        for x in (None, "text", {"a": []}, {1, 2}):
            with pytest.raises(TypeError, match=r"^x: .* at step 0$"):
                kind().predict_one(x)
            with pytest.raises(TypeError, match=r"^x: .* at step 0$"):
                kind().learn_one(x, 1)


# ---- numbers that are far off, or far from zero ------------------------------------------------


def late_error(rule, spoiled, value):
    """The mean error from 1000 steps after one value of that kind on."""
    rng, total = random.Random(0), 0.0
    model = nbt.RNNRegressor(nbt.RNN(8), rule=rule, seed=1)
    for t in range(2500):
        x = {"x": rng.gauss(5, 1)}
        y = 20 + 3 * x["x"] + rng.gauss(0, 1)
        if t == 500 and spoiled == "feature":
            x["x"] = value
        if t >= 1500:
            total += abs(model.predict_one(x) - y)
        model.learn_one(x, value if t == 500 and spoiled == "target" else y)
    assert model.undone == 0
    return total / 1000


@pytest.mark.parametrize("rule", ["NoBackTrack", "RTRL", "TruncatedBPTT"])
def test_one_outlier_is_soon_forgotten(rule):
    expected = late_error(rule, None, 0.0)
    for spoiled in ("feature", "target"):
        for value in (1e3, 99_999.0, 2.0**32 - 1, -1e20, 1e30, 1e38):
            assert late_error(rule, spoiled, value) <= 1.5 * expected


def test_a_moment_keeps_its_fractions():
    """Seconds since 1970 are read as sharply as seconds of a minute."""
    rng, right = random.Random(0), {0: 0, 1_770_000_000: 0}
    models = {offset: nbt.RNNClassifier(seed=1) for offset in right}
    for t in range(4000):
        part = rng.random()
        for offset, model in models.items():
            moment = datetime.datetime.fromtimestamp(offset, datetime.UTC)
            x = {"when": moment + datetime.timedelta(seconds=part)}
            if t >= 2000:
                right[offset] += model.predict_one(x) == (part > 0.5)
            model.learn_one(x, part > 0.5)
    assert right[1_770_000_000] >= 0.98 * right[0]
    assert right[0] > 1900
