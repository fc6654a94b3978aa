"""What may be set of an object: a misspelt name is an error, in words."""

import copy
import pickle
import subprocess
import sys

import pytest

import nbt

NETWORK = nbt.LeakyRNN(4), nbt.Softmax(3)
MADE = {
    "NoBackTrack": lambda: nbt.NoBackTrack(*NETWORK),
    "RTRL": lambda: nbt.RTRL(*NETWORK),
    "TruncatedBPTT": lambda: nbt.TruncatedBPTT(*NETWORK),
    "RNNClassifier": nbt.RNNClassifier,
    "RNNRegressor": nbt.RNNRegressor,
    "HMM": lambda: nbt.HMM(2, 3),
    "History": nbt.History,
}
COPIES = (lambda one: one, copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)))


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", MADE)
def test_a_name_that_there_is_not(name, copied):
    one = copied(MADE[name]())
    with pytest.raises(AttributeError, match=f"^more_of_it: {name} has no such attribute$"):
        one.more_of_it = 3
    assert not hasattr(one, "more_of_it")


@pytest.mark.parametrize(
    ("name", "wrong", "meant"),
    [
        ("NoBackTrack", "thread", "threads"),
        ("TruncatedBPTT", "windows", "window"),
        ("RNNClassifier", "max_label", "max_labels"),
        ("RNNRegressor", "sed", "seed"),
        ("HMM", "transmat", "transmat_"),
        ("History", "stoped", "stopped"),
    ],
)
def test_a_name_that_is_near_another(name, wrong, meant):
    with pytest.raises(AttributeError, match=rf"^{wrong}: {name} .*; did you mean {meant}\?$"):
        setattr(MADE[name](), wrong, 3)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("NoBackTrack", "rank"),
        ("NoBackTrack", "cell"),
        ("RTRL", "step"),
        ("TruncatedBPTT", "parameters"),
        ("RNNClassifier", "trainer"),
        ("RNNRegressor", "undone"),
        ("History", "step"),
        ("HMM", "states"),
    ],
)
def test_what_can_only_be_read(name, read):
    one = MADE[name]()
    before = getattr(one, read)
    with pytest.raises(AttributeError, match=f"^{read}: "):
        setattr(one, read, before)


def test_what_may_be_set():
    trainer, history, model = MADE["NoBackTrack"](), nbt.History(), nbt.HMM(2, 3)
    trainer.threads, history.stopped = 2, "end"
    model.transmat_ = [[0.5, 0.5], [0.25, 0.75]]
    assert (trainer.threads, history.stopped, model.transmat_[1, 0]) == (2, "end", 0.25)
    classifier = nbt.RNNClassifier()
    classifier.seed = 3
    assert classifier.seed == 3


@pytest.mark.parametrize("name", MADE)
def test_a_class_that_is_derived_is_free(name):
    kind = type("Own", (type(MADE[name]()),), {})
    arguments = {"HMM": (2, 3), "History": ()}.get(name, NETWORK if name[:3] != "RNN" else ())
    one = kind(*arguments)
    one.more_of_it = 3
    assert one.more_of_it == 3


def test_values_are_frozen():
    for one in (nbt.streams.Alphabet("ab"), nbt.RNN(3), nbt.Softmax(2), nbt.Kalman()):
        with pytest.raises(AttributeError, match="more_of_it"):
            one.more_of_it = 3


def test_what_only_an_error_needs_is_imported_late():
    code = "import sys, nbt; sys.exit('difflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
