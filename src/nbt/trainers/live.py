"""The live part of a trainer: a learner, the names of its state, and the plan of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbt import _core
from nbt.build import isa_in_use
from nbt.cells import Stack, gates_of, has_gains, is_gated, layers_of
from nbt.inputs import Symbols
from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import OwnLoss, Softmax
from nbt.trainers.binding import BoundSystem
from nbt.trainers.plan import Plan
from nbt.trainers.state.counted import CountsTable, new_counts
from nbt.trainers.state.dense import DenseTable
from nbt.trainers.state.flat import FlatTable

__all__ = ["Live"]

# What `restarted` sets back, by the beginning of its name, and what of that it leaves.
OF_THE_SEQUENCE = ("state.", "window.", "estimator.", "counts.context")
OF_THE_NETWORK = ("estimator.fisher", "estimator.pair")


@dataclass(frozen=True, eq=False, slots=True)
class Live:
    """A learner, the table of its state, and the plan by which both were made. They only change
    together, so a trainer has one `Live`, and exchanges it as a whole.

    Attributes
    ----------
    turns : _core.Turns
        The queue of the trainer, shared by all that take this one's place.
    plan : Plan
        The plan.
    learner : _core.Learner
        The learner.
    table : DenseTable
        The names and places of its state.
    count : int
        How many numbers are learned.
    """

    turns: _core.Turns
    plan: Plan
    learner: _core.Learner
    table: DenseTable
    count: int

    @classmethod
    def zeros(cls, plan: Plan, seed: int, turns: _core.Turns) -> Live:
        """Return one of this plan with all numbers 0."""
        return cls._of(plan, plan.bind(seed), seed, turns)

    @classmethod
    def begun(cls, plan: Plan, seed: int, turns: _core.Turns) -> Live:
        """Return one of this plan as it is before the first step."""
        system = plan.bind(seed)
        plan.check_size(system)
        live = cls._at_rest(plan, system, seed, turns)
        if system is not None:
            live.learner.arrays["theta"][0, : system.size] = system.theta()
        else:
            values = plan.cell.draw(plan.inputs.width, np.random.default_rng(seed))
            for key, value in values.items():
                live.table.write(f"cell.{key}", value)
        live.learner.refresh()
        return live

    @classmethod
    def at_rest(cls, plan: Plan, seed: int, turns: _core.Turns) -> Live:
        """Return one of this plan in the network's first state, with all parameters 0: drawing them
        may take long."""
        return cls._at_rest(plan, plan.bind(seed), seed, turns)

    @classmethod
    def _at_rest(
        cls, plan: Plan, system: BoundSystem | None, seed: int, turns: _core.Turns
    ) -> Live:
        live = cls._of(plan, system, seed, turns)
        if isinstance(live.table, FlatTable):
            live.table.begin(system.state, np.random.default_rng((seed, 1)))
        live.learner.refresh()
        return live

    @classmethod
    def _of(cls, plan: Plan, system: BoundSystem | None, seed: int, turns: _core.Turns) -> Live:
        metric = _metric(plan, system)
        learner, sizes = _learner(plan, system, metric, seed, turns), plan.sizes(system)
        if system is None:
            table = DenseTable(learner, plan.form, sizes)
        else:
            table = FlatTable(learner, plan.form, sizes, system, metric["starts"])
        return cls(turns, plan, learner, table, plan.parameters(system))

    def read(self) -> dict[str, np.ndarray]:
        """Return the state, as copies, by name."""
        self.learner.settle()
        return self.table.read_all() | CountsTable(self.learner.counts).read()

    def learned(self) -> dict[str, np.ndarray]:
        """Return copies of what is learned from gradients: `Trainer.parameters`."""
        self.learner.settle()
        return self.table.learned()

    def with_state(self, state: Mapping[str, np.ndarray], plan: Plan | None = None) -> Live:
        """Return another one in that state, of this plan or another."""
        live = Live.zeros(plan or self.plan, self.learner.seed, self.turns)
        counts = CountsTable(live.learner.counts)
        own, rest = counts.split(state) if isinstance(state, Mapping) else ({}, state)
        live.table.write_all(rest)
        counts.write(own)
        return live

    def restarted(self) -> Live:
        """Return one that begins another sequence; see `Trainer.reset_state`."""
        state = {key: value for key, value in self.read().items() if key[:8] != "waiting."}
        first = Live.at_rest(self.plan, self.learner.seed, self.turns).read()
        again = {key for key in first if key.startswith(OF_THE_SEQUENCE)} - {*OF_THE_NETWORK}
        return self.with_state(state | {key: first[key] for key in again})

    def with_threads(self, threads: int) -> Live:
        """Return one on which that many threads may work."""
        self.learner.check()
        plan = self.plan.with_threads(threads)
        return self.with_state(self.read(), plan)

    def grown(self, symbols: int | None, inputs: int | None) -> Live:
        """Return one with room for that many symbols or inputs; see `Trainer.grow`."""
        self.learner.check()
        plan = self.plan.grown(symbols, inputs)
        system = plan.bind(self.learner.seed)
        more = plan.inputs.size - self.plan.inputs.size
        if more and system and not system.grown:
            raise TypeError(
                f"inputs: expected {self.plan.inputs.size}, as many as the system was made for, "
                f"got {plan.inputs.size}"
            )
        plan.check_size(system)
        self.learner.settle()
        outputs = plan.readout.outputs - self.plan.readout.outputs
        state = self.table.grown(outputs, more)
        state |= CountsTable(self.learner.counts).grown(outputs)
        if more and _needs_weights(plan):
            name = "0.r" if plan.sizes(system).layers else "r"
            r = state[f"cell.{name}"]
            _draw_symbols(r, name, plan, self.plan.inputs.size, self.learner.seed)
        return self.with_state(state, plan)


def _needs_weights(plan: Plan) -> bool:
    """Return whether weights from a new symbol are drawn. Units that show 0 at rest would show 0
    for ever if all symbols that come are new ones with the weight 0: then nothing is learned."""
    return isinstance(plan.inputs, Symbols) and plan.as_dense and plan.cell.activation == "tanh"


def _draw_symbols(r: np.ndarray, name: str, plan: Plan, old: int, seed: int) -> None:
    """Fill in weights from the symbols that are new, by the seed and the symbol: the same however
    many come at once."""
    for symbol in range(old, plan.inputs.size):
        drawn = plan.cell.draw(1, np.random.default_rng([seed, symbol]))[name]
        r[..., symbol, :] = drawn[..., 0, :]


def _learner(
    plan: Plan, system: BoundSystem | None, metric: Mapping[str, Any], seed: int, turns: _core.Turns
) -> _core.Learner:
    """Return a learner of these sizes and choices with all numbers 0."""
    return _core.Learner(
        turns=turns,
        rule=plan.form.rule,
        dtype=plan.dtype,
        n=plan.cell.units,
        m=plan.inputs.size,
        lags=getattr(plan.inputs, "lags", 1),
        outputs=plan.readout.outputs,
        readout=type(plan.readout).__name__.lower(),
        one_hot=isinstance(plan.inputs, Symbols),
        standardize_inputs=getattr(plan.inputs, "standardize", False),
        standardize_targets=getattr(plan.readout, "standardize", False),
        missing=plan.missing,
        direct=getattr(plan.readout, "direct", False),
        activation=plan.cell.activation,
        theta=_method(plan, plan.optimizer, 0),
        phi=_method(plan, plan.readout_optimizer, 1),
        seed=seed,
        isa=isa_in_use(),
        threads=plan.threads,
        system=system and system.core,
        targets=plan.readout.targets.size,
        layers=_layers(plan, seed) if plan.as_dense else (),
        counts=_counts(plan),
        **metric,
        **_gates(plan.cell) | plan.form.asked(),
    )


def _method(plan: Plan, optimizer: Optimizer, place: int) -> dict[str, Any]:
    """Return how gradients change θ (place 0) or φ (1), as `_core.Learner` takes it."""
    if not isinstance(optimizer, Kalman):
        return optimizer.lower()
    return optimizer.lower() | {"lambda": optimizer.lambdas(plan.cell, plan.readout)[place]}


def _gates(cell: Any) -> dict[str, Any]:
    """Return what the units of a cell are, as `_core.Learner` takes it."""
    if not is_gated(cell):
        return {}
    cell = layers_of(cell)[0]
    return {
        "cell": gates_of(cell).kind,
        "recurrent": cell.recurrent,
        "rms": has_gains(cell),
        "windowed": True,  # csrc/gated/, whether or not θ is learned
    }


def _layers(plan: Plan, seed: int) -> tuple[_core.Learner, ...]:
    """Return a learner without a readout for each layer of a stack with gates; none if it is no
    stack."""
    made: list[_core.Learner] = []
    for cell in layers_of(plan.cell) if isinstance(plan.cell, Stack) else ():
        made.append(
            _core.Learner(
                rule=plan.form.rule,
                dtype=plan.dtype,
                n=cell.units,
                m=made[-1].units if made else plan.inputs.width,
                outputs=1,
                readout="ownloss",
                one_hot=not made and isinstance(plan.inputs, Symbols),
                upper=bool(made),
                states=plan.cell.units,
                activation=cell.activation,
                theta=_method(plan, plan.optimizer, 0),
                phi=SGD().lower(),
                seed=seed,
                isa=isa_in_use(),
                threads=plan.threads,
                **_gates(cell) | plan.form.asked(),
            )
        )
    return tuple(made)


def _counts(plan: Plan) -> _core.SymbolCounts | None:
    """Return new counts of symbols, if the readout has them: after inputs where these are what is
    predicted, or else after targets."""
    readout = plan.readout
    if not isinstance(readout, Softmax):
        return None
    of_inputs = plan.inputs == readout.targets
    return new_counts(readout.symbols, readout.counts, readout.counts_memory, of_inputs)


def _metric(plan: Plan, system: BoundSystem | None) -> dict[str, Any]:
    """Return the groups of θ and φ in the metric, and what is kept of them, as `_core.Learner`
    takes it."""
    optimizer, form = plan.optimizer, plan.form
    if system is None or optimizer.plain:
        return {"starts": system and system.starts}
    reduction, exact = optimizer.reduction, optimizer.fisher == "exact"
    own = isinstance(plan.readout, OwnLoss)
    if own and (exact or reduction != "diagonal"):
        raise ValueError(
            "optimizer: expected the default Kalman or reduction='diagonal' without a readout, "
            f"got {optimizer}"
        )
    scaled = getattr(plan.readout, "standardize", False) or plan.missing == "mask"
    if exact and scaled:
        raise ValueError(
            "fisher: expected 'outer' where numbers are standardised or missing='mask', "
            "got 'exact'; Gaussian(..., standardize=False) takes it"
        )
    if exact and form.rule == "bptt":
        raise ValueError("fisher: expected 'outer' for backpropagation, got 'exact'")
    if form.split and reduction in ("block", "full"):
        raise ValueError(f"split: expected None with reduction={reduction!r}, got {form.split!r}")
    rows, columns = plan.sizes(system).phi or (0, 0)
    theta = {"diagonal": np.arange(system.size), "full": [0]}
    phi = {"diagonal": np.arange(rows * columns), "full": [0]}
    return {
        "starts": theta.get(reduction, system.starts),
        "phi_starts": None if own else phi.get(reduction, np.arange(columns) * rows),
        "dense": reduction in ("block", "full"),
        "exact_fisher": exact,
    }
