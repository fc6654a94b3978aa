"""A layer of PyTorch or Keras, gate by gate, and the arrays of a cell that computes the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nbt.cells import GRU, LSTM, RNN, Stack, layers_of

__all__ = [
    *("OURS", "TORCH_NAMES", "Arrays", "Layer", "Place"),
    *(
        "check_shapes",
        "from_ours",
        "inputs_of",
        "kind_of",
        "as_mapping",
        "parts_of",
        "places_of",
        "to_ours",
    ),
]

OURS = {"LSTM": "fizo", "GRU": "rzq", "RNN": "a"}
"""The gates of a layer in our order. The q of a GRU is two of our gates: of (1, x), of (1, y)."""
SAME = {
    "LSTM": {"coupled": False, "norm": None, "recurrent": True},
    "GRU": {"norm": None},
    "RNN": {"activation": "tanh", "graph": None},
}
"""What a cell must be for a layer to compute the same."""
Arrays = dict[str, np.ndarray]
TORCH_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NAMES = ("b", "W", "r")


class Layer(NamedTuple):
    """A layer's weights, a gate at a time: from the inputs (G, m, n), from the units (G, n, n), and
    the two biases (G, n): that of the inputs, that of the units."""

    inputs: np.ndarray
    units: np.ndarray
    bias: np.ndarray
    own_bias: np.ndarray

    def ordered(self, now: str, wanted: str) -> Layer:
        """Return it with its gates in another order."""
        return Layer(*(part[[now.index(gate) for gate in wanted]] for part in self))


class Place(NamedTuple):
    """A layer's place in a cell: its units, those of the layer below (None: it sees the input), the
    names of its arrays here and in PyTorch, and what an argument with its weights is called."""

    units: int
    below: int | None
    ours: list[str]
    theirs: list[str]
    weights: str


def places_of(cell: Any) -> list[Place]:
    """Return the place of each layer, from the input on."""
    if not isinstance(cell, Stack):
        ours = [f"cell.{name}" for name in NAMES]
        return [Place(cell.units, None, ours, list(TORCH_NAMES), "weights")]
    places, below = [], None
    for k, one in enumerate(cell.cells):
        ours = [f"cell.{k}.{name}" for name in NAMES]
        theirs = [f"{name}_l{k}" for name in TORCH_NAMES]
        places.append(Place(one.units, below, ours, theirs, f"weights[{k}]"))
        below = one.units
    return places


def to_ours(kind: str, layer: Layer, names: Sequence[str]) -> Arrays:
    """Return b, W and r, by these names, of a layer whose gates are in our order."""
    r, W, b = layer.inputs, layer.units, layer.bias + layer.own_bias
    if kind == "GRU":
        b = np.concatenate([b[:2], layer.bias[2:], layer.own_bias[2:]])
        W = np.concatenate([W[:2], np.zeros_like(W[2:]), W[2:]])
        r = np.concatenate([r, np.zeros_like(r[2:])])
    if kind == "RNN":
        b, W, r = b[0], W[0], r[0]
    return dict(zip(names, (b, np.ascontiguousarray(W), np.ascontiguousarray(r)), strict=True))


def from_ours(kind: str, parameters: Mapping[str, Any], cell: Any) -> list[Layer]:
    """Return the layers, whose gates are in our order."""
    of_cell = {
        name: value
        for name, value in as_mapping("parameters", parameters).items()
        if name.startswith("cell.") and not name.endswith(".alpha")  # which is 0
    }
    places = places_of(cell)
    parts = parts_of("parameters", of_cell, [place.ours for place in places], needed=3)
    return [_of_ours(kind, *each) for each in zip(parts, places, strict=True)]


def _of_ours(kind: str, arrays: Arrays, place: Place) -> Layer:
    n, names = place.units, place.ours
    m = inputs_of(names[2], arrays[names[2]], -2, place.below)
    gates = () if kind == "RNN" else (4,)
    shapes = dict(zip(names, ((*gates, n), (*gates, n, n), (*gates, m, n)), strict=True))
    check_shapes(arrays, shapes, f"{kind} of {n} units")
    b, W, r = arrays.values()
    if kind == "RNN":
        b, W, r = b[np.newaxis], W[np.newaxis], r[np.newaxis]
    own = np.zeros_like(b)
    if kind == "GRU":
        if W[2].any() or r[3].any():
            raise ValueError(
                f"parameters: expected 0 in {names[1]}[2] and {names[2]}[3], which a GRU does not "
                "have, got other numbers"
            )
        own = np.concatenate([own[:2], b[3:]])
        b, W, r = b[:3], W[[0, 1, 3]], r[:3]
    return Layer(r, W, b, own)


def kind_of(cell: object, peer: str) -> str:
    """Return the kind of a cell, or of all layers of a stack, that a layer can be equal to."""
    kinds = [_kind_of_layer(one, peer) for one in layers_of(cell)]
    if len(set(kinds)) > 1:
        raise ValueError(f"cell: expected layers of one kind, got {', '.join(kinds)}")
    if isinstance(cell, Stack) and cell.skip and len(kinds) > 1:
        raise ValueError(
            f"cell: expected skip=False, since in {peer} only the first layer sees the input, got "
            f"{cell!r}"
        )
    return kinds[0]


def _kind_of_layer(cell: object, peer: str) -> str:
    if not isinstance(cell, LSTM | GRU | RNN):
        raise TypeError(f"cell: expected LSTM, GRU or RNN, or a Stack of one of them, got {cell!r}")
    kind = type(cell).__name__
    for option, value in SAME[kind].items():
        if getattr(cell, option) != value:
            raise ValueError(f"cell: expected {option}={value!r}, as {peer} has it, got {cell!r}")
    return kind


def as_mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected arrays by name, got {type(value).__name__}")
    return value


def parts_of(
    argument: str, named: Mapping[str, Any], names: Sequence[Sequence[str]], *, needed: int
) -> list[Arrays]:
    """Return the real arrays of each layer by name. The first `needed` names of each must be there,
    and no others than all."""
    missing = [name for own in names for name in own[:needed] if name not in named]
    unknown = [name for name in named if not any(name in own for own in names)]
    if missing or unknown:
        wrong = f"no {missing[0]}" if missing else f"also {unknown[0]}"
        what = "one layer" if len(names) == 1 else f"{len(names)} layers"
        raise ValueError(f"{argument}: expected {', '.join(names[0])} of {what}, got {wrong}")
    return [{name: _array(name, named[name]) for name in own if name in named} for own in names]


def _array(name: str, value: Any) -> np.ndarray:
    """Return real numbers as an array. A tensor with a gradient gives its values."""
    value = value.detach() if hasattr(value, "detach") else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name}: expected an array of real numbers, got {error}") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected an array of real numbers, got {array.dtype}")
    return array


def inputs_of(name: str, array: np.ndarray, axis: int, below: int | None) -> int:
    """Return how many inputs there are: the units of the layer below, or by the weights."""
    if array.ndim < 2:
        raise ValueError(f"{name}: expected a matrix, got shape {array.shape}")
    return array.shape[axis] if below is None else below


def check_shapes(arrays: Arrays, shapes: Mapping[str, Any], what: str) -> None:
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ValueError(f"{name}: expected shape {shapes[name]}, {what}, got {array.shape}")
