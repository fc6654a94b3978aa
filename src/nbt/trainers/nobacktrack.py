"""NoBackTrack: an unbiased estimate of ∂h/∂θ carried along."""

from __future__ import annotations

from functools import partial

import numpy as np

from nbt.cells import Cell
from nbt.descriptions import build
from nbt.inputs import Inputs
from nbt.optimizers import Kalman, Optimizer
from nbt.readouts import Readout
from nbt.registry import LEARNERS, Kind
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.base import Trainer
from nbt.trainers.forms import NoBackTrackForm
from nbt.trainers.plan import Plan
from nbt.trainers.state.expected import shapes_of
from nbt.trainers.turns import alone

__all__ = ["NoBackTrack"]


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

    __slots__ = ()

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
        form = NoBackTrackForm.of(
            cell,
            optimizer,
            rank=rank,
            split=split,
            blocks=blocks,
            exact_self=exact_self,
            window=window,
            norm=norm,
        )
        plan = Plan.of(
            form,
            cell,
            readout,
            optimizer,
            inputs=inputs,
            dtype=dtype,
            threads=threads,
            missing=missing,
            general=self._general,
        )
        self._begin(plan, seed)

    @property
    def _form(self) -> NoBackTrackForm:
        form = self._live.plan.form
        assert isinstance(form, NoBackTrackForm)
        return form

    @property
    def rank(self) -> int:
        """K, how many pairs there are."""
        return self._form.rank

    @property
    def split(self) -> str | None:
        """How the pairs share the parameters; None: each has all."""
        return self._form.split

    @property
    def blocks(self) -> int:
        """S, into how many groups the units are dealt."""
        return self._form.blocks

    @property
    def exact_self(self) -> bool:
        """Is each unit's influence on itself along its own path kept exactly?"""
        return self._form.exact_self

    @property
    def window(self) -> int:
        """T, how many steps are kept exactly."""
        return self._form.window

    @property
    def norm(self) -> str:
        """What balances v̄ and w̄."""
        return self._form.norm

    @alone
    def influence(self) -> np.ndarray:
        """The present estimate of ∂h/∂θ: the mean over the pairs of v̄ ⊗ w̄, and what is exact.

        Returns
        -------
        array (units, P, units), float64
            As `Trainer.influence`.
        """
        self._live.learner.settle()
        return self._live.table.influence()

    @alone
    def exact_influence(self) -> np.ndarray:
        """What is exact of `influence()`; the rest is estimated.

        Returns
        -------
        array (units, P, units), float64
            The steps of the window, and before them each unit's own path. For a system: the last
            transition, (n, p).
        """
        self._live.learner.settle()
        return self._live.table.exact_influence()


LEARNERS.add("NoBackTrack", Kind(partial(build, NoBackTrack), partial(shapes_of, NoBackTrackForm)))
