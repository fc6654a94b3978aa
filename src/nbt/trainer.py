"""What every trainer does: its verbs, its state. The arithmetic is in csrc/."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np

from nbt import _arguments, divergence
from nbt.cells import Cell
from nbt.compiled import CompiledSystem
from nbt.described import Described
from nbt.descriptions import build, rebuild
from nbt.dynamics import Bound
from nbt.errors import DivergenceError
from nbt.inputs import Inputs
from nbt.optimizers import Optimizer
from nbt.plan import Plan
from nbt.readouts import Readout
from nbt.system import System

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nbt.history import History

__all__ = ["Trainer"]

OF_THE_SEQUENCE = ("state.", "window.", "estimator.")  # what `reset_state` puts back, and what not:
OF_THE_NETWORK = ("estimator.fisher", "estimator.pair")


class Trainer(Described):
    """What every trainer promises; make one by `NoBackTrack`, `RTRL` or `TruncatedBPTT`.

    Predict, observe the loss, then learn: each loss is measured before its own update. The same
    seed gives the same bits, however the stream is cut into blocks.

    Parameters
    ----------
    cell, readout, optimizer, inputs, dtype, seed, threads, missing
        As in `NoBackTrack`.
    choices
        What the rule has of its own.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.
    """

    _rule: str
    _general = False  # takes the path for systems even with a dense cell

    def __init__(
        self,
        cell: Cell | System | CompiledSystem,
        readout: Readout | None,
        optimizer: Optimizer,
        *,
        inputs: Inputs | int | None,
        dtype: str | type | np.dtype,
        seed: int,
        threads: int,
        missing: str,
        **choices: Any,
    ) -> None:
        if type(self) is Trainer:
            raise TypeError("Trainer: expected NoBackTrack, RTRL or TruncatedBPTT to be made")
        self._plan = Plan.of(
            self._rule,
            cell,
            readout,
            optimizer,
            inputs=inputs,
            dtype=dtype,
            threads=threads,
            missing=missing,
            general=self._general,
            choices=choices,
        )
        seed = _arguments.whole("seed", seed, low=0, high=2**64 - 1)
        system = self._plan.bound(seed)
        self._plan.check_size(system)
        self._parameters = self._plan.parameters(system)
        self._core, self._table = self._plan.build(seed)
        self._draw(seed, system)

    def _draw(self, seed: int, system: Bound | None) -> None:
        """First values, into a state of zeros."""
        if system is None:
            values = self.cell.draw(self.inputs.size, np.random.default_rng(seed))
            for key, value in values.items():
                self._table.write(f"cell.{key}", value)
        else:
            random = np.random.default_rng((seed, 1))
            self._table.begin(system.state, system.theta, self._plan.choices.get("rank", 1), random)
        self._core.refresh()

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
        return self._core.predict(x)

    def predict_along(self, x: ArrayLike) -> np.ndarray:
        """What the readout says of the target of each of a block of inputs, one after the other,
        going on from the state as it is; changes nothing.

        Parameters
        ----------
        x : array (steps,) of integers, or (steps, m) of numbers
            Inputs, for supervised use: the state moves on each, in a copy, then predicts.

        Returns
        -------
        array (steps, …), float64
            For each step what `predict` gives.

        Raises
        ------
        TypeError, ValueError
            For inputs that are not as above.
        DivergenceError
            The state left the range of numbers on the way; the trainer is as it was.
        """
        from nbt import listening

        return listening.predict_along(self, x)

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
        try:
            return self._core.run(x, y, True)
        except DivergenceError as error:
            raise divergence.named(error, self.state_dict()) from None

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
        try:
            return self._core.run(x, y, False)
        except DivergenceError as error:
            raise divergence.named(error, self.state_dict()) from None

    def simulate(
        self, steps: int, *, paths: int = 200, x: ArrayLike | None = None, seed: int = 0
    ) -> np.ndarray:
        """Futures drawn from what is predicted, each step fed what was drawn before it; changes
        nothing.

        Parameters
        ----------
        steps : int
            How far ahead.
        paths : int
            How many futures, all from the present state.
        x : array (k,) of integers or (k, m) of numbers, optional
            Inputs that are known: those of the first k steps, each coming before its target, as in
            ``learn(x, y)``. Without it, or after them, an input is the target drawn last, which
            needs a trainer fed with what it predicts; otherwise k is `steps`.
        seed : int
            Of the draws, in [0, 2⁶⁴).

        Returns
        -------
        array (paths, steps) of int32, or (paths, steps, dim) of float64
            Symbols of a `Softmax`; numbers of a `Gaussian`; 0 or 1 of a `Bernoulli`.

        Raises
        ------
        TypeError, ValueError
            For arguments that are not as above.
        """
        from nbt import forecasting

        return forecasting.simulate(self, steps, paths=paths, x=x, seed=seed)

    def forecast(
        self,
        steps: int,
        *,
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
        paths: int = 200,
        x: ArrayLike | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Quantiles of the numbers to come, over simulated futures; changes nothing.

        Parameters
        ----------
        steps : int
            How far ahead.
        quantiles : sequence of numbers in [0, 1]
            Which.
        paths, x, seed
            As in `simulate`.

        Returns
        -------
        array (len(quantiles), steps, dim), float64
            ``[q, k]`` is quantile q of the target k + 1 steps ahead, each number by itself.

        Raises
        ------
        TypeError, ValueError
            For arguments that are not as above, or a readout of symbols.
        """
        from nbt import forecasting

        return forecasting.forecast(self, steps, quantiles=quantiles, paths=paths, x=x, seed=seed)

    # ---- the state -----------------------------------------------------------------------------

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

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that changes while learning, as copies, by name; see ARCHITECTURE.md."""
        with self._core:
            self._core.settle()
            return self._table.read_all()

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
        with self._core:
            self._adopt(state)

    def _adopt(self, state, **changes) -> None:
        """Puts a learner of this state in the place of the one there is: all of it or nothing,
        whatever interrupts."""
        core, table = changes.get("_plan", self._plan).build(self.seed)
        table.write_all(state)
        self.__dict__.update(changes, _core=core, _table=table)

    def reset_state(self) -> None:
        """Begins another sequence: the network's state is that before the first step, and nothing
        is known yet of how it depends on the parameters.

        What was learned stays: parameters, covariances, the means of what is standardised; so does
        `step`, which rates and signs go by. Steps of a window that is not full are not learned
        from. The cost is that of `load_state_dict`.
        """
        with self._core:
            self._core.settle()
            state = self._table.read_all()
            state = {key: value for key, value in state.items() if not key.startswith("waiting.")}
            first = build(type(self), self._described()).state_dict()
            again = {key for key in first if key.startswith(OF_THE_SEQUENCE)} - {*OF_THE_NETWORK}
            self._adopt(state | {key: first[key] for key in again})

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
        plan = self._plan.grown(symbols, inputs)
        system = plan.bound(self.seed)
        more = plan.inputs.size - self.inputs.size
        if more and system and not system.grown:
            raise TypeError(
                f"inputs: expected {self.inputs.size}, as many as the system was made for, "
                f"got {plan.inputs.size}"
            )
        plan.check_size(system)
        with self._core:
            self._core.settle()
            outputs = plan.readout.outputs - self.readout.outputs
            changes = {"_plan": plan, "_parameters": plan.parameters(system)}
            self._adopt(self._table.grown(outputs, more), **changes)

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
        from nbt import checkpoint

        checkpoint.save(self, path, stream, history)

    @property
    def threads(self) -> int:
        """At most so many work on a step. May be set; the bits are those of any other number."""
        return self._plan.threads

    @threads.setter
    def threads(self, threads: int) -> None:
        plan = self._plan.with_threads(threads)
        with self._core:
            self._core.settle()
            self._adopt(self._table.read_all(), _plan=plan)

    def __reduce__(self):
        return rebuild, (type(self), self._described(), self.state_dict(), self.threads)

    def __copy__(self):
        return self.__deepcopy__({})

    def __deepcopy__(self, memo):
        return rebuild(type(self), self._described(), self.state_dict(), self.threads)
