"""What every trainer does: its verbs, and what can be asked of it. The arithmetic is in csrc/."""

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
from nbt.trainers import forecasting, listener
from nbt.trainers.binding import is_dense
from nbt.trainers.live import Live
from nbt.trainers.plan import Plan
from nbt.trainers.turns import alone, renews
from nbt.training.history import History

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Trainer"]


class Trainer:
    """What every trainer promises; make one by `NoBackTrack`, `RTRL` or `TruncatedBPTT`.

    Predict, observe the loss, then learn: each loss is measured before its own update. The same
    seed gives the same bits, however the stream is cut into blocks. Several threads may use one
    trainer: each call waits for its turn, and predictions go between two pieces of a long block.

    Parameters
    ----------
    arguments, more
        None: a trainer is made by a rule.

    Raises
    ------
    TypeError
        Always.
    """

    __slots__ = ("__weakref__", "_live", "_turns")

    _live: Live  # all that changes, exchanged as one in its turn
    _turns: _core.Turns
    _general = False  # takes the path for systems even with a dense cell

    def __init__(self, *arguments: Any, **more: Any) -> None:
        raise TypeError("Trainer: expected NoBackTrack, RTRL or TruncatedBPTT to be made")

    def _begin(self, plan: Plan, seed: int) -> None:
        """What a rule makes of what it was given."""
        seed = _arguments.whole("seed", seed, low=0, high=2**64 - 1)
        self._turns = _core.Turns()
        self._live = Live.begun(plan, seed, self._turns)

    @staticmethod
    def _made(plan: Plan, seed: int) -> Trainer:
        """A trainer of that plan, in the state in which it begins."""
        made = object.__new__(Trainer)
        made._begin(plan, seed)
        return made

    # ---- the verbs -----------------------------------------------------------------------------

    def predict(self, x: ArrayLike | None = None) -> np.ndarray:
        """What the readout says of the next target; changes nothing.

        Parameters
        ----------
        x : int or array (m,), optional
            Input of the step to come, for supervised use: the state moves on it before predicting,
            in a copy. Without it, the prediction is from the state as it is.

        Returns
        -------
        array, float64
            `Softmax`: (symbols,), probabilities. `Gaussian`: (2, dim), means, then variances.
            `Bernoulli`: (dim,), probabilities. Without a readout: (n,), the state.

        Raises
        ------
        TypeError, ValueError
            For an input that is not as above.
        """
        return self._live.learner.predict(self, x)

    predict_along = listener.predict_along

    def learn(self, x: ArrayLike, y: ArrayLike | None = None) -> np.ndarray:
        """Learns from a block, one step at a time.

        Parameters
        ----------
        x : array (steps,) of integers, or (steps, m) of numbers
            Without `y`: what is predicted, each first the target and then the input. With `y`:
            inputs.
        y : array (steps,) of integers, or (steps, dim) of numbers, optional
            The target of each input: the state moves on the input, then predicts.

        Returns
        -------
        array (steps,), float64
            The loss of each step in nats, before its own update; NaN where there was no target to
            compare with (`missing`).

        Raises
        ------
        TypeError, ValueError
            For a block that is not as above; nothing was learned.
        DivergenceError
            Something left the range of numbers; names the step, the array and the number in it. The
            trainer is of no further use, except to load a state into.
        KeyboardInterrupt
            On Ctrl-C, between two steps.
        """
        return self._live.learner.run(self, x, y, True)

    def observe(self, x: ArrayLike, y: ArrayLike | EllipsisType | None = None) -> np.ndarray | None:
        """Lets a block pass: the state moves, the estimate is carried along, nothing is learned.

        Parameters
        ----------
        x, y
            As in `learn`; ``y=...`` (Ellipsis) passes inputs that have no targets.

        Returns
        -------
        array (steps,), float64, or None
            Losses in nats; None where there are no targets.

        Raises
        ------
        TypeError, ValueError, DivergenceError, KeyboardInterrupt
            As `learn`.
        """
        return self._live.learner.run(self, x, y, False)

    simulate = forecasting.simulate
    forecast = forecasting.forecast

    def influence(self) -> np.ndarray:
        """The trainer's current ∂h/∂θ.

        Returns
        -------
        array (units, P, units), float64
            ``[k, p, i]`` is ∂h_k/∂θ for parameter row p of unit i; the rows are the bias, then W,
            then r. For a system: array (n, p).

        Raises
        ------
        TypeError
            For a rule that has none (`TruncatedBPTT`).
        """
        raise TypeError(f"{type(self).__name__} keeps no influence matrix; NoBackTrack and RTRL do")

    # ---- what it is made of --------------------------------------------------------------------

    @property
    def cell(self) -> Cell | System | CompiledSystem:
        """What is trained."""
        return self._live.plan.cell

    @property
    def readout(self) -> Readout:
        """What is predicted."""
        return self._live.plan.readout

    @property
    def optimizer(self) -> Optimizer:
        """What is done with the gradient."""
        return self._live.plan.optimizer

    @property
    def inputs(self) -> Inputs:
        """What it is fed."""
        return self._live.plan.inputs

    @property
    def predicts_inputs(self) -> bool:
        """Is what it is fed of the same kind and size as what it predicts?"""
        return self._live.learner.predicts_inputs

    @property
    def dtype(self) -> str:
        """Of all its numbers: "float32" or "float64"."""
        return self._live.plan.dtype

    @property
    def missing(self) -> str:
        """What a NaN does."""
        return self._live.plan.missing

    @property
    def seed(self) -> int:
        """The seed of the first weights and of the signs."""
        return self._live.learner.seed

    @property
    def parameters(self) -> int:
        """How many numbers are learned: the network's and the readout's."""
        return self._live.parameters

    @property
    def step(self) -> int:
        """Steps taken so far, learned or observed."""
        return self._live.learner.step

    @property
    def form(self) -> dict:
        """The arguments that its rule has of its own, by name: rank, blocks, … of `NoBackTrack`."""
        return self._live.plan.form.said()

    @property
    def threads(self) -> int:
        """At most so many work on a step. May be set; the bits are those of any other number."""
        return self._live.plan.threads

    @threads.setter
    @alone
    def threads(self, threads: int) -> None:
        self._exchange(self._live.with_threads(threads))

    def describe(self) -> dict[str, Any]:
        """The arguments this trainer was made with, as plain values, as JSON holds them."""
        return self._live.plan.described(type(self).__name__, self.seed)

    def __repr__(self) -> str:
        return f"{self._live.plan.shown(type(self).__name__, self.seed)}  # step {self.step}"

    def _repr_html_(self) -> str:
        return notebooks.table(type(self).__name__, notebooks.trainer_rows(self))

    # ---- its state -----------------------------------------------------------------------------

    @alone
    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that changes while learning, as copies, by name.

        Returns
        -------
        dict of str to array
            In the trainer's dtype, integers apart; n units, m inputs, A outputs of
            the readout (2 dim of a `Gaussian`), P = 1 + n + m:

            - ``cell.b`` (n,), ``cell.W`` (n, n) from unit j to i at [j, i], ``cell.r`` (m, n),
              ``cell.alpha`` (n,); ``readout.b`` (A,), ``readout.W`` (n, A); ``state.h`` (n,)
            - of `NoBackTrack` ``estimator.v`` (K, S, n), ``estimator.w`` (K, P, n),
              ``estimator.d`` (P, n) with exact self-influence or else ``estimator.z`` (P,),
              ``estimator.fisher`` (n,) with that norm; of `RTRL` ``estimator.G`` (n, P, n)
            - of `Kalman` ``optimizer.theta.J`` and ``.J0`` (P, n), ``optimizer.phi.J`` and ``.J0``
              (1 + n, A): the diagonal of J and each block's first row
            - ``inputs.…`` and ``targets.…``, ``count``, ``mean`` and ``variance``, where those are
              standardised; ``window.…``, the steps that are kept; ``waiting.…``, rows of symbols
              that are brought up to date when they next come
            - ``step`` and ``seed``

            That is for dense cells. On graphs ``cell.W`` is (edges,), learned leaks are
            ``cell.beta``, time constants ``cell.tau``, layers have names such as ``cell.0.W``, a
            system has ``cell.theta`` (p,). There w̄ and J are flat, (K, p) and (p,), v̄ is (K, n)
            and ``estimator.rows.…`` is ∂f/∂θ as CSR arrays.
        """
        return self._live.read()

    @renews
    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes back what `state_dict` gave, edited or not.

        Parameters
        ----------
        state : mapping of str to array
            The names, shapes and types of `state_dict`.

        Raises
        ------
        TypeError, ValueError
            A key is missing or unknown, a shape or type is not that of this trainer, or a number is
            not finite. Then nothing was changed.
        """
        self._exchange(self._live.with_state(state))

    @alone
    def reset_state(self) -> None:
        """Begins another sequence: the network's state is that before the first step, and nothing
        is known yet of how it depends on the parameters.

        What was learned stays: parameters, covariances, the means of what is standardised; so does
        `step`, which rates and signs go by. Steps of a window that is not full are not learned
        from. The cost is that of `load_state_dict`.
        """
        self._exchange(self._live.restarted())

    @alone
    def grow(self, symbols: int | None = None, *, inputs: int | None = None) -> None:
        """Makes room for more symbols, as inputs (where the inputs are the symbols predicted) and
        as outputs, or for longer input vectors; what is known of the old ones stays as it is.

        Everything about the new ones is 0: weights, estimates and covariances. So the logits of the
        old symbols keep their bits and their probabilities keep their ratios; a new symbol has the
        logit 0. A new number of a vector changes no prediction until something is learned from it.
        The cost is that of `load_state_dict`.

        Parameters
        ----------
        symbols : int, optional
            How many there are from now on, not fewer than before.
        inputs : int, optional
            How many numbers an input has from now on, not fewer than before.

        Raises
        ------
        TypeError, ValueError
            For a number that is none, or smaller, a readout without symbols, or inputs that are no
            vectors. Then nothing was changed.
        """
        self._exchange(self._live.grown(symbols, inputs))

    def save(
        self, path: str | os.PathLike[str], stream: Any = None, history: History | None = None
    ) -> None:
        """Writes a checkpoint; `nbt.load` takes it back and goes on as if nothing had happened.

        With the stream and the history that it learned with, `nbt.Checkpoint.load` takes those
        back, too. It is written aside, synced and renamed: a crash at any moment leaves the old
        file or the new one, whole. The old one is kept as ``path + ".previous"``.

        Parameters
        ----------
        path : str or path-like
            Where to.
        stream, history : optional
            What it learned from, and what `nbt.train` gave: their present state is saved with it.

        Raises
        ------
        TypeError
            For arguments that are not as above, such as a stream without `state_dict`.
        CheckpointError
            A number is NaN or infinite: nothing is written.
        OSError
            The file cannot be written; it names the path.

        Examples
        --------
        >>> trainer.save("model.safetensors")  # doctest: +SKIP
        >>> trainer = nbt.load("model.safetensors")  # doctest: +SKIP
        """
        checkpoint.save(self, path, stream, history)

    # ---- for the package -----------------------------------------------------------------------

    def _exchange(self, live: Live) -> None:
        """Another takes the place of what there is; in its turn. All of it or nothing, whatever
        interrupts: a learner that is retired only looks which one there is."""
        self._live.learner.retire()
        self._live = live

    def _glance(self) -> tuple[Plan, dict[str, np.ndarray]]:
        """What it is made of and its state, maybe in the midst of another thread's block: for
        predictions."""
        return self._turns.look(lambda: (self._live.plan, self._live.read()))

    def _named(self, error: DivergenceError) -> DivergenceError:
        """An error of the core's that says which number it was; in its turn."""
        return divergence.named(error, self._live.read())

    @alone
    def _moment(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """`describe` and `state_dict` of one moment."""
        return self.describe(), self._live.read()

    @alone
    def _parts(self) -> tuple[type, dict[str, Any], dict[str, np.ndarray], int]:
        """What `rebuild` makes another one of; a system's own functions are no plain values."""
        own = {} if is_dense(self.cell) else {"cell": self.cell}
        return type(self), self.describe() | own, self._live.read(), self.threads

    def __reduce__(self):
        return rebuild, self._parts()

    def __copy__(self):
        return self.__deepcopy__({})

    def __deepcopy__(self, memo):
        return rebuild(*self._parts())
