"""What a gradient does to the parameters: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from nbt import _arguments
from nbt.cells import RNN
from nbt.readouts import Readout, Softmax
from nbt.schedules import InverseSqrt, Schedule, as_schedule

__all__ = ["SGD", "Kalman", "Optimizer"]


REDUCTIONS = ("quasi-diagonal", "diagonal", "block", "full")
FISHERS = ("outer", "exact")
# Λ / units, and Λ of a readout: for symbols as measured (docs/learning.md).
DEFAULT_PRIOR = {"sigmoid": 1.0, "tanh": 3.0, "identity": 1.0}
PLAIN_PRIOR = 0.3  # of networks of sigmoid units without leaks
DEFAULT_READOUT_PRIOR = 3.0


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, θ ← θ - η g, equations (10) and (12).

    Parameters
    ----------
    rate : float or schedule
        The learning rate η, for the network and the readout.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> SGD(InverseSqrt(0.03))
    SGD(rate=InverseSqrt(scale=0.03))
    """

    rate: float | Schedule = InverseSqrt(0.3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule("rate", self.rate))

    plain = True  # it has no J to reduce

    @property
    def schedule(self) -> Schedule:
        """The one schedule that C follows."""
        return self.rate


@dataclass(frozen=True, repr=False)
class Kalman:
    """Extended Kalman filter with a reduced inverse covariance, equations (20)–(27).

    Each unit's parameters (bias first), and each output's in the readout, are one block. Of its
    inverse covariance J, a decayed sum of outer products, the diagonal and the bias's row are kept;
    the step is (J + Λ)⁻¹ g.

    Parameters
    ----------
    decay : float or schedule
        γ in J ← (1 - γ) J + g gᵀ, capped at 1. It also sets the size of the steps: less decay,
        smaller steps later on.
    prior : float, optional
        Above 0; Λ / units of the network's parameters. Default: 1, the paper's value; 3 where
        there are tanh units, whose slope is four times as large; 0.3 for sigmoid units without
        leaks that predict symbols.
    readout_prior : float, optional
        Above 0; Λ of the readout's parameters. Default: for `Softmax`, 3, whatever the number of
        units; where `prior` is given, and for other readouts, the network's, as in the paper.
    reduction : {"quasi-diagonal", "diagonal", "block", "full"}
        What is kept of J, of θ and of φ each by itself: as above; its diagonal; the blocks whole;
        all of it, which makes the extended Kalman filter (21)–(22). The last two are references for
        small networks: b parameters in a block cost b³ a step.
    fisher : {"outer", "exact"}
        What J is a sum of: outer products of the gradient of the loss, or their expectation, the
        exact Fisher matrix of what is predicted, (24) and (26), at the cost of a gradient for each
        output. Of a `Gaussian` readout's own parameters the latter costs nothing, and is what
        `NoBackTrack` and `RTRL` take in both cases.
    outlier : float, optional
        Above 0; κ in g ← g / max(1, g_0² / (κ D_0)), done for each block by itself before J and θ
        take its gradient: g_0 is the bias's entry, D_0 = J_00 + Λ before it. A gradient far beyond
        all that came before counts the less the larger it is; otherwise a single one may make J
        deaf for long, or a step ruin what was learned. Where J does not take it (a `Gaussian`
        readout's own parameters) it is limited, to g_0² = κ D_0. None: all count in full, as in the
        paper. For the quasi-diagonal J of outer products alone.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Notes
    -----
    Any choice but the first of both takes the path for systems, with one block of units and without
    exact self-influence.

    Examples
    --------
    >>> Kalman(decay=InverseSqrt(1.0), prior=1.0)
    Kalman(decay=InverseSqrt(scale=1.0), prior=1.0)
    """

    decay: float | Schedule = InverseSqrt(0.1)
    prior: float | None = None
    readout_prior: float | None = None
    reduction: str = REDUCTIONS[0]
    fisher: str = FISHERS[0]
    outlier: float | None = 10.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", as_schedule("decay", self.decay))
        _arguments.one_of("reduction", self.reduction, REDUCTIONS)
        _arguments.one_of("fisher", self.fisher, FISHERS)
        for name in ("prior", "readout_prior", "outlier"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _arguments.real(name, value, above=0))

    @property
    def plain(self) -> bool:
        """Is it the quasi-diagonal filter of outer products, which every cell has in C?"""
        return self.reduction == REDUCTIONS[0] and self.fisher == FISHERS[0]

    def __repr__(self) -> str:
        readout = "" if self.readout_prior is None else f", readout_prior={self.readout_prior}"
        more = "" if self.plain else f", reduction={self.reduction!r}, fisher={self.fisher!r}"
        kappa = "" if self.outlier == Kalman.outlier else f", outlier={self.outlier}"
        return f"Kalman(decay={self.decay}, prior={self.prior}{readout}{more}{kappa})"

    def lambdas(self, cell, readout: Readout) -> tuple[float, float]:
        """Λ of the parameters of a network of this cell, and of this readout.

        Parameters
        ----------
        cell : RNN, LeakyRNN, Stack, Continuous, System or CompiledSystem
            The network.
        readout : Softmax, Gaussian or Bernoulli
            What is predicted.
        """
        symbols = isinstance(readout, Softmax)
        prior = _default_prior(cell.activation) if self.prior is None else self.prior
        plain = isinstance(cell, RNN) and cell.activation == "sigmoid"
        if symbols and plain and self.prior is None:
            prior = PLAIN_PRIOR
        network = prior * cell.units
        if self.readout_prior is not None:
            return network, self.readout_prior
        return network, DEFAULT_READOUT_PRIOR if symbols and self.prior is None else network

    @property
    def schedule(self) -> Schedule:
        """The one schedule that C follows."""
        return self.decay


def _default_prior(activation: str | tuple[str, ...]) -> float:
    """Λ / units of a network; of units of several kinds, what the most cautious of them wants."""
    kinds = {activation} if isinstance(activation, str) else set(activation)
    return max(DEFAULT_PRIOR[kind] for kind in kinds)


Optimizer = SGD | Kalman
