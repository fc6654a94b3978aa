"""What every trainer does: its verbs. The arithmetic is in csrc/."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np

from nbt import _arguments, _core, divergence
from nbt.cells import Cell
from nbt.divergence import DivergenceError
from nbt.inputs import Inputs
from nbt.optimizers import Optimizer
from nbt.readouts import Readout
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers import forecasting, listener
from nbt.trainers.binding import Bound
from nbt.trainers.plan import Plan
from nbt.trainers.stateful import Stateful

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


__all__ = ["Trainer"]


class Trainer(Stateful):
    """What every trainer promises; make one by `NoBackTrack`, `RTRL` or `TruncatedBPTT`.

    Predict, observe the loss, then learn: each loss is measured before its own update. The same
    seed gives the same bits, however the stream is cut into blocks. Several threads may use one
    trainer: each call waits for its turn, and predictions go between two pieces of a long block.

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
        dtype: str | type | np.dtype | None,
        seed: int,
        threads: int,
        missing: str,
        **choices: Any,
    ) -> None:
        if type(self) is Trainer:
            raise TypeError("Trainer: expected NoBackTrack, RTRL or TruncatedBPTT to be made")
        plan = Plan.of(
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
        self._begin(plan, _arguments.whole("seed", seed, low=0, high=2**64 - 1))

    @staticmethod
    def _made(plan: Plan, seed: int) -> Trainer:
        """A trainer of that plan, in the state in which it begins."""
        made = object.__new__(Trainer)
        made._begin(plan, seed)
        return made

    def _begin(self, plan: Plan, seed: int) -> None:
        self._plan = plan
        system = plan.bound(seed)
        plan.check_size(system)
        self._parameters = plan.parameters(system)
        self._turns = _core.Turns()
        self._core, self._table = plan.build(seed, self._turns)
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
        return self._core.predict(self, x)

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
        return listener.predict_along(self, x)

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
        return self._core.run(self, x, y, True)

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
        return self._core.run(self, x, y, False)

    def _named(self, error: DivergenceError) -> DivergenceError:
        """An error of the core's that says which number it was; in its turn."""
        return divergence.named(error, self._read())

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
        return forecasting.forecast(self, steps, quantiles=quantiles, paths=paths, x=x, seed=seed)

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
