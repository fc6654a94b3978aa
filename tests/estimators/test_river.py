"""The estimators as river's: river's own checks, and life in its pipelines."""

import builtins
import importlib
import sys

import pytest

import nbt

river = pytest.importorskip("river")

from river import checks, compose, datasets, evaluate, metrics, preprocessing  # noqa: E402

import nbt.river  # noqa: E402

MODELS = {
    "classifier": nbt.river.RNNClassifier,
    "regressor": nbt.river.RNNRegressor,
    "classifier-rtrl": lambda: nbt.river.RNNClassifier(nbt.LeakyRNN(5), rule="RTRL"),
    "classifier-stack": lambda: nbt.river.RNNClassifier(nbt.Stack([nbt.RNN(4), nbt.LeakyRNN(3)])),
    "regressor-sgd": lambda: nbt.river.RNNRegressor(nbt.RNN(5), nbt.SGD(nbt.Constant(0.01))),
}


@pytest.mark.parametrize("name", MODELS)
def test_rivers_own_checks(name):
    """Every one of them: nothing is skipped."""
    model = MODELS[name]()
    assert model._unit_test_skips() == set()
    names = {check.__name__ for check in checks.yield_checks(model)}
    assert {"check_pickling", "check_shuffle_features_no_impact"} <= names
    checks.check_estimator(model)


def test_in_a_pipeline():
    model = compose.Select("empty_server_form_handler", "popup_window", "https")
    model |= preprocessing.StandardScaler()
    model |= nbt.river.RNNClassifier(seed=1)
    metric = evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy())
    assert metric.get() > 0.8
    assert model["RNNClassifier"].step == datasets.Phishing().n_samples
    assert "3 features, 2 labels" in repr(model["RNNClassifier"])


def test_more_than_two_labels_and_numbers():
    labels = evaluate.progressive_val_score(
        datasets.ImageSegments(), nbt.river.RNNClassifier(seed=1), metrics.Accuracy()
    )
    assert labels.get() > 0.75
    numbers = evaluate.progressive_val_score(
        datasets.TrumpApproval(), nbt.river.RNNRegressor(seed=1), metrics.MAE()
    )
    assert numbers.get() < 0.6


def test_clone_and_files(tmp_path):
    model = nbt.river.RNNClassifier(nbt.RNN(4), max_labels=7)
    model.learn_one({"a": 1.0}, "x")
    fresh = model.clone({"seed": 5})
    assert (fresh.seed, fresh.max_labels, fresh.cell, fresh.step) == (5, 7, nbt.RNN(4), 0)
    model.save(tmp_path / "m")
    assert type(nbt.river.RNNClassifier.load(tmp_path / "m")) is nbt.river.RNNClassifier
    assert type(nbt.load(tmp_path / "m")) is nbt.RNNClassifier


@pytest.mark.parametrize(("module", "needs"), [("river", "river"), ("sklearn", "scikit-learn")])
def test_without_the_extra(module, needs, monkeypatch):
    """One line that names the command."""
    real = builtins.__import__

    def without(name, globals=None, locals=None, fromlist=(), level=0):
        if name.split(".")[0] == module:
            raise ImportError(name)
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, f"nbt.{module}", raising=False)
    with pytest.raises(nbt.MissingExtra) as caught:
        importlib.import_module(f"nbt.{module}")
    message = str(caught.value)
    assert "\n" not in message
    assert needs in message
    assert f'pip install "nobacktrack[{module}]"' in message


def test_importing_nbt_imports_neither():
    code = "import sys, nbt; print({'river', 'sklearn', 'scipy'} & set(sys.modules))"
    import subprocess

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
