"""Rules that learn theta once in T steps: a trainer around `gated.Blocks`, in either order of a
target and a transition.

A window has T steps. A step is a transition and the target after it; one without a transition, as
the first of a self-supervised run, is written as symbol -1, or `moved` 0. phi is learned at every
step. At the end of a window theta takes one step of the optimizer, if the step that ends it is
learned from; otherwise the gradient waits for the next window's.

The state that the readout sees is y itself, so its activation is the identity.
"""

import numpy as np

from . import gated, philox, readout
from .complex_units import Turning
from .trainer import Trainer

NETS = {"gain": gated.Normalised, "polar": Turning}  # by the last row of theta
KEPT = ("J", "J0", "m", "v")  # arrays of theta's shape that optimizers keep


class Windowed(Trainer):
    """Arguments as in `Trainer`, and

    unit : of `gated`, what a unit does
    rule : "nobacktrack", "bptt" or "rtrl"
    every : T
    rank : K, pairs of "nobacktrack"
    norm : "euclidean" or "none"
    """

    def __init__(self, state, *, unit, rule, every, rank=0, norm="euclidean", **choices):
        one = "state.h" in state  # cells with one gate, whose arrays have no axis of gates
        self.one, self.rule, self.T, self.K, self.norm = one, rule, every, rank, norm
        self.unit, state = unit, {key: np.array(value) for key, value in state.items()}
        self.gates = 1 if one else len(state["cell.b"])
        self.last = next((name for name in NETS if f"cell.{name}" in state), None)
        arrays = [f"cell.{name}" for name in ("b", self.last, "W", "r")]
        parts = [self._wide(state[key]) for key in arrays if key in state]
        parts = [part[:, np.newaxis] if part.ndim == 2 else part for part in parts]
        theta = np.concatenate(parts, axis=1).astype(float)
        n = choices["units"]
        self.recurrent = "cell.W" in state
        self.head = 1 + bool(self.last)  # rows of theta before those of W and r
        first = self.head + n * self.recurrent
        self.y = None
        flat = {**state, "state.h": np.zeros(n), "cell.alpha": np.zeros(n)}
        for name, rows in (("b", 0), ("W", slice(self.head, first)), ("r", slice(first, None))):
            flat[f"cell.{name}"] = np.zeros((n, n) if name == "W" else theta[0, rows].shape)
        for key in KEPT:
            if f"optimizer.theta.{key}" in state:
                flat[f"optimizer.theta.{key}"] = self._side_by_side(state[f"optimizer.theta.{key}"])
        super().__init__(flat, activation="identity", **choices)
        self.theta = theta
        self.c = (state["state.h"] if one else state["state.c"]).astype(float)
        self.h = self._shown(self.c) if one else state["state.y"].astype(float)
        self._begin(state)

    # ---- shapes --------------------------------------------------------------------------------

    def _wide(self, array):
        """With an axis of gates."""
        return array[np.newaxis] if self.one else array

    def _narrow(self, array):
        return array[0] if self.one else array

    def _side_by_side(self, array):
        """(gates, P, n) as (P, gates n)."""
        wide = self._wide(np.asarray(array, float))
        return wide.swapaxes(0, 1).reshape(wide.shape[1], -1)

    def _by_gates(self, matrix):
        return matrix.reshape(len(matrix), self.gates, -1).swapaxes(0, 1)

    def _net(self):
        """The network, whose theta has rows for W even where there is none, and the last row
        last."""
        kind = NETS.get(self.last, gated.Network)
        return kind(self.unit, self._full(self.theta), self.recurrent)

    def _full(self, array):
        """From the rows of theta here to those of the network."""
        bias, last, rest = np.split(array, [1, self.head], axis=-2)
        W = np.zeros((*array.shape[:-2], 0 if self.recurrent else self.n, self.n))
        return np.concatenate([bias, W, rest, last], axis=-2)

    def _there(self, array):
        """Back."""
        first = 1 if self.recurrent else 1 + self.n
        end = array.shape[-2] - bool(self.last)
        bias, _, rest, last = np.split(array, [1, first, end], axis=-2)
        return np.concatenate([bias, last, rest], axis=-2)

    def _shown(self, c):
        return self.unit.show(c)

    def _begin(self, state):
        self.length, self.entered = int(state["window.length"]), bool(state["window.entered"])
        name = "h" if self.one else "c"
        self.window_c = state[f"window.{name}"].astype(float)
        self.window_y = self._shown(self.window_c) if self.one else state["window.y"].astype(float)
        self.window_x = state["window.x"].astype(float)
        self.window_H = state["window.H"].astype(float)
        self.own = "window.moved" in state
        self.moved = np.array(state["window.moved"]) if self.own else np.ones(self.T, int)
        self.left = self._wide(state["window.g_theta"].astype(float))
        if self.one:
            before = [self.window_c[t] for t in range(self.length + self.entered) if self._moved(t)]
            first = before[0] if before else self.c
            self.slope = self.unit.slope(first)
        else:
            self.slope = state["window.slope"].astype(float)
        if self.rule == "nobacktrack":
            E = self._wide(state["estimator.d"].astype(float))
            self.E = np.zeros_like(self.theta)
            self.E[: len(E)] = E
            self.kept = len(E)
            if self.K:
                self.v = state["estimator.v"].astype(float)
                w = state["estimator.w"].astype(float)
                self.w = w[:, np.newaxis] if self.one else w
        if self.rule == "rtrl":
            G = state["estimator.G"].astype(float)
            self.G = G[:, :, np.newaxis] if self.one else G

    # ---- steps ---------------------------------------------------------------------------------

    def _observe(self, y, learning):
        loss, delta = self._score(y)
        if learning:
            self.scored = not np.isnan(loss)
            delta = self._shorten(delta, (self.h, self.x))
            self.g_phi = readout.gradient(self.h, delta, self.activation, self.x)
            self.root_phi = self._root()
            self.window_H[self.length] = readout.backward(self.h, delta, self.phi, self.activation)
            self.phi = self._phi_step()
        self._complete(learning)
        return loss

    def _advance(self, x):
        if self.entered:  # the last transition met no target
            self._complete(learning=False, by=1)
        at = self.length
        self.window_c[at], self.window_y[at], self.window_x[at] = self.c, self.h, x
        self.moved[at], self.entered = 1, True
        x = self._input(x)
        _, step = self._net().step(x, np.array([self.c, self.h]))
        self.x = x if self.direct else None
        self.c, self.h = step.c, step.y

    def _complete(self, learning, by=0):
        if not self.entered and self.own:
            self.moved[self.length] = 0
        self.entered = False
        self.length += 1
        if self.length == self.T:
            self._close(learning, by)

    def flush(self):
        self.length += self.entered
        self.entered = False
        if self.length or self.left.any():
            self._close(learning=self.left.any() or self.window_H.any(), by=2)

    def _moved(self, t):
        return self.moved[t] if self.inputs == "vector" else self.window_x[t] >= 0

    def _close(self, learning, by):
        self.by = by  # a target, a transition or a flush: each has signs of its own
        net, steps, H = self._net(), [], [np.zeros(self.n)]
        for t in range(self.length):
            if self._moved(t):
                x = self.window_x[t]
                x = self._input(x if self.inputs == "vector" else int(x))
                steps.append(net.step(x, np.array([self.window_c[t], self.window_y[t]])))
                H.append(np.zeros(self.n))
            H[-1] = H[-1] + self.window_H[t]
        gradient = self._differentiate(net, steps, H) + self.left
        if learning:
            self._learn(gradient)
            gradient = 0 * gradient
        self.left = gradient
        if steps:
            self.slope = steps[-1][1].y_c
        self.length = 0
        self.window_c[:] = self.window_y[:] = self.window_H[:] = 0
        self.window_x[:] = -1 if self.inputs == "symbols" else 0
        self.moved[:] = 0 if self.own else 1

    def _learn(self, gradient):
        gradient = self._there(self._net().chain(self._full(gradient)))
        flat = self.theta_optimizer.step(
            self._side_by_side(self._narrow(self.theta)),
            self._side_by_side(self._narrow(gradient)),
            self.t,
        )
        self.theta = self._by_gates(flat)

    def _differentiate(self, net, steps, H):
        """dL/dtheta of the window; carries along what is kept of the past."""
        rule = gated.Blocks(net, self.K if self.rule == "nobacktrack" else 0)
        rule.slope, rule.norm = self.slope, self.norm
        gradient, delta = rule._backwards(steps, [np.array([0 * h, h]) for h in H[1:]])
        delta[1] += H[0]
        if self.rule == "rtrl":
            G = self._full(self.G)
            gradient += np.einsum("sj,sjgkn->gkn", delta, G)
            for u, s in steps:
                G = net.forward(G, u, s)
            self.G = self._there(G)
        if self.rule == "nobacktrack":
            rule.E = self._full(self.E)
            gradient += rule._known(delta)
            if self.K:
                rule.v, rule.w = self.v.copy(), self._full(self.w)
                for v, w in zip(rule.v, rule.w, strict=True):
                    gradient += (delta * v).sum() * w / self.K
            rule.advance(steps, [self._signs(k) for k in range(self.K)])
            self.E = self._there(rule.E)
            if self.K:
                self.v, self.w = rule.v, self._there(rule.w)
        return self._there(gradient)

    def _signs(self, k):
        return philox.signs(self.seed, self.by * self.K + k, self.t, 2 * self.n).reshape(2, self.n)

    # ---- the state -----------------------------------------------------------------------------

    def state_dict(self):
        state = super().state_dict()
        del state["state.h"], state["cell.alpha"]
        theta, first = self._narrow(self.theta), self.head + self.n * self.recurrent
        state |= {"cell.b": theta[..., 0, :], "cell.r": theta[..., first:, :]}
        state["cell.W"] = theta[..., self.head : first, :]
        if not self.recurrent:
            del state["cell.W"]
        if self.last:
            state[f"cell.{self.last}"] = theta[..., 1, :]
        if self.one:
            state |= {"cell.alpha": self.unit.alpha, "state.h": self.c}
        else:
            state |= {"state.c": self.c, "state.y": self.h}
        for key in KEPT:
            name = f"optimizer.theta.{key}"
            if name in state:
                state[name] = self._narrow(self._by_gates(state[name]))
        return {key: np.array(value) for key, value in state.items()}

    def _rule_state(self):
        state = {
            "window.length": np.int64(self.length),
            "window.entered": np.int64(self.entered),
            "window.x": self.window_x,
            "window.H": self.window_H,
            "window.g_theta": self._narrow(self.left),
        }
        state["window.h" if self.one else "window.c"] = self.window_c
        if not self.one:
            state |= {"window.y": self.window_y, "window.slope": self.slope}
        if self.own:
            state["window.moved"] = self.moved
        if self.rule == "nobacktrack":
            state["estimator.d"] = self._narrow(self.E[: self.kept])
            if self.K:
                state |= {"estimator.v": self.v}
                state["estimator.w"] = self.w[:, 0] if self.one else self.w
        if self.rule == "rtrl":
            state["estimator.G"] = self.G[:, :, 0] if self.one else self.G
        return state
