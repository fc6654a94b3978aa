"""What a trainer is made of: its arguments, checked, and the learner that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nbt import _arguments, _core
from nbt.build import isa_in_use
from nbt.inputs import Inputs, Symbols, Vector, as_inputs
from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import Bernoulli, Gaussian, OwnLoss, Readout, Softmax
from nbt.systems.compiled import CompiledSystem
from nbt.trainers.binding import Bound, bound, check_cell, is_fast, own_loss
from nbt.trainers.state.dense import StateTable
from nbt.trainers.state.flat import GeneralTable

__all__ = ["Plan"]

DTYPE = "float32"  # of all numbers, unless a system has its own
LARGEST_UNITS = 2**16
MOST_BYTES = 2**40
MOST_THREADS = 256
QUIET_WINDOW = 1 << 10  # of what never learns: only memory depends on it
QUIET_PAIR = {"rank": 1, "blocks": 1, "exact_self": False, "window": 0, "norm": "euclidean"}


@dataclass(frozen=True, eq=False)
class Plan:
    """The arguments of a trainer but its seed; `choices` are those that its rule has of its own.

    `general`: it takes the path for systems even with a dense cell.
    """

    rule: str
    cell: Any
    readout: Readout
    optimizer: Optimizer
    inputs: Inputs
    dtype: str
    missing: str
    threads: int
    general: bool
    choices: Mapping[str, Any]

    @classmethod
    def of(
        cls, rule, cell, readout, optimizer, *, inputs, dtype, missing, threads, general, choices
    ) -> Plan:
        """Of what a user gave, once each is what it should be."""
        check_cell(cell)
        if readout is None and missing == "mask":
            raise ValueError("missing: expected 'error' or 'skip' without a readout, got 'mask'")
        readout = own_loss(cell) if readout is None else readout
        if not isinstance(readout, OwnLoss):
            _arguments.instance("readout", readout, Softmax, Gaussian, Bernoulli)
        own = "System" in type(getattr(cell, "field", cell)).__name__  # in units of its own
        return cls(
            rule,
            cell,
            readout,
            _arguments.instance("optimizer", optimizer, SGD, Kalman),
            as_inputs(inputs, readout.targets, standardize=not own),
            _arguments.one_of(
                "dtype", _named(own_dtype(cell) if dtype is None else dtype), _core.DTYPES
            ),
            _arguments.one_of("missing", missing, _core.MISSING),
            _arguments.whole("threads", threads, high=MOST_THREADS),
            general,
            choices,
        )

    @cached_property
    def fast(self) -> bool:
        """Do the rules for dense cells train it?"""
        return not self.general and is_fast(self.cell, self.optimizer, self.choices.get("split"))

    @property
    def kalman(self) -> bool:
        return isinstance(self.optimizer, Kalman)

    def with_threads(self, threads: int) -> Plan:
        return replace(self, threads=_arguments.whole("threads", threads, high=MOST_THREADS))

    def listening(self) -> Plan:
        """Of a trainer that predicts with the same bits, at the price of the network alone."""
        rule, choices = "bptt", {"window": QUIET_WINDOW}
        if getattr(getattr(self.cell, "field", self.cell), "vjp", True) is None:
            rule, choices = "nobacktrack", dict(QUIET_PAIR)  # it cannot be backpropagated through
        general = not self.fast  # the same path
        return replace(
            self, rule=rule, optimizer=SGD(), choices=choices, general=general, threads=1
        )

    def grown(self, symbols: int | None, inputs: int | None) -> Plan:
        """With so many symbols, or numbers of an input; see `Trainer.grow`."""
        readout, fed = self.readout, self.inputs
        if symbols is not None or inputs is None:
            old = _arguments.instance("readout", self.readout, Softmax).symbols
            readout = Softmax(_arguments.whole("symbols", symbols, low=old))
            fed = Symbols(readout.symbols) if fed == Symbols(old) else fed
        if inputs is not None:
            _arguments.instance("inputs", fed, Vector)
            fed = replace(fed, size=_arguments.whole("inputs", inputs, low=fed.size))
        if not self.optimizer.plain:
            raise TypeError(
                f"grow: expected a trainer with the default metric, not {self.optimizer}"
            )
        return replace(self, readout=readout, inputs=fed)

    # ---- sizes ---------------------------------------------------------------------------------

    def _of_cell(self, system: Bound | None) -> int:
        """Numbers in θ."""
        n = self.cell.units
        return len(system.theta) if system else n * (1 + n + self.inputs.size)

    def parameters(self, system: Bound | None) -> int:
        """How many numbers are learned: the network's and the readout's."""
        learned = self._of_cell(system) - (system.fixed if system else 0)
        if isinstance(self.readout, OwnLoss):
            return learned
        return learned + (1 + self.cell.units) * self.readout.outputs

    def check_size(self, system: Bound | None) -> None:
        """Raises before anything is allocated. Sizes are Python integers: nothing overflows."""
        _arguments.whole("units", self.cell.units, high=LARGEST_UNITS)
        n, m, outputs = self.cell.units, self.inputs.size, self.readout.outputs
        rank, blocks, window = (
            self.choices.get(key, least)
            for key, least in (("rank", 1), ("blocks", 1), ("window", 0))
        )
        parameters, kalman = self._of_cell(system), self.kalman
        numbers = parameters * (4 + rank + 2 * kalman) + rank * blocks * n
        numbers += (1 + n) * outputs * (2 + 2 * kalman) + window * (n + m + outputs)
        if self.rule == "nobacktrack":
            numbers += window * n * (n + rank * blocks)
        numbers += 2 * n * parameters * (self.rule == "rtrl")
        if not self.optimizer.plain and self.optimizer.reduction in ("block", "full"):
            numbers += 2 * parameters**2 + 2 * ((1 + n) * outputs) ** 2
        size = numbers * np.dtype(self.dtype).itemsize
        if size > MOST_BYTES:
            raise ValueError(
                f"units: a trainer of {n} units, {m} inputs and {outputs} outputs takes "
                f"{size / 2**30:.0f} GiB; expected at most {MOST_BYTES / 2**30:.0f} GiB"
            )

    # ---- the learner ---------------------------------------------------------------------------

    def bound(self, seed: int) -> Bound | None:
        """The functions and first values of a system; None for a dense cell."""
        if self.fast:
            return None
        random = np.random.default_rng(seed)
        return bound(self.cell, self.inputs.size, self.dtype, random, self.rule)

    def build(self, seed: int, turns: _core.Turns) -> tuple[_core.Learner, StateTable]:
        """A learner of these sizes and choices, every number in it 0, of the trainer that has these
        turns."""
        optimizer, kalman = self.optimizer, self.kalman
        lambdas = optimizer.lambdas(self.cell, self.readout) if kalman else (0.0, 0.0)
        system = self.bound(seed)
        reduction = self._reduction(system)
        core = _core.Learner(
            turns=turns,
            rule=self.rule,
            dtype=self.dtype,
            n=self.cell.units,
            m=self.inputs.size,
            outputs=self.readout.outputs,
            readout=type(self.readout).__name__.lower(),
            one_hot=isinstance(self.inputs, Symbols),
            standardize_inputs=getattr(self.inputs, "standardize", False),
            standardize_targets=getattr(self.readout, "standardize", False),
            missing=self.missing,
            activation=self.cell.activation,
            optimizer="kalman" if kalman else "sgd",
            schedule=optimizer.schedule.lower(),
            lambda_theta=lambdas[0],
            lambda_phi=lambdas[1],
            outlier=getattr(optimizer, "outlier", None) or math.inf,
            seed=seed,
            isa=isa_in_use(),
            threads=self.threads,
            dynamics=system and system.core,
            targets=self.readout.targets.size,
            **reduction,
            **self.choices | {"split": "split" in self.choices},
        )
        if system is None:
            return core, StateTable(core, self.rule, kalman, **self.choices)
        return core, GeneralTable(
            core,
            self.rule,
            kalman,
            parts=system.parts,
            starts=reduction["starts"],
            grown=system.grown,
            **self.choices,
        )

    def _reduction(self, system: Bound | None) -> dict[str, Any]:
        """Blocks of θ and φ in the metric, and which is kept of them."""
        if system is None or self.optimizer.plain:
            return {"starts": system and system.starts}
        reduction, exact = self.optimizer.reduction, self.optimizer.fisher == "exact"
        if isinstance(self.readout, OwnLoss) and (exact or reduction != "diagonal"):
            raise ValueError(
                "optimizer: expected the default Kalman or reduction='diagonal' without a readout, "
                f"got {self.optimizer}"
            )
        scaled = getattr(self.readout, "standardize", False) or self.missing == "mask"
        if exact and scaled:
            raise ValueError(
                "fisher: expected 'outer' where numbers are standardised or missing='mask', "
                "got 'exact'; Gaussian(..., standardize=False) takes it"
            )
        if exact and self.rule == "bptt":
            raise ValueError("fisher: expected 'outer' for backpropagation, got 'exact'")
        if self.choices.get("split") and reduction in ("block", "full"):
            raise ValueError(
                f"split: expected None with reduction={reduction!r}, got {self.choices['split']!r}"
            )
        rows, columns = 1 + self.cell.units, self.readout.outputs
        theta = {"diagonal": np.arange(len(system.theta)), "full": [0]}
        phi = {"diagonal": np.arange(rows * columns), "full": [0]}
        own = isinstance(self.readout, OwnLoss)
        return {
            "starts": theta.get(reduction, system.starts),
            "phi_starts": None if own else phi.get(reduction, np.arange(columns) * rows),
            "dense": reduction in ("block", "full"),
            "exact_fisher": exact,
        }


def own_dtype(cell: Any) -> str:
    """Of a trainer where nothing is said: what the functions of a system take."""
    system = getattr(cell, "field", cell)
    return system.dtype if isinstance(system, CompiledSystem) else DTYPE


def _named(dtype: object) -> object:
    """The name of a type of NumPy's; what is given by name already stays as it is."""
    return np.dtype(dtype).name if isinstance(dtype, type | np.dtype) else dtype
