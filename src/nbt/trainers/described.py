"""What a trainer is made of, and how that is described and shown."""

from __future__ import annotations

from nbt import _core
from nbt.cells import Cell
from nbt.descriptions import value_out
from nbt.display import notebooks
from nbt.inputs import Inputs
from nbt.optimizers import Optimizer
from nbt.readouts import Readout
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.binding import is_dense
from nbt.trainers.plan import Plan

__all__ = ["Described"]


class Described:
    """The arguments of a trainer, none of which can be set; `Trainer` adds the verbs."""

    _plan: Plan
    _core: _core.Learner
    _parameters: int

    @property
    def cell(self) -> Cell | System | CompiledSystem:
        """What is trained."""
        return self._plan.cell

    @property
    def readout(self) -> Readout:
        """What is predicted."""
        return self._plan.readout

    @property
    def optimizer(self) -> Optimizer:
        """What is done with the gradient."""
        return self._plan.optimizer

    @property
    def inputs(self) -> Inputs:
        """What it is fed."""
        return self._plan.inputs

    @property
    def predicts_inputs(self) -> bool:
        """Is what it is fed of the same kind and size as what it predicts?"""
        return self._core.predicts_inputs

    @property
    def dtype(self) -> str:
        """Of all its numbers: "float32" or "float64"."""
        return self._plan.dtype

    @property
    def missing(self) -> str:
        """What a NaN does."""
        return self._plan.missing

    @property
    def seed(self) -> int:
        """The seed of the first weights and of the signs."""
        return self._core.seed

    @property
    def parameters(self) -> int:
        """How many numbers are learned: the network's and the readout's."""
        return self._parameters

    @property
    def step(self) -> int:
        """Steps taken so far, learned or observed."""
        return self._core.step

    @property
    def form(self) -> dict:
        """The arguments that its rule has of its own, by name: rank, blocks, … of `NoBackTrack`."""
        choices = self._plan.choices.items()
        return {name: value for name, value in choices if (name, value) != ("window", 0)}

    @property
    def _fast(self) -> bool:
        """Do the rules for dense cells train it?"""
        return self._plan.fast

    def describe(self) -> dict:
        """The arguments this trainer was made with, as plain values, as JSON holds them."""
        return {
            "trainer": type(self).__name__,
            "cell": value_out(self.cell),
            "readout": value_out(self.readout),
            "optimizer": value_out(self.optimizer),
            "inputs": value_out(self.inputs),
            "dtype": self.dtype,
            "seed": self.seed,
            **({} if self.missing == "error" else {"missing": self.missing}),
            **self.form,
        }

    def __repr__(self) -> str:
        own = "".join(f", {key}={value!r}" for key, value in self.form.items())
        missing = "" if self.missing == "error" else f"missing={self.missing!r}, "
        inputs = "" if self.inputs == self.readout.targets else f", inputs={self.inputs}"
        return (
            f"{type(self).__name__}({self.cell}, {self.readout}, {self.optimizer}{inputs}{own}, "
            f"{missing}dtype={self.dtype!r}, seed={self.seed})  # step {self.step}"
        )

    def _repr_html_(self) -> str:
        return notebooks.table(type(self).__name__, notebooks.trainer_rows(self))

    def _described(self) -> dict:
        """`describe`, with a system's own functions where they are no plain values."""
        return self.describe() if is_dense(self.cell) else self.describe() | {"cell": self.cell}
