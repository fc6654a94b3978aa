"""Layers of PyTorch and Keras: weights, inputs, and what the layer itself makes of them.

``PYTHONPATH=tests python -m helpers.layers``, where both are installed, writes the file that the
tests read where they are not.
"""

import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from helpers.places import TESTS

UNITS, INPUTS, STEPS = 3, 2, 7
CASES = [(peer, kind) for peer in ("torch", "keras") for kind in ("LSTM", "GRU", "RNN")]
STACKS = {"torch": (3, 3), "keras": (3, 4)}  # units of the layers of a stack
FILE = TESTS / "trainers" / "layers.safetensors"


def library(peer):
    """The library, or the test is skipped. Keras computes by PyTorch."""
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip(peer)


def torch_layer(kind):
    """weights, x (steps, m), y (steps, n)"""
    torch = library("torch")
    torch.manual_seed(3)
    layer = getattr(torch.nn, kind)(INPUTS, UNITS, dtype=torch.float64)
    x = torch.randn(STEPS, INPUTS, dtype=torch.float64)
    y, _ = layer(x)
    return layer.state_dict(), x.numpy(), y.detach().numpy()


def keras_layer(kind):
    """The same. Its biases begin as 0 and are set to something else."""
    keras = library("keras")
    random = np.random.default_rng(4)
    made = {"RNN": "SimpleRNN"}.get(kind, kind)
    layer = getattr(keras.layers, made)(UNITS, return_sequences=True, dtype="float64")
    x = random.normal(size=(1, STEPS, INPUTS))
    layer.build(x.shape)
    layer.set_weights([random.normal(size=value.shape) for value in layer.get_weights()])
    weights = {variable.name: variable for variable in layer.weights}
    return weights, x[0], keras.ops.convert_to_numpy(layer(x))[0]


def torch_stack(kind):
    """The same of several layers; y of the last one."""
    torch = library("torch")
    torch.manual_seed(7)
    units = STACKS["torch"]
    made = getattr(torch.nn, kind)(INPUTS, units[0], num_layers=len(units), dtype=torch.float64)
    x = torch.randn(STEPS, INPUTS, dtype=torch.float64)
    y, _ = made(x)
    return made.state_dict(), x.numpy(), y.detach().numpy()


def keras_stack(kind):
    """The same; names begin with the number of the layer."""
    keras = library("keras")
    random = np.random.default_rng(8)
    made = {"RNN": "SimpleRNN"}.get(kind, kind)
    y = x = random.normal(size=(1, STEPS, INPUTS))
    weights = {}
    for k, units in enumerate(STACKS["keras"]):
        layer = getattr(keras.layers, made)(units, return_sequences=True, dtype="float64")
        layer.build(y.shape)
        layer.set_weights([random.normal(size=value.shape) for value in layer.get_weights()])
        weights |= {f"{k}.{variable.name}": variable for variable in layer.weights}
        y = keras.ops.convert_to_numpy(layer(y))
    return weights, x[0], y[0]


MAKE = {"torch": torch_layer, "keras": keras_layer}
STACK = {"torch": torch_stack, "keras": keras_stack}


def recorded(peer, kind, stack=False):
    """The same as its library made it when the file was written."""
    start, found = f"{peer}.{kind}{'-stack' * stack}.", load_file(FILE)
    parts = {key.removeprefix(start): found[key] for key in found if key.startswith(start)}
    x, y = parts.pop("x"), parts.pop("y")
    return parts, x, y


def record():
    arrays = {}
    cases = [(peer, kind, stack) for peer, kind in CASES for stack in (False, True)]
    for peer, kind, stack in cases:
        weights, x, y = (STACK if stack else MAKE)[peer](kind)
        values = {name: value.detach() if peer == "torch" else value.numpy()
                  for name, value in weights.items()}  # fmt: skip
        for name, value in (values | {"x": x, "y": y}).items():
            arrays[f"{peer}.{kind}{'-stack' * stack}.{name}"] = np.ascontiguousarray(value)
    save_file(arrays, FILE)


if __name__ == "__main__":
    record()
