"""The trajectory of rules that learn θ once in T steps, measured where their windows end.

The loss is that of a whole window. Inside the window its gradient is exact, so what is compared is
what is known of ∂s/∂θ where the window begins, s = (c, y) being what units carry and show.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from nbt.cells import Stack
from nbt.diagnosis.trajectory import Replicas, Trajectory, of_readout, put
from nbt.optimizers import Kalman
from nbt.trainers import RTRL, NoBackTrack, Trainer
from nbt.trainers.state import influence
from nbt.trainers.state.layered import of_layer, without_layer

__all__ = ["WindowedReplicas", "WindowedTrajectory"]

TO_LEARN = ("window.H", "window.g_theta")  # what would be learned at the end of a window


class WindowedTrajectory(Trajectory):
    """As `Trajectory`. ∂h/∂θ is that of s, at the begin of the window."""

    begins_with_input = False

    def __init__(self, trainer: NoBackTrack, replicas: int) -> None:
        self.leader = trainer = copy.copy(trainer)
        state, self.every = trainer.state_dict(), trainer.every
        values, more = (trainer.cell, trainer.readout), {"inputs": trainer.inputs}
        more |= {"dtype": trainer.dtype, "seed": trainer.seed, "missing": trainer.missing}
        more |= {"every": trainer.every, **of_readout(trainer)}
        unlearned = state | _zeros(state, *TO_LEARN)
        self.exact = RTRL(*values, trainer.optimizer, **more)
        put(self.exact, unlearned, _influence(trainer, state))
        self.replicas = WindowedReplicas(trainer, unlearned, replicas)
        self._probe = RTRL(*values, Kalman(0.0), **more)  # an optimizer that has all of g before it
        core = trainer._live.learner
        self._same = core.named("learned") | core.named("carried", "network", "scaler")

    def ends(self, *data: np.ndarray) -> bool:
        """Return whether the next step ends a window by its target."""
        counters = self.leader._live.learner.counters()
        entered_again = counters["entered"] and len(data) > 1  # the step before met no target
        return counters["length"] == self.every - 1 and not entered_again

    def exact_influence(self) -> np.ndarray:
        """Return the exact ∂s/∂θ, (2n, p), θ being one vector."""
        state = self.exact.state_dict()
        return _flat(state, "estimator.G", 2 * self.exact.cell.units, state)

    def look(self, *data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return, of the next step, which ends a window, ∂L/∂s (2n,) at the begin of the window,
        ∂s after it by ∂s before it (2n, 2n), and what is exact in ∂L/∂θ (rows, 1).

        The leader's window is ended by RTRL. Where nothing older is known, its gradient is what is
        inside the window.
        """
        state, probe, n = self.leader.state_dict(), self._probe, self.leader.cell.units
        put(probe, state, _zeros(probe.state_dict(), "estimator.G", TO_LEARN[1]))
        probe.learn(*data)
        layers = probe._live.learner.layers or (probe._live.learner,)
        ends = [one.arrays["ends"][:2, : one.units] for one in layers]
        before = np.concatenate(ends, axis=-1, dtype=np.float64).ravel()
        F = layers[0].arrays["F"].reshape(2 * n, -1)[:, : 2 * n].T.astype(np.float64)
        for one in layers:
            one.arrays["g_theta"][...] = one.arrays["g"]
        inside = _flat(probe._live.table.read_all(), TO_LEARN[1])
        return before, F, inside.reshape(-1, 1)

    def step(self, *data: np.ndarray) -> None:
        """Take a step with all.

        Those that follow must end a window with the parameters that it had. So they go first, and
        into the next window with old parameters; then all that is made by parameters is the
        leader's, or made again.
        """
        self._pass(*data)
        self.leader.learn(*data)
        self._follow(self._same)


class WindowedReplicas(Replicas):
    """As `Replicas`. Without pairs there is one estimate, so all replicas are alike."""

    def __init__(self, trainer: NoBackTrack, state: Mapping[str, np.ndarray], count: int) -> None:
        super().__init__(trainer, state, count)
        self.count = count

    def factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        (one,) = self.trainers
        state, states = one.state_dict(), 2 * one.cell.units
        known = _flat(_influence(one, state, pairs=False), "estimator.G", states, state)
        v = [x for key, x in state.items() if without_layer(key) == "estimator.v"]
        pairs = self.count * self.rank
        w = _flat(state, "estimator.w", pairs, state) if v else np.zeros((pairs, known.shape[1]))
        v = np.concatenate(v, axis=-1, dtype=np.float64) if v else np.zeros((pairs, states))
        shape = self.count, self.rank
        w = w.reshape(*shape, known.shape[1], 1)
        return v.reshape(*shape, 1, states), w, known[..., np.newaxis]


def _zeros(state: Mapping[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    """Return zeros in place of the arrays of these names, those of all layers."""
    return {key: np.zeros_like(x) for key, x in state.items() if without_layer(key) in names}


def _flat(
    arrays: Mapping[str, np.ndarray],
    name: str,
    rows: int = 1,
    state: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Return an array of θ's shape, or `rows` of them, as (rows, p): one layer after the other.
    `state`: of what rules keep, the derivatives by θ are meant, which has this state."""
    named = {key: x for key, x in arrays.items() if without_layer(key) == name}
    parts = [influence.by_theta(state or {}, key, x) for key, x in named.items()]
    return np.concatenate([x.reshape(rows, -1) for x in parts], axis=-1, dtype=np.float64)


def _influence(
    trainer: Trainer, state: Mapping[str, np.ndarray], *, pairs: bool = True
) -> dict[str, np.ndarray]:
    """Return ∂s/∂θ as NoBackTrack knows it, with or without the pairs, as RTRL keeps it."""
    estimated = influence.estimated_before if pairs else None
    if isinstance(trainer.cell, Stack):
        each = influence.of_layers(state, len(trainer.cell.cells), estimated)
        return {of_layer("estimator.G", k): part for k, part in enumerate(each)}
    # with one gate, too, y is a function of c
    slope = trainer._live.learner.arrays["first_slope"][0, : trainer.cell.units]
    own = influence.own_paths(dict(state) | {"window.slope": slope})
    return {"estimator.G": own + estimated(state) if estimated else own}
