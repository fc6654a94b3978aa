"""How the next target is predicted from the state: frozen values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from nbt import _arguments
from nbt.inputs import Inputs, Symbols, Vector

__all__ = ["Bernoulli", "Gaussian", "OwnLoss", "Readout", "Softmax"]

LATER = {"later": True}  # a field that no description of version 0.1.0 has (descriptions.py)
COUNTS_MEMORY = 2**26
LEAST_MEMORY, MOST_MEMORY = 2**12, 2**36
LONGEST_CONTEXT = 16  # NBT_COUNTS_DEEPEST of csrc/shared/counts.h


class _MaySeeInputs:
    """What readouts have in common that may see the last input: the field `direct`."""

    lacking: ClassVar[Mapping[str, Any]] = {"direct": False}
    """What a description means that lacks a field, because it is older than that."""

    direct: bool | None

    def _check_direct(self) -> None:
        direct = False if self.direct is None else _arguments.flag("direct", self.direct)
        object.__setattr__(self, "direct", direct)

    def for_inputs(self, inputs: Inputs) -> Self:
        """Return this readout as a trainer has it, with `direct` settled.

        Parameters
        ----------
        inputs : Symbols or Vector
            What the network receives.
        """
        direct = False if self.direct is None else self.direct
        return dataclasses.replace(self, direct=direct)  # type: ignore[type-var]

    def __repr__(self) -> str:
        values = {one: getattr(self, one.name) for one in dataclasses.fields(self)}  # type: ignore[arg-type]
        usual = {one: one.default if one.metadata else ... for one in values}
        shown = (
            f"{one.name}={value!r}"
            for one, value in values.items()
            if value != usual[one] and (one.name != "direct" or value)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class Softmax(_MaySeeInputs):
    """Readout of symbols: probabilities p ∝ exp(φ_z + Σ_i φ_iz a_i), equation (48); loss -ln p(y),
    in nats.

    `predict` returns the probabilities, an array (symbols,).

    Parameters
    ----------
    symbols : int
        Number of symbols, in [1, 2²⁴].
    direct : bool, optional
        Whether the outputs depend on the last input x as well, as the network reads it: with
        ``readout.r`` (m, A) in the state, x r is added to them. x is the input of the last
        transition, 0 before the first one. Default: no.
    counts : int
        K, the length of the longest context whose next symbols are counted, in [0, 16]. 0: nothing
        is counted. The context is that of the inputs if these are the symbols that are predicted,
        or else of the targets.
    counts_memory : int
        Most bytes that the counts may take, in [4096, 2³⁶]. A table of the largest power of 2 that
        is not larger is reserved, and its memory is used as it fills. When it is full, what was
        counted seldom and long ago makes room for what is new.

    Raises
    ------
    TypeError
        `symbols`, `counts` or `counts_memory` is no integer, `direct` is neither a bool nor None.
    ValueError
        `symbols`, `counts` or `counts_memory` is out of range.

    Notes
    -----
    With ``counts=K`` the logits are φ_z + Σ_i φ_iz a_i + β ln q_K(z). The base measure q is made of
    the counts c_k(z) of z after the last k symbols, with N_k their sum and d_k the number of
    different symbols among them: q_k(z) = (max(c_k(z) - 0.7, 0) + (0.7 d_k + 0.5) q_{k-1}(z)) /
    (N_k + 0.5), from q_{-1} = 1 / symbols on. There is a β for each pair of the longest context
    that is known and the number of bits of its N. It begins at 1 and follows its own gradient. A
    symbol is counted in the contexts from the longest down to the first in which it was known.
    `observe` counts nothing; the context moves on.

    In `state_dict` they are ``counts.symbols`` (symbols,), c_0; ``counts.context`` (K,), the last
    symbols, the newest first; ``counts.weights`` and ``counts.squares`` (K + 1, 12), β and the sums
    of squares of its gradients; ``counts.places`` (used,) and ``counts.slots`` (used, 4), the used
    parts of the table.

    Examples
    --------
    >>> Softmax(3)
    Softmax(symbols=3)
    >>> Softmax(3, counts=6)
    Softmax(symbols=3, counts=6)
    """

    symbols: int
    direct: bool | None = field(default=False, metadata=LATER)
    counts: int = field(default=0, metadata=LATER)
    counts_memory: int = field(default=COUNTS_MEMORY, metadata=LATER)

    def __post_init__(self) -> None:
        self._check_direct()
        for name, (low, high) in {
            "symbols": (1, _arguments.LARGEST_SIZE),
            "counts": (0, LONGEST_CONTEXT),
            "counts_memory": (LEAST_MEMORY, MOST_MEMORY),
        }.items():
            value = _arguments.integer(name, getattr(self, name), low=low, high=high)
            object.__setattr__(self, name, value)

    @property
    def outputs(self) -> int:
        """Number of columns of φ."""
        return self.symbols

    @property
    def targets(self) -> Inputs:
        """The targets, described as an input."""
        return Symbols(self.symbols)


@dataclass(frozen=True, repr=False)
class Gaussian(_MaySeeInputs):
    """Readout of vectors of real numbers: the mean and the variance of each number, both learned
    functions of the state.

    Targets are arrays (steps, dim), or (steps,) where dim is 1. `predict` returns an array (2,
    dim): the means, then the variances.

    Parameters
    ----------
    dim : int
        Length of a target, in [1, 2²⁴].
    standardize : bool
        If True, predict (y - mean) / deviation instead of y. Mean and deviation are learned as the
        targets come, as in `Vector`, and so is the size of the errors. Losses and predictions
        remain those of y. A number has a scale from its third value on, if it has varied. Until
        then it adds nothing to the loss and nothing is learned from it. The loss of a step without
        any number that has a scale is NaN.
    direct : bool, optional
        Whether the outputs depend on the last input x as well, as the network reads it: with
        ``readout.r`` (m, A) in the state, x r is added to them. x is the input of the last
        transition, 0 before the first one. Default: no.

    Raises
    ------
    TypeError
        `dim` is no integer, `standardize` no bool, `direct` neither a bool nor None.
    ValueError
        `dim` is not in [1, 2²⁴].

    Notes
    -----
    The outputs are ŷ = φ_0 + a φ. The first dim of them are the means μ, the others are u. The
    log-variances are s = u / (1 + |u| / c) with c = 20. The loss in nats is the negative logarithm
    of the density, ℓ = ½ Σ_d (ln 2π + s_d + (y_d - μ_d)² e^{-s_d}). It can be negative. The bound
    on s keeps e^s between 2·10⁻⁹ and 5·10⁸.

    With ``standardize=True`` the mean is m + k μ and the variance is R² e^s. Here m and k are the
    running mean and deviation of the targets, and R² is the running mean of the squared errors,
    each divided by its e^s. An error changes R² by at most its own size, so that one value cannot
    ruin it. Gradients clip an error at 3 deviations, and compare its square with the mean of the
    clipped squares. So events of one step in a thousand neither throw the network off nor make the
    variance too small. R² follows the errors by itself, so s is drawn to 0 with the weight 1/20.
    `SGD` takes the gradient of the squared error for μ, and no step that would overshoot its
    target.

    With ``standardize=False`` none of this holds. The gradient is that of the loss above, and it
    grows as the variance shrinks; `SGD` then needs a small rate.

    `NoBackTrack` and `RTRL` measure φ by I_t in (23)-(24), the Fisher matrix of what is predicted:
    1 / variance for the means and at least (∂s_d/∂u_d)² / 2 for u. They do not use squares of the
    gradient. A variance that is far too small makes those large, which would keep the readout from
    correcting it.

    Examples
    --------
    >>> Gaussian(2)
    Gaussian(dim=2, standardize=True)
    """

    dim: int
    standardize: bool = True
    direct: bool | None = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        self._check_direct()
        object.__setattr__(self, "dim", _arguments.integer("dim", self.dim))
        object.__setattr__(self, "standardize", _arguments.flag("standardize", self.standardize))

    @property
    def outputs(self) -> int:
        """Number of columns of φ."""
        return 2 * self.dim

    @property
    def targets(self) -> Inputs:
        """The targets, described as an input."""
        return Vector(self.dim, self.standardize)


@dataclass(frozen=True, repr=False)
class Bernoulli(_MaySeeInputs):
    """Readout of binary vectors: the probability of 1 for each number, p = logistic(φ_z + Σ_i φ_iz
    a_i).

    Targets are arrays (steps, dim) of numbers in [0, 1], or (steps,) where dim is 1. `predict`
    returns the probabilities, an array (dim,). The loss, in nats, is the cross-entropy -Σ_d (y_d ln
    p_d + (1 - y_d) ln (1 - p_d)).

    Parameters
    ----------
    dim : int
        Length of a target, in [1, 2²⁴].
    direct : bool, optional
        Whether the outputs depend on the last input x as well, as the network reads it: with
        ``readout.r`` (m, A) in the state, x r is added to them. x is the input of the last
        transition, 0 before the first one. Default: no.

    Raises
    ------
    TypeError
        `dim` is no integer, `direct` is neither a bool nor None.
    ValueError
        `dim` is not in [1, 2²⁴].

    Examples
    --------
    >>> Bernoulli(88)
    Bernoulli(dim=88)
    """

    dim: int
    direct: bool | None = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        self._check_direct()
        object.__setattr__(self, "dim", _arguments.integer("dim", self.dim))

    @property
    def outputs(self) -> int:
        """Number of columns of φ."""
        return self.dim

    @property
    def targets(self) -> Inputs:
        """The targets, described as an input."""
        return Vector(self.dim, standardize=False)


@dataclass(frozen=True)
class OwnLoss:
    """Stand-in for a readout where a system has its own loss.

    The loss is a function of the system (`System.loss`) and of its state alone, and nothing but θ
    is learned. `predict` returns the state, an array (units,).

    Parameters
    ----------
    units : int
        Number of states of the system.
    dim : int
        Length of a target.
    """

    units: int
    dim: int

    @property
    def outputs(self) -> int:
        """Number of states, which are what the loss depends on."""
        return self.units

    @property
    def targets(self) -> Inputs:
        """The targets, described as an input."""
        return Vector(self.dim, standardize=False)


Readout = Softmax | Gaussian | Bernoulli | OwnLoss
