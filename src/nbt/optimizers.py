"""How a gradient changes the parameters: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from nbt import _arguments
from nbt.cells import RNN
from nbt.readouts import Readout, Softmax
from nbt.schedules import InverseSqrt, Schedule, as_schedule

__all__ = ["SGD", "Kalman", "Optimizer"]


Reduction = Literal["quasi-diagonal", "diagonal", "block", "full"]
Fisher = Literal["outer", "exact"]
REDUCTIONS, FISHERS = get_args(Reduction), get_args(Fisher)
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
    TypeError
        `rate` is neither a number nor a schedule.
    ValueError
        `rate` is negative or not finite.

    Examples
    --------
    >>> SGD(InverseSqrt(0.03))
    SGD(rate=InverseSqrt(scale=0.03))
    """

    rate: float | Schedule = InverseSqrt(0.3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule("rate", self.rate))

    plain = True  # there is no J to reduce

    @property
    def schedule(self) -> Schedule:
        """The schedule of the rate, which C follows."""
        return self.rate


@dataclass(frozen=True, repr=False)
class Kalman:
    """Extended Kalman filter with a reduced inverse covariance, equations (20)–(27).

    The parameters of a unit (bias first) are one group, and so are those of an output of the
    readout. J, the inverse covariance of a group, is a decayed sum of outer products of gradients.
    By default only its diagonal and the row of the bias are kept. The step is (J + Λ)⁻¹ g.

    Parameters
    ----------
    decay : float or schedule
        γ in J ← (1 - γ) J + g gᵀ, at least 0, capped at 1. It also sets the size of the steps: less
        decay, smaller steps later on.
    prior : float, optional
        Λ / units of the network's parameters, above 0. Default: 1, the paper's value; 3 where there
        are tanh units, whose slope is four times as large; 0.3 for sigmoid units without leaks that
        predict symbols.
    readout_prior : float, optional
        Λ of the readout's parameters, above 0. Default: 3 for `Softmax`, whatever the number of
        units. Where `prior` is given, and for other readouts: that of the network, as in the paper.
    reduction : {"quasi-diagonal", "diagonal", "block", "full"}
        What is kept of J, for θ and for φ separately. "quasi-diagonal": the diagonal, and the row
        of the bias of each group. "diagonal": the diagonal. "block": the whole matrix of each
        group. "full": the whole matrix, which makes the extended Kalman filter (21)–(22). The last
        two are references for small networks: a matrix of b rows costs b³ a step.
    fisher : {"outer", "exact"}
        What J is a sum of. "outer": outer products of the gradient of the loss. "exact": their
        expectation, the exact Fisher matrix of what is predicted, (24) and (26). It costs a
        gradient for each output. For the parameters of a `Gaussian` readout it costs nothing, and
        `NoBackTrack` and `RTRL` take it there in both cases.
    outlier : float, optional
        κ in g ← g / max(1, g_0² / (κ D_0)), above 0. It is applied to each group separately, before
        J and θ take its gradient; g_0 is the entry of the bias, and D_0 = J_00 + Λ before the
        gradient is added. The further a gradient is beyond all earlier ones, the less it counts.
        Otherwise a single one may make J so large that little is learned for a long time, or one
        step may ruin what was learned. Where J does not take the gradient (the parameters of a
        `Gaussian` readout) it is limited to g_0² = κ D_0. None: all gradients count in full, as in
        the paper. Only for the quasi-diagonal J of outer products.

    Raises
    ------
    TypeError
        `decay` is neither a number nor a schedule; `prior`, `readout_prior` or `outlier` is neither
        a number nor None; `reduction` or `fisher` is no string.
    ValueError
        `decay` is negative or not finite; `prior`, `readout_prior` or `outlier` is not above 0 or
        not finite; `reduction` or `fisher` is none of the names above.

    Notes
    -----
    Any other choice than the default `reduction` and `fisher` runs on the path for systems, with
    one block of units and without exact self-influence.

    Examples
    --------
    >>> Kalman(decay=InverseSqrt(1.0), prior=1.0)
    Kalman(decay=InverseSqrt(scale=1.0), prior=1.0)
    """

    decay: float | Schedule = InverseSqrt(0.1)
    prior: float | None = None
    readout_prior: float | None = None
    reduction: Reduction = "quasi-diagonal"
    fisher: Fisher = "outer"
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
        """Whether this is the quasi-diagonal filter of outer products, which C has for every
        cell."""
        return self.reduction == REDUCTIONS[0] and self.fisher == FISHERS[0]

    def __repr__(self) -> str:
        readout = "" if self.readout_prior is None else f", readout_prior={self.readout_prior}"
        more = "" if self.plain else f", reduction={self.reduction!r}, fisher={self.fisher!r}"
        kappa = "" if self.outlier == Kalman.outlier else f", outlier={self.outlier}"
        return f"Kalman(decay={self.decay}, prior={self.prior}{readout}{more}{kappa})"

    def lambdas(self, cell, readout: Readout) -> tuple[float, float]:
        """Return Λ of the parameters of a network of this cell, and Λ of this readout.

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
        """The schedule of the decay, which C follows."""
        return self.decay


def _default_prior(activation: str | tuple[str, ...]) -> float:
    """Return Λ / units of a network; for units of several kinds, the largest of their values."""
    kinds = {activation} if isinstance(activation, str) else set(activation)
    return max(DEFAULT_PRIOR[kind] for kind in kinds)


Optimizer = SGD | Kalman
