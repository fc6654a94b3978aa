"""Networks of one layer whose units have gates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from nbt import _arguments
from nbt.cells.gates import MEMORY, Gates, check_memory, first_odds
from nbt.cells.lru import LRU
from nbt.cells.shared import LATER, QUIET, check_first_values, radius_factor, short_repr

__all__ = ["GRU", "LSTM", "MGU", "Gated", "gates_of", "has_gains", "last_row_of", "same_units"]

BEGINNING = "memory", "spectral_radius", "input_scaling", "bias_scaling"  # of the first values
INPUT_DEVIATION = 0.5  # of the first weights from inputs
Norm = Literal["rms"]


@dataclass(frozen=True)
class LSTM:
    """Long short-term memory: units with a forget, an input and an output gate.

    With u = (1, y(t-1), x(t)) and a_g = θ_gᵀ u for the gates g = f, i, z, o, in this order, a unit
    carries c and shows y: c(t) = f c(t-1) + i z and y(t) = o tanh c(t), where f, i, o = σ(a_f),
    σ(a_i), σ(a_o) and z = tanh(a_z), with the logistic σ. The readout sees y. The first weights are
    W ~ N(0, 1/(units + 1)) and r ~ N(0, 1/4); b_f = ln(F/(1 - F)) with F = 1 - 1/(τ + 0.3); all
    other biases are 0.

    Parameters
    ----------
    units : int
        Number of units, in [1, 65536].
    coupled : bool
        Whether the input gate is i = 1 - f. The gates are then f, z, o.
    norm : {"rms"}, optional
        "rms" divides the sums of each gate by their root mean square over the units. With the
        sums s_g without bias, a_g = b_g + γ_g s_g / √(mean s_g² + 10⁻⁶). The gains γ_g, one for
        each unit and gate, begin at 1 and are learned like the other parameters. It helps on text,
        and hurts where a network counts or copies after a long delay. Default: none.
    recurrent : bool
        Whether units see each other. Without W the gradient of `NoBackTrack` is exact, unless
        `norm` lets all units of a gate depend on each other.
    memory : (float, float)
        Range of the time constants τ with which units begin, in steps, in [1, 10⁹]. They are drawn
        with a uniform logarithm.
    learn : bool
        Whether b, W and r are learned. If not, the readout alone is: `NoBackTrack` keeps no
        estimate and no window, and a step costs the network and the readout. Then b_f, and so how
        long each unit remembers, stays as it was drawn from `memory`.
    spectral_radius : float, optional
        Largest |eigenvalue| that the first W of each gate is scaled to, for up to 2048 units.
        Default: W as drawn, about 1.
    input_scaling, bias_scaling : float
        What the first r is multiplied by; the deviation of the first biases, but for those that
        follow from `memory`.

    Raises
    ------
    TypeError
        `units` is no integer, `coupled`, `recurrent` or `learn` no bool, `norm` no string, `memory`
        no pair of numbers, or `spectral_radius`, `input_scaling` or `bias_scaling` no number.
    ValueError
        `units` is less than 1, `norm` not "rms", or `memory` no range of numbers in [1, 10⁹];
        `spectral_radius`, `input_scaling` or `bias_scaling` is negative, or a radius is given for
        more than 2048 units or without recurrence. A trainer refuses more than 65536 units.

    Examples
    --------
    >>> LSTM(32)
    LSTM(units=32)
    >>> LSTM(32, coupled=True, memory=(1, 8))
    LSTM(units=32, coupled=True, memory=(1.0, 8.0))
    >>> LSTM(32, norm="rms")
    LSTM(units=32, norm='rms')
    >>> LSTM(200, learn=False, spectral_radius=0.9)
    LSTM(units=200, learn=False, spectral_radius=0.9)
    """

    units: int
    coupled: bool = field(default=False, metadata=QUIET, kw_only=True)
    norm: Norm | None = field(default=None, metadata=QUIET, kw_only=True)
    recurrent: bool = field(default=True, metadata=QUIET, kw_only=True)
    memory: tuple[float, float] = field(default=MEMORY, metadata=QUIET, kw_only=True)
    learn: bool = field(default=True, metadata=LATER, kw_only=True)
    spectral_radius: float | None = field(default=None, metadata=LATER, kw_only=True)
    input_scaling: float = field(default=1.0, metadata=LATER, kw_only=True)
    bias_scaling: float = field(default=0.0, metadata=LATER, kw_only=True)

    def __post_init__(self) -> None:
        _check(self)
        for name in ("coupled", "recurrent"):
            object.__setattr__(self, name, _arguments.flag(name, getattr(self, name)))

    __repr__ = short_repr

    @property
    def activation(self) -> str:
        """The function by which a unit shows what it carries."""
        return "tanh"

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the sums that a unit makes, in the order in which arrays have them."""
        return gates_of(self).names

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters, float64: b (gates, n), W (gates, n, n), r
        (gates, inputs, n); with a norm also gain (gates, n). Without recurrence there is no W.

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        return _drawn(self, inputs, random)


@dataclass(frozen=True)
class GRU:
    """Gated recurrent unit, in the form of PyTorch and Keras: the reset comes after the product.

    A unit carries what it shows: y(t) = (1 - z) q + z y(t-1), where r, z = σ(a_r), σ(a_z) with the
    logistic σ, and q = tanh(a_x + r a_y). The sums a_r and a_z are of (1, y(t-1), x(t)), a_x is of
    (1, x(t)) and a_y of (1, y(t-1)); the order is r, z, x, y. The first weights are those of
    `LSTM`; b_z = ln(F/(1 - F)).

    Parameters
    ----------
    units : int
        Number of units, in [1, 65536].
    norm : {"rms"}, optional
        Normalisation of each gate's sums, as in `LSTM`. Default: none.
    memory : (float, float)
        Range of the time constants with which units begin, as in `LSTM`.
    learn, spectral_radius, input_scaling, bias_scaling
        As in `LSTM`. The radius is that of each W but that of a_x, which is 0.

    Raises
    ------
    TypeError, ValueError
        As in `LSTM`.

    Examples
    --------
    >>> GRU(32)
    GRU(units=32)
    """

    units: int
    norm: Norm | None = field(default=None, metadata=QUIET, kw_only=True)
    memory: tuple[float, float] = field(default=MEMORY, metadata=QUIET, kw_only=True)
    learn: bool = field(default=True, metadata=LATER, kw_only=True)
    spectral_radius: float | None = field(default=None, metadata=LATER, kw_only=True)
    input_scaling: float = field(default=1.0, metadata=LATER, kw_only=True)
    bias_scaling: float = field(default=0.0, metadata=LATER, kw_only=True)

    def __post_init__(self) -> None:
        _check(self)

    __repr__ = short_repr

    @property
    def activation(self) -> str:
        """The function in which a unit's new value is bounded."""
        return "tanh"

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the sums that a unit makes, in the order in which arrays have them."""
        return gates_of(self).names

    @property
    def recurrent(self) -> bool:
        """Whether units see each other."""
        return True

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters, as `LSTM` does. Weights of what a sum does not
        see are 0, and stay 0.

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        return _drawn(self, inputs, random)


@dataclass(frozen=True)
class MGU:
    """Minimal gated unit: one gate.

    A unit carries what it shows: y(t) = (1 - f) y(t-1) + f q, where f = σ(a_f) with the logistic σ,
    and q = tanh(a_x + f a_y). The sum a_f is of (1, y(t-1), x(t)), a_x is of (1, x(t)) and a_y of
    (1, y(t-1)); the order is f, x, y. The first weights are those of `LSTM`; b_f = -ln(F/(1 - F)).

    Parameters
    ----------
    units : int
        Number of units, in [1, 65536].
    norm : {"rms"}, optional
        Normalisation of each gate's sums, as in `LSTM`. Default: none.
    memory : (float, float)
        Range of the time constants with which units begin, as in `LSTM`.
    learn, spectral_radius, input_scaling, bias_scaling
        As in `LSTM`. The radius is that of each W but that of a_x, which is 0.

    Raises
    ------
    TypeError, ValueError
        As in `LSTM`.

    Examples
    --------
    >>> MGU(32)
    MGU(units=32)
    """

    units: int
    norm: Norm | None = field(default=None, metadata=QUIET, kw_only=True)
    memory: tuple[float, float] = field(default=MEMORY, metadata=QUIET, kw_only=True)
    learn: bool = field(default=True, metadata=LATER, kw_only=True)
    spectral_radius: float | None = field(default=None, metadata=LATER, kw_only=True)
    input_scaling: float = field(default=1.0, metadata=LATER, kw_only=True)
    bias_scaling: float = field(default=0.0, metadata=LATER, kw_only=True)

    def __post_init__(self) -> None:
        _check(self)

    __repr__ = short_repr

    @property
    def activation(self) -> str:
        """The function in which a unit's new value is bounded."""
        return "tanh"

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the sums that a unit makes, in the order in which arrays have them."""
        return gates_of(self).names

    @property
    def recurrent(self) -> bool:
        """Whether units see each other."""
        return True

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters, as `GRU` does.

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        return _drawn(self, inputs, random)


Gated = LSTM | GRU | MGU | LRU

LSTM_GATES = Gates("lstm", ("f", "i", "z", "o"), kept=3)
COUPLED_LSTM_GATES = Gates("coupled_lstm", ("f", "z", "o"), kept=2)
GRU_GATES = Gates("gru", ("r", "z", "x", "y"), kept=4, keeps=1, blind=(2, 3))
MGU_GATES = Gates("mgu", ("f", "x", "y"), kept=3, sign=-1, blind=(1, 2))
LRU_GATES = Gates("lru", ("a",), kept=1)
OTHERS = {GRU: GRU_GATES, MGU: MGU_GATES, LRU: LRU_GATES}


def gates_of(cell: Gated) -> Gates:
    """Return the sums that a unit of this cell makes."""
    if isinstance(cell, LSTM):
        return COUPLED_LSTM_GATES if cell.coupled else LSTM_GATES
    return OTHERS[type(cell)]


def has_gains(cell: Any) -> bool:
    """Return whether the sums of this cell's gates are normalised, and have gains."""
    return isinstance(cell, Gated) and cell.norm is not None


def last_row_of(cell: Gated) -> str | None:
    """Return the name of the last row of θ, which has no input of its own, if there is one."""
    return "polar" if isinstance(cell, LRU) else "gain" if has_gains(cell) else None


def same_units(one: Gated, other: Gated) -> bool:
    """Return whether the units of both do the same: only their number and how they begin may
    differ."""
    own = {name: getattr(other, name) for name in ("units", *BEGINNING) if hasattr(other, name)}
    return replace(one, **own) == other


def _check(cell: Any) -> None:
    object.__setattr__(cell, "units", _arguments.integer("units", cell.units))
    if cell.norm is not None:
        _arguments.one_of("norm", cell.norm, get_args(Norm))
    check_memory(cell)
    check_first_values(cell)
    if cell.spectral_radius is not None and not cell.recurrent:
        raise ValueError(
            f"spectral_radius: expected None without recurrence, got {cell.spectral_radius}"
        )


def _drawn(cell: Gated, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Return b, gain, W and r of a layer, as far as they are there. W is drawn even if it is not
    there, so that r does not depend on it."""
    n, gates = cell.units, gates_of(cell)
    count = len(gates.names)
    b = np.zeros((count, n))
    W = random.standard_normal((count, n, n)) / math.sqrt(n + 1)
    r = random.standard_normal((count, inputs, n)) * (INPUT_DEVIATION * cell.input_scaling)
    b[gates.keeps] = gates.sign * first_odds(cell.memory, n, random)
    if cell.bias_scaling:
        others = np.arange(count) != gates.keeps
        b[others] = cell.bias_scaling * random.standard_normal((count - 1, n))
    if gates.blind is not None:
        W[gates.blind[0]] = r[gates.blind[1]] = 0
    if cell.spectral_radius is not None:
        for g in range(count):
            if gates.blind is None or g != gates.blind[0]:
                W[g] *= radius_factor(cell, W[g])
    gain = {"gain": np.ones((count, n))} if has_gains(cell) else {}
    return {"b": b, **gain, **({"W": W} if cell.recurrent else {}), "r": r}
