"""Truncated backpropagation in PyTorch: a cell written as a loop over the window, one thread.

What does not depend on the step before is done for the whole window at once: inputs and logits.
As one writes it first, ``eager``, with autograd; and as fast as it became, ``compiled``: forward
pass, gradient and update of a window through torch.func and torch.compile as one function. It
needs a C++ compiler.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from bench.peers.job import WINDOW

__all__ = ["RULES", "Compiled", "Eager"]

torch.set_num_threads(1)


def window_loss(parameters, h, x, y):
    """Sum of a window's losses; also the losses and the last state."""
    b, W, r, phi_b, phi_W = parameters
    driven = b + r[x]
    states = []
    for t in range(WINDOW):
        h = torch.addmv(driven[t], W, torch.sigmoid(h))
        states.append(h)
    logits = torch.addmm(phi_b, torch.sigmoid(torch.stack(states)), phi_W)
    losses = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    return losses.sum(), (losses, h)


class Eager:
    """Windows of 15 steps that do not overlap, gradient descent."""

    def __init__(self, theta, phi, scale, seed) -> None:
        n = theta.shape[1]
        parts = theta[0], theta[1 : 1 + n].T, theta[1 + n :], phi[0], phi[1:]
        self.parameters = [torch.tensor(np.ascontiguousarray(part)) for part in parts]
        self.h = torch.zeros(n, dtype=self.parameters[0].dtype)
        self.scale, self.step = scale, 0

    def learn(self, x, y) -> np.ndarray:
        """Losses of a block of whole windows, in nats."""
        x, y = (torch.tensor(symbols, dtype=torch.long).split(WINDOW) for symbols in (x, y))
        losses = []
        for window in zip(x, y, strict=True):
            self.step += WINDOW
            losses.append(self._learn(*window, self.scale / math.sqrt(self.step)))
        return torch.cat(losses).numpy()

    def _learn(self, x, y, rate):
        for parameter in self.parameters:
            parameter.requires_grad_()
        loss, (losses, h) = window_loss(self.parameters, self.h, x, y)
        gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            torch._foreach_add_(self.parameters, gradients, alpha=-rate)
        self.h = h.detach()
        return losses.detach()


def window_step(parameters, h, x, y, rate):
    """Parameters and state after a window, and its losses."""
    gradients, (losses, h) = torch.func.grad(window_loss, has_aux=True)(parameters, h, x, y)
    parameters = [p - rate * g for p, g in zip(parameters, gradients, strict=True)]
    return parameters, h, losses


class Compiled(Eager):
    """The same, a window in one compiled function."""

    window_step = staticmethod(torch.compile(window_step, fullgraph=True, dynamic=False))

    def _learn(self, x, y, rate):
        rate = torch.tensor(rate, dtype=self.h.dtype)
        with torch.no_grad():
            given = self.parameters, self.h, x, y, rate
            self.parameters, self.h, losses = self.window_step(*given)
        return losses


RULES = {"tbptt": {"eager": Eager, "compiled": Compiled}}
