"""What all rules share: one step, made of an observation and a transition, in either order."""

import numpy as np

from . import cell, readout
from .optimizer import SGD, Kalman


class Trainer:
    """Algorithms 1 and 2 without the rule's own part (`_gradient`, `_learned`, `_move`).

    Parameters
    ----------
    state : dict of arrays, copied
    units : n
    activation : "sigmoid" or "tanh"
    inputs : "symbols" (x is an index, one-hot) or "vector" (x is m numbers)
    optimizer : ("sgd", rate) or ("kalman", decay, prior); rate and decay are functions of t
    readout : "softmax" (y is an index), "gaussian" or "bernoulli" (y is a vector)
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
        readout="softmax",
        seed=None,
        frozen=False,
    ):
        state = {key: np.array(value) for key, value in state.items()}
        self.n = units
        self.activation = activation
        self.inputs = inputs
        self.readout = readout
        self.frozen = frozen
        self.theta = np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]]).astype(float)
        self.alpha = state["cell.alpha"].astype(float)
        self.phi = np.vstack([state["readout.b"], state["readout.W"]]).astype(float)
        self.h = state["state.h"].astype(float)
        self.t = int(state["step"])
        self.seed = int(state["seed"]) if seed is None else seed
        self.P, self.m, self.A = len(self.theta), len(self.theta) - 1 - units, self.phi.shape[1]
        assert self.theta.shape == (self.P, units)
        assert self.phi.shape == (1 + units, self.A)
        self.theta_optimizer = self._optimizer(optimizer, state, "theta")
        self.phi_optimizer = self._optimizer(optimizer, state, "phi")

    def _optimizer(self, optimizer, state, name):
        kind, schedule = optimizer[:2]
        if kind == "sgd":
            return SGD(schedule)
        J, J0 = (state[f"optimizer.{name}.{key}"].astype(float) for key in ("J", "J0"))
        return Kalman(schedule, optimizer[2] * self.n, J, J0)  # Lambda = prior * dim h

    def predict(self, x=None):
        """What the readout says of the next target, now or after a transition on x."""
        h = self.h
        if x is not None:
            h = cell.transition(h, self._input(x), self.theta, self.alpha, self.activation)
        return readout.predict(h, self.phi, self.activation, self.readout)

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
                losses.append(self._observe(x[s], learning))
                self._advance(x[s])
            else:  # supervised: first the input, then the target
                self._advance(x[s])
                losses.append(self._observe(y[s], learning))
            self.t += 1
        return np.array(losses)

    def _observe(self, y, learning):
        loss = readout.loss(self.h, y, self.phi, self.activation, self.readout)
        if learning:
            delta = readout.delta(self.h, y, self.phi, self.activation, self.readout)
            self.g_phi = readout.gradient(self.h, delta, self.activation)
            self.H = readout.backward(self.h, delta, self.phi, self.activation)
            self.g_theta = self._gradient(self.H)
            self._update()
            self._learned(self.H)
        return loss

    def _update(self):
        """One step of the optimizer on phi (10), (25) and theta (12), (27)."""
        phi = self.phi_optimizer.step(self.phi, self.g_phi, self.t)
        theta = self.theta_optimizer.step(self.theta, self.g_theta, self.t)
        if not self.frozen:
            self.phi, self.theta = phi, theta

    def _advance(self, x):
        x = self._input(x)
        z = cell.regressors(self.h, x, self.activation)
        F = cell.jacobian(self.h, self.theta, self.alpha, self.activation)
        self._move(F, z)
        self.h = cell.transition(self.h, x, self.theta, self.alpha, self.activation)

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
            "readout.W": self.phi[1:],
            "state.h": self.h,
            "step": np.uint64(self.t),
            "seed": np.uint64(self.seed),
            **self._rule_state(),
        }
        for name in ("theta", "phi"):
            optimizer = getattr(self, f"{name}_optimizer")
            if isinstance(optimizer, Kalman):
                state[f"optimizer.{name}.J"] = optimizer.J
                state[f"optimizer.{name}.J0"] = optimizer.J0
        return {key: np.array(value) for key, value in state.items()}

    def _rule_state(self):
        raise NotImplementedError
