"""Real-time recurrent learning: the exact ∂h/∂θ, updated online."""

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
from nbt.trainers.forms import described_rtrl, rtrl_form
from nbt.trainers.plan import DType, Missing, Plan
from nbt.trainers.presets import default_optimizer
from nbt.trainers.state.expected import shapes_of

__all__ = ["RTRL"]


class RTRL(Trainer):
    """Real-time recurrent learning with the exact ∂h/∂θ, equations (3)–(6).

    A step costs units² × parameters multiply-adds, and memory is twice units × parameters numbers;
    four times for cells with gates and with `every` above 1. It is the reference with which the
    estimates are compared.

    Parameters
    ----------
    cell, readout, optimizer, readout_optimizer
        As in `NoBackTrack`.
    every : int, optional
        T, the number of steps between two updates of the network's parameters, as in `NoBackTrack`.
        Default: 1.
    inputs, dtype, seed, threads, missing
        As in `NoBackTrack`.

    Raises
    ------
    TypeError, ValueError
        As in `NoBackTrack`.
    """

    __slots__ = ()

    def __init__(
        self,
        cell: Cell | System | CompiledSystem,
        readout: Readout | None,
        optimizer: Optimizer | None = None,
        *,
        readout_optimizer: Optimizer | None = None,
        every: int | None = None,
        inputs: Inputs | int | None = None,
        dtype: DType | None = None,
        seed: int = 0,
        threads: int = 1,
        missing: Missing = "error",
    ) -> None:
        if optimizer is None:
            optimizer = default_optimizer("rtrl", cell)
        plan = Plan.of(
            rtrl_form(cell, every),
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
    def every(self) -> int:
        """The number of steps between two updates of the network's parameters."""
        return max(self._live.plan.form.steps, 1)

    def influence(self) -> np.ndarray:
        """Return the exact ∂h/∂θ. If parameters changed, past ones enter as they were.

        Returns
        -------
        array (units, P, units), float64
            As `Trainer.influence`; for cells with gates as `NoBackTrack.influence`.
        """
        state, layers = self.state_dict(), self._live.learner.layers
        if layers:  # with gates
            parts = [state[f"estimator.{k}.G"] for k in range(len(layers))]
            flat = [G.reshape(2, self.cell.units, -1) for G in parts]
            return np.concatenate(flat, axis=-1, dtype=np.float64)
        G = state["estimator.G"].astype(np.float64)
        return G[0].copy() if G.ndim == 4 else G  # of y, which follows from h, it has as much


LEARNERS.add("RTRL", Kind(partial(build, RTRL), partial(shapes_of, described_rtrl)))
