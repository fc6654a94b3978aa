"""Estimators around a system of the user's own: saved without its functions, fed what it takes."""

import pytest
from helpers import systems

import nbt


def learned(kind, **changes):
    model = kind(systems.ring(**changes), options={"rank": 2})
    for t in range(9):
        model.learn_one({"a": t % 3, "b": t / 9}, t % 2)
    return model


@pytest.fixture(params=[nbt.RNNClassifier, nbt.RNNRegressor], ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_saved_without_its_functions(kind, tmp_path, assert_same_state):
    """What is missing is said in one line, what to do about it as well."""
    path, model = tmp_path / "model.nbt", learned(kind)
    model.save(path)
    for load in (nbt.load, kind.load):
        with pytest.raises(nbt.CheckpointError, match="functions of a system are in no") as caught:
            load(path)
        assert str(caught.value).endswith("expected nbt.load(path, cell=...)")
        again = load(path, cell=model.cell)
        assert again.cell is model.cell
        again.learn_one({"a": 1, "b": 0.5}, 1)
        twin = load(path, cell=systems.ring())
        twin.learn_one({"a": 1, "b": 0.5}, 1)
        assert_same_state(again.trainer.state_dict(), twin.trainer.state_dict())


def test_more_features_than_it_takes_are_refused(kind, assert_same_state):
    """By name and number; nothing was learned, and it goes on."""
    model = learned(kind)
    before = model.trainer.state_dict()
    for _ in range(2):
        with pytest.raises(TypeError, match="inputs: expected 2, as many as the system was made"):
            model.learn_one({"a": 1, "c": 2}, 1)
        assert model.features == ["a", "b"]
        assert_same_state(model.trainer.state_dict(), before)
    model.learn_one({"a": 1}, 0)
    assert model.step == 10


def test_another_system_is_refused(kind, tmp_path):
    learned(kind).save(tmp_path / "model.nbt")
    with pytest.raises(nbt.CheckpointError, match=r"cell.theta: expected shape \(9,\), got \(8,\)"):
        nbt.load(tmp_path / "model.nbt", cell=systems.ring(theta=[0.0] * 9))
