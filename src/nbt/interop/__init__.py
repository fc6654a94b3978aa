"""Weights of dense cells as the layers of PyTorch and Keras have them, and back.

Arrays go in and come out. Neither library is imported, and what they call a tensor or a variable is
taken as an array. A layer and a cell with the same weights compute the same outputs:

- `LSTM`: `torch.nn.LSTM`, `keras.layers.LSTM`
- `GRU`: `torch.nn.GRU`, `keras.layers.GRU` with ``reset_after=True``
- `RNN` with "tanh": `torch.nn.RNN` with tanh, `keras.layers.SimpleRNN`
- a `Stack` of one of these kinds: a layer of PyTorch with ``num_layers``, a list of layers of Keras

With n units and m inputs, a cell of G gates has ``cell.b`` (G, n), ``cell.W`` (G, n, n) from unit j
to gate g of unit i at [g, j, i], and ``cell.r`` (G, m, n). `RNN` has no axis of gates.
Those of layer k of a stack are ``cell.k.b``, ….

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

from nbt.interop.of_keras import from_keras, to_keras
from nbt.interop.of_torch import from_torch, to_torch

__all__ = ["from_keras", "from_torch", "to_keras", "to_torch"]
