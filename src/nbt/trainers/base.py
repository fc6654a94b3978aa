"""The base of all trainers: their verbs, and what can be asked of them. The arithmetic is in
csrc/."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np

from nbt import _arguments, _core, divergence
from nbt.cells import Cell
from nbt.checkpoints import checkpoint
from nbt.descriptions import rebuild
from nbt.display import notebooks
from nbt.divergence import DivergenceError
from nbt.inputs import Inputs
from nbt.optimizers import Optimizer
from nbt.readouts import Readout
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers import forecasting, growing, listener
from nbt.trainers.binding import is_dense
from nbt.trainers.live import Live
from nbt.trainers.plan import Plan
from nbt.trainers.turns import alone, renews
from nbt.training.history import History

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Trainer"]


class Trainer(_arguments.Closed):
    """Base of all trainers. Make one by `NoBackTrack`, `RTRL` or `TruncatedBPTT`.

    Each loss is measured before its own update. The same seed gives the same bits, however the
    stream is cut into chunks. Several threads may use one trainer: each call waits for its turn,
    and predictions may run between two pieces of a long chunk.

    Parameters
    ----------
    arguments, more
        Not accepted.

    Raises
    ------
    TypeError
        Always: a rule takes `arguments` and `more`, the base does not.
    """

    __slots__ = ("__weakref__", "_live", "_turns")

    _live: Live  # all that changes, exchanged as one in its turn
    _turns: _core.Turns
    _as_system = False  # takes the path for systems even with a dense cell

    def __init__(self, *arguments: Any, **more: Any) -> None:
        raise TypeError("Trainer: expected NoBackTrack, RTRL or TruncatedBPTT to be made")

    def _begin(self, plan: Plan, seed: int) -> None:
        """Set the first state, for the arguments of a rule."""
        seed = _arguments.integer("seed", seed, low=0, high=2**64 - 1)
        self._turns = _core.Turns()
        self._live = Live.begun(plan, seed, self._turns)

    @staticmethod
    def _made(plan: Plan, seed: int) -> Trainer:
        """Return a trainer of that plan, in its first state but with all parameters 0."""
        made = object.__new__(Trainer)
        made._turns = _core.Turns()
        made._live = Live.at_rest(plan, seed, made._turns)
        return made

    # ---- the verbs -----------------------------------------------------------------------------

    def predict(self, x: ArrayLike | None = None) -> np.ndarray:
        """Return the prediction of the next target. Nothing changes.

        Parameters
        ----------
        x : int or array (m,), optional
            Input of the next step, on which a copy of the state moves first. Default: none.

        Returns
        -------
        array, float64
            `Softmax`: probabilities, (symbols,). `Gaussian`: means, then variances, (2, dim).
            `Bernoulli`: probabilities, (dim,). Without a readout: the state, (n,).

        Raises
        ------
        TypeError, ValueError
            `x` is refused as in `learn`.
        """
        return self._live.learner.predict(self, x)

    predict_along = listener.predict_along

    def learn(self, x: ArrayLike, y: ArrayLike | None = None) -> np.ndarray:
        """Learn from a chunk, one step at a time.

        Parameters
        ----------
        x : array (steps,) of integers, or (steps, m) of numbers
            Without `y`: each is first the target and then the input. With `y`: inputs.
        y : array (steps,) of integers, or (steps, dim) of numbers, optional
            The target of each input: the state moves on the input, then predicts.

        Returns
        -------
        array (steps,), float64
            The loss of each step in nats, before its own update; NaN if its target is `missing`.

        Raises
        ------
        TypeError
            `x` or `y` is of another type or has a mask, or `y` is missing. Nothing was learned.
        ValueError
            `x` or `y` has a wrong shape, length or number. Nothing was learned.
        DivergenceError
            Learning diverged; the error names step, array and number. To go on, load a state.
        KeyboardInterrupt
            Ctrl-C was pressed; raised between two steps.
        """
        return self._live.learner.run(self, x, y, True)

    def observe(self, x: ArrayLike, y: ArrayLike | EllipsisType | None = None) -> np.ndarray | None:
        """Let a chunk pass: the state and the estimate move on, and nothing is learned.

        Parameters
        ----------
        x, y
            As in `learn`; ``y=...`` (Ellipsis) for inputs without targets.

        Returns
        -------
        array (steps,), float64, or None
            Losses in nats; None where there are no targets.

        Raises
        ------
        TypeError, ValueError, DivergenceError, KeyboardInterrupt
            As in `learn`.
        """
        return self._live.learner.run(self, x, y, False)

    def flush(self) -> None:
        """Learn now from the open window of a rule with `every`, as if it were full. Elsewhere
        nothing happens.

        Raises
        ------
        DivergenceError
            Learning diverged, as in `learn`.
        """
        self._live.learner.flush(self)

    simulate = forecasting.simulate
    forecast = forecasting.forecast

    def influence(self) -> np.ndarray:
        """Return the trainer's present ∂h/∂θ.

        Returns
        -------
        array (units, P, units), float64
            ``[k, p, i]`` is ∂h_k/∂θ for parameter row p of unit i; the rows are the bias, then W,
            then r. For a system: array (n, p).

        Raises
        ------
        TypeError
            The rule has none (`TruncatedBPTT`).
        """
        raise TypeError(f"{type(self).__name__} keeps no influence matrix; NoBackTrack and RTRL do")

    # ---- what it is made of --------------------------------------------------------------------

    @property
    def cell(self) -> Cell | System | CompiledSystem:
        """The network or system that is trained."""
        return self._live.plan.cell

    @property
    def readout(self) -> Readout:
        """The readout: what is predicted."""
        return self._live.plan.readout

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer: how the gradient changes the parameters."""
        return self._live.plan.optimizer

    @property
    def readout_optimizer(self) -> Optimizer:
        """The optimizer of the readout."""
        return self._live.plan.readout_optimizer

    @property
    def inputs(self) -> Inputs:
        """The inputs: what the network receives."""
        return self._live.plan.inputs

    @property
    def predicts_inputs(self) -> bool:
        """Whether the inputs are of the same kind and size as what is predicted."""
        return self._live.learner.predicts_inputs

    @property
    def dtype(self) -> str:
        """Type of all its numbers: "float32" or "float64"."""
        return self._live.plan.dtype

    @property
    def missing(self) -> str:
        """What is done with a NaN: "error", "skip" or "mask"."""
        return self._live.plan.missing

    @property
    def seed(self) -> int:
        """The seed of the first weights and of the signs."""
        return self._live.learner.seed

    @property
    @alone
    def parameters(self) -> dict[str, np.ndarray]:
        """What is learned, as copies, by the names of `state_dict`: ``cell.…`` and ``readout.…``.
        Leaks α and time constants that are not learned are not among them."""
        return self._live.learned()

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned: the network's and the readout's."""
        return self._live.count

    @property
    def step(self) -> int:
        """Number of steps taken so far, learned or observed."""
        return self._live.learner.step

    @property
    def form(self) -> dict:
        """The arguments that only its rule has, by name: rank, blocks, … for `NoBackTrack`."""
        return self._live.plan.form.said()

    @property
    def threads(self) -> int:
        """Most threads that work on a step. May be set; the bits are the same for any number."""
        return self._live.plan.threads

    @threads.setter
    @alone
    def threads(self, threads: int) -> None:
        self._exchange(self._live.with_threads(threads))

    def describe(self) -> dict[str, Any]:
        """Return the arguments that this was made with, as plain values that JSON can hold."""
        return self._live.plan.described(type(self).__name__, self.seed)

    def __repr__(self) -> str:
        return f"{self._live.plan.shown(type(self).__name__, self.seed)}  # step {self.step}"

    def _repr_html_(self) -> str:
        return notebooks.table(type(self).__name__, notebooks.trainer_rows(self))

    # ---- its state -----------------------------------------------------------------------------

    @alone
    def state_dict(self) -> dict[str, np.ndarray]:
        """Return all that changes while learning, as copies, by name.

        Returns
        -------
        dict of str to array
            In the trainer's dtype, except integers; with n units, m inputs, A outputs of the
            readout (2 dim for a `Gaussian`) and P = 1 + n + m:

            - ``cell.b`` (n,), ``cell.W`` (n, n) from unit j to i at [j, i], ``cell.r`` (m, n),
              ``cell.alpha`` (n,); ``readout.b`` (A,), ``readout.W`` (n, A); ``state.h`` (n,)
            - of `NoBackTrack` ``estimator.v`` (K, S, n), ``estimator.w`` (K, P, n),
              ``estimator.d`` (P, n) with exact self-influence or else ``estimator.z`` (P,),
              ``estimator.fisher`` (n,) with that norm; of `RTRL` ``estimator.G`` (n, P, n)
            - of `Kalman` ``optimizer.theta.J`` and ``.J0`` (P, n), ``optimizer.phi.J`` and ``.J0``
              (1 + n, A): J's diagonal, groups' first rows; of `Adam` ``.m``, ``.v``, ``.updates``
            - ``step``, ``seed``; ``inputs.…`` and ``targets.…``, ``count``, ``mean``, ``variance``,
              where those are standardised; ``window.…``, the steps that are kept; ``waiting.…``,
              rows of symbols brought up to date when they next come; ``counts.…`` of a `Softmax`
            - cells with gates have an axis for these before the last two, as in ``cell.W``
              (gates, n, n), and ``state.c`` and ``state.y`` (n,) in place of ``state.h``

            This is for dense cells. On graphs ``cell.W`` is (edges,), learned leaks are
            ``cell.beta``, time constants ``cell.tau``, layers have names such as ``cell.0.W``, a
            system has ``cell.theta`` (p,). There w̄ and J are flat, (K, p) and (p,), v̄ is (K, n)
            and ``estimator.rows.…`` is ∂f/∂θ as CSR arrays.
        """
        return self._live.read()

    @renews
    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the state that `state_dict` returned, edited or not.

        Parameters
        ----------
        state : mapping of str to array
            The names, shapes and types of `state_dict`.

        Raises
        ------
        TypeError
            `state` is no mapping, or has an array of another type. Nothing was changed.
        ValueError
            `state` lacks a name or has an unknown one, or has a wrong shape or number. Nothing was
            changed.
        """
        self._exchange(self._live.with_state(state))

    @alone
    def reset_state(self) -> None:
        """Begin another sequence, in the network's first state, which depends on no parameter.

        What was learned stays: parameters, covariances, the means of what is standardised; so does
        `step`, on which rates and signs depend. Steps of a window that is not full are not learned.
        The cost is that of `load_state_dict`.
        """
        self._exchange(self._live.restarted())

    grow = growing.grow

    def save(
        self, path: str | os.PathLike[str], stream: Any = None, history: History | None = None
    ) -> None:
        """Write a checkpoint; `nbt.load` reads it and goes on as if nothing had happened.

        `nbt.Checkpoint.load` also returns the stream's place and the history. A crash leaves either
        the old file or the new one. The old one is kept as ``path + ".previous"``.

        Parameters
        ----------
        path : str or path-like
            File to write.
        stream, history : optional
            The stream that it learned from, and what `nbt.train` returned.

        Raises
        ------
        TypeError
            `path` is no path, `stream` has no `state_dict`, or `history` is no `History`.
        CheckpointError
            A number is NaN or infinite. Nothing is written.
        OSError
            The file cannot be written. The error names the path.
        """
        checkpoint.save(self, path, stream, history)

    # ---- for the package -----------------------------------------------------------------------

    def _exchange(self, live: Live) -> None:
        """Exchange the live part, in its turn: all or nothing, whatever interrupts. A retired
        learner only looks up the present one."""
        self._live.learner.retire()
        self._live = live

    def _glance(self) -> tuple[Plan, dict[str, np.ndarray]]:
        """Return plan and state, for predictions; maybe in the middle of another thread's chunk."""
        return self._turns.look(lambda: (self._live.plan, self._live.read()))

    def _named(self, error: DivergenceError) -> DivergenceError:
        """Return an error of the core with the number that caused it; in this trainer's turn."""
        return divergence.named(error, self._live.read())

    @alone
    def _moment(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return `describe` and `state_dict` of one moment."""
        return self.describe(), self._live.read()

    @alone
    def _parts(self) -> tuple[type, dict[str, Any], dict[str, np.ndarray], int]:
        """Return what `rebuild` makes another one of. A system's own functions are no plain
        values."""
        own = {} if is_dense(self.cell) else {"cell": self.cell}
        return type(self), self.describe() | own, self._live.read(), self.threads

    def __reduce__(self):
        return rebuild, self._parts()

    def __deepcopy__(self, memo):
        return rebuild(*self._parts())
