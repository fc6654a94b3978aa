"""Truncated backpropagation through time, over windows."""

from __future__ import annotations

from functools import partial

import numpy as np

from nbt.cells import Cell
from nbt.descriptions import build
from nbt.inputs import Inputs
from nbt.optimizers import SGD, Optimizer
from nbt.readouts import Readout
from nbt.registry import LEARNERS, Kind
from nbt.schedules import InverseSqrt
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.base import Trainer
from nbt.trainers.forms import BPTTForm
from nbt.trainers.plan import Plan
from nbt.trainers.state.expected import shapes_of

__all__ = ["TruncatedBPTT"]


class TruncatedBPTT(Trainer):
    """Backpropagation through time over windows that do not overlap: the paper's footnote 13.

    `window` steps are waited for, then one backward pass over them gives the gradient of their
    summed losses, and the optimizer takes one step. The state is carried over windows; the
    gradient is not.

    Parameters
    ----------
    cell, readout
        As in `NoBackTrack`.
    optimizer : SGD or Kalman
        What a window's gradient does to the parameters.
    window : int
        Steps between two updates.
    inputs, dtype, seed, threads, missing
        As in `NoBackTrack`.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Notes
    -----
    A step that is only observed, or has no target, takes its place in a window without a loss. A
    window that such a step closes is learned from when the next one closes.
    """

    __slots__ = ()

    def __init__(
        self,
        cell: Cell | System | CompiledSystem,
        readout: Readout | None,
        optimizer: Optimizer = SGD(InverseSqrt(1.0)),
        *,
        window: int = 15,
        inputs: Inputs | int | None = None,
        dtype: str | type | np.dtype | None = None,
        seed: int = 0,
        threads: int = 1,
        missing: str = "error",
    ) -> None:
        plan = Plan.of(
            BPTTForm.of(window),
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
    def window(self) -> int:
        """Steps between two updates."""
        form = self._live.plan.form
        assert isinstance(form, BPTTForm)
        return form.window


LEARNERS.add("TruncatedBPTT", Kind(partial(build, TruncatedBPTT), partial(shapes_of, BPTTForm)))
