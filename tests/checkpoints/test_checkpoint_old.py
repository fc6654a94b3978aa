"""Files that version 0.1.0 wrote (tests/saved): they load for ever."""

import pathlib

import numpy as np
import pytest
from helpers.checkpoint_files import content

import nbt

SAVED = sorted((pathlib.Path(__file__).parent / "saved").glob("*.safetensors"))


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_loads_as_it_was_and_goes_on(path):
    head, arrays = content(path)
    assert head["version"] == "0.1.0"
    checkpoint = nbt.Checkpoint.load(path)
    state = checkpoint.trainer.state_dict()
    own = {key: value for key, value in arrays.items() if not key.startswith(("stream", "history"))}
    for key, value in own.items():
        scale = key.startswith(("inputs.", "targets."))  # in doubles today
        assert state[key].dtype == (np.float64 if scale else value.dtype), key
        assert state[key].astype(value.dtype).tobytes() == value.tobytes(), key
    trainer = checkpoint.trainer
    if hasattr(trainer, "readout") and isinstance(trainer.readout, nbt.Gaussian):
        trainer.learn(np.zeros((3, trainer.inputs.size)), np.zeros((3, trainer.readout.dim)))
    elif isinstance(trainer, nbt.HMM) or trainer.predicts_inputs:
        trainer.learn([0, 1, 2])
    elif isinstance(trainer.readout, nbt.Bernoulli):
        trainer.learn(np.zeros((2, trainer.inputs.size)), np.ones((2, trainer.readout.dim)))
    else:
        trainer.learn(np.zeros((2, trainer.inputs.size)), [0, 1])
    assert trainer.step > int(arrays["step"])


def named(name):
    return next(path for path in SAVED if path.stem == name)


def test_history_and_place():
    checkpoint = nbt.Checkpoint.load(named("nobacktrack"))
    assert checkpoint.history.step.tolist() == [2**k for k in range(9)]
    assert checkpoint.history.live().step == 300
    stream = nbt.datasets.anbn(1, 6, seed=1)
    stream.load_state_dict(checkpoint.stream["state"])
    assert stream.position == 300
    assert checkpoint.alphabet == stream.alphabet


def test_words():
    words = nbt.Checkpoint.load(named("words")).alphabet.symbols
    assert set(words) == {"the", "cat", "sat", "on", "mat", "a", "é"}


def test_estimators():
    model = nbt.load(named("classifier"))
    assert model.labels == [7, "tick"]
    assert model.learned == 100
    model.learn_one({"t": 1, "day": "sun"}, "tick")
    model = nbt.load(named("regressor"))
    assert isinstance(model, nbt.RNNRegressor)
    model.learn_one(0.5, 0.5)
