"""Recurrent networks, described: frozen values that say how large and how they begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbt import _arguments

__all__ = ["RNN", "Cell", "LeakyRNN"]

ACTIVATIONS = ("sigmoid", "tanh")


@dataclass(frozen=True)
class RNN:
    """Fully connected recurrent network, equation (31) with biases.

    The state is the pre-activations h, and h'_i = b_i + Σ_j W_ji σ(h_j) + Σ_l r_li x_l.
    Weights begin as W ~ N(0, 1/units), r ~ N(0, 1), b = 0.

    Parameters
    ----------
    units : int
        How many, at least 1.
    activation : {"sigmoid", "tanh"}
        σ.

    Examples
    --------
    >>> RNN(20)
    RNN(units=20, activation='sigmoid')
    """

    units: int
    activation: str = "sigmoid"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.whole("units", self.units))
        _arguments.one_of("activation", self.activation, ACTIVATIONS)

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """First values of the parameters, float64: b (n,), W (n, n), r (inputs, n), alpha (n,)."""
        n = self.units
        return {
            "alpha": np.zeros(n),
            "b": np.zeros(n),
            "W": random.standard_normal((n, n)) / np.sqrt(n),
            "r": random.standard_normal((inputs, n)),
        }


@dataclass(frozen=True)
class LeakyRNN:
    """Recurrent network whose units keep part of their pre-activation, equation (37).

    h'_i = α_i h_i + b_i + Σ_j W_ji σ(h_j) + Σ_l r_li x_l with leaks α that are not learned.
    Weights begin as in `RNN`.

    Parameters
    ----------
    units : int
        How many, at least 1.
    leak : "random", float or sequence of floats
        α in [0, 1]: drawn uniformly for each unit, the same for all, or given (units,).
    activation : {"sigmoid", "tanh"}
        σ.

    Examples
    --------
    >>> LeakyRNN(3, leak=[0.0, 0.5, 0.9])
    LeakyRNN(units=3, leak=(0.0, 0.5, 0.9), activation='sigmoid')
    """

    units: int
    leak: str | float | tuple[float, ...] = "random"
    activation: str = "sigmoid"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.whole("units", self.units))
        object.__setattr__(self, "leak", self._checked_leak())
        _arguments.one_of("activation", self.activation, ACTIVATIONS)

    def _checked_leak(self) -> str | float | tuple[float, ...]:
        if isinstance(self.leak, str):
            return _arguments.one_of("leak", self.leak, ["random"])
        if not isinstance(self.leak, (list, tuple, np.ndarray)):
            return _arguments.real("leak", self.leak, 0, 1)
        leaks = np.asarray(self.leak, dtype=object)
        if leaks.shape != (self.units,):
            raise ValueError(f"leak: expected {self.units} numbers, got shape {leaks.shape}")
        return tuple(_arguments.real("leak", value, 0, 1) for value in leaks)

    def draw(self, inputs: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """First values of the parameters, float64: b (n,), W (n, n), r (inputs, n), alpha (n,)."""
        values = RNN(self.units).draw(inputs, random)
        if self.leak == "random":
            values["alpha"] = random.random(self.units)
        else:
            values["alpha"] = np.broadcast_to(np.float64(self.leak), self.units).copy()
        return values


Cell = RNN | LeakyRNN
