"""What a trainer does while it learns, with the exact ∂h/∂θ and replicas of its estimate."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import OwnLoss
from nbt.trainers import RTRL, NoBackTrack, Trainer
from nbt.trainers.state.layered import without_layer

__all__ = ["Replicas", "Trajectory", "of_readout", "put"]

OTHER_SIGNS = 0x9E3779B97F4A7C15  # xor-ed to the trainer's seed, so that replicas differ in signs
PAIRS = {"estimator.v", "estimator.w", "window.v", "window.scale"}  # what depends on the signs


def _still(trainer: Trainer) -> SGD | Kalman:
    """Return an optimizer that changes nothing.

    Where numbers are standardised, gradients are those that the trainer's own optimizer sees.
    """
    plain = isinstance(trainer.readout_optimizer, SGD)
    if getattr(trainer.readout, "standardize", False) and not plain:
        return Kalman(0.0, prior=1e30, readout_prior=1e30)
    return SGD(0.0)


def of_readout(trainer: Trainer) -> dict[str, Optimizer]:
    """Return the optimizer of the readout as an argument, where there is a readout."""
    none = isinstance(trainer.readout, OwnLoss)
    return {} if none else {"readout_optimizer": trainer.readout_optimizer}


class _General(RTRL):
    """Exact RTRL on the path for systems, so that its arrays are like those of a trainer on that
    path."""

    _as_system = True


class Trajectory:
    """The copy of a trainer that learns, and what follows its trajectory.

    Attributes
    ----------
    leader : NoBackTrack
        Learns as the trainer would.
    exact : RTRL
        Makes the same transitions with the same parameters.
    replicas : Replicas
        Make the same transitions, too, with other signs.
    begins_with_input : bool
        Whether, where an input comes first, a step is measured after its transition.
    every : int
        Steps from one moment at which something can be measured to the next.
    """

    begins_with_input = True
    every = 1

    def __init__(self, trainer: NoBackTrack, replicas: int) -> None:
        self.leader = trainer = copy.copy(trainer)  # a copy, so that all below is of one moment
        state = trainer.state_dict()
        values, more = (trainer.cell, trainer.readout), {"inputs": trainer.inputs}
        more |= {"dtype": trainer.dtype, "seed": trainer.seed, "missing": trainer.missing}
        own = of_readout(trainer)
        self.exact = (RTRL if trainer._live.plan.as_dense else _General)(
            *values, trainer.optimizer, **more, **own
        )
        put(self.exact, state, {"estimator.G": trainer.influence()})
        self.replicas = Replicas(trainer, state, replicas)
        self._probe = RTRL(*values, _still(trainer), **more)
        core = trainer._live.learner
        self._learned = core.named("learned")
        # h, a, slope, whose last bits other kernels may round differently; means and deviations
        self._reached = core.named("carried", "network", "scaler")

    def ends(self, *data: np.ndarray) -> bool:
        """Return whether the next step can be measured."""
        return True

    def exact_influence(self) -> np.ndarray:
        """Return the exact ∂h/∂θ."""
        return self.exact.influence()

    def look(self, *data: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return ∂ℓ/∂h (n,) and ∂h(t+1)/∂h(t) (n, n) in the next step, with the present parameters.

        The first is 0 where there is no target. The second is found by exact RTRL: G is set to the
        columns of the identity, as if they belonged to parameters, and the result for G = 0 is
        subtracted.
        """
        state, probe = self.leader.state_dict(), self._probe
        n, shape = self.leader.cell.units, probe.influence().shape
        size = int(np.prod(shape[1:]))

        def moved(first: int, count: int) -> np.ndarray:
            G = np.zeros((n, size))
            G[first : first + count, :count] = np.eye(count)
            put(probe, state, {"estimator.G": G.reshape(shape)})
            probe.learn(*data)
            return probe.influence().reshape(n, size)

        nothing = moved(0, 0)
        H = probe._live.learner.arrays["H"][0, :n].astype(np.float64)
        parts = []
        for first in range(0, n, size):
            count = min(size, n - first)
            parts.append((moved(first, count) - nothing)[:, :count])
        return H, np.hstack(parts)

    def step(self, *data: np.ndarray) -> None:
        """Take a step with all: on a target that is then the input, or on an input, then its
        target.

        Parameters must be copied between the leader's update and the next transition. The means and
        deviations by which numbers are standardised are copied after the transition that used them.
        """
        if len(data) == 1:
            self.leader.learn(*data)
            self._follow(self._learned)
            self._pass(*data)
        else:
            self._pass(*data)
            self.leader.learn(*data)
            self._follow(self._learned)
        self._follow(self._reached)

    def _pass(self, *data: np.ndarray) -> None:
        for one in (self.exact, *self.replicas.trainers):
            one.observe(*data)

    def _follow(self, names: set[str]) -> None:
        source = _settled(self.leader)
        for one in (self.exact, *self.replicas.trainers):
            for name, array in _settled(one).items():
                new = source.get(name, array) if name in names else array
                if new is not one._live.learner.arrays[name]:
                    one._live.learner.arrays[name][...] = new
            one._live.learner.refresh()


class Replicas:
    """Estimates that differ from a trainer's only in their random signs.

    They are the pairs of a single trainer. Where pairs share the parameters among them (split
    pairs), each replica is a trainer.
    """

    def __init__(self, trainer: NoBackTrack, state: Mapping[str, np.ndarray], count: int) -> None:
        own, seed = trainer.form, trainer.seed ^ OTHER_SIGNS
        many = 1 if trainer.split else count
        own["rank"] = many * trainer.rank
        more = own | {"inputs": trainer.inputs, "dtype": trainer.dtype, "missing": trainer.missing}
        pairs = {
            key: np.tile(state[key], (many, *(1,) * (state[key].ndim - 1)))
            for key in state
            if without_layer(key) in PAIRS
        }
        self.rank = trainer.rank
        self.trainers: list[NoBackTrack] = []
        for k in range(count // many):
            values = trainer.cell, trainer.readout, trainer.optimizer
            one = NoBackTrack(*values, seed=(seed + k) % 2**64, **more, **of_readout(trainer))
            put(one, state, pairs | {"seed": np.uint64(one.seed)})
            self.trainers.append(one)

    def factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the factors of the R estimates. Parameters are in columns, each of which shares a
        v̄.

        Returns
        -------
        v : array (R, K, columns, n)
        w : array (R, K, rows, columns)
        known : array (n, rows, columns)
            A replica's estimate is the mean over k of v ⊗ w, plus this, which is the same for all.
        """
        states = [one.state_dict() for one in self.trainers]
        one = self.trainers[0]
        v = np.concatenate([state["estimator.v"] for state in states]).astype(np.float64)
        w = np.concatenate([self._w(state) for state in states]).astype(np.float64)
        known = one.exact_influence()
        if v.ndim == 3:  # there is a v̄ for each block of units
            v = v[:, np.arange(one.cell.units) % one.blocks]
        else:
            v, w, known = v[:, np.newaxis], w[..., np.newaxis], known[..., np.newaxis]
        v, w = (x.reshape(-1, self.rank, *x.shape[1:]) for x in (v, w))
        return v, w, known

    def _w(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return w̄ of all pairs; K times its part where a pair has only a part of the
        parameters."""
        w = state["estimator.w"]
        if "estimator.pair" not in state:
            return w
        mine = state["estimator.pair"] == np.arange(self.rank)[:, np.newaxis]
        return self.rank * np.where(mine, w, 0)


def _settled(trainer: Trainer) -> dict[str, np.ndarray]:
    """Return the arrays of a trainer's core with pending updates applied; waiting rows are updated
    in copies."""
    core = trainer._live.learner
    core.settle()
    return core.arrays | (core.brought_up() if core.lazy else {})


def put(trainer: Trainer, state: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]) -> None:
    """Put a trainer into the state of another where names agree, except for what is in `own`. No
    rows of symbols wait in that state."""
    kept = {key: value for key, value in trainer.state_dict().items() if key[:8] != "waiting."}
    trainer.load_state_dict({key: state.get(key, value) for key, value in kept.items()} | own)
