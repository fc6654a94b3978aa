"""Units that carry complex numbers, and do not see each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from nbt import _arguments
from nbt.cells.gates import MEMORY, check_memory, first_odds
from nbt.cells.shared import QUIET, check_first_values, short_repr

__all__ = ["LRU"]

INPUT_DEVIATION = 0.5  # of the first weights from inputs
SMALLEST_ANGLE = math.pi / 1000  # of the first ones; η is finite


@dataclass(frozen=True)
class LRU:
    """Linear recurrent units: complex numbers that turn and decay. Their gradient is exact.

    Two neighbours of the `units` are the real and the imaginary part of one complex number
    c(t) = λ c(t-1) + a(t), where a = b + r x(t) is a complex sum of the input. The units show
    y(t) = tanh(γ c(t)), each part by itself. λ is a parameter of each pair: |λ| = σ(ν) with the
    logistic σ, arg λ = 2 arctan e^η in (0, π), and γ = √(1 - |λ|²), by which c has the same size
    however long it lasts. There is no W: pairs do not see each other, so that with `NoBackTrack`
    and ``rank=0`` the gradient is exact, at the cost of backpropagation.

    Parameters
    ----------
    units : int
        Number of units, even, in [2, 65536]: twice that of the complex numbers. The readout sees
        all of them.
    memory : (float, float)
        Range of the time constants τ with which pairs begin, in steps, in [1, 10⁹]. They are drawn
        with a uniform logarithm; |λ| = 1 - 1/(τ + 0.3).
    learn : bool
        Whether b, r and λ are learned. If not, the readout alone is, as in `LSTM`.
    input_scaling, bias_scaling : float
        What the first r is multiplied by; the deviation of the first b.

    Raises
    ------
    TypeError
        `units` is no integer, `memory` no pair of numbers, `learn` no bool, or `input_scaling` or
        `bias_scaling` no number.
    ValueError
        `units` is less than 2 or odd, `memory` no range of numbers in [1, 10⁹], or `input_scaling`
        or `bias_scaling` negative. A trainer refuses more than 65536 units.

    Notes
    -----
    The first angles arg λ are uniform between π/1000 and π - π/1000, the first r ~ N(0, 1/4), and b
    is 0. |λ| is at most 1 - 2⁻²¹, in float64 1 - 2⁻⁵⁰.

    The state has ν and η as ``cell.polar``. In its estimates and in `influence` their places have
    the derivatives by ln |λ| and arg λ, and ``estimator.d`` has one complex number for both parts
    of a parameter.

    The units are those of Orvieto et al., "Resurrecting Recurrent Neural Networks for Long
    Sequences" (2023). That their exact derivatives can be carried on from step to step is from
    Zucchet et al., "Online learning of long-range dependencies" (2023); the function tanh after the
    recurrence is from Elelimy et al., "Real-Time Recurrent Learning using Trace Units" (2024).

    Examples
    --------
    >>> LRU(32)
    LRU(units=32)
    """

    units: int
    memory: tuple[float, float] = field(default=MEMORY, metadata=QUIET, kw_only=True)
    learn: bool = field(default=True, metadata=QUIET, kw_only=True)
    input_scaling: float = field(default=1.0, metadata=QUIET, kw_only=True)
    bias_scaling: float = field(default=0.0, metadata=QUIET, kw_only=True)

    def __post_init__(self) -> None:
        units = _arguments.integer("units", self.units, low=2)
        if units % 2:
            raise ValueError(
                "units: expected an even number, because two of them are the parts of one complex "
                f"number, got {units}"
            )
        object.__setattr__(self, "units", units)
        check_memory(self)
        check_first_values(self)

    __repr__ = short_repr

    @property
    def activation(self) -> str:
        """The function by which a unit shows what it carries."""
        return "tanh"

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the sums that a unit makes, in the order in which arrays have them."""
        return ("a",)

    @property
    def recurrent(self) -> bool:
        """Whether units see each other."""
        return False

    @property
    def norm(self) -> None:
        """How the sums of a gate are normalised: not at all."""

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first values of the parameters, float64: b (1, n), polar (1, n), which has ν
        and η of each pair, and r (1, inputs, n).

        Parameters
        ----------
        inputs : int
            m, the length of an input.
        random : numpy.random.Generator
            The generator that draws.
        """
        n = self.units
        r = random.standard_normal((1, inputs, n)) * (INPUT_DEVIATION * self.input_scaling)
        polar = np.empty((1, n))
        polar[0, ::2] = first_odds(self.memory, n // 2, random)
        angle = random.uniform(SMALLEST_ANGLE, math.pi - SMALLEST_ANGLE, n // 2)
        polar[0, 1::2] = np.log(np.tan(angle / 2))
        b = np.zeros((1, n))
        if self.bias_scaling:
            b[:] = self.bias_scaling * random.standard_normal(n)
        return {"b": b, "polar": polar, "r": r}
