"""The plan of a trainer: its arguments, checked, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from nbt import _arguments, _core
from nbt.cells import is_gated
from nbt.descriptions import value_out
from nbt.inputs import Inputs, Symbols, Vector, as_inputs
from nbt.optimizers import MOST_SHARED, SGD, Optimizer, both, default_for_readout
from nbt.readouts import Bernoulli, Gaussian, OwnLoss, Readout, Softmax
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.binding import (
    BoundSystem,
    bind,
    check_cell,
    has_dense_rule,
    is_learned,
    own_loss,
)
from nbt.trainers.forms import BPTTForm, FixedForm, Form, ListeningForm, NoBackTrackForm
from nbt.trainers.state.sizes import Sizes
from nbt.trainers.windowed import WindowedBPTTForm, WindowedForm

__all__ = ["Plan"]

DType = Literal["float32", "float64"] | type | np.dtype[Any]
Missing = Literal["error", "skip", "mask"]  # those of `_core.MISSING`
DTYPE = "float32"  # type of all numbers, unless a system has its own
LARGEST_UNITS = 2**16
MOST_BYTES = 2**40
MOST_THREADS = 256
QUIET_WINDOW = 1 << 10  # window of a trainer that never learns: only memory depends on it
SCRATCH = 2  # a learner takes about so many times the memory of its state


@dataclass(frozen=True, eq=False)
class Plan:
    """The arguments of a trainer but its seed. `form` has those that only its rule has.

    `as_system` says that it takes the path for systems even with a dense cell.
    """

    form: Form
    cell: Any
    readout: Readout
    optimizer: Optimizer
    readout_optimizer: Optimizer
    inputs: Inputs
    dtype: str
    missing: str
    threads: int
    as_system: bool

    @classmethod
    def of(
        cls,
        form,
        cell,
        readout,
        optimizer,
        *,
        readout_optimizer,
        inputs,
        dtype,
        missing,
        threads,
        as_system,
    ) -> Plan:
        """Return the plan for a user's arguments, after each is checked."""
        check_cell(cell)
        if not is_learned(cell) and not isinstance(form, FixedForm):
            raise ValueError(
                "cell: expected one that is learned; NoBackTrack takes one with learn=False, and "
                f"learns the readout alone, got {cell}"
            )
        if readout is None and missing == "mask":
            raise ValueError("missing: expected 'error' or 'skip' without a readout, got 'mask'")
        readout = own_loss(cell) if readout is None else readout
        if not isinstance(readout, OwnLoss):
            _arguments.instance("readout", readout, Softmax, Gaussian, Bernoulli)
        if isinstance(readout, OwnLoss):  # there is nothing that it could change
            if readout_optimizer is not None:
                raise ValueError(
                    f"readout_optimizer: expected None without a readout, got {readout_optimizer}"
                )
            readout_optimizer = optimizer
        if isinstance(form, WindowedForm) and not getattr(optimizer, "plain", True):
            raise ValueError(
                "optimizer: expected SGD, Adam or the default metric of Kalman where the network "
                f"is learned once in several steps, got {optimizer}"
            )
        own = isinstance(getattr(cell, "field", cell), System | CompiledSystem)
        fed = as_inputs(inputs, readout.targets, standardize=not own)  # a system has its own units
        return cls(
            form,
            cell,
            readout if isinstance(readout, OwnLoss) else readout.for_inputs(fed),
            *both(optimizer, readout_optimizer),
            fed,
            _arguments.one_of(
                "dtype", _named(own_dtype(cell) if dtype is None else dtype), _core.DTYPES
            ),
            _arguments.one_of("missing", missing, _core.MISSING),
            _arguments.integer("threads", threads, high=MOST_THREADS),
            as_system,
        )

    @cached_property
    def as_dense(self) -> bool:
        """Whether the rules for dense cells train it."""
        return not self.as_system and has_dense_rule(self.cell, self.optimizer, self.form.as_system)

    def with_threads(self, threads: int) -> Plan:
        return replace(self, threads=_arguments.integer("threads", threads, high=MOST_THREADS))

    def listening(self) -> Plan:
        """Return the plan of a trainer that predicts the same bits, at the cost of the network
        alone."""
        form: Form = BPTTForm(QUIET_WINDOW) if is_learned(self.cell) else self.form
        if getattr(getattr(self.cell, "field", self.cell), "vjp", True) is None:
            form = NoBackTrackForm()  # backpropagation through it is not possible
        if isinstance(self.form, WindowedForm):
            form = ListeningForm() if is_gated(self.cell) else WindowedBPTTForm(QUIET_WINDOW)
        as_system = not self.as_dense  # so that it takes the same path
        return replace(
            self,
            form=form,
            optimizer=SGD(),
            readout_optimizer=SGD(),
            as_system=as_system,
            threads=1,
        )

    def grown(self, symbols: int | None, inputs: int | None) -> Plan:
        """Return the plan with that many symbols, or numbers of an input; see `Trainer.grow`."""
        readout, fed = self.readout, self.inputs
        if symbols is not None or inputs is None:
            old = _arguments.instance("readout", self.readout, Softmax).symbols
            readout = replace(readout, symbols=_arguments.integer("symbols", symbols, low=old))
            fed = Symbols(readout.symbols) if fed == Symbols(old) else fed
        if inputs is not None:
            _arguments.instance("inputs", fed, Vector)
            fed = replace(fed, size=_arguments.integer("inputs", inputs, low=fed.size))
        if fed != self.inputs and not is_learned(self.cell):
            raise TypeError(
                "grow: expected a cell that is learned, or only more outputs, because the weights "
                f"of new inputs would stay 0, got {self.cell}"
            )
        if not self.optimizer.plain:
            raise TypeError(
                f"grow: expected a trainer with the default metric, not {self.optimizer}"
            )
        return replace(self, readout=readout, inputs=fed)

    def bind(self, seed: int) -> BoundSystem | None:
        """Return the functions and first values of a system; None for a dense cell."""
        if self.as_dense:
            return None
        random = np.random.default_rng(seed)
        return bind(self.cell, self.inputs.width, self.dtype, random, self.form.rule)

    # ---- sizes ---------------------------------------------------------------------------------

    def sizes(self, system: BoundSystem | None) -> Sizes:
        """Return the sizes from which the shapes of its state follow."""
        values = self.inputs, self.readout, self.optimizer, self.readout_optimizer
        if system is None:
            return Sizes.of_dense(self.cell, *values)
        theta = (system.size,)
        cell = {name: places.shape for name, places in system.parts.items()} or {"theta": theta}
        ends = np.append(system.starts, theta)
        squares = int(np.square(np.diff(ends), dtype=np.float64).sum())
        phases = system.core.sizes["phases"]
        return Sizes(self.cell.units, *values, cell, theta, squares, phases)

    def parameters(self, system: BoundSystem | None) -> int:
        """Return how many numbers are learned: those of the network and of the readout."""
        sizes = self.sizes(system)
        phi = math.prod(sizes.phi) if sizes.phi else 0
        fixed = system.fixed if system else 0
        return phi + (sizes.learned - fixed if is_learned(self.cell) else 0)

    def check_size(self, system: BoundSystem | None) -> None:
        """Raise before too much memory is allocated. Sizes are Python integers, so nothing
        overflows."""
        _arguments.integer("units", self.cell.units, high=LARGEST_UNITS)
        sizes = self.sizes(system)
        if getattr(self.readout_optimizer, "shared", False):
            self._check_shared(sizes)
        numbers = sum(map(math.prod, self.form.shapes(sizes).values()))
        working = self.form.working(sizes)
        size = (SCRATCH * numbers + working) * np.dtype(self.dtype).itemsize
        if size > MOST_BYTES:
            raise ValueError(
                f"{'units and window' if working else 'units'}: a trainer of {sizes.units} units, "
                f"{self.inputs.width} inputs and {self.readout.outputs} outputs takes "
                f"{size / 2**30:.0f} GiB; expected at most {MOST_BYTES / 2**30:.0f} GiB"
            )

    def _check_shared(self, sizes: Sizes) -> None:
        """Raise unless the means of the readout may share one covariance."""
        expected = "readout_optimizer: expected another one than Kalman(reduction='shared')"
        if not isinstance(self.readout, Gaussian):
            raise ValueError(f"{expected} for {self.readout}; it is for the means of a Gaussian")
        if isinstance(self.form, BPTTForm):
            raise ValueError(
                f"{expected} for TruncatedBPTT, which learns once in a window; NoBackTrack and "
                "RTRL learn in each step"
            )
        features = sizes.phi[0]
        if features > MOST_SHARED:
            raise ValueError(
                f"{expected} for {features} features, got by {self.cell.units} units and "
                f"{features - 1 - self.cell.units} inputs; expected at most {MOST_SHARED}"
            )

    # ---- as text -------------------------------------------------------------------------------

    @property
    def _is_default(self) -> bool:
        """Whether the readout has the network's optimizer, and would without being told. (Another
        default is told, so that it may become a better one.)"""
        if isinstance(self.readout, OwnLoss):
            return True
        same = self.readout_optimizer == self.optimizer
        return same and default_for_readout(self.optimizer) == self.optimizer

    def described(self, kind: str, seed: int) -> dict[str, Any]:
        """Return the arguments of a trainer of that kind and seed as plain values that JSON can
        hold."""
        return {
            "trainer": kind,
            "cell": value_out(self.cell),
            "readout": value_out(self.readout),
            "optimizer": value_out(self.optimizer),
            **(
                {} if self._is_default else {"readout_optimizer": value_out(self.readout_optimizer)}
            ),
            "inputs": value_out(self.inputs),
            "dtype": self.dtype,
            "seed": seed,
            **({} if self.missing == "error" else {"missing": self.missing}),
            **self.form.said(),
        }

    def shown(self, kind: str, seed: int) -> str:
        """Return a call, as text, that makes such a trainer."""
        own = "".join(f", {key}={value!r}" for key, value in self.form.said().items())
        missing = "" if self.missing == "error" else f"missing={self.missing!r}, "
        inputs = "" if self.inputs == self.readout.targets else f", inputs={self.inputs}"
        other = "" if self._is_default else f", readout_optimizer={self.readout_optimizer}"
        return (
            f"{kind}({self.cell}, {self.readout}, {self.optimizer}{other}{inputs}{own}, "
            f"{missing}dtype={self.dtype!r}, seed={seed})"
        )


def own_dtype(cell: Any) -> str:
    """Return the default type of a trainer: what the functions of a system take."""
    system = getattr(cell, "field", cell)
    return system.dtype if isinstance(system, CompiledSystem) else DTYPE


def _named(dtype: object) -> object:
    """Return the name of a NumPy type; a name stays as it is."""
    return np.dtype(dtype).name if isinstance(dtype, type | np.dtype) else dtype
