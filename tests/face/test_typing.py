"""What a type checker says of programs that use the package: nothing of right ones, and where a
wrong one is wrong."""

import re

import pytest
from helpers.places import ROOT

api = pytest.importorskip("mypy.api")

RIGHT = """
import numpy as np

import nbt
from nbt.cells import Cell

stream = nbt.datasets.anbn(1, 32, seed=0)
trainer = nbt.NoBackTrack(nbt.LeakyRNN(20), nbt.Softmax(3), nbt.Kalman(decay=0.1), rank=4)
history = nbt.train(trainer, stream, steps=1000)
start, bits = history.tail()
losses: np.ndarray = trainer.learn(stream.read(10))
trainer.learn([0, 1, 2])
trainer.observe(np.arange(3), ...)
trainer.reset_state()
trainer.save("model", stream, history)
rank: int = trainer.rank
cells: list[Cell] = [
    nbt.LeakyRNN(3, leak=[0.1, 0.2, 0.3]),
    nbt.RNN(2, "tanh", graph=[[0, 1], [1, 0]]),
    nbt.RNN(2, graph=nbt.Graph.of(np.eye(2))),
    nbt.Continuous(nbt.CTRNN(2, tau=np.ones(2)), dt=0.5),
    nbt.Stack([nbt.RNN(6), nbt.LeakyRNN(4)]),
]
for cell in cells:
    nbt.RTRL(cell, nbt.Gaussian(2), nbt.SGD(nbt.InverseSqrt(0.1)), inputs=4, dtype=np.float64)
nbt.TruncatedBPTT(nbt.RNN(2), nbt.Bernoulli(2), window=5, inputs=nbt.Vector(3, standardize=True))
labels = nbt.RNNClassifier(seed=1)
labels.learn_one({"a": 1.0, "b": "x"}, "label")
mean = nbt.diagnose(trainer, stream, 100)[-1].bias + 1.0
again = nbt.load("model")
again.learn([0])
of_a_kind: nbt.NoBackTrack = nbt.load("model", kind=nbt.NoBackTrack)
any_rule = nbt.load("model", kind=nbt.Trainer)
any_rule.learn([0])
weights: dict[str, np.ndarray] = trainer.parameters
how_many: int = trainer.parameter_count
letters: list[str | int] = list(stream.alphabet)
known: bool = "a" in stream.alphabet
futures: np.ndarray = trainer.simulate(3, paths=2)
along: np.ndarray = trainer.predict_along([0, 1])
for norm in ("fisher", "kalman"):
    nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(3), norm=norm)
anyone: nbt.Trainer = trainer
model = nbt.HMM(3, 4, statistics="rank-one")
model.save("hmm", stream, history)
text = nbt.streams.file("text", "lines", errors="replace")
nbt.train(model, text)
score: float = nbt.HMM.load("hmm").score([0, 1])
try:
    trainer.learn([0])
except nbt.DivergenceError as error:
    if error.history is not None and error.diagnosis is None:
        step: int = error.history[-1].step
"""

WRONG = """
import nbt

nbt.LeakyRNN("20")  # arg-type
nbt.LeakyRNN(20, lek=0.5)  # call-arg
nbt.NoBackTrack(nbt.RNN(2), 3)  # arg-type
nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(3), "kalman")  # arg-type
nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(3), rank="4")  # arg-type
nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(3), nom="fisher")  # call-arg
nbt.RTRL(nbt.RNN, nbt.Softmax(3))  # arg-type
nbt.RTRL(nbt.RNN(2), nbt.Softmax(3), dtype=32)  # arg-type
nbt.RTRL(nbt.RNN(2), nbt.Softmax(3)).rank  # attr-defined
nbt.RTRL(nbt.RNN(2), nbt.Softmax(3)).step = 3  # misc
nbt.HMM("3", 4)  # arg-type
nbt.DivergenceError("").history.step  # union-attr
nbt.SGD("0.1")  # arg-type
nbt.RNN(2, "relu")  # arg-type
nbt.LeakyRNN(2, leak="none")  # arg-type
nbt.Kalman(reduction="quasi")  # arg-type
nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(3), norm="l2")  # arg-type
nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(3), split="units")  # arg-type
nbt.RTRL(nbt.RNN(2), nbt.Softmax(3), missing="drop")  # arg-type
nbt.RTRL(nbt.RNN(2), nbt.Softmax(3), dtype="float16")  # arg-type
nbt.HMM(3, 4, statistics="all")  # arg-type
nbt.RNNClassifier(rule="BPTT")  # arg-type
nbt.streams.file("text", "txt")  # arg-type
nbt.train(nbt.datasets.anbn(1, 3), nbt.datasets.anbn(1, 3), steps=9)  # arg-type
nbt.RTRL(nbt.RNN(2), nbt.Softmax(3)).thread = 3  # attr-defined
nbt.History().stoped = "end"  # attr-defined
nbt.HMM(3, 4).transmat = 1  # attr-defined
nbt.RTRL(nbt.RNN(2), nbt.Softmax(3)).parameters.zero()  # attr-defined
nbt.load("model", kind=nbt.RTRL).rank  # attr-defined
"""


def checked(program, tmp_path):
    """Lines and codes of what is found in it."""
    path = tmp_path / "program.py"
    path.write_text(program)
    cache = f"--cache-dir={tmp_path / 'cache'}"
    output, trouble, _ = api.run(["--strict", "--no-error-summary", cache, str(path)])
    assert not trouble
    return [
        (int(line), code) for line, code in re.findall(r":(\d+): error: .*\[(.+)\]", output)
    ], output


def test_the_first_example_of_the_readme(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"## First example\n.*?```python\n(.*?)```", text, re.S)[1]
    assert "nbt.train(" in example
    found, output = checked(example, tmp_path)
    assert not found, output


def test_right_use(tmp_path):
    found, output = checked(RIGHT, tmp_path)
    assert not found, output


def test_wrong_use(tmp_path):
    found, output = checked(WRONG, tmp_path)
    marked = [
        (number, line.rpartition("# ")[2])
        for number, line in enumerate(WRONG.splitlines(), 1)
        if "# " in line
    ]
    assert sorted(found) == sorted(marked), output
