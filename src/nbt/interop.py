"""Weights of dense cells as the layers of PyTorch and Keras have them, and back.

Arrays go in and come out. Neither library is imported, and what they call a tensor or a variable is
taken as an array. A layer and a cell with the same weights compute the same outputs:

- `LSTM`: `torch.nn.LSTM`, `keras.layers.LSTM`
- `GRU`: `torch.nn.GRU`, `keras.layers.GRU` with ``reset_after=True``
- `RNN` with "tanh": `torch.nn.RNN` with tanh, `keras.layers.SimpleRNN`

With n units and m inputs, a cell of G gates has ``cell.b`` (G, n), ``cell.W`` (G, n, n) from unit j
to gate g of unit i at [g, j, i], and ``cell.r`` (G, m, n). `RNN` has no axis of gates.

>>> import nbt
>>> trainer = nbt.RTRL(nbt.RNN(20, "tanh"), nbt.Softmax(5))
>>> weights = nbt.interop.to_torch(trainer.parameters, trainer.cell)
>>> {name: value.shape for name, value in weights.items()}
{'weight_ih_l0': (20, 5), 'weight_hh_l0': (20, 20), 'bias_ih_l0': (20,), 'bias_hh_l0': (20,)}
>>> cell = nbt.interop.from_torch(weights, trainer.cell)
>>> trainer.load_state_dict(trainer.state_dict() | cell)

PyTorch takes ``{name: torch.from_numpy(value) for name, value in weights.items()}``. A layer
reads numbers as they are, as a trainer does with ``inputs=Vector(m, standardize=False)``, and
symbols as one-hot vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nbt.cells import GRU, LSTM, RNN

__all__ = ["from_keras", "from_torch", "to_keras", "to_torch"]

OURS = {"LSTM": "fizo", "GRU": "rzq", "RNN": "a"}
"""The gates of a layer in our order. The q of a GRU is two of our gates: of (1, x), of (1, y)."""
TORCH = {"LSTM": "ifzo", "GRU": "rzq", "RNN": "a"}
KERAS = {"LSTM": "ifzo", "GRU": "zrq", "RNN": "a"}
SAME = {
    "LSTM": {"coupled": False, "norm": None, "recurrent": True},
    "GRU": {"norm": None},
    "RNN": {"activation": "tanh", "graph": None},
}
"""What a cell must be for a layer to compute the same."""
TORCH_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
KERAS_NAMES = ("kernel", "recurrent_kernel", "bias")


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


# ---- PyTorch -----------------------------------------------------------------------------------


def from_torch(state: Mapping[str, Any], cell: Any) -> dict[str, np.ndarray]:
    """Return what a trainer needs to compute as a layer of PyTorch.

    Parameters
    ----------
    state : mapping of str to array or tensor
        The ``state_dict()`` of `torch.nn.LSTM`, `GRU` or `RNN` with one layer, or of their cells:
        weight_ih_l0 (G n, m), weight_hh_l0 (G n, n) and, unless made with ``bias=False``,
        bias_ih_l0 and bias_hh_l0 (G n,).
    cell : LSTM, GRU or RNN
        The cell that is to compute the same, as `Trainer.cell`.

    Returns
    -------
    dict of str to array
        ``cell.b``, ``cell.W`` and ``cell.r``, in the layer's type of numbers. The sum of both
        biases is one of ours, except those of a GRU's new value.

    Raises
    ------
    TypeError
        `state` is no mapping, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `state` lacks a name, has one of more layers, directions or a projection, or has a wrong
        shape; `cell` computes something else than the layer.
    """
    kind, n = _kind("cell", cell, "PyTorch"), cell.units
    named = {name.removesuffix("_l0"): value for name, value in _mapping("state", state).items()}
    arrays = _arrays("state", named, TORCH_NAMES, needed=2)
    gates = len(TORCH[kind])
    rows, m = gates * n, _inputs("weight_ih", arrays["weight_ih"], axis=1)
    shapes = dict(zip(TORCH_NAMES, ((rows, m), (rows, n), (rows,), (rows,)), strict=True))
    _check_shapes(arrays, shapes, f"{gates} gates of {n} units")
    zero = np.zeros_like(arrays["weight_hh"], shape=rows)
    r, W = (arrays[name].reshape(gates, n, -1).swapaxes(1, 2) for name in TORCH_NAMES[:2])
    biases = (arrays.get(name, zero).reshape(gates, n) for name in TORCH_NAMES[2:])
    return _to_ours(kind, Layer(r, W, *biases).ordered(TORCH[kind], OURS[kind]))


def to_torch(parameters: Mapping[str, Any], cell: Any) -> dict[str, np.ndarray]:
    """Return the weights of the layer of PyTorch that computes as a cell.

    Parameters
    ----------
    parameters : mapping of str to array
        `Trainer.parameters`, or ``cell.b``, ``cell.W`` and ``cell.r`` alone.
    cell : LSTM, GRU or RNN
        The cell, as `Trainer.cell`.

    Returns
    -------
    dict of str to array
        weight_ih_l0 (G n, m), weight_hh_l0 (G n, n), bias_ih_l0 and bias_hh_l0 (G n,). The latter
        is 0, except for a GRU's new value.

    Raises
    ------
    TypeError
        `parameters` is no mapping, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `parameters` lacks a name or has a wrong shape; `cell` computes something else than any
        layer.
    """
    kind = _kind("cell", cell, "PyTorch")
    layer = _from_ours(kind, parameters, cell.units).ordered(OURS[kind], TORCH[kind])
    weights = (np.concatenate(part.swapaxes(1, 2)) for part in layer[:2])
    values = (*weights, *map(np.ravel, layer[2:]))
    return {f"{name}_l0": value for name, value in zip(TORCH_NAMES, values, strict=True)}


# ---- Keras -------------------------------------------------------------------------------------


def from_keras(weights: Mapping[str, Any] | Sequence[Any], cell: Any) -> dict[str, np.ndarray]:
    """Return what a trainer needs to compute as a layer of Keras.

    Parameters
    ----------
    weights : mapping of str to array, or sequence of arrays
        What ``get_weights()`` of a layer `LSTM`, `GRU` (with ``reset_after=True``, its default) or
        `SimpleRNN` returns, or the same by name: kernel (m, G n), recurrent_kernel (n, G n) and,
        unless made with ``use_bias=False``, bias (G n,), of a GRU (2, 3 n).
    cell : LSTM, GRU or RNN
        The cell that is to compute the same, as `Trainer.cell`.

    Returns
    -------
    dict of str to array
        ``cell.b``, ``cell.W`` and ``cell.r``, in the layer's type of numbers.

    Raises
    ------
    TypeError
        `weights` is neither, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `weights` lacks a name, has an unknown one or a wrong shape; `cell` computes something else
        than the layer.
    """
    kind, n = _kind("cell", cell, "Keras"), cell.units
    if isinstance(weights, Sequence) and not isinstance(weights, str):
        if len(weights) not in (2, 3):
            raise ValueError(
                f"weights: expected {', '.join(KERAS_NAMES)}, got {len(weights)} arrays"
            )
        weights = dict(zip(KERAS_NAMES, weights, strict=False))
    arrays = _arrays("weights", _mapping("weights", weights), KERAS_NAMES, needed=2)
    gates = len(KERAS[kind])
    rows, m = gates * n, _inputs("kernel", arrays["kernel"], axis=0)
    flat = (2, rows) if kind == "GRU" else (rows,)
    shapes = dict(zip(KERAS_NAMES, ((m, rows), (n, rows), flat), strict=True))
    more = ", of a layer with reset_after=True" if kind == "GRU" else ""
    _check_shapes(arrays, shapes, f"{gates} gates of {n} units{more}")
    r, W = (arrays[name].reshape(-1, gates, n).swapaxes(0, 1) for name in KERAS_NAMES[:2])
    biases = np.zeros_like(arrays["kernel"], shape=(2, gates, n))
    if "bias" in arrays:
        biases[: len(flat)] = arrays["bias"].reshape(-1, gates, n)
    return _to_ours(kind, Layer(r, W, *biases).ordered(KERAS[kind], OURS[kind]))


def to_keras(parameters: Mapping[str, Any], cell: Any) -> dict[str, np.ndarray]:
    """Return the weights of the layer of Keras that computes as a cell.

    A layer takes them by ``layer.set_weights(list(weights.values()))`` when it has been built.

    Parameters
    ----------
    parameters : mapping of str to array
        `Trainer.parameters`, or ``cell.b``, ``cell.W`` and ``cell.r`` alone.
    cell : LSTM, GRU or RNN
        The cell, as `Trainer.cell`.

    Returns
    -------
    dict of str to array
        kernel (m, G n), recurrent_kernel (n, G n), and bias (G n,), of a GRU (2, 3 n).

    Raises
    ------
    TypeError
        `parameters` is no mapping, or has something else than real numbers; `cell` is no such cell.
    ValueError
        `parameters` lacks a name or has a wrong shape; `cell` computes something else than any
        layer.
    """
    kind = _kind("cell", cell, "Keras")
    layer = _from_ours(kind, parameters, cell.units).ordered(OURS[kind], KERAS[kind])
    biases = np.stack([np.ravel(layer.bias), np.ravel(layer.own_bias)])
    return {
        "kernel": np.concatenate(layer.inputs, axis=1),
        "recurrent_kernel": np.concatenate(layer.units, axis=1),
        "bias": biases if kind == "GRU" else biases[0],
    }


# ---- ours --------------------------------------------------------------------------------------


def _to_ours(kind: str, layer: Layer) -> dict[str, np.ndarray]:
    """Return b, W and r of a layer whose gates are in our order."""
    r, W, b = layer.inputs, layer.units, layer.bias + layer.own_bias
    if kind == "GRU":
        b = np.concatenate([b[:2], layer.bias[2:], layer.own_bias[2:]])
        W = np.concatenate([W[:2], np.zeros_like(W[2:]), W[2:]])
        r = np.concatenate([r, np.zeros_like(r[2:])])
    if kind == "RNN":
        b, W, r = b[0], W[0], r[0]
    return {"cell.b": b, "cell.W": np.ascontiguousarray(W), "cell.r": np.ascontiguousarray(r)}


def _from_ours(kind: str, parameters: Mapping[str, Any], n: int) -> Layer:
    """Return a layer whose gates are in our order."""
    of_cell = {
        name: value
        for name, value in _mapping("parameters", parameters).items()
        if not name.startswith("readout.")
    }
    arrays = _arrays("parameters", of_cell, ("cell.b", "cell.W", "cell.r"), needed=3)
    m = _inputs("cell.r", arrays["cell.r"], axis=-2)
    gates = () if kind == "RNN" else (4,)
    shapes = {"cell.b": (*gates, n), "cell.W": (*gates, n, n), "cell.r": (*gates, m, n)}
    _check_shapes(arrays, shapes, f"{kind} of {n} units")
    b, W, r = arrays.values()
    if kind == "RNN":
        b, W, r = b[np.newaxis], W[np.newaxis], r[np.newaxis]
    own = np.zeros_like(b)
    if kind == "GRU":
        if W[2].any() or r[3].any():
            raise ValueError(
                "parameters: expected 0 in cell.W[2] and cell.r[3], which a GRU does not have, "
                "got other numbers"
            )
        own = np.concatenate([own[:2], b[3:]])
        b, W, r = b[:3], W[[0, 1, 3]], r[:3]
    return Layer(r, W, b, own)


# ---- checks ------------------------------------------------------------------------------------


def _kind(name: str, cell: object, peer: str) -> str:
    """Return the kind of a cell that a layer can be equal to."""
    if not isinstance(cell, LSTM | GRU | RNN):
        raise TypeError(f"{name}: expected LSTM, GRU or RNN, got {cell!r}")
    kind = type(cell).__name__
    for option, value in SAME[kind].items():
        if getattr(cell, option) != value:
            raise ValueError(f"{name}: expected {option}={value!r}, as {peer} has it, got {cell!r}")
    return kind


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected arrays by name, got {type(value).__name__}")
    return value


def _arrays(argument: str, named: Mapping[str, Any], names, *, needed: int) -> dict:
    """Return real arrays by name; the first `needed` names must be there, no others than all."""
    missing = [name for name in names[:needed] if name not in named]
    unknown = [name for name in named if name not in names]
    if missing or unknown:
        wrong = f"no {missing[0]}" if missing else f"also {unknown[0]}"
        raise ValueError(f"{argument}: expected {', '.join(names)} of one layer, got {wrong}")
    return {name: _array(name, named[name]) for name in names if name in named}


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


def _inputs(name: str, array: np.ndarray, axis: int) -> int:
    """Return how many inputs there are, by the weights from them."""
    if array.ndim < 2:
        raise ValueError(f"{name}: expected a matrix, got shape {array.shape}")
    return array.shape[axis]


def _check_shapes(arrays: Mapping[str, np.ndarray], shapes, what: str) -> None:
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ValueError(f"{name}: expected shape {shapes[name]}, {what}, got {array.shape}")
