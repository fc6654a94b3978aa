"""What someone who uses the package for the first time does wrong: one line says what."""

import os
import re

import pytest

import nbt

ZERO = "/dev/zero"


def network(**own):
    return nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(3), **own)


class Endless:
    """A stream of the user's own, which cannot say where it is."""

    def read(self, n):
        return [0] * n


MISTAKES = [
    (lambda: network().learn("abc"), TypeError, r"x: .*encode\(\) makes symbols of text"),
    (lambda: network().learn(b"abc"), TypeError, r"x: .*encode\(\) makes symbols of text"),
    (lambda: network().learn([0.0, 1.0]), TypeError, "x: expected integer symbols, got float64"),
    (lambda: network().learn(nbt.datasets.anbn()), TypeError, "x: expected integer symbols"),
    (lambda: network(inputs=2).learn([[0, 1]] * 3), TypeError, "y: expected targets"),
    (lambda: network(inputs=2).learn([[0, 1, 2]], [0]), ValueError, r"x: .*\(steps, 2\)"),
    (lambda: nbt.RNN(20.0), TypeError, "units: expected an integer, got 20.0"),
    (lambda: nbt.NoBackTrack(nbt.RNN, nbt.Softmax(3)), TypeError, r"cell: .*instance: RNN\(20\)"),
    (lambda: nbt.NoBackTrack(nbt.RNN(5), 3), TypeError, "readout: expected Softmax"),
    (lambda: network(optimizer="kalman"), TypeError, "optimizer: expected SGD or Kalman"),
    (lambda: nbt.Trainer(nbt.RNN(5), nbt.Softmax(3), nbt.SGD(), inputs=None, dtype="float32",
                         seed=0, threads=1, missing="error"), TypeError, "Trainer: expected NoB"),
    (lambda: nbt.train(network(), nbt.datasets.anbn()), ValueError, "steps or seconds"),
    (lambda: nbt.train(network(), nbt.datasets.anbn(), steps=1e6), TypeError, "steps: .*1000000.0"),
    (lambda: nbt.train(network(), "my.txt"), TypeError, "stream: expected what has read"),
    (lambda: nbt.train(nbt.datasets.anbn(), network()), TypeError, "trainer: expected one such"),
    (lambda: nbt.streams.text("empty"), nbt.DataError, "empty: is empty"),
    (lambda: nbt.streams.text(None), TypeError, "path: expected a str or a path, got None"),
    (lambda: nbt.streams.text("."), IsADirectoryError, r"'\.'"),
    (lambda: nbt.streams.file(3, "csv", column="a"), TypeError, "path: expected a str or a path"),
    (lambda: nbt.streams.table(3, ["a"]), TypeError, "path: expected a str or a path, got 3"),
    (lambda: nbt.streams.symbols([0, 1], alphabet=1.5), TypeError, "alphabet: expected an integer"),
    (lambda: nbt.streams.symbols([0, 1], alphabet=-3), ValueError, r"alphabet: .*\[1, "),
    (lambda: nbt.streams.Alphabet(("ab", "c")).encode("ab"), TypeError, "sequence of words"),
    (lambda: nbt.streams.Alphabet(("ab", "c")).encode(3), TypeError, "sequence of words"),
    (lambda: nbt.datasets.by_name(3), TypeError, "name: expected str, got 3"),
    (lambda: nbt.datasets.shakespeare(3), TypeError, "path: expected a str or a path, got 3"),
    (lambda: nbt.load(None), TypeError, "path: expected a str or a path, got None"),
    (lambda: nbt.load("empty"), nbt.CheckpointError, "empty: not a checkpoint"),
    (lambda: nbt.load("."), nbt.CheckpointError, "no checkpoint in this folder"),
    (lambda: network().save(None), TypeError, "path: expected a str or a path, got None"),
    (lambda: network().save("."), IsADirectoryError, r"'\.'"),
    (lambda: network().save("m", Endless()), TypeError, "stream: expected one that has"),
    (lambda: network().save("m", history=[1.0]), TypeError, "history: expected History"),
    (lambda: nbt.History().save(None), TypeError, "path: expected a str or a path, got None"),
    (lambda: nbt.History.load(3), TypeError, "path: expected a str or a path, got 3"),
    (lambda: nbt.RNNClassifier().save(3), TypeError, "path: expected a str or a path, got 3"),
    (lambda: nbt.RNNClassifier().learn_one({"a": 1}, [1]), TypeError, "y: .* be hashed"),
    (lambda: nbt.RNNClassifier(options={"rnak": 3}), TypeError, "rnak"),
    (lambda: nbt.HMM(3, 3).learn("abc"), TypeError, r"y: .*encode\(\) makes symbols of text"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(MISTAKES)))
def test_one_line_says_what_is_wrong(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open("empty", "w").close()
    call, error, words = MISTAKES[case]
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert re.search(words, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir() == ["empty"]


@pytest.mark.skipif(not os.path.exists(ZERO), reason="needs a device that never ends")
def test_a_device_is_no_file_that_could_be_read_twice():
    with pytest.raises(nbt.DataError, match="which a pipe does not allow"):
        nbt.streams.text(ZERO)
    assert nbt.streams.text(ZERO, "bytes").read(3).tolist() == [0, 0, 0]
