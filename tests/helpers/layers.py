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


MAKE = {"torch": torch_layer, "keras": keras_layer}


def recorded(peer, kind):
    """The same as its library made it when the file was written."""
    start, found = f"{peer}.{kind}.", load_file(FILE)
    parts = {key.removeprefix(start): found[key] for key in found if key.startswith(start)}
    x, y = parts.pop("x"), parts.pop("y")
    return parts, x, y


def record():
    arrays = {}
    for peer, kind in CASES:
        weights, x, y = MAKE[peer](kind)
        values = {name: value.detach() if peer == "torch" else value.numpy()
                  for name, value in weights.items()}  # fmt: skip
        for name, value in (values | {"x": x, "y": y}).items():
            arrays[f"{peer}.{kind}.{name}"] = np.ascontiguousarray(value)
    save_file(arrays, FILE)


if __name__ == "__main__":
    record()
