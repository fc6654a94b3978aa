"""NoBackTrack: an unbiased estimate of ∂h/∂θ, updated online."""

from __future__ import annotations

from functools import partial

import numpy as np

from nbt.cells import Cell
from nbt.descriptions import build
from nbt.inputs import Inputs
from nbt.optimizers import Optimizer
from nbt.readouts import Readout
from nbt.registry import LEARNERS, Kind
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.base import Trainer
from nbt.trainers.forms import (
    NoBackTrackForm,
    Norm,
    Split,
    described_nobacktrack,
    nobacktrack_form,
)
from nbt.trainers.plan import DType, Missing, Plan
from nbt.trainers.presets import default_optimizer
from nbt.trainers.state.expected import shapes_of
from nbt.trainers.turns import alone
from nbt.trainers.windowed import WindowedNoBackTrackForm

__all__ = ["NoBackTrack"]


class NoBackTrack(Trainer):
    """Unbiased online learning by a random rank-one estimate of ∂h/∂θ: Algorithms 1 and 2.

    Parameters
    ----------
    cell : RNN, LeakyRNN, LSTM, GRU, MGU, LRU, Stack, Continuous, System or CompiledSystem
        The network, or a system of your own, of at most 65536 units. Of a cell with learn=False the
        readout alone is learned, and nothing is estimated.
    readout : Softmax, Gaussian, Bernoulli or None
        What is predicted, and its loss. None: for a system that has its own loss.
    optimizer : Kalman, SGD or Adam, optional
        How the gradient changes the parameters. Default: ``Adam()`` for cells with gates, else
        ``Kalman()``.
    readout_optimizer : Kalman, SGD or Adam, optional
        The same for the parameters of the readout. Default: `optimizer`; beside `Adam`,
        ``Kalman(InverseSqrt(0.02))``.
    inputs : Symbols, Vector or int, optional
        What the network receives: symbols of another alphabet than the readout's, or vectors (an
        integer is their size). Default: what is predicted.
    every : int, optional
        T, the number of steps between two updates of the network's parameters θ, in [1, 65536]; the
        readout's φ is updated at every step. Above 1, and for cells with gates, the gradient is
        exact inside a window of T steps, which do not overlap. What is older is known from each
        unit's own path, and from the pairs if `rank` is at least 1. Predictions inside a window are
        those of the θ of its beginning. The last step of a window does the work of all. Only for
        fully connected cells, and stacks of cells with gates. Default: 10 for cells with gates,
        else 1.
    rank : int, optional
        K, the number of independent rank-one estimates that are averaged, in [1, 65536]. Cost and
        memory grow with it. 0, only for cells with gates and with `every` above 1: none. The
        gradient is then biased, unless units neither see each other nor share a norm, in a single
        layer. Default: 0 for cells with gates, else 1.
    split : {"blocks"}, optional
        Instead of averaging, each of the K pairs covers a K-th of the parameters, chosen at random
        by the seed (section 1.4). w̄ then takes the memory of a single pair. At equal cost
        averaging has less variance. It runs on the path for systems.
    blocks : int, optional
        S, the number of groups of units with a v̄ each, in [1, units]. More blocks give less noise;
        a step costs S n² more multiply-adds. Default: a block for each unit up to 32 units; for
        more units 4, or 16 without a window.
    exact_self : bool, optional
        Whether to keep each unit's influence on itself along its own path exactly, so that only the
        rest is estimated. The factors ∂h_i(t+1)/∂h_i(t) of this path are clipped to [-1, 1], so
        that it cannot grow; what is beyond is estimated, too. Default: True for fully connected
        cells. Systems have neither this nor blocks.
    window : int, optional
        T, the number of last steps that are kept exactly, too, as by backpropagation over them.
        Only paths that left their unit before are then estimated. It needs `exact_self`. A step
        costs T (S + 2) n² more multiply-adds. 0: no window. Default: 4 for more than 32 units if
        `blocks` is not given, else 0.
    norm : {"fisher", "kalman", "euclidean"}, optional
        The norms that balance v̄ and w̄. "kalman": the invariant norms of Appendix B, only with
        `Kalman`. "fisher": the same for w̄, and for v̄ a running mean of (∂ℓ/∂h)². "euclidean":
        plain norms, the only ones with windows. ("none" turns balancing off, to show its effect.)
        Default: "fisher"; with windows "euclidean".
    dtype : {"float32", "float64"}, optional
        Type of all its numbers; losses are always float64. Default: what the functions of a
        `CompiledSystem` take, else float32.
    seed : int
        Seed of the first weights and of the signs, in [0, 2⁶⁴).
    threads : int
        Most threads that work on a step, in [1, 256]; fewer if the step is too small to share. Any
        number gives the same bits. It is not part of a description or a checkpoint.
    missing : {"error", "skip", "mask"}
        What to do with a NaN in a vector. "error": refuse the call. "skip": do not learn from the
        step; its input still moves the state, as in ``observe(x, ...)``, and its loss is NaN.
        "mask": leave the missing numbers out of the loss and the gradient, and learn from the rest;
        a step without any known target is treated as in "skip", but the known inputs still update
        the means by which inputs are standardised. A NaN in an input is read as 0, which is the
        mean of standardised inputs.

    Raises
    ------
    TypeError
        `cell`, `readout`, `optimizer`, `readout_optimizer` or `inputs` is of another type than
        those above; `every`, `rank`, `blocks`, `window`, `seed` or `threads` is no integer;
        `exact_self` is no bool; `split`, `norm`, `dtype` or `missing` is no string.
    ValueError
        `every`, `rank`, `blocks`, `window`, `seed`, `threads`, `inputs` or the number of units of
        `cell` is out of range; `every` is above 1 for a cell that is not fully connected; `split`,
        `norm`, `dtype` or `missing` is none of the names above; `blocks`, `exact_self` or `window`
        is given where only dense cells without `every` have it; `window` is given without
        `exact_self`; `norm` is "kalman" without `Kalman`; `missing` is "mask", or there is a
        `readout_optimizer`, without a readout; `optimizer` or `readout_optimizer` has a metric
        that does not fit the rest; `dtype` is not that of a `CompiledSystem`; or the trainer would
        take too much memory.

    Notes
    -----
    ``blocks=1, exact_self=False, norm="kalman"`` with ``Kalman(prior=1, outlier=None)`` is exactly
    the paper's algorithm. Any choice is unbiased; they differ in variance.

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
        optimizer: Optimizer | None = None,
        *,
        readout_optimizer: Optimizer | None = None,
        inputs: Inputs | int | None = None,
        every: int | None = None,
        rank: int | None = None,
        split: Split | None = None,
        blocks: int | None = None,
        exact_self: bool | None = None,
        window: int | None = None,
        norm: Norm | None = None,
        dtype: DType | None = None,
        seed: int = 0,
        threads: int = 1,
        missing: Missing = "error",
    ) -> None:
        if optimizer is None:
            optimizer = default_optimizer("nobacktrack", cell)
        form = nobacktrack_form(
            cell,
            optimizer,
            every=every,
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
            readout_optimizer=readout_optimizer,
            inputs=inputs,
            dtype=dtype,
            threads=threads,
            missing=missing,
            as_system=self._as_system,
        )
        self._begin(plan, seed)

    @property
    def _form(self) -> NoBackTrackForm | WindowedNoBackTrackForm:
        form = self._live.plan.form
        if not isinstance(form, NoBackTrackForm | WindowedNoBackTrackForm):
            raise AttributeError("nothing is estimated of a cell with learn=False")
        return form

    @property
    def every(self) -> int:
        """The number of steps between two updates of the network's parameters."""
        return self._form.every

    @property
    def rank(self) -> int:
        """The number of pairs, K."""
        return self._form.rank

    @property
    def split(self) -> Split | None:
        """How the pairs share the parameters; None if each covers all."""
        return self._form.split

    @property
    def blocks(self) -> int:
        """The number of groups of units with a v̄ each, S."""
        return self._form.blocks

    @property
    def exact_self(self) -> bool:
        """Whether each unit's influence on itself along its own path is kept exactly."""
        return self._form.exact_self

    @property
    def window(self) -> int:
        """The number of last steps that are kept exactly, T."""
        return self._form.window

    @property
    def norm(self) -> Norm:
        """The norms that balance v̄ and w̄."""
        return self._form.norm

    @alone
    def influence(self) -> np.ndarray:
        """Return the present estimate of ∂h/∂θ: the mean over the pairs of v̄ ⊗ w̄, plus the exact
        part.

        Returns
        -------
        array (units, P, units), float64
            As `Trainer.influence`. For cells with gates that of the state at the begin of the
            window, (2, units, gates, P, units): ``[0, k, g, p, i]`` is ∂c_k/∂θ for row p of gate g
            of unit i, ``[1, …]`` is ∂y_k/∂θ. For a stack of them (2, units, p), θ being one vector:
            layer after layer, each in this order.

        Raises
        ------
        TypeError
            The cell has learn=False, so nothing is estimated.
        """
        self._check_estimated()
        self._live.learner.settle()
        return self._live.table.influence()

    @alone
    def exact_influence(self) -> np.ndarray:
        """Return the exact part of `influence()`; the rest is estimated.

        Returns
        -------
        array (units, P, units), float64
            The steps of the window, and before them each unit's own path. For a system: the last
            transition, (n, p).

        Raises
        ------
        TypeError
            As in `influence`.
        """
        self._check_estimated()
        self._live.learner.settle()
        return self._live.table.exact_influence()

    def _check_estimated(self) -> None:
        if not isinstance(self._live.plan.form, NoBackTrackForm | WindowedNoBackTrackForm):
            raise TypeError(
                f"cell: expected one that is learned, because nothing is estimated of {self.cell}"
            )


LEARNERS.add(
    "NoBackTrack", Kind(partial(build, NoBackTrack), partial(shapes_of, described_nobacktrack))
)
