"""One step of `learn` for the cells that are systems: graphs, learned leaks, layers, time."""

import pytest

import nbt

SYMBOLS = 64
SOURCES = 16
CELLS = {
    "graph-4096": lambda: nbt.RNN(4096, graph=nbt.Graph.random(4096, SOURCES)),
    "leaks-128": lambda: nbt.LeakyRNN(128, learn_leak=True),
    "stack-64-64": lambda: nbt.Stack([nbt.RNN(64), nbt.RNN(64)]),
    "ctrnn-128": lambda: nbt.Continuous(nbt.CTRNN(128), dt=0.1),
}


@pytest.mark.parametrize("optimizer", ["sgd", "kalman"])
@pytest.mark.parametrize("name", CELLS)
def test_cells(time_steps, symbols, name, optimizer):
    choice = nbt.SGD(nbt.InverseSqrt(0.03)) if optimizer == "sgd" else nbt.Kalman()
    trainer = nbt.NoBackTrack(CELLS[name](), nbt.Softmax(SYMBOLS), choice)
    block = symbols(SYMBOLS, 20 if "4096" in name else 500)
    time_steps(lambda: trainer.learn(block), len(block), trainer=repr(trainer))
