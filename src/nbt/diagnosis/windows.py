"""The trajectory of rules that learn θ once in T steps, measured where their windows end.

The loss is that of a whole window. Inside the window its gradient is exact, so what is compared is
what is known of ∂s/∂θ where the window begins, s = (c, y) being what units carry and show.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from nbt.diagnosis.trajectory import Replicas, Trajectory, of_readout, put
from nbt.optimizers import SGD
from nbt.trainers import RTRL, NoBackTrack, Trainer
from nbt.trainers.state import influence

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
        unlearned = state | {key: np.zeros_like(state[key]) for key in TO_LEARN}
        G = _pairs(state) + _own_paths(trainer, state)
        self.exact = RTRL(*values, trainer.optimizer, **more)
        put(self.exact, unlearned, {"estimator.G": G})
        self.replicas = WindowedReplicas(trainer, unlearned, replicas)
        self._probe = RTRL(*values, SGD(0.0), **more)
        core = trainer._live.learner
        self._same = core.named("learned") | core.named("carried", "network", "scaler")

    def ends(self, *data: np.ndarray) -> bool:
        """Return whether the next step ends a window by its target."""
        counters = self.leader._live.learner.counters()
        entered_again = counters["entered"] and len(data) > 1  # the step before met no target
        return counters["length"] == self.every - 1 and not entered_again

    def exact_influence(self) -> np.ndarray:
        return self.exact.state_dict()["estimator.G"].astype(np.float64)

    def look(self, *data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return, of the next step, which ends a window, ∂L/∂s (2n,) at the begin of the window,
        ∂s after it by ∂s before it (2n, 2n), and what is exact in ∂L/∂θ (rows, 1).

        The leader's window is ended by RTRL. Where nothing older is known, its gradient is what is
        inside the window.
        """
        state, probe, n = self.leader.state_dict(), self._probe, self.leader.cell.units
        empty = {
            key: np.zeros_like(probe.state_dict()[key]) for key in ("estimator.G", TO_LEARN[1])
        }
        put(probe, state, empty)
        probe.learn(*data)
        arrays = probe._live.learner.arrays
        before = arrays["ends"][:2, :n].astype(np.float64).ravel()
        F = arrays["F"].reshape(2 * n, -1)[:, : 2 * n].T.astype(np.float64)
        arrays["g_theta"][...] = arrays["g"]
        inside = probe._live.table.read(TO_LEARN[1]).astype(np.float64)
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
        state = one.state_dict()
        known = _own_paths(one, state)
        states, rows = known.shape[0] * known.shape[1], known[0, 0].size
        shape = self.count, self.rank
        nothing = np.zeros((self.count * self.rank, 0))
        v, w = (state.get(f"estimator.{name}", nothing).astype(np.float64) for name in "vw")
        v, w = v.reshape(*shape, 1, states), w.reshape(*shape, rows, 1)
        return v, w, known.reshape(states, rows, 1)


def _pairs(state: Mapping[str, np.ndarray]) -> np.ndarray | float:
    return influence.estimated_before(state)


def _own_paths(trainer: Trainer, state: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return ∂s/∂θ along each unit's own path; with one gate, too, y is a function of c."""
    slope = trainer._live.learner.arrays["first_slope"][0, : trainer.cell.units]
    return influence.own_paths(dict(state) | {"window.slope": slope})
