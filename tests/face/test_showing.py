"""What a notebook shows."""

from xml.etree import ElementTree

import numpy as np
import pytest

import nbt


def rows(thing):
    """The title and the rows of what is shown, which is sound XML."""
    root = ElementTree.fromstring(thing._repr_html_())
    assert root.tag == "table"
    return root.find("caption").text, {
        row.find("th").text: row.find("td").text for row in root.iter("tr")
    }


def test_trainers():
    trainer = nbt.NoBackTrack(nbt.RNN(7), nbt.Softmax(5), inputs=nbt.Symbols(3), rank=2)
    trainer.learn(np.arange(1200) % 3, np.arange(1200) % 5)
    title, shown = rows(trainer)
    assert title == "NoBackTrack"
    assert shown == {
        "network": "RNN(units=7, activation='sigmoid')",
        "inputs": "Symbols(size=3)",
        "readout": "Softmax(symbols=5)",
        "optimizer": repr(nbt.Kalman()),
        "rule": "rank=2, blocks=7, exact_self=True, norm='fisher'",
        "parameters": f"{7 * 11 + 8 * 5}, float32",
        "steps": "1,200",
    }
    assert "rule" not in rows(nbt.RTRL(nbt.RNN(7), nbt.Gaussian(2, False)))[1]


def test_histories():
    history = nbt.History()
    assert rows(history) == ("History", {"steps": "0", "rows": "0", "ended by": "nothing yet"})
    history.add(np.log(np.full(1000, 4.0)), seconds=2.0)
    history.finish("end")
    title, shown = rows(history)
    assert title == "History"
    assert (shown["bits per symbol"], shown["since step 256"]) == ("2.0000", "2.0000")
    assert (shown["seconds"], shown["ended by"]) == ("2.0", "end")
    numbers = nbt.History({"unit": "nats"})
    numbers.add(np.full(4, 1.5), seconds=2.0)
    assert rows(numbers)[1]["nats per step"] == "1.5000"


@pytest.mark.parametrize("name", ["plain", '<b>bold</b> & "quoted"'])
def test_estimators(name):
    model = nbt.RNNClassifier(nbt.RNN(7))
    assert rows(model)[1]["parameters"] == "-"
    for t in range(10):
        model.learn_one({name: t}, f"{name}{t % 9}")
    model.observe_one({name: 1.0})
    title, shown = rows(model)
    assert title == "RNNClassifier"
    assert shown["features"] == f"1: {name}"
    assert shown["labels"] == "9: " + ", ".join(f"{name}{t}" for t in range(8)) + ", …"
    assert shown["steps"] == "11, 10 with a target"
    assert shown["loss so far"] == f"{model.loss / np.log(2):.4f} bits per label"
    assert shown["parameters"] == f"{7 * 9 + 8 * 9}"
