"""Weights of the layers of PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt.cells import Stack, layers_of
from nbt.interop.layers import (
    OURS,
    TORCH_NAMES,
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

__all__ = ["from_torch", "to_torch"]

TORCH = {"LSTM": "ifzo", "GRU": "rzq", "RNN": "a"}
"""The gates of a layer, in its order."""


def from_torch(state: Mapping[str, Any], cell: Any) -> Arrays:
    """Return what a trainer needs to compute as a layer of PyTorch.

    Parameters
    ----------
    state : mapping of str to array or tensor
        The ``state_dict()`` of `torch.nn.LSTM`, `GRU` or `RNN`, or of their cells: weight_ih_l0
        (G n, m), weight_hh_l0 (G n, n) and, unless made with ``bias=False``, bias_ih_l0 and
        bias_hh_l0 (G n,); the same with _l1, … for the other layers of a stack.
    cell : LSTM, GRU, RNN or a Stack of one kind of them
        The cell that is to compute the same, as `Trainer.cell`. A stack has as many layers, and of
        `RNN` ``skip=False``: only its first layer sees the input.

    Returns
    -------
    dict of str to array
        ``cell.b``, ``cell.W`` and ``cell.r``, of a stack ``cell.0.b``, …, in the layer's type of
        numbers. The sum of both biases is one of ours, except those of a GRU's new value.

    Raises
    ------
    TypeError
        `state` is no mapping, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `state` lacks a name, has one of more layers, directions or a projection, or has a wrong
        shape; `cell` computes something else than the layer.
    """
    kind, given = kind_of(cell, "PyTorch"), as_mapping("state", state)
    if not isinstance(cell, Stack):
        given = {name.removesuffix("_l0"): value for name, value in given.items()}
    places = places_of(cell)
    parts = parts_of("state", given, [place.theirs for place in places], needed=2)
    found: Arrays = {}
    for place, arrays in zip(places, parts, strict=True):
        layer = _of_torch(kind, arrays, place).ordered(TORCH[kind], OURS[kind])
        found |= to_ours(kind, layer, place.ours)
    return found


def _of_torch(kind: str, arrays: Arrays, place: Place) -> Layer:
    gates, n, names = len(TORCH[kind]), place.units, place.theirs
    rows, m = gates * n, inputs_of(names[0], arrays[names[0]], 1, place.below)
    shapes = dict(zip(names, ((rows, m), (rows, n), (rows,), (rows,)), strict=True))
    check_shapes(arrays, shapes, f"{gates} gates of {n} units")
    zero = np.zeros_like(arrays[names[1]], shape=rows)
    r, W = (arrays[name].reshape(gates, n, -1).swapaxes(1, 2) for name in names[:2])
    biases = (arrays.get(name, zero).reshape(gates, n) for name in names[2:])
    return Layer(r, W, *biases)


def to_torch(parameters: Mapping[str, Any], cell: Any) -> Arrays:
    """Return the weights of the layer of PyTorch that computes as a cell.

    Parameters
    ----------
    parameters : mapping of str to array
        `Trainer.parameters` or ``Trainer.state_dict()``, or what `from_torch` returns.
    cell : LSTM, GRU, RNN or a Stack of one kind of them
        The cell, as `Trainer.cell`. The layers of a stack have the same number of units.

    Returns
    -------
    dict of str to array
        weight_ih_l0 (G n, m), weight_hh_l0 (G n, n), bias_ih_l0 and bias_hh_l0 (G n,). The latter
        is 0, except for a GRU's new value. Of a stack also weight_ih_l1, ….

    Raises
    ------
    TypeError
        `parameters` is no mapping, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `parameters` lacks a name or has a wrong shape; `cell` computes something else than any
        layer.
    """
    kind = kind_of(cell, "PyTorch")
    units = [one.units for one in layers_of(cell)]
    if len(set(units)) > 1:
        raise ValueError(
            f"cell: expected layers of the same number of units, as PyTorch has them, got {units}"
        )
    found: Arrays = {}
    for k, layer in enumerate(from_ours(kind, parameters, cell)):
        layer = layer.ordered(OURS[kind], TORCH[kind])
        weights = (np.concatenate(part.swapaxes(1, 2)) for part in layer[:2])
        values = (*weights, *map(np.ravel, layer[2:]))
        found |= {f"{name}_l{k}": value for name, value in zip(TORCH_NAMES, values, strict=True)}
    return found
