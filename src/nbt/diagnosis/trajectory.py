"""What a trainer does while it learns, the exact ∂h/∂θ and replicas of its estimate beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from nbt.optimizers import SGD, Kalman
from nbt.trainers import RTRL, NoBackTrack, Trainer
from nbt.trainers.binding import is_fast

__all__ = ["Replicas", "Trajectory"]

OTHER_SIGNS = 0x9E3779B97F4A7C15  # xor-ed to the trainer's seed: the replicas' signs are others
PAIRS = {"estimator.v", "estimator.w", "window.v", "window.scale"}  # what signs have gone into
LEARNED = ("theta", "theta_J", "theta_J0", "metric_q", "metric_r", "fisher")
REACHED = (  # the state, whose last bit another kernel may round differently; means, deviations
    *("h", "a", "slope"),
    *(f"{of}_{what}" for of in "xy" for what in ("seen", "mean", "variance")),
    *("y_error", "y_limited"),
)


def _still(trainer: Trainer) -> SGD | Kalman:
    """An optimizer that moves nothing. Of numbers that are standardised, gradients are as those of
    the trainer's own see errors."""
    if getattr(trainer.readout, "standardize", False) and isinstance(trainer.optimizer, Kalman):
        return Kalman(0.0, prior=1e30, readout_prior=1e30)
    return SGD(0.0)


class _General(RTRL):
    """Exact RTRL by the path for systems: its arrays are those of a trainer that takes it."""

    _general = True


class Trajectory:
    """The copy that learns, and what is carried along behind it.

    Attributes
    ----------
    leader : NoBackTrack
        Learns as the trainer would have.
    exact : RTRL
        Takes the same transitions with the same parameters.
    replicas : Replicas
        So do they, with other signs.
    """

    def __init__(self, trainer: NoBackTrack, replicas: int) -> None:
        self.leader = trainer = copy.copy(trainer)  # all that follows is of one moment
        state = trainer.state_dict()
        values, more = (trainer.cell, trainer.readout), {"inputs": trainer.inputs}
        more |= {"dtype": trainer.dtype, "seed": trainer.seed, "missing": trainer.missing}
        fast = is_fast(trainer.cell, trainer.optimizer, trainer.split)
        self.exact = (RTRL if fast else _General)(*values, trainer.optimizer, **more)
        _set(self.exact, state, {"estimator.G": trainer.influence()})
        self.replicas = Replicas(trainer, state, replicas)
        self._probe = RTRL(*values, _still(trainer), **more)

    def look(self, *data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """∂ℓ/∂h (n,) and ∂h(t+1)/∂h(t) (n, n) in the step to come, with the parameters of now.

        The first is 0 where there is no target. The second is what exact RTRL makes of the columns
        of the identity, in the place of as many parameters, less what it makes of nothing.
        """
        state, probe = self.leader.state_dict(), self._probe
        n, shape = self.leader.cell.units, probe.influence().shape
        size = int(np.prod(shape[1:]))

        def moved(first: int, count: int) -> np.ndarray:
            G = np.zeros((n, size))
            G[first : first + count, :count] = np.eye(count)
            _set(probe, state, {"estimator.G": G.reshape(shape)})
            probe.learn(*data)
            return probe.influence().reshape(n, size)

        nothing = moved(0, 0)
        H = probe._core.arrays["H"][0, :n].astype(np.float64)
        parts = []
        for first in range(0, n, size):
            count = min(size, n - first)
            parts.append((moved(first, count) - nothing)[:, :count])
        return H, np.hstack(parts)

    def step(self, *data: np.ndarray) -> None:
        """All take a step: on what is target, then input, or on an input, then its target.

        Parameters must have been copied between the leader's update and the next transition; what
        numbers are read with, after the transition that read them.
        """
        if len(data) == 1:
            self.leader.learn(*data)
            self._follow(LEARNED)
            self._pass(*data)
        else:
            self._pass(*data)
            self.leader.learn(*data)
            self._follow(LEARNED)
        self._follow(REACHED)

    def _pass(self, *data: np.ndarray) -> None:
        for one in (self.exact, *self.replicas.trainers):
            one.observe(*data)

    def _follow(self, names: tuple[str, ...]) -> None:
        source = _settled(self.leader)
        for one in (self.exact, *self.replicas.trainers):
            for name, array in _settled(one).items():
                new = source.get(name, array) if name in names else array
                if new is not one._core.arrays[name]:
                    one._core.arrays[name][...] = new
            one._core.refresh()


class Replicas:
    """Estimates that differ from a trainer's in their random signs alone.

    They are the pairs of one trainer, or, where pairs share the parameters, a trainer each.
    """

    def __init__(self, trainer: NoBackTrack, state: Mapping[str, np.ndarray], count: int) -> None:
        own, seed = trainer.form, trainer.seed ^ OTHER_SIGNS
        many = 1 if trainer.split else count
        own["rank"] = many * trainer.rank
        more = own | {"inputs": trainer.inputs, "dtype": trainer.dtype, "missing": trainer.missing}
        pairs = {
            key: np.tile(state[key], (many, *(1,) * (state[key].ndim - 1)))
            for key in PAIRS & set(state)
        }
        self.rank = trainer.rank
        self.trainers: list[NoBackTrack] = []
        for k in range(count // many):
            values = trainer.cell, trainer.readout, trainer.optimizer
            one = NoBackTrack(*values, seed=(seed + k) % 2**64, **more)
            _set(one, state, pairs | {"seed": np.uint64(one.seed)})
            self.trainers.append(one)

    def factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the R estimates are made of, the parameters in columns that share their v̄.

        Returns
        -------
        v : array (R, K, columns, n)
        w : array (R, K, rows, columns)
        known : array (n, rows, columns)
            A replica's estimate is the mean over k of v ⊗ w, and this, which all of them have.
        """
        states = [one.state_dict() for one in self.trainers]
        one = self.trainers[0]
        v = np.concatenate([state["estimator.v"] for state in states]).astype(np.float64)
        w = np.concatenate([self._w(state) for state in states]).astype(np.float64)
        known = one.exact_influence()
        if v.ndim == 3:  # a v̄ for each block of units
            v = v[:, np.arange(one.cell.units) % one.blocks]
        else:
            v, w, known = v[:, np.newaxis], w[..., np.newaxis], known[..., np.newaxis]
        v, w = (x.reshape(-1, self.rank, *x.shape[1:]) for x in (v, w))
        return v, w, known

    def _w(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """w̄ of all pairs; K times its part for each that has only a part."""
        w = state["estimator.w"]
        if "estimator.pair" not in state:
            return w
        mine = state["estimator.pair"] == np.arange(self.rank)[:, np.newaxis]
        return self.rank * np.where(mine, w, 0)


def _settled(trainer: Trainer) -> dict[str, np.ndarray]:
    """The arrays of its core, saying what they mean; rows that wait are brought up in copies."""
    core = trainer._core
    core.settle()
    return core.arrays | (core.brought_up() if core.lazy else {})


def _set(trainer: Trainer, state: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]) -> None:
    """Puts a trainer in the state of another, as far as it has the same, but for what is its own.
    Rows of symbols do not wait in it."""
    kept = {key: value for key, value in trainer.state_dict().items() if key[:8] != "waiting."}
    trainer.load_state_dict({key: state.get(key, value) for key, value in kept.items()} | own)
