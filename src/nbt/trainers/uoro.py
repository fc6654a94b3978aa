"""UORO: unbiased online recurrent optimization."""

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
from nbt.trainers.forms import UOROForm, uoro_form
from nbt.trainers.plan import DType, Missing, Plan
from nbt.trainers.presets import default_optimizer
from nbt.trainers.state.expected import shapes_of
from nbt.trainers.turns import alone

__all__ = ["UORO"]


class UORO(Trainer):
    """Unbiased online learning by a rank-one estimate of ∂h/∂θ, for any system.

    Algorithm 1 of Tallec and Ollivier, *Unbiased online recurrent optimization* (2017). With random
    signs ν (n,), which are drawn at each step, the pair v̄ (n,), w̄ (p,) becomes

        v̄ ← ρ₀ F v̄ + ρ₁ ν,   w̄ ← w̄ / ρ₀ + νᵀ (∂f/∂θ) / ρ₁,

    F = ∂f/∂h, ρ₀ = √(‖w̄‖ / ‖F v̄‖) and ρ₁ = √(‖νᵀ ∂f/∂θ‖ / ‖ν‖). The gradient is (∂ℓ/∂h · v̄) w̄. A
    product that is 0 is left out, where the article adds 10⁻⁷ to norms. `NoBackTrack` has the last
    ∂f/∂θ exactly, weighs each of its rows, and balances in other norms.

    Parameters
    ----------
    cell : RNN, LeakyRNN, Stack, Continuous, System or CompiledSystem
        The network, without gates, or a system of your own.
    readout, optimizer, readout_optimizer
        As in `NoBackTrack`.
    rank : int
        K, the number of independent pairs that are averaged, in [1, 65536].
    inputs, dtype, seed, threads, missing
        As in `NoBackTrack`.

    Raises
    ------
    TypeError
        `rank` is no integer, or another argument is refused as in `NoBackTrack`.
    ValueError
        `rank` is out of range, `cell` has gates or is not learned, or another argument is refused
        as in `NoBackTrack`.

    Examples
    --------
    >>> import nbt
    >>> stream = nbt.datasets.anbn(1, 4, seed=0)
    >>> trainer = nbt.UORO(nbt.LeakyRNN(20), nbt.Softmax(3))
    >>> losses = trainer.learn(stream.read(1000))
    >>> trainer.influence().shape
    (20, 500)
    """

    __slots__ = ()

    def __init__(
        self,
        cell: Cell | System | CompiledSystem,
        readout: Readout | None,
        optimizer: Optimizer | None = None,
        *,
        readout_optimizer: Optimizer | None = None,
        rank: int = 1,
        inputs: Inputs | int | None = None,
        dtype: DType | None = None,
        seed: int = 0,
        threads: int = 1,
        missing: Missing = "error",
    ) -> None:
        if optimizer is None:
            optimizer = default_optimizer("uoro", cell)
        plan = Plan.of(
            uoro_form(cell, rank),
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
    def rank(self) -> int:
        """The number of pairs, K."""
        return self._live.plan.form.rank

    @alone
    def influence(self) -> np.ndarray:
        """Return the present estimate of ∂h/∂θ: the mean over the pairs of v̄ ⊗ w̄.

        Returns
        -------
        array (n, p), float64
            As that of a system: θ is one vector, for a network in the order of `parameters`.
        """
        self._live.learner.settle()
        return self._live.table.influence()


LEARNERS.add("UORO", Kind(partial(build, UORO), partial(shapes_of, UOROForm.described)))
