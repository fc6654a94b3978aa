"""LSTM in PyTorch, one thread: `nn.LSTM` over a window, and `nn.LSTMCell` step by step.

Autograd, and Adam by `_foreach` functions. What does not depend on the step before is done for the
whole window at once: the logits, and in `nn.LSTM` the inputs' part.
"""

from __future__ import annotations

import numpy as np
import torch

import nbt
from bench.peers.lstm import B1, B2, FLOOR, WINDOW

__all__ = ["RULES", "Cell", "Sequence"]

torch.set_num_threads(1)


class Adam:
    """Of all parameters at once, with a rate for each."""

    def __init__(self, parameters, rates) -> None:
        self.parameters, self.rates, self.updates = parameters, rates, 0
        self.m, self.v = ([torch.zeros_like(one) for one in parameters] for _ in range(2))

    @torch.no_grad()
    def step(self) -> None:
        self.updates += 1
        g = [one.grad for one in self.parameters]
        torch._foreach_lerp_(self.m, g, 1 - B1)
        torch._foreach_mul_(self.v, B2)
        torch._foreach_addcmul_(self.v, g, g, 1 - B2)
        root = torch._foreach_div(self.v, 1 - B2**self.updates)
        torch._foreach_add_(root, FLOOR)
        torch._foreach_sqrt_(root)
        scales = [-rate / (1 - B1**self.updates) for rate in self.rates]
        torch._foreach_addcdiv_(self.parameters, self.m, root, scales)


class Sequence:
    """`nn.LSTM`, a window a call. One of its two biases stays 0."""

    kind, suffix = torch.nn.LSTM, "_l0"

    def __init__(self, weights, rate, readout_rate) -> None:
        symbols, n = weights["readout.W"].shape[::-1]
        dtype = torch.from_numpy(weights["readout.W"]).dtype
        self.layer = self.kind(symbols, n, dtype=dtype)
        self.readout = torch.nn.Linear(n, symbols, dtype=dtype)
        cell = {name: value for name, value in weights.items() if name.startswith("cell.")}
        layer = nbt.interop.to_torch(cell, nbt.LSTM(n))
        self.layer.load_state_dict(
            {
                name.replace("_l0", self.suffix): torch.from_numpy(value)
                for name, value in layer.items()
            }
        )
        readout = {"weight": weights["readout.W"].T, "bias": weights["readout.b"]}
        self.readout.load_state_dict({name: torch.tensor(value) for name, value in readout.items()})
        getattr(self.layer, f"bias_hh{self.suffix}").requires_grad_(False)
        learned = [one for one in self.layer.parameters() if one.requires_grad]
        rates = [rate] * len(learned) + [readout_rate] * 2
        self.optimizer = Adam([*learned, *self.readout.parameters()], rates)
        self.one_hot = torch.eye(symbols, dtype=dtype)
        self.state = self.first(torch.zeros(n, dtype=dtype))

    def first(self, zero):
        """y and c, each with an axis of layers."""
        return zero[None], zero[None]

    def outputs(self, x):
        """y of each step of a window (WINDOW, n); x (WINDOW, symbols)."""
        y, self.state = self.layer(x, self.state)
        return y

    def learn(self, x, y) -> np.ndarray:
        """Losses of a block of whole windows, in nats."""
        x, y = (torch.tensor(symbols, dtype=torch.long).split(WINDOW) for symbols in (x, y))
        return torch.cat([self._learn(*window) for window in zip(x, y, strict=True)]).numpy()

    def _learn(self, x, y):
        self.state = tuple(part.detach() for part in self.state)
        logits = self.readout(self.outputs(self.one_hot[x]))
        losses = torch.nn.functional.cross_entropy(logits, y, reduction="none")
        for parameter in self.optimizer.parameters:
            parameter.grad = None
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach()


class Cell(Sequence):
    """`nn.LSTMCell`, a step a call."""

    kind, suffix = torch.nn.LSTMCell, ""

    def first(self, zero):
        """y and c."""
        return zero, zero

    def outputs(self, x):
        """As above."""
        found = []
        for now in x:
            self.state = self.layer(now, self.state)
            found.append(self.state[0])
        return torch.stack(found)


RULES = {"lstm": {"nn.LSTM": Sequence, "nn.LSTMCell": Cell}}
