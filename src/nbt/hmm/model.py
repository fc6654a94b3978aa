"""Hidden Markov models that are learned online, by expectation-maximization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nbt import _arguments, _core
from nbt.descriptions import build, rebuild, value_out
from nbt.divergence import DivergenceError
from nbt.hmm import checks, saved
from nbt.hmm.filter import forward, normalized, smoothed
from nbt.hmm.state import State
from nbt.hmm.statistics import KINDS, Exact, Filtered, RankOne, Statistics, shapes
from nbt.registry import LEARNERS, Kind
from nbt.schedules import Schedule, as_schedule
from nbt.trainers.turns import alone, looks, renews

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["HMM"]

EXPONENT = 0.6
SMALL = 32  # up to so many states, each is a block
GIVEN = ("states", "symbols", "statistics", "rank", "blocks", "rate", "burn_in", "seed")


class HMM(_arguments.Closed):
    """Hidden Markov model over symbols, learned online: Cappé's online EM.

    Each symbol updates a filter of the hidden state, and a running average of the smoothed
    statistics from which the parameters are computed. No past symbol is kept. Several threads may
    use one model: each call waits for its turn.

    Parameters
    ----------
    states : int
        N, the number of hidden states, in [1, 4096].
    symbols : int
        M, the number of symbols 0, …, M - 1, in [1, 2²⁴].
    statistics : {"exact", "rank-one", "filtered"}
        "exact": Cappé's recursion, N³ (N + M) multiply-adds a symbol. "rank-one": an unbiased
        estimate of it, O(N² + N M). "filtered": as cheap, but biased, because what later symbols
        say about a state is left out.
    rank, blocks : int
        For "rank-one" only, as in `NoBackTrack`: the number of pairs to average, and the number of
        groups of states with a v̄ each (S N² multiply-adds). Default: 1, and a block for each state
        up to 32 states, 16 blocks for more.
    rate : float or schedule, optional
        γ, the weight of the newest statistics, capped at 1. A number follows a stream that drifts.
        Default: t^-0.6 for the t-th symbol after the first.
    burn_in : int
        Number of symbols before the parameters are first computed, at least 0.
    seed : int
        Seed of the first parameters and of the signs, in [0, 2⁶⁴).

    Attributes
    ----------
    transmat_ : array (N, N)
        P(next state j | state i) at [i, j].
    emissionprob_ : array (N, M)
        P(symbol y | state i) at [i, y].
    startprob_ : array (N,)
        P(state of the first symbol). It is uniform, because it cannot be learned from a single
        stream.
    step : int
        Number of symbols learned so far.

    Raises
    ------
    TypeError
        `states`, `symbols`, `rank`, `blocks`, `burn_in` or `seed` is no integer, `statistics` no
        string, `rate` no number or schedule.
    ValueError
        `states`, `symbols`, `rank`, `blocks`, `rate`, `burn_in` or `seed` is out of range;
        `statistics` is none of the names above; `rank` or `blocks` is given for other statistics
        than "rank-one"; or the statistics of so many `states` would take too much memory.

    Notes
    -----
    The three arrays of probabilities may be set to arrays or lists of these shapes. They are
    copied. Their rows must add up to 1 within 10⁻⁵; otherwise setting them raises TypeError or
    ValueError. The arrays cannot be written in place, and no other attribute may be set.

    References
    ----------
    O. Cappé, Online EM algorithm for hidden Markov models, J. Comput. Graph. Statist. 20(3), 2011.
    Section 1.4 of the NoBackTrack paper proposes the rank-one form.

    Examples
    --------
    >>> import numpy as np
    >>> model = HMM(2, 3, seed=1)
    >>> losses = model.learn(np.random.default_rng(0).integers(3, size=500))
    >>> losses.shape, model.transmat_.shape, model.predict().shape
    ((500,), (2, 2), (3,))
    """

    def __init__(
        self,
        states: int,
        symbols: int,
        *,
        statistics: Statistics = "exact",
        rank: int = 1,
        blocks: int | None = None,
        rate: float | Schedule | None = None,
        burn_in: int = 20,
        seed: int = 0,
    ) -> None:
        self._turns = _core.Turns()
        self.states = _arguments.integer("states", states, high=2**12)
        self.symbols = _arguments.integer("symbols", symbols)
        self.statistics = _arguments.one_of("statistics", statistics, KINDS)
        self.rank = _arguments.integer("rank", rank, high=2**16)
        if statistics != "rank-one" and (rank, blocks) != (1, None):
            raise ValueError(
                f"rank, blocks: those are for 'rank-one' statistics, not {statistics!r}"
            )
        if blocks is None:
            blocks = self.states if self.states <= SMALL else 16
        self.blocks = _arguments.integer("blocks", blocks, high=self.states)
        self.rate = None if rate is None else as_schedule("rate", rate)
        self.burn_in = _arguments.integer("burn_in", burn_in, low=0, high=2**63)
        self.seed = _arguments.integer("seed", seed, low=0, high=2**64 - 1)
        found = shapes(self.statistics, self.states, self.symbols, self.rank, self.blocks)
        named = {"states": self.states, "symbols": self.symbols}
        checks.check_size(self.statistics, named, found)
        self._state = State.begun(self.states, self.symbols, found, self.seed)

    if not TYPE_CHECKING:  # as in `_arguments.Closed`

        def __setattr__(self, name: str, value: Any) -> None:
            if name in GIVEN and name in self.__dict__:
                raise AttributeError(f"{name}: cannot be set; HMM(...) makes another model")
            super().__setattr__(name, value)

    @property
    def step(self) -> int:
        """Number of symbols learned so far."""
        return self._state.step

    @property
    def startprob_(self) -> np.ndarray:
        """P(state of the first symbol), (N,). It is uniform, because it cannot be learned from a
        single stream."""
        return self._state.startprob

    @startprob_.setter
    def startprob_(self, value: ArrayLike) -> None:
        self._set("startprob", value, (self.states,))

    @property
    def transmat_(self) -> np.ndarray:
        """P(next state j | state i) at [i, j], (N, N)."""
        return self._state.transmat

    @transmat_.setter
    def transmat_(self, value: ArrayLike) -> None:
        self._set("transmat", value, (self.states, self.states))

    @property
    def emissionprob_(self) -> np.ndarray:
        """P(symbol y | state i) at [i, y], (N, M)."""
        return self._state.emissionprob

    @emissionprob_.setter
    def emissionprob_(self, value: ArrayLike) -> None:
        self._set("emissionprob", value, (self.states, self.symbols))

    def _set(self, name: str, value: ArrayLike, shape: tuple[int, ...]) -> None:
        self._exchange(**{name: checks.probabilities(f"{name}_", value, shape)})

    @alone
    def _exchange(self, **changes: np.ndarray) -> None:
        self._state = replace(self._state, **changes)

    def __reduce__(self):
        return rebuild, (type(self), self.describe(), self.state_dict())

    @cached_property
    def _recursion(self) -> Exact | Filtered | RankOne:
        if self.statistics == "rank-one":
            return RankOne(self.states, self.rank, self.blocks, self.seed)
        return Exact() if self.statistics == "exact" else Filtered()

    # ---- learning ------------------------------------------------------------------------------

    @alone
    def learn(self, y: ArrayLike) -> np.ndarray:
        """Learn from symbols, one at a time. `nbt.train` does this from a stream.

        Parameters
        ----------
        y : array (steps,) of integers
            Symbols, in order. Those of the next call follow them.

        Returns
        -------
        array (steps,), float64
            -ln P(symbol | symbols before), each measured before its own update.

        Raises
        ------
        TypeError
            `y` is not of integers, or has a mask. Nothing was learned.
        ValueError
            `y` has not one dimension, or a symbol outside [0, M). Nothing was learned.
        DivergenceError
            A symbol is impossible under the model. Those before it were learned.
        KeyboardInterrupt
            Ctrl-C was pressed; raised between two symbols.
        """
        y = checks.symbols(y, self.symbols)
        losses = np.empty(len(y))
        for t, symbol in enumerate(y):
            self._turns.rest()
            losses[t] = self._learn_one(int(symbol))
        return losses

    def partial_fit(self, y: ArrayLike) -> HMM:
        """Do what `learn` does, but return the model, as in scikit-learn.

        Parameters
        ----------
        y : array (steps,) of integers
            As in `learn`.

        Returns
        -------
        HMM
            This model.

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As in `learn`.
        """
        self.learn(y)
        return self

    def _learn_one(self, y: int) -> float:
        prior, back = self._look_ahead()
        state = self._state
        likely = prior * state.emissionprob[:, y]
        probability = likely.sum()
        if not probability > 0:
            raise DivergenceError(f"symbol {y} has probability 0 at step {state.step}", state.step)
        phi, arrays = likely / probability, state.arrays
        if state.step:
            gamma = self._gamma()
            own = np.zeros((self.states + self.symbols, self.states))
            own[: self.states] = gamma * back
            own[self.states + y] = gamma
            arrays = self._recursion.step(arrays, state.step, gamma, state.filter, back, phi, own)
        late = state.step >= max(self.burn_in, 1)
        new = self._maximized(arrays["S"]) if late else {}
        self._state = replace(state, step=state.step + 1, filter=phi, arrays=arrays, **new)
        return -math.log(probability)

    def _look_ahead(self) -> tuple[np.ndarray, np.ndarray]:
        """Return P(next state), and P(present state = i | next state = k) at [i, k]."""
        state = self._state
        if not state.step:
            return state.startprob, np.zeros((self.states, self.states))
        joint = state.filter[:, np.newaxis] * state.transmat
        prior = joint.sum(axis=0)
        return prior, joint / np.where(prior > 0, prior, 1.0)

    def _gamma(self) -> float:
        """Return the weight of symbol `step`, counted from 0; the first symbol has no
        transition."""
        if self.rate is None:
            return self.step**-EXPONENT
        return min(1.0, self.rate(self.step - 1))

    def _maximized(self, S: np.ndarray) -> dict[str, np.ndarray]:
        """Return parameters from statistics, which may be below 0 where they are estimated from
        little."""
        return {
            "transmat": normalized(S[: self.states], self.transmat_),
            "emissionprob": normalized(S[self.states :].T, self.emissionprob_),
        }

    # ---- questions -----------------------------------------------------------------------------

    @looks
    def predict(self) -> np.ndarray:
        """Return the probabilities of the next symbol, (symbols,). Nothing changes."""
        return self._look_ahead()[0] @ self.emissionprob_

    def score(self, y: ArrayLike) -> float:
        """Return ln P(y) of a separate sequence, which starts from `startprob_`. Nothing changes.

        Parameters
        ----------
        y : array (steps,) of integers
            Symbols, in order.

        Returns
        -------
        float
            In nats; -inf if the sequence is impossible under the model.

        Raises
        ------
        TypeError, ValueError
            `y` is refused as in `learn`.
        """
        y = checks.symbols(y, self.symbols)
        return float(forward(*self._parameters(), y)[1].sum())

    def predict_proba(self, y: ArrayLike) -> np.ndarray:
        """Return P(state at s | all of y) for a separate sequence. Nothing changes.

        Parameters
        ----------
        y : array (steps,) of integers
            Symbols, in order.

        Returns
        -------
        array (steps, N), float64
            Rows add up to 1.

        Raises
        ------
        TypeError
            `y` is refused as in `learn`.
        ValueError
            `y` is refused as in `learn`, or is impossible under the model.
        """
        y = checks.symbols(y, self.symbols)
        posterior = smoothed(*self._parameters(), y)
        if np.isnan(posterior).any():
            at = int(np.isnan(posterior).any(axis=1).argmax())
            raise ValueError(f"y: expected a possible sequence, got probability 0 at {at}")
        return posterior

    @looks
    def _parameters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.startprob_, self.transmat_, self.emissionprob_

    # ---- the state -----------------------------------------------------------------------------

    @alone
    def state_dict(self) -> dict[str, np.ndarray]:
        """Return all that changes while learning, as copies."""
        return self._state.as_dict()

    @renews
    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the state that `state_dict` returned, edited or not.

        Parameters
        ----------
        state : mapping of str to array
            The names and shapes of `state_dict`.

        Raises
        ------
        TypeError
            `state` is no mapping, or has an array of another type. Nothing was changed.
        ValueError
            `state` lacks a name or has an unknown one, or has a wrong shape or number. Nothing was
            changed.
        """
        self._state = State.from_dict(checks.state(state, self._state.as_dict()))

    def describe(self) -> dict[str, Any]:
        """Return the arguments that this was made with, as plain values that JSON can hold."""
        only = ("rank", "blocks") if self.statistics == "rank-one" else ()
        names = ("states", "symbols", "statistics", *only, "burn_in", "seed")
        arguments = {name: getattr(self, name) for name in names}
        return {"trainer": "HMM", **arguments, "rate": value_out(self.rate)}

    save = saved.save
    load = classmethod(saved.load)

    def __repr__(self) -> str:
        own = f", rank={self.rank}, blocks={self.blocks}" if self.statistics == "rank-one" else ""
        rate = "" if self.rate is None else f", rate={self.rate}"
        return (
            f"HMM({self.states}, {self.symbols}, statistics={self.statistics!r}{own}{rate}, "
            f"burn_in={self.burn_in}, seed={self.seed})  # step {self.step}"
        )


LEARNERS.add("HMM", Kind(partial(build, HMM), checks.file_shapes))
