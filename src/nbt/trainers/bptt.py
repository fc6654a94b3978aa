"""Truncated backpropagation through time, over windows."""

from __future__ import annotations

from functools import partial

from nbt.cells import Cell
from nbt.descriptions import build
from nbt.inputs import Inputs
from nbt.optimizers import Optimizer
from nbt.readouts import Readout
from nbt.registry import LEARNERS, Kind
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.base import Trainer
from nbt.trainers.forms import bptt_form, described_bptt
from nbt.trainers.plan import DType, Missing, Plan
from nbt.trainers.presets import default_optimizer
from nbt.trainers.state.expected import shapes_of

__all__ = ["TruncatedBPTT"]


class TruncatedBPTT(Trainer):
    """Backpropagation through time over windows that do not overlap: the paper's footnote 13.

    After every `window` steps, one backward pass gives the gradient of the sum of their losses, and
    the optimizer takes one step. The state is carried from window to window; the gradient is not.

    Parameters
    ----------
    cell, readout
        As in `NoBackTrack`.
    optimizer : SGD, Kalman or Adam, optional
        How the gradient of a window changes the parameters. Default: ``Adam()`` for cells with
        gates, else ``SGD(InverseSqrt(1.0))``.
    readout_optimizer : SGD, Kalman or Adam, optional
        As in `NoBackTrack`.
    window : int
        Number of steps between two updates, in [1, 2²⁰].
    inputs, dtype, seed, threads, missing
        As in `NoBackTrack`.

    Raises
    ------
    TypeError
        `window` is no integer, or another argument is refused as in `NoBackTrack`.
    ValueError
        `window` is out of range, or another argument is refused as in `NoBackTrack`.

    Notes
    -----
    For cells with gates, only the network's parameters wait for the end of a window; those of the
    readout are updated at every step.

    A step that is only observed, or has no target, is part of a window but adds no loss. If such a
    step ends a window, the window is learned when the next one ends.
    """

    __slots__ = ()

    def __init__(
        self,
        cell: Cell | System | CompiledSystem,
        readout: Readout | None,
        optimizer: Optimizer | None = None,
        *,
        readout_optimizer: Optimizer | None = None,
        window: int = 15,
        inputs: Inputs | int | None = None,
        dtype: DType | None = None,
        seed: int = 0,
        threads: int = 1,
        missing: Missing = "error",
    ) -> None:
        if optimizer is None:
            optimizer = default_optimizer("tbptt", cell)
        plan = Plan.of(
            bptt_form(cell, window),
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
    def window(self) -> int:
        """Number of steps between two updates."""
        return self._live.plan.form.steps


LEARNERS.add(
    "TruncatedBPTT", Kind(partial(build, TruncatedBPTT), partial(shapes_of, described_bptt))
)
