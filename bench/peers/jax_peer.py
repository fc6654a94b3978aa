"""The three rules in JAX: a step is a pure function, a block is one jitted `lax.scan` over it.

The state is donated, so a block updates it in place; nothing of Python runs between two steps.
Each rule is here as one writes it first, ``scan``, and as fast as it became, ``scan, tuned``: signs
drawn for a whole block at once; windows unrolled, with one matrix product for their logits.
"""

from __future__ import annotations

import os
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bench.peers.job import WINDOW

__all__ = ["RULES", "TBPTT", "Euclidean", "Kalman"]


def one_thread() -> None:
    """Makes XLA's thread pool, whose size is the number of CPUs it may use, while that is one."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cpus)})
    try:
        jax.devices("cpu")
    finally:
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), cpus)


one_thread()


class Estimate(NamedTuple):
    """What the two rank-one rules carry: step, network, estimate (J and J0 of Kalman only)."""

    t: jax.Array
    theta: jax.Array
    phi: jax.Array
    h: jax.Array
    v: jax.Array
    w: jax.Array
    z: jax.Array
    J: jax.Array | None = None
    J0: jax.Array | None = None
    J_phi: jax.Array | None = None
    J0_phi: jax.Array | None = None


def balance(a, b):
    """(a / b)^(1/4) and its inverse, both 0 where a or b is 0: (13), (14) from squared norms."""
    product = (a > 0) & (b > 0)
    rho = jnp.sqrt(jnp.sqrt(jnp.where(product, a, 1) / jnp.where(product, b, 1)))
    return jnp.where(product, rho, 0), jnp.where(product, 1 / rho, 0)


def read(s: Estimate, y):
    """Loss, (1, a), slope, dloss/dlogits and H."""
    a = jax.nn.sigmoid(s.h)
    slope = a * (1 - a)
    a1 = jnp.concatenate([jnp.ones(1, a.dtype), a])
    logits = a1 @ s.phi
    log_p = logits - jax.nn.logsumexp(logits)
    delta = jnp.exp(log_p).at[y].add(-1)
    return -log_p[y], a1, slope, delta, slope * (s.phi[1:] @ delta)


def move(s: Estimate, theta, folded, a1, slope, x):
    """h, v and z after the transition on x with the new theta."""
    n = len(s.h)
    pushed = jnp.stack([a1, jnp.concatenate([jnp.zeros(1, a1.dtype), slope * folded])])
    h, v = pushed @ theta[: 1 + n]
    z = jnp.concatenate([a1, jax.nn.one_hot(x, len(s.z) - 1 - n, dtype=a1.dtype)])
    return h + theta[1 + n + x], v, z


def euclidean_step(scale, s: Estimate, given):
    symbol, sign = given
    rate = (scale / jnp.sqrt(s.t + 1.0)).astype(s.h.dtype)
    loss, a1, slope, delta, H = read(s, symbol)
    phi = s.phi - rate * jnp.outer(a1, delta)
    theta = s.theta - rate * ((H @ s.v) * s.w + jnp.outer(s.z, H))
    rho_bar, inverse_bar = balance(jnp.vdot(s.w, s.w), s.v @ s.v)
    rho, inverse = balance(s.z @ s.z, jnp.ones((), s.z.dtype))
    w = inverse_bar * s.w + jnp.outer(s.z, inverse * sign)
    h, v, z = move(s, theta, rho_bar * s.v + rho * sign, a1, slope, symbol)
    return Estimate(s.t + 1, theta, phi, h, v, w, z), loss


def column_sums(x):
    """As a product with ones, which XLA's CPU code runs faster than a sum over rows."""
    return jnp.ones(len(x), x.dtype) @ x


def kalman_update(x, J, J0, g, gamma, prior):
    """x, J and J0 (the first row, its own first entry 0) after g, and q, r of the new J."""
    first = jnp.arange(len(x))[:, None] == 0
    J = (1 - gamma) * J + g * g
    J0 = (1 - gamma) * J0 + jnp.where(first, 0, g[0] * g)
    D = J + prior
    q = J0 / D[0]
    r = 1 / (D - J0 * q)
    change = (g - g[0] * q) * r
    return x - change + jnp.where(first, column_sums(q * change), 0), J, J0, q, r


def kalman_step(scale, s: Estimate, given):
    symbol, sign = given
    n = len(s.h)
    gamma = jnp.minimum(1.0, scale / jnp.sqrt(s.t + 1.0)).astype(s.h.dtype)
    loss, a1, slope, delta, H = read(s, symbol)
    phi, J_phi, J0_phi, _, _ = kalman_update(
        s.phi, s.J_phi, s.J0_phi, jnp.outer(a1, delta), gamma, n
    )
    g = (H @ s.v) * s.w + jnp.outer(s.z, H)
    theta, J, J0, q, r = kalman_update(s.theta, s.J, s.J0, g, gamma, n)

    w_part = s.w - s.w[0] * q  # q[0] is 0
    z_part = s.z[:, None] - s.z[0] * q
    norm_w = column_sums(w_part * w_part * r).sum()
    norm_z = column_sums(z_part * z_part * r)
    inner = column_sums(w_part * z_part * r)
    C = s.v * s.v * norm_w + 2 * s.v * inner + norm_z
    u = jnp.where(C > 0, 1 / jnp.where(C > 0, C, 1), 0)
    rho_bar, inverse_bar = balance(norm_w, (u * s.v * s.v).sum())
    rho, inverse = balance(norm_z, u)

    w = inverse_bar * s.w + jnp.outer(s.z, inverse * sign)
    h, v, z = move(s, theta, rho_bar * s.v + rho * sign, a1, slope, symbol)
    return Estimate(s.t + 1, theta, phi, h, v, w, z, J, J0, J_phi, J0_phi), loss


# The scale is an argument of the compiled functions, static: one compilation for each.
compiled = partial(jax.jit, static_argnames=("step", "scale"), donate_argnames="state")


@compiled
def block_given(step, scale, state, symbols, signs):
    """The state after a block, and its losses, with the signs (steps, n) given."""
    return lax.scan(partial(step, scale), state, (symbols, signs))


@compiled
def block(step, scale, state, symbols, key):
    """The same, drawing the signs of each step in that step; also the next key."""

    def draw_and_step(carry, symbol):
        state, key = carry
        key, now = jax.random.split(key)
        sign = jax.random.rademacher(now, state.h.shape, state.h.dtype)
        state, loss = step(scale, state, (symbol, sign))
        return (state, key), loss

    (state, key), losses = lax.scan(draw_and_step, (state, key), symbols)
    return state, losses, key


@compiled
def block_tuned(step, scale, state, symbols, key):
    """The same, drawing all signs first."""
    key, now = jax.random.split(key)
    signs = jax.random.rademacher(now, (len(symbols), *state.h.shape), state.h.dtype)
    return *lax.scan(partial(step, scale), state, (symbols, signs)), key


class RankOne:
    """Common to the two rank-one rules."""

    step = None

    def __init__(self, theta, phi, scale, seed, *, tuned) -> None:
        P, n = theta.shape
        zero = partial(jnp.zeros, dtype=theta.dtype)
        state = Estimate(
            *(jnp.zeros((), jnp.int32), jnp.array(theta), jnp.array(phi)),
            *(zero(n), zero(n), zero((P, n)), zero(P)),
        )
        self.state, self.scale, self.key = self.begin(state), scale, jax.random.key(seed)
        self.block = block_tuned if tuned else block

    def begin(self, state):
        return state

    def learn(self, symbols, signs=None) -> np.ndarray:
        """Losses of a block, in nats; `signs` (steps, n) in place of its own random ones."""
        given = self.step, self.scale, self.state, symbols
        if signs is not None:
            self.state, losses = block_given(*given, signs)
        else:
            self.state, losses, self.key = self.block(*given, self.key)
        return np.asarray(losses)


class Euclidean(RankOne):
    """Euclidean norms, gradient descent."""

    step = staticmethod(euclidean_step)


class Kalman(RankOne):
    """Kalman norms (59)-(64), quasi-diagonal outer products (20)-(27)."""

    step = staticmethod(kalman_step)

    def begin(self, state):
        like_theta, like_phi = jnp.zeros_like(state.theta), jnp.zeros_like(state.phi)
        return state._replace(
            J=like_theta,
            J0=like_theta.copy(),
            J_phi=like_phi,
            J0_phi=like_phi.copy(),
        )


def window_loss(theta, phi, h, x, y):
    """Sum of a window's losses; also the losses and the last state."""
    n = theta.shape[1]

    def step(h, given):
        x, y = given
        h = theta[0] + jax.nn.sigmoid(h) @ theta[1 : 1 + n] + theta[1 + n + x]
        log_p = jax.nn.log_softmax(phi[0] + jax.nn.sigmoid(h) @ phi[1:])
        return h, -log_p[y]

    h, losses = lax.scan(step, h, (x, y))
    return losses.sum(), (losses, h)


def window_loss_tuned(theta, phi, h, x, y):
    """The same, with what does not depend on the step before done for the window at once."""
    n = theta.shape[1]

    def transition(h, driven):
        h = driven + jax.nn.sigmoid(h) @ theta[1 : 1 + n]
        return h, h

    h, states = lax.scan(transition, h, theta[0] + theta[1 + n :][x], unroll=len(x))
    log_p = jax.nn.log_softmax(phi[0] + jax.nn.sigmoid(states) @ phi[1:])
    losses = -jnp.take_along_axis(log_p, y[:, None], axis=1)[:, 0]
    return losses.sum(), (losses, h)


def tbptt_step(window_loss, scale, state, window):
    """Learns from one window. The rate is that of its last step."""
    t, theta, phi, h = state
    differentiate = jax.grad(window_loss, argnums=(0, 1), has_aux=True)
    (g_theta, g_phi), (losses, h) = differentiate(theta, phi, h, *window)
    t = t + WINDOW
    rate = (scale / jnp.sqrt(1.0 * t)).astype(h.dtype)
    return (t, theta - rate * g_theta, phi - rate * g_phi, h), losses


class TBPTT:
    """Truncated backpropagation, windows of 15 steps that do not overlap, gradient descent."""

    def __init__(self, theta, phi, scale, seed, *, tuned) -> None:
        h = jnp.zeros(theta.shape[1], theta.dtype)
        self.state = (jnp.zeros((), jnp.int32), jnp.array(theta), jnp.array(phi), h)
        self.step, self.scale = tbptt_step_tuned if tuned else tbptt_step_first, scale

    def learn(self, x, y) -> np.ndarray:
        """Losses of a block of whole windows, in nats."""
        x, y = np.reshape(x, (-1, WINDOW)), np.reshape(y, (-1, WINDOW))
        self.state, losses = block_given(self.step, self.scale, self.state, x, y)
        return np.ravel(losses)


tbptt_step_first = partial(tbptt_step, window_loss)
tbptt_step_tuned = partial(tbptt_step, window_loss_tuned)

RULES = {
    rule: {"scan": partial(kind, tuned=False), "scan, tuned": partial(kind, tuned=True)}
    for rule, kind in {"euclidean": Euclidean, "kalman": Kalman, "tbptt": TBPTT}.items()
}
