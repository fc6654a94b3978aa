"""Weights of the layers of Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from nbt.cells import GRU, LSTM, RNN, Stack
from nbt.interop.layers import (
    OURS,
    Arrays,
    Layer,
    Place,
    as_mapping,
    check_shapes,
    from_ours,
    inputs_of,
    kind_of,
    parts_of,
    places_of,
    to_ours,
)

__all__ = ["from_keras", "to_keras"]

KERAS = {"LSTM": "ifzo", "GRU": "zrq", "RNN": "a"}
"""The gates of a layer, in its order."""
NAMES = ("kernel", "recurrent_kernel", "bias")


def from_keras(weights: Mapping[str, Any] | Sequence[Any], cell: Any) -> Arrays:
    """Return what a trainer needs to compute as a layer of Keras, or as several.

    Parameters
    ----------
    weights : mapping of str to array, or sequence of arrays
        What ``get_weights()`` of a layer `LSTM`, `GRU` (with ``reset_after=True``, its default) or
        `SimpleRNN` returns, or the same by name: kernel (m, G n), recurrent_kernel (n, G n) and,
        unless made with ``use_bias=False``, bias (G n,), of a GRU (2, 3 n). For a stack a sequence
        of these, from the input on.
    cell : LSTM, GRU, RNN or a Stack of one kind of them
        The cell that is to compute the same, as `Trainer.cell`. A stack has as many layers, and of
        `RNN` ``skip=False``: only its first layer sees the input.

    Returns
    -------
    dict of str to array
        ``cell.b``, ``cell.W`` and ``cell.r``, of a stack ``cell.0.b``, …, in the layer's type of
        numbers.

    Raises
    ------
    TypeError
        `weights` is none of these, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `weights` lacks a name or a layer, has an unknown one or a wrong shape; `cell` computes
        something else than the layer.
    """
    kind, places = kind_of(cell, "Keras"), places_of(cell)
    each: Sequence[Any] = [weights]
    if isinstance(cell, Stack):
        if not isinstance(weights, Sequence) or isinstance(weights, str):
            raise TypeError(f"weights: expected a list of layers, got {type(weights).__name__}")
        if len(weights) != len(places):
            raise ValueError(f"weights: expected {len(places)} layers, got {len(weights)}")
        each = weights
    found: Arrays = {}
    for place, given in zip(places, each, strict=True):
        layer = _of_keras(kind, given, place).ordered(KERAS[kind], OURS[kind])
        found |= to_ours(kind, layer, place.ours)
    return found


def _of_keras(kind: str, weights: Any, place: Place) -> Layer:
    argument, n = place.weights, place.units
    if isinstance(weights, Sequence) and not isinstance(weights, str):
        if len(weights) not in (2, 3):
            raise ValueError(f"{argument}: expected {', '.join(NAMES)}, got {len(weights)} arrays")
        weights = dict(zip(NAMES, weights, strict=False))
    (arrays,) = parts_of(argument, as_mapping(argument, weights), [NAMES], needed=2)
    gates = len(KERAS[kind])
    rows, m = gates * n, inputs_of("kernel", arrays["kernel"], 0, place.below)
    flat = (2, rows) if kind == "GRU" else (rows,)
    shapes = dict(zip(NAMES, ((m, rows), (n, rows), flat), strict=True))
    more = "" if argument == "weights" else f", in {argument}"
    more += ", of a layer with reset_after=True" if kind == "GRU" else ""
    check_shapes(arrays, shapes, f"{gates} gates of {n} units{more}")
    r, W = (arrays[name].reshape(-1, gates, n).swapaxes(0, 1) for name in NAMES[:2])
    biases = np.zeros_like(arrays["kernel"], shape=(2, gates, n))
    if "bias" in arrays:
        biases[: len(flat)] = arrays["bias"].reshape(-1, gates, n)
    return Layer(r, W, *biases)


@overload
def to_keras(parameters: Mapping[str, Any], cell: Stack) -> list[Arrays]: ...
@overload
def to_keras(parameters: Mapping[str, Any], cell: LSTM | GRU | RNN) -> Arrays: ...
def to_keras(parameters: Mapping[str, Any], cell: Any) -> Arrays | list[Arrays]:
    """Return the weights of the layer of Keras that computes as a cell, or of several layers.

    A layer takes them by ``layer.set_weights(list(weights.values()))`` when it has been built.

    Parameters
    ----------
    parameters : mapping of str to array
        `Trainer.parameters` or ``Trainer.state_dict()``, or what `from_keras` returns.
    cell : LSTM, GRU, RNN or a Stack of one kind of them
        The cell, as `Trainer.cell`.

    Returns
    -------
    dict of str to array, or list of these
        kernel (m, G n), recurrent_kernel (n, G n), and bias (G n,), of a GRU (2, 3 n). For a stack
        a list with those of each layer, from the input on.

    Raises
    ------
    TypeError
        `parameters` is no mapping, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `parameters` lacks a name or has a wrong shape; `cell` computes something else than any
        layer.
    """
    kind, found = kind_of(cell, "Keras"), []
    for layer in from_ours(kind, parameters, cell):
        layer = layer.ordered(OURS[kind], KERAS[kind])
        biases = np.stack([np.ravel(layer.bias), np.ravel(layer.own_bias)])
        found.append(
            {
                "kernel": np.concatenate(layer.inputs, axis=1),
                "recurrent_kernel": np.concatenate(layer.units, axis=1),
                "bias": biases if kind == "GRU" else biases[0],
            }
        )
    return found if isinstance(cell, Stack) else found[0]
