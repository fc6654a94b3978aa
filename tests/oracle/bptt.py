"""Truncated backpropagation through time in the form of the paper's footnote 13.

Steps are collected; after T of them one backward pass gives the gradient of their summed losses,
the state before the window's first transition being a constant, and the optimizer makes one step.

A window has T slots. A slot is a transition and the loss after it: the state `h` it left, its input
`x`, and `delta` = dloss/dlogits in the state it reached, 0 if nothing is learned from it. `length`
slots are complete; `entered` says that the transition of the next one is already made, as it is
between two steps of a self-supervised run. Such a run begins with a loss that no transition
precedes, which is written as symbol x = -1; so is a free slot. Where the inputs are vectors,
`moved` is 0 in such slots.
"""

import numpy as np

from . import cell, readout
from .trainer import Trainer


class TruncatedBPTT(Trainer):
    """Arguments as in `Trainer`, and window: T."""

    def __init__(self, state, *, window, **choices):
        super().__init__(state, **choices)
        self.T = window
        self.length = int(state["window.length"])
        self.window_h = np.array(state["window.h"], dtype=float)
        self.window_x = np.array(state["window.x"])
        self.window_delta = np.array(state["window.delta"], dtype=float)
        self.own = "window.moved" in state
        self.moved = np.array(state["window.moved"]) if self.own else np.ones(self.T, int)
        self.g_theta = np.array(state["window.g_theta"], dtype=float)
        self.g_phi = np.array(state["window.g_phi"], dtype=float)
        self.entered = bool(state["window.entered"])

    def _observe(self, y, learning):
        loss, delta = self._score(y)
        self._complete(delta if learning else 0.0, learning)
        return loss

    def _advance(self, x):
        if self.entered:  # the last transition met no target
            self._complete(0.0, learning=False)
        self.window_h[self.length] = self.h
        self.window_x[self.length] = x
        self.moved[self.length] = 1
        self.entered = True
        super()._advance(x)

    def _complete(self, delta, learning):
        """Completes a slot; a full window is differentiated, and learned from if `learning`."""
        self.window_delta[self.length] = delta
        if not self.entered and self.own:
            self.moved[self.length] = 0
        if not self.entered and self.direct:  # what the readout sees is the input before
            x = self._x_state(self.x)
            self.window_x[self.length] = x if self.inputs == "vector" else -2 - x
        self.entered = False
        self.length += 1
        if self.length < self.T:
            return
        self._backward()
        if learning:
            self._update()
            self.g_theta, self.g_phi = np.zeros_like(self.theta), np.zeros_like(self.phi)
        self.length = 0
        self.window_h[:] = 0.0
        self.window_x[:] = -1 if self.inputs == "symbols" else 0.0
        self.window_delta[:] = 0.0
        self.moved[:] = 0 if self.own else 1

    def _backward(self):
        """Adds the gradient of the window's summed losses to g_theta and g_phi."""
        back = np.zeros(self.n)  # d(losses from here on)/dh
        seen = [self._seen(slot) for slot in reversed(range(self.T))]
        states = zip(self._reached(), seen, strict=True)
        self.window_delta = self._shorten(self.window_delta, *states)
        reached = self.h
        for slot in reversed(range(self.T)):
            delta = self.window_delta[slot]
            x = self._seen(slot)
            self.g_phi = self.g_phi + readout.gradient(reached, delta, self.activation, x)
            back = back + readout.backward(reached, delta, self.phi, self.activation)
            if self._moved(slot):
                left, x = self.window_h[slot], self._input(self.window_x[slot])
                z = cell.regressors(left, x, self.activation)
                self.g_theta = self.g_theta + np.outer(z, back)
                back = back @ cell.jacobian(left, self.theta, self.alpha, self.activation)
                reached = left

    def _seen(self, slot):
        """The input that the readout saw in a slot; None if it sees none."""
        if not self.direct:
            return None
        x = self.window_x[slot]
        return self._last_input(x if self.inputs == "vector" or x >= 0 else -2 - x)

    def _reached(self):
        """The states after each slot's transition, the newest first."""
        reached = [self.h]
        for slot in reversed(range(1, self.T)):
            reached.append(self.window_h[slot] if self._moved(slot) else reached[-1])
        return reached

    def _moved(self, slot):
        return self.moved[slot] if self.inputs == "vector" else self.window_x[slot] >= 0

    def _move(self, F, z):
        """Nothing is carried forward."""

    def _rule_state(self):
        return ({"window.moved": self.moved} if self.own else {}) | {
            "window.length": np.int64(self.length),
            "window.entered": np.int64(self.entered),
            "window.h": self.window_h,
            "window.x": self.window_x,
            "window.delta": self.window_delta,
            "window.g_theta": self.g_theta,
            "window.g_phi": self.g_phi,
        }
