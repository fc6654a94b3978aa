"""What a gradient does to the parameters: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from nbt import _arguments
from nbt.schedules import InverseSqrt, Schedule, as_schedule

__all__ = ["SGD", "Kalman", "Optimizer"]


DEFAULT_PRIOR = {"sigmoid": 1.0, "tanh": 3.0, "identity": 1.0}


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, θ ← θ - η g, equations (10) and (12).

    Parameters
    ----------
    rate : float or schedule
        The learning rate η, for the network and the readout.

    Examples
    --------
    >>> SGD(InverseSqrt(0.03))
    SGD(rate=InverseSqrt(scale=0.03))
    """

    rate: float | Schedule = InverseSqrt(0.3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule("rate", self.rate))

    @property
    def schedule(self) -> Schedule:
        """The one schedule that C follows."""
        return self.rate


@dataclass(frozen=True)
class Kalman:
    """Extended Kalman filter with a quasi-diagonal inverse covariance, equations (20)–(27).

    Each unit's parameters (bias first), and each symbol's in the readout, are one block. Of its
    inverse covariance J, the decayed sum of the gradient's outer products, the diagonal and the
    bias's row are kept; the step is (J + Λ)⁻¹ g with Λ = prior × units.

    Parameters
    ----------
    decay : float or schedule
        γ in J ← (1 - γ) J + g gᵀ, capped at 1. It also sets the size of the steps: less decay,
        smaller steps later on.
    prior : float, optional
        Above 0; Λ / units. Default: 1, the paper's value, for sigmoid units, and 3 for tanh units,
        whose slope is four times as large.

    Examples
    --------
    >>> Kalman(decay=InverseSqrt(1.0), prior=1.0)
    Kalman(decay=InverseSqrt(scale=1.0), prior=1.0)
    """

    decay: float | Schedule = InverseSqrt(0.1)
    prior: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", as_schedule("decay", self.decay))
        if self.prior is not None:
            object.__setattr__(self, "prior", _arguments.real("prior", self.prior, above=0))

    def prior_for(self, activation: str) -> float:
        """Λ / units for units of this activation."""
        return DEFAULT_PRIOR[activation] if self.prior is None else self.prior

    @property
    def schedule(self) -> Schedule:
        """The one schedule that C follows."""
        return self.decay


Optimizer = SGD | Kalman
