"""What learns: a cell, a readout and an optimizer under one of three learning rules.

The arithmetic is in csrc/; here are the arguments, the names of the state, and the docstrings.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

import numpy as np

from nbt import _arguments, _core
from nbt.cells import RNN, Cell, LeakyRNN
from nbt.inputs import Inputs, Symbols, Vector, as_inputs
from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import Readout, Softmax
from nbt.schedules import Constant, InverseSqrt
from nbt.state import StateTable

__all__ = ["RTRL", "NoBackTrack", "Trainer", "TruncatedBPTT", "from_description"]

LARGEST_UNITS = 2**16
MOST_BYTES = 2**40
SMALL_UNITS = 32


class Trainer:
    """What every trainer promises; use `NoBackTrack`, `RTRL` or `TruncatedBPTT`.

    Predict, observe the loss, then learn: each loss is measured before its own update. The same
    seed gives the same bits, however the stream is cut into blocks.
    """

    _rule: str

    def __init__(self, cell, readout, optimizer, *, inputs, dtype, seed, **choices) -> None:
        self.cell: Cell = _arguments.instance("cell", cell, RNN, LeakyRNN)
        self.readout: Readout = _arguments.instance("readout", readout, Softmax)
        self.optimizer: Optimizer = _arguments.instance("optimizer", optimizer, SGD, Kalman)
        self.inputs: Inputs = as_inputs(inputs, readout.symbols)
        self.dtype: str = _arguments.one_of("dtype", dtype, _core.DTYPES)
        seed = _arguments.whole("seed", seed, low=0, high=2**64 - 1)
        _arguments.whole("units", cell.units, high=LARGEST_UNITS)
        self._refuse_too_large(isinstance(optimizer, Kalman), **choices)
        self._choices = choices
        self._core, self._table = self._build(seed)
        self._draw(seed)

    def _build(self, seed: int) -> tuple[_core.Learner, StateTable]:
        """A learner of this trainer's sizes and choices, every number in it 0."""
        optimizer, units = self.optimizer, self.cell.units
        kalman = isinstance(optimizer, Kalman)
        core = _core.Learner(
            rule=self._rule,
            dtype=self.dtype,
            n=units,
            m=self.inputs.size,
            symbols=self.readout.symbols,
            one_hot=isinstance(self.inputs, Symbols),
            activation=self.cell.activation,
            optimizer="kalman" if kalman else "sgd",
            schedule=optimizer.schedule.lower(),
            lambda_=optimizer.prior_for(self.cell.activation) * units if kalman else 0.0,
            seed=seed,
            isa=os.environ.get("NBT_ISA") or None,
            **self._choices,
        )
        return core, StateTable(core, self._rule, kalman, **self._choices)

    def _refuse_too_large(self, kalman: bool, rank=1, blocks=1, window=0, **_) -> None:
        """Raises before anything is allocated. Sizes are Python integers: nothing overflows."""
        n, m, symbols = self.cell.units, self.inputs.size, self.readout.symbols
        parameters = n * (1 + n + m)
        numbers = parameters * (4 + rank + 2 * kalman) + rank * blocks * n
        numbers += (1 + n) * symbols * (2 + 2 * kalman) + window * (n + m + symbols)
        numbers += 2 * n * parameters * (self._rule == "rtrl")
        size = numbers * np.dtype(self.dtype).itemsize
        if size > MOST_BYTES:
            raise ValueError(
                f"units: a trainer of {n} units, {m} inputs and {symbols} symbols takes "
                f"{size / 2**30:.0f} GiB; expected at most {MOST_BYTES / 2**30:.0f} GiB"
            )

    def _draw(self, seed: int) -> None:
        values = self.cell.draw(self.inputs.size, np.random.default_rng(seed))
        for key, value in values.items():
            self._table.write(f"cell.{key}", value)
        self._core.refresh()

    # ---- the verbs -----------------------------------------------------------------------------

    def predict(self, x=None) -> np.ndarray:
        """Probabilities of the next symbol; changes nothing.

        Parameters
        ----------
        x : int or array (m,), optional
            Input of the step to come, for supervised use: the state moves on it before predicting,
            in a copy. Without it, the prediction is from the state as it is.

        Returns
        -------
        array (symbols,), float64
        """
        return self._core.predict(x)

    def learn(self, x, y=None) -> np.ndarray:
        """Learns from a block, one step at a time.

        Parameters
        ----------
        x : array (steps,) of integers, or (steps, m) of numbers
            Without `y`: symbols, each first the target and then the input. With `y`: inputs.
        y : array (steps,) of integers, optional
            The target of each input: the state moves on the input, then predicts.

        Returns
        -------
        array (steps,), float64
            The loss of each step in nats, before its own update.

        Raises
        ------
        TypeError, ValueError
            For a block that is not as above; nothing was learned.
        DivergenceError
            The loss or the state is no longer finite; names the step. The trainer is of no further
            use, except to load a state into.
        KeyboardInterrupt
            On Ctrl-C, between two steps.
        """
        return self._core.run(x, y, True)

    def observe(self, x, y=None) -> np.ndarray | None:
        """Lets a block pass: the state moves, the estimate is carried along, nothing is learned.

        Parameters
        ----------
        x, y
            As in `learn`; ``y=...`` (Ellipsis) passes inputs that have no targets.

        Returns
        -------
        array (steps,), float64, or None
            Losses in nats; None where there are no targets.
        """
        return self._core.run(x, y, False)

    # ---- the state -----------------------------------------------------------------------------

    def influence(self) -> np.ndarray:
        """The trainer's current ∂h/∂θ.

        Returns
        -------
        array (units, P, units), float64
            ``[k, p, i]`` is ∂h_k/∂θ for parameter row p of unit i; the rows are the bias, then W,
            then r.

        Raises
        ------
        TypeError
            For a rule that has none (`TruncatedBPTT`).
        """
        raise TypeError(f"{type(self).__name__} keeps no influence matrix; NoBackTrack and RTRL do")

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that changes while learning, as copies, by name; see ARCHITECTURE.md."""
        with self._core:
            self._core.settle()
            return self._table.read_all()

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes back what `state_dict` gave, edited or not.

        Raises
        ------
        TypeError, ValueError
            A key is missing or unknown, a shape or type is not that of this trainer, or a number is
            not finite. Then nothing was changed.
        """
        with self._core:
            self._adopt(state)

    def _adopt(self, state, **changes) -> None:
        """Puts a learner of this state in the place of the one there is: all of it or nothing,
        whatever interrupts."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **changes)
        core, table = copy._build(self.seed)
        table.write_all(state)
        self.__dict__.update(changes, _core=core, _table=table)

    def grow(self, symbols: int) -> None:
        """Makes room for more symbols, as inputs (where the inputs are the symbols predicted) and
        as outputs; what is known of the old ones stays as it is.

        Everything about the new ones is 0: weights, estimates and covariances. So the logits of the
        old symbols keep their bits and their probabilities keep their ratios; a new symbol has the
        logit 0. The cost is that of `load_state_dict`.

        Parameters
        ----------
        symbols : int
            How many there are from now on, not fewer than before.

        Raises
        ------
        TypeError, ValueError
            For a number that is none, or smaller. Then nothing was changed.
        """
        old = self.readout.symbols
        symbols = _arguments.whole("symbols", symbols, low=old)
        own = self.inputs == Symbols(old)
        changes = {"readout": Softmax(symbols), "inputs": Symbols(symbols) if own else self.inputs}
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **changes)
        copy._refuse_too_large(isinstance(self.optimizer, Kalman), **self._choices)
        with self._core:
            self._core.settle()
            self._adopt(self._table.grown(symbols - old, own), **changes)

    def save(self, path, stream=None, history=None) -> None:
        """Writes a checkpoint; `nbt.load` takes it back and goes on as if nothing had happened.

        With the stream and the history that it learned with, `nbt.Checkpoint.load` takes those
        back, too. The file that was there before is kept as ``path + ".previous"``.
        """
        from nbt import checkpoint

        checkpoint.save(self, path, stream, history)

    def describe(self) -> dict:
        """The arguments this trainer was made with, as plain values; `from_description` takes
        them."""
        return {
            "trainer": type(self).__name__,
            "cell": _value_out(self.cell),
            "readout": _value_out(self.readout),
            "optimizer": _value_out(self.optimizer),
            "inputs": _value_out(self.inputs),
            "dtype": self.dtype,
            "seed": self.seed,
            **self._own_arguments(),
        }

    def _own_arguments(self) -> dict:
        return {}

    @property
    def step(self) -> int:
        """Steps taken so far, learned or observed."""
        return self._core.step

    @property
    def seed(self) -> int:
        """The seed of the first weights and of the signs."""
        return self._core.seed

    @property
    def parameters(self) -> int:
        """How many numbers are learned: the network's and the readout's."""
        n = self.cell.units
        return n * (1 + n + self.inputs.size) + (1 + n) * self.readout.symbols

    def __repr__(self) -> str:
        own = "".join(f", {key}={value!r}" for key, value in self._own_arguments().items())
        inputs = "" if self.inputs == Symbols(self.readout.symbols) else f", inputs={self.inputs}"
        return (
            f"{type(self).__name__}({self.cell}, {self.readout}, {self.optimizer}{inputs}{own}, "
            f"dtype={self.dtype!r}, seed={self.seed})  # step {self.step}"
        )

    def __reduce__(self):
        return _rebuild, (self.describe(), self.state_dict())

    def __copy__(self):
        return self.__deepcopy__({})

    def __deepcopy__(self, memo):
        return _rebuild(self.describe(), self.state_dict())


class NoBackTrack(Trainer):
    """Unbiased online learning by a random rank-one estimate of ∂h/∂θ: Algorithms 1 and 2.

    Parameters
    ----------
    cell : RNN or LeakyRNN
    readout : Softmax
    optimizer : Kalman or SGD
    inputs : Symbols, Vector or int, optional
        What the network is fed: symbols of another alphabet than the readout's, or vectors (an
        integer is their size). Default: the symbols that are predicted.
    rank : int
        K: independent rank-one estimates that are averaged. Cost and memory grow with it.
    blocks : int, optional
        S: the units are dealt into S groups with a v̄ each; less noise, S n² more multiply-adds a
        step. Default: a block for each unit up to 32 units, 16 blocks for more.
    exact_self : bool
        Keep each unit's influence on itself along its own path exactly; only the rest is estimated.
    norm : {"fisher", "kalman", "euclidean"}
        What balances v̄ and w̄. `kalman`: the invariant norms of Appendix B, for `Kalman` only.
        `fisher`: the same for w̄, and for v̄ a running mean of (∂ℓ/∂h)². `euclidean`: plain.
        (``"none"`` switches balancing off, to show what it is for.)
    dtype : {"float32", "float64"}
    seed : int
        In [0, 2⁶⁴): first weights and signs.

    Notes
    -----
    ``blocks=1, exact_self=False`` with ``norm="kalman"`` is the paper's algorithm to the letter.
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

    _rule = "nobacktrack"

    def __init__(
        self,
        cell,
        readout,
        optimizer=Kalman(),
        *,
        inputs=None,
        rank=1,
        blocks=None,
        exact_self=True,
        norm="fisher",
        dtype="float32",
        seed=0,
    ) -> None:
        _arguments.instance("cell", cell, RNN, LeakyRNN)
        units = cell.units
        self.rank = _arguments.whole("rank", rank, high=2**16)
        if blocks is None:
            blocks = units if units <= SMALL_UNITS else 16
        self.blocks = _arguments.whole("blocks", blocks, high=units)
        self.exact_self = _arguments.flag("exact_self", exact_self)
        self.norm = _arguments.one_of("norm", norm, _core.NORMS)
        if norm == "kalman" and isinstance(optimizer, SGD):
            raise ValueError(
                "norm: 'kalman' measures with the optimizer's covariance, "
                "which SGD does not have; expected 'fisher' or 'euclidean'"
            )
        super().__init__(
            cell,
            readout,
            optimizer,
            inputs=inputs,
            dtype=dtype,
            seed=seed,
            rank=self.rank,
            blocks=self.blocks,
            exact_self=self.exact_self,
            norm=self.norm,
        )

    def _own_arguments(self) -> dict:
        return {
            "rank": self.rank,
            "blocks": self.blocks,
            "exact_self": self.exact_self,
            "norm": self.norm,
        }

    def influence(self) -> np.ndarray:
        state = self.state_dict()
        n = self.cell.units
        v = state["estimator.v"].astype(np.float64)[
            :, np.arange(n) % self.blocks
        ]  # (K, unit, state)
        w = state["estimator.w"].astype(np.float64)
        estimate = np.einsum("kij,kpi->jpi", v, w) / self.rank
        own = state.get("estimator.d")
        if own is None:
            own = state["estimator.z"][:, np.newaxis]
        units = np.arange(n)
        estimate[units, :, units] += np.broadcast_to(own, (w.shape[1], n)).T
        return estimate

    influence.__doc__ = Trainer.influence.__doc__


class RTRL(Trainer):
    """Real-time recurrent learning, exact: ∂h/∂θ is carried along whole, equations (3)–(6).

    A step costs units² × parameters multiply-adds, and memory is twice units × parameters numbers:
    the reference that the estimates are compared with.

    Parameters
    ----------
    cell, readout, optimizer, inputs, dtype, seed
        As in `NoBackTrack`.
    """

    _rule = "rtrl"

    def __init__(
        self, cell, readout, optimizer=Kalman(), *, inputs=None, dtype="float32", seed=0
    ) -> None:
        super().__init__(cell, readout, optimizer, inputs=inputs, dtype=dtype, seed=seed)

    def influence(self) -> np.ndarray:
        return self.state_dict()["estimator.G"].astype(np.float64)

    influence.__doc__ = Trainer.influence.__doc__


class TruncatedBPTT(Trainer):
    """Backpropagation through time over windows that do not overlap: the paper's footnote 13.

    `window` steps are waited for, then one backward pass over them gives the gradient of their
    summed losses, and the optimizer takes one step. The state is carried over windows; the
    gradient is not.

    Parameters
    ----------
    cell, readout, optimizer, inputs, dtype, seed
        As in `NoBackTrack`.
    window : int
        Steps between two updates.

    Notes
    -----
    A step that is only observed, or has no target, takes its place in a window without a loss. A
    window that such a step closes is learned from when the next one closes.
    """

    _rule = "bptt"

    def __init__(
        self,
        cell,
        readout,
        optimizer=SGD(InverseSqrt(1.0)),
        *,
        window=15,
        inputs=None,
        dtype="float32",
        seed=0,
    ) -> None:
        self.window = _arguments.whole("window", window, high=2**20)
        super().__init__(
            cell, readout, optimizer, inputs=inputs, dtype=dtype, seed=seed, window=self.window
        )

    def _own_arguments(self) -> dict:
        return {"window": self.window}


# ---- descriptions ------------------------------------------------------------------------------

_VALUES = {
    kind.__name__: kind
    for kind in (RNN, LeakyRNN, Softmax, SGD, Kalman, Constant, InverseSqrt, Symbols, Vector)
}
_TRAINERS = {kind.__name__: kind for kind in (NoBackTrack, RTRL, TruncatedBPTT)}


def _value_out(value) -> object:
    """A frozen value as {"kind": …, field: …}; anything else as it is."""
    if not dataclasses.is_dataclass(value):
        return list(value) if isinstance(value, tuple) else value
    fields = {
        field.name: _value_out(getattr(value, field.name)) for field in dataclasses.fields(value)
    }
    return {"kind": type(value).__name__, **fields}


def _value_in(value) -> object:
    if not isinstance(value, Mapping):
        return value
    fields = {key: _value_in(part) for key, part in value.items() if key != "kind"}
    kind = _VALUES.get(value.get("kind"))
    if kind is None:
        raise ValueError(f"kind: expected one of {sorted(_VALUES)}, got {value.get('kind')!r}")
    return kind(**fields)


def from_description(description: Mapping) -> Trainer:
    """The trainer that `Trainer.describe` described, as it was when new.

    Raises
    ------
    TypeError, ValueError
        The description is not one.
    """
    _arguments.instance("description", description, Mapping)
    arguments = {key: _value_in(value) for key, value in description.items() if key != "trainer"}
    kind = _TRAINERS.get(description.get("trainer"))
    if kind is None:
        raise ValueError(
            f"trainer: expected one of {sorted(_TRAINERS)}, got {description.get('trainer')!r}"
        )
    return kind(**arguments)


def _rebuild(description: Mapping, state: Mapping[str, np.ndarray]) -> Trainer:
    trainer = from_description(description)
    trainer.load_state_dict(state)
    return trainer
