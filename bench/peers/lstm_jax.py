"""LSTM in JAX: a window is a `lax.scan` over its steps, a block one jitted scan over its windows.

The state is donated. As one writes it first, ``scan``: a step is a function of one symbol, with the
gates in one product. As fast as it became, ``scan, tuned``: what does not depend on the step before
is done for the window at once (the inputs' part, logits, and the gradient of θ as one product, from
that of the gates), windows are unrolled, and θ and φ are one array each.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bench.peers.jax_peer import compiled
from bench.peers.lstm import B1, B2, FLOOR, WINDOW

__all__ = ["RULES", "TBPTT"]


def move(gates, c):
    """y and c after a step, from the gates (4 n,): f, i, z, o."""
    f, i, z, o = jnp.split(gates, 4)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(z)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def window_loss(parameters, state, x, y):
    """Sum of a window's losses; also the losses and the last state."""
    b, W, r, phi_b, phi_W = parameters

    def step(state, given):
        shown, c = state
        x, y = given
        shown, c = move(b + r[x] + shown @ W, c)
        return (shown, c), -jax.nn.log_softmax(phi_b + shown @ phi_W)[y]

    state, losses = lax.scan(step, state, (x, y))
    return losses.sum(), (losses, state)


def gradients(parameters, state, x, y):
    """∂L/∂parameters, the losses and the last state."""
    found, (losses, state) = jax.grad(window_loss, has_aux=True)(parameters, state, x, y)
    return found, losses, state


def gradients_tuned(parameters, state, x, y):
    """The same, with θ and φ as one array each: biases, W, r; biases, W."""
    theta, phi = parameters
    n = len(phi) - 1

    def step(state, driven):
        shown, c = move(driven + state[0] @ theta[1 : 1 + n], state[1])
        return (shown, c), (shown, state[0])

    def loss(driven, phi):
        after, (shown, before) = lax.scan(step, state, driven, unroll=len(x))
        log_p = jax.nn.log_softmax(phi[0] + shown @ phi[1:])
        losses = -jnp.take_along_axis(log_p, y[:, None], axis=1)[:, 0]
        return losses.sum(), (losses, after, before)

    driven = theta[0] + theta[1 + n :][x]
    differentiate = jax.grad(loss, argnums=(0, 1), has_aux=True)
    (delta, g_phi), (losses, after, before) = differentiate(driven, phi)
    inputs = jax.nn.one_hot(x, len(theta) - 1 - n, dtype=delta.dtype)
    u = jnp.concatenate([jnp.ones_like(delta[:, :1]), before, inputs], axis=1)
    return (u.T @ delta, g_phi), losses, after


def learn_window(gradients, rates, state, window):
    """Learns from one window, by Adam."""
    t, parameters, m, v, s = state
    found, losses, s = gradients(parameters, s, *window)
    t = t + 1
    whole = [-jnp.expm1((t * np.log(b)).astype(s[0].dtype)) for b in (B1, B2)]  # 1 - bᵗ

    def adam(rate, x, g, m, v):
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g
        return x - rate / whole[0] * m / jnp.sqrt(v * (1 / whole[1]) + FLOOR), m, v

    changed = [adam(*each) for each in zip(rates, parameters, found, m, v, strict=True)]
    return (t, *zip(*changed, strict=True), s), losses


@compiled
def block(step, scale, state, x, y):
    """The state after a block of windows, and their losses; scale: all rates."""
    return lax.scan(partial(learn_window, step, scale), state, (x, y))


class TBPTT:
    """Windows of 10 steps."""

    def __init__(self, weights, rate, readout_rate, *, tuned) -> None:
        b, W, r = (weights[f"cell.{name}"] for name in "bWr")
        phi = weights["readout.b"], weights["readout.W"]
        flat = np.concatenate(b), np.concatenate(W, axis=1), np.concatenate(r, axis=1)
        parts = (np.vstack(flat), np.vstack(phi)) if tuned else (*flat, *phi)
        self.rates = (rate, readout_rate) if tuned else (*[rate] * 3, *[readout_rate] * 2)
        self.gradients = gradients_tuned if tuned else gradients
        zeros = (tuple(jnp.zeros_like(part) for part in parts) for _ in range(2))
        state = tuple(jnp.zeros(len(phi[1]), phi[1].dtype) for _ in range(2))
        self.state = (jnp.zeros((), jnp.int32), tuple(map(jnp.array, parts)), *zeros, state)

    def learn(self, x, y) -> np.ndarray:
        """Losses of a block of whole windows, in nats."""
        x, y = np.reshape(x, (-1, WINDOW)), np.reshape(y, (-1, WINDOW))
        self.state, losses = block(self.gradients, self.rates, self.state, x, y)
        return np.ravel(losses)


RULES = {"lstm": {"scan": partial(TBPTT, tuned=False), "scan, tuned": partial(TBPTT, tuned=True)}}
