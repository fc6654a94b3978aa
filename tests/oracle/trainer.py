"""What all rules share: one step, made of an observation and a transition, in either order."""

import numpy as np

from . import cell, readout
from .optimizer import SGD, Shared, begun
from .scaler import Scaler


class Trainer:
    """Algorithms 1 and 2 without the rule's own part (`_gradient`, `_learned`, `_move`).

    Parameters
    ----------
    state : dict of arrays, copied
    units : n
    activation : "sigmoid" or "tanh"
    inputs : "symbols" (x is an index, one-hot) or "vector" (x is m numbers)
    optimizer : ("sgd", rate), ("adam", rate, b1, b2), ("kalman", decay, prior) or ("kalman", decay,
        prior, lambda of phi); rate and decay are functions of t
    readout_optimizer : that of phi, if another; also ("shared", decay, prior, that of P)
    readout : "softmax" (y is an index), "gaussian" or "bernoulli" (y is a vector)
    missing : what a NaN does: "skip", only the input passes, NaN read as 0, and nothing is
        learned; "mask", the same but for targets that are known. The loss of a step without a known
        target, or skipped, is NaN.
    seed : instead of the state's
    frozen : theta and phi stay as they are; whatever the optimizer measures still moves

    After an observation that learned, `g_phi` (1 + n, A), `H` (n,) and `g_theta` (P, n) are what
    the step was made from.
    """

    def __init__(
        self,
        state,
        *,
        units,
        activation,
        inputs,
        optimizer,
        readout_optimizer=None,
        readout="softmax",
        missing="error",
        seed=None,
        frozen=False,
    ):
        state = {key: np.array(value) for key, value in state.items()}
        self.n = units
        self.activation = activation
        self.inputs = inputs
        self.readout = readout
        self.missing = missing
        self.scale_x = Scaler(state, "inputs") if "inputs.count" in state else None
        self.scale_y = Scaler(state, "targets") if "targets.count" in state else None
        self.frozen = frozen
        self.theta = np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]]).astype(float)
        self.alpha = state["cell.alpha"].astype(float)
        self.P, self.m = len(self.theta), len(self.theta) - 1 - units
        self.direct = "readout.r" in state
        phi = [state[f"readout.{name}"] for name in ("b", "W", *(["r"] if self.direct else []))]
        self.phi = np.vstack(phi).astype(float)
        self.x = self._last_input(state["state.x"]) if self.direct else None
        self.A = self.phi.shape[1]
        self.h = state["state.h"].astype(float)
        self.t = int(state["step"])
        self.seed = int(state["seed"]) if seed is None else seed
        assert self.theta.shape == (self.P, units)
        self.root_phi = None
        self.theta_optimizer = begun(optimizer, state, "theta", units)
        self.phi_optimizer = begun(readout_optimizer or optimizer, state, "phi", units)

    def predict(self, x=None):
        """What the readout says of the next target, now or after a transition on x."""
        h, seen = self.h, self.x
        if x is not None:
            x = self._input(self._read(x))
            h = cell.transition(h, x, self.theta, self.alpha, self.activation)
            seen = x if self.direct else None
        if self.scale_y:
            return self._scaled(h, seen).predict()
        return readout.predict(h, self.phi, self.activation, self.readout, seen)

    def _scaled(self, h, x):
        return readout.Scaled(readout.outputs(h, self.phi, self.activation, x), self.scale_y)

    def _last_input(self, x):
        """The readout's x (m,) as the state has it: a vector, or a symbol, -1 for none."""
        return np.arange(self.m) == x if self.inputs == "symbols" else np.array(x, float)

    def learn(self, x, y=None):
        """Losses (T,) in nats, each measured before its own update."""
        return self._run(x, y, learning=True)

    def observe(self, x, y=None):
        """The same losses, and time passes, but nothing is learned."""
        return self._run(x, y, learning=False)

    def _run(self, x, y, learning):
        losses = []
        for s in range(len(x)):
            if y is None:  # self-supervised: x is first the target, then the input
                losses.append(self._target(x[s], x[s], learning))
                self._pass(x[s], learning and not self._skips(x[s], x[s]))
            elif y is Ellipsis:  # no target
                self._pass(x[s], learning=False)
            else:  # supervised: first the input, then the target
                self._pass(x[s], learning and not self._skips(x[s], y[s]))
                losses.append(self._target(y[s], x[s], learning))
            self.t += 1
        return np.array(losses)

    def _skips(self, x, y):
        return self.missing == "skip" and bool(np.isnan(x).any() or np.isnan(y).any())

    def _pass(self, x, learning):
        """The transition on x, then what is learned of x itself."""
        self._advance(self._read(x))
        if learning and self.scale_x:
            self.scale_x.follow(x)

    def _target(self, y, x, learning):
        if self._skips(x, y) or np.isnan(y).all():
            return np.nan
        loss = self._observe(y, learning)
        if learning and self.scale_y:
            self.scale_y.follow_errors(y, *self.squares)
            known, mean, k = self.scale_y.known, self.scale_y.mean.copy(), self.scale_y.deviation
            self.scale_y.follow(y)
            drifts_alone = not (self.direct and self.scale_x)
            if isinstance(self.phi_optimizer, Shared) and drifts_alone:
                self._change_unit(known, mean, k)
        return loss

    def _change_unit(self, known, mean, k):
        """phi in the unit that targets have now, after mean and k: it predicts what it did."""
        Y, now, new_k = len(k), self.scale_y.mean, self.scale_y.deviation
        self.phi[:, :Y] *= np.where(known, k / new_k, 1.0)
        self.phi[0, :Y] += np.where(known, (mean - now) / new_k, 0.0)

    def _read(self, x):
        """A vector as the network sees it."""
        if self.scale_x:
            return self.scale_x.read_input(x)
        return np.nan_to_num(x) if self.inputs == "vector" else x

    def _score(self, y):
        """The loss of y, and dloss/doutputs; leaves the readout's `information`."""
        if self.scale_y:
            step = self._scaled(self.h, self.x)
            step.see(y, plain=isinstance(self.phi_optimizer, SGD))
            self.information, self.squares = step.information, step.squares
            self.errors, self.doubt = step.errors, step.doubt
            return step.loss, step.delta
        arguments = self.h, y, self.phi, self.activation, self.readout, self.x
        self.information = readout.information(*arguments)
        if self.readout == "gaussian":
            self.errors = np.nan_to_num(readout.predict(self.h, *arguments[2:])[0] - y)
            self.doubt = 1.0
        return readout.loss(*arguments), readout.delta(*arguments)

    def _shorten(self, delta, *seen):
        """delta of steps in which (h, x) was seen, where SGD could go beyond what it aims at."""
        if not self.scale_y or not isinstance(self.phi_optimizer, SGD):
            return delta
        size = sum((readout.features(h, self.activation, x) ** 2).sum() for h, x in seen)
        return delta / max(1.0, self.phi_optimizer.rate(self.t) * size)

    def _observe(self, y, learning):
        loss, delta = self._score(y)
        if learning:
            self.scored = not np.isnan(loss)
            delta = self._shorten(delta, (self.h, self.x))
            self.g_phi = readout.gradient(self.h, delta, self.activation, self.x)
            self.root_phi = self._root()
            self.H = readout.backward(self.h, delta, self.phi, self.activation)
            self.g_theta = self._gradient(self.H)
            self._update()
            self._learned(self.H)
        return loss

    def _root(self):
        """What J of phi is a sum of outer products of (24), each column's; None: of g_phi."""
        if self.information is None:
            return None
        return readout.gradient(self.h, np.sqrt(self.information), self.activation, self.x)

    def _update(self):
        """One step of the optimizer on phi (10), (25) and theta (12), (27)."""
        phi = self._phi_step()
        theta = self.theta_optimizer.step(self.theta, self.g_theta, self.t)
        if not self.frozen:
            self.phi, self.theta = phi, theta

    def _phi_step(self):
        """phi after its step. The rows of symbols are seen one at a time: each entry is a block of
        its own, and moves and decays only where its symbol was seen."""
        step, (phi, g, root) = self.phi_optimizer.step, (self.phi, self.g_phi, self.root_phi)
        if isinstance(self.phi_optimizer, Shared):
            f, Y = readout.features(self.h, self.activation, self.x), self.A // 2
            if self.scored:
                phi = self.phi_optimizer.step_means(phi, f, self.errors, self.t, self.doubt)
            g, root = g.copy(), root.copy()
            g[:, :Y] = root[:, :Y] = 0.0
        if not self.direct or self.inputs != "symbols":
            return step(phi, g, self.t, root)
        n, optimizer = self.n, self.phi_optimizer
        parts = [np.arange(1 + n)] + [[p] for p in range(1 + n, len(phi)) if g[p].any()]
        phi, owns = phi.copy(), [optimizer.rows(rows) for rows in parts]
        for rows, own in zip(parts, owns, strict=True):
            phi[rows] = own.step(phi[rows], g[rows], self.t, None if root is None else root[rows])
            optimizer.take(rows, own)
        return phi

    def _advance(self, x):
        x = self._input(x)
        z = cell.regressors(self.h, x, self.activation)
        F = cell.jacobian(self.h, self.theta, self.alpha, self.activation)
        self._move(F, z)
        self.h = cell.transition(self.h, x, self.theta, self.alpha, self.activation)
        self.x = x if self.direct else None

    def _input(self, x):
        """x as a vector (m,)."""
        return np.eye(self.m)[x] if self.inputs == "symbols" else np.array(x, dtype=float)

    def _gradient(self, H):
        """dloss/dtheta (P, n), or its estimate, from H = dloss/dh."""
        raise NotImplementedError

    def _learned(self, H):
        """What else an observation that learns changes."""

    def _move(self, F, z):
        """Carries the influence of theta over one transition with dh'/dh = F and w_i = z."""
        raise NotImplementedError

    def state_dict(self):
        n = self.n
        state = {
            "cell.b": self.theta[0],
            "cell.W": self.theta[1 : 1 + n],
            "cell.r": self.theta[1 + n :],
            "cell.alpha": self.alpha,
            "readout.b": self.phi[0],
            "readout.W": self.phi[1 : 1 + n],
            "state.h": self.h,
            "step": np.uint64(self.t),
            "seed": np.uint64(self.seed),
            **self._rule_state(),
            **(self.scale_x.state() if self.scale_x else {}),
            **(self.scale_y.state() if self.scale_y else {}),
        }
        if self.direct:
            state |= {"readout.r": self.phi[1 + n :], "state.x": self._x_state(self.x)}
        for name in ("theta", "phi"):
            kept = getattr(self, f"{name}_optimizer").state()
            state |= {f"optimizer.{name}.{key}": value for key, value in kept.items()}
        return {key: np.array(value) for key, value in state.items()}

    def _x_state(self, x):
        """x as the state has it, see `_last_input`."""
        if self.inputs != "symbols":
            return x
        return np.int64(x.argmax() if x.any() else -1)

    def _rule_state(self):
        raise NotImplementedError
