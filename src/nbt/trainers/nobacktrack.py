"""NoBackTrack: an unbiased estimate of ∂h/∂θ carried along."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from nbt import _arguments, _core
from nbt.cells import Cell
from nbt.descriptions import build
from nbt.inputs import Inputs
from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import Readout
from nbt.registry import LEARNERS, Kind
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.base import Trainer
from nbt.trainers.binding import check_cell, is_dense, is_fast
from nbt.trainers.state.expected import shapes_of
from nbt.trainers.turns import alone

__all__ = ["NoBackTrack"]

SMALL_UNITS = 32  # up to so many, a block each; for more, measured (docs/learning.md):
BLOCKS, WINDOWED_BLOCKS, WINDOW = 16, 4, 4
SPLITS = ("blocks",)


class NoBackTrack(Trainer):
    """Unbiased online learning by a random rank-one estimate of ∂h/∂θ: Algorithms 1 and 2.

    Parameters
    ----------
    cell : RNN, LeakyRNN, Stack, Continuous, System or CompiledSystem
        The network, or a system of your own.
    readout : Softmax, Gaussian, Bernoulli or None
        What is predicted, and its loss; None for a system that has a loss of its own.
    optimizer : Kalman or SGD
        What the gradient does to the parameters.
    inputs : Symbols, Vector or int, optional
        What the network is fed: symbols of another alphabet than the readout's, or vectors (an
        integer is their size). Default: what is predicted.
    rank : int
        K: independent rank-one estimates that are averaged. Cost and memory grow with it.
    split : {"blocks"}, optional
        Instead of averaging, each of the K pairs covers a K-th of the parameters, chosen at random
        by the seed (section 1.4). w̄ takes the memory of one pair; at equal cost averaging has less
        variance. It takes the path for systems.
    blocks : int, optional
        S: the units are dealt into S groups with a v̄ each; less noise, S n² more multiply-adds a
        step. Default: a block for each unit up to 32 units; for more, 4, or 16 without a window.
    exact_self : bool, optional
        Keep each unit's influence on itself along its own path exactly, as far as ∂h_i(t+1)/∂h_i(t)
        is within [-1, 1], so that it does not amplify; only the rest is estimated.
        Default: yes for fully connected cells; systems have neither this nor blocks.
    window : int, optional
        T: the last T steps are kept exactly too, as by backpropagation over them; only paths that
        left their unit before are estimated. Needs `exact_self`. A step costs T (S + 2) n² more
        multiply-adds; 0: no window. Default: 4 for more than 32 units, if nothing is said about
        `blocks`; else 0.
    norm : {"fisher", "kalman", "euclidean"}
        What balances v̄ and w̄. `kalman`: the invariant norms of Appendix B, for `Kalman` only.
        `fisher`: the same for w̄, and for v̄ a running mean of (∂ℓ/∂h)². `euclidean`: plain.
        (``"none"`` switches balancing off, to show what it is for.)
    dtype : {"float32", "float64"}, optional
        Of all its numbers; losses are always float64. Default: what the functions of a
        `CompiledSystem` take, else float32.
    seed : int
        In [0, 2⁶⁴): first weights and signs.
    threads : int
        At most so many work on a step, fewer where it is too small to be shared. Any number gives
        the same bits; it is no part of a description or a checkpoint.
    missing : {"error", "skip", "mask"}
        What a NaN in a vector does. `error`: the call is refused. `skip`: nothing is learned from
        its step, whose loss is NaN; only the input passes, as in ``observe(x, ...)``. `mask`: the
        loss and the gradient are those of the targets that are known; where none is, as `skip`,
        except that inputs are still standardised by what is known of them. A NaN in an input is
        read as 0, which is its mean where inputs are standardised.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Notes
    -----
    ``blocks=1, exact_self=False, norm="kalman"`` with ``Kalman(prior=1, outlier=None)`` is the
    paper's algorithm to the letter.
    Any choice is unbiased; they differ in variance.

    Examples
    --------
    >>> import nbt
    >>> stream = nbt.datasets.anbn(1, 4, seed=0)
    >>> trainer = nbt.NoBackTrack(nbt.LeakyRNN(20), nbt.Softmax(3), nbt.Kalman())
    >>> losses = trainer.learn(stream.read(1000))
    >>> losses.shape, trainer.step
    ((1000,), 1000)
    """

    _rule = "nobacktrack"

    def __init__(
        self,
        cell: Cell | System | CompiledSystem,
        readout: Readout | None,
        optimizer: Optimizer = Kalman(),
        *,
        inputs: Inputs | int | None = None,
        rank: int = 1,
        split: str | None = None,
        blocks: int | None = None,
        exact_self: bool | None = None,
        window: int | None = None,
        norm: str = "fisher",
        dtype: str | type | np.dtype | None = None,
        seed: int = 0,
        threads: int = 1,
        missing: str = "error",
    ) -> None:
        rank = _arguments.whole("rank", rank, high=2**16)
        split = None if split is None else _arguments.one_of("split", split, SPLITS)
        check_cell(cell)
        _arguments.instance("optimizer", optimizer, SGD, Kalman)
        blocks, exact_self, window = _form(cell, optimizer, split, blocks, exact_self, window)
        norm = _arguments.one_of("norm", norm, _core.NORMS)
        if norm == "kalman" and isinstance(optimizer, SGD):
            raise ValueError(
                "norm: 'kalman' measures with the optimizer's covariance, "
                "which SGD does not have; expected 'fisher' or 'euclidean'"
            )
        super().__init__(
            cell,
            readout,
            optimizer,
            inputs=inputs,
            dtype=dtype,
            seed=seed,
            threads=threads,
            missing=missing,
            rank=rank,
            blocks=blocks,
            exact_self=exact_self,
            window=window,
            norm=norm,
            **({} if split is None else {"split": split}),
        )

    @property
    def rank(self) -> int:
        """K, how many pairs there are."""
        return self._plan.choices["rank"]

    @property
    def split(self) -> str | None:
        """How the pairs share the parameters; None: each has all."""
        return self._plan.choices.get("split")

    @property
    def blocks(self) -> int:
        """S, into how many groups the units are dealt."""
        return self._plan.choices["blocks"]

    @property
    def exact_self(self) -> bool:
        """Is each unit's influence on itself along its own path kept exactly?"""
        return self._plan.choices["exact_self"]

    @property
    def window(self) -> int:
        """T, how many steps are kept exactly."""
        return self._plan.choices["window"]

    @property
    def norm(self) -> str:
        """What balances v̄ and w̄."""
        return self._plan.choices["norm"]

    @alone
    def influence(self) -> np.ndarray:
        """The present estimate of ∂h/∂θ: the mean over the pairs of v̄ ⊗ w̄, and what is exact.

        Returns
        -------
        array (units, P, units), float64
            As `Trainer.influence`.
        """
        if not self._fast:
            return self._table.influence()
        state = self._read()
        n = self.cell.units
        v = state["estimator.v"].astype(np.float64)[
            :, np.arange(n) % self.blocks
        ]  # (K, unit, state)
        w = state["estimator.w"].astype(np.float64)
        estimate = np.einsum("kij,kpi->jpi", v, w) / self.rank
        return estimate + self._exact_part(state)

    @alone
    def exact_influence(self) -> np.ndarray:
        """What is exact of `influence()`; the rest is estimated.

        Returns
        -------
        array (units, P, units), float64
            The steps of the window, and before them each unit's own path. For a system: the last
            transition, (n, p).
        """
        return self._exact_part(self._read()) if self._fast else self._table.regressors()

    def _exact_part(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        n, path = self.cell.units, np.eye(self.cell.units)  # ∂h(t)/∂h(t - l)
        own = state.get("estimator.d")
        if own is None:  # w_i, the same for every unit
            own = np.repeat(state["estimator.z"][:, np.newaxis], n, axis=1)
        exact = np.zeros((n, *own.shape))
        for lag in range(self.window):
            exact += path[:, np.newaxis] * self._regressors(state, lag)[:, np.newaxis]
            path = path @ state["window.F"][lag].astype(np.float64)
        return exact + path[:, np.newaxis] * own.astype(np.float64)

    def _regressors(self, state: Mapping[str, np.ndarray], lag: int) -> np.ndarray:
        """(1, a, x) of the transition `lag` before the last; zeros if there was none."""
        x = state["window.x"][lag]
        if self._core.one_hot:
            there, x = x >= 0, np.arange(self.inputs.size) == x
        else:
            there = lag < state["window.length"]
        return there * np.concatenate([[1.0], state["window.a"][lag], x])


def _form(cell, optimizer, split, blocks, exact_self, window) -> tuple[int, bool, int]:
    """Blocks of units, exact self-influence and a window, which only dense cells have."""
    if not is_fast(cell, optimizer, split):
        for name, value, only in (
            ("blocks", blocks, 1),
            ("exact_self", exact_self, False),
            ("window", window, 0),
        ):
            if value not in (None, only):
                why = _why_general(cell, optimizer, split)
                raise ValueError(f"{name}: expected {only} {why}, got {value!r}")
        return 1, False, 0
    exact_self = True if exact_self is None else _arguments.flag("exact_self", exact_self)
    small = cell.units <= SMALL_UNITS
    if window is None:
        window = 0 if small or blocks is not None or not exact_self else WINDOW
    window = _arguments.whole("window", window, low=0, high=2**16)
    if window and not exact_self:
        raise ValueError(f"window: expected 0 without exact_self, got {window}")
    if blocks is None:
        blocks = cell.units if small else WINDOWED_BLOCKS if window else BLOCKS
    return _arguments.whole("blocks", blocks, high=cell.units), exact_self, window


def _why_general(cell, optimizer, split) -> str:
    """What takes the path for systems, which has none of these."""
    if isinstance(cell, System | CompiledSystem):
        return "for a system"
    if not is_dense(cell):
        return "for layers, graphs, learned leaks and continuous time"
    if split:
        return f"with split={split!r}"
    return f"with reduction={optimizer.reduction!r}, fisher={optimizer.fisher!r}"


LEARNERS.add("NoBackTrack", Kind(partial(build, NoBackTrack), shapes_of))
