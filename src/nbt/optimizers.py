"""How a gradient changes the parameters: frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from nbt import _arguments
from nbt.cells import RNN, is_gated
from nbt.readouts import Readout, Softmax
from nbt.schedules import InverseSqrt, Schedule, as_schedule

__all__ = ["OPTIMIZERS", "SGD", "Adam", "Kalman", "Optimizer", "both", "default_for_readout"]


Reduction = Literal["quasi-diagonal", "diagonal", "block", "full", "shared"]
Fisher = Literal["outer", "exact"]
REDUCTIONS, FISHERS = get_args(Reduction), get_args(Fisher)
SHARED = REDUCTIONS[-1]
SHARED_PRIOR = 1e-3  # of a covariance that all means share
MOST_SHARED = 2048  # most features of such a readout, its bias among them
# Λ / units, and Λ of a readout: for symbols as measured (docs/learning.md).
DEFAULT_PRIOR = {"sigmoid": 1.0, "tanh": 3.0, "identity": 1.0}
PLAIN_PRIOR = 0.3  # of networks of sigmoid units without leaks
DEFAULT_READOUT_PRIOR = 3.0
GATED_READOUT_PRIOR = 17.0  # of a Softmax that sees units with gates: Λ √A


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, θ ← θ - η g, equations (10) and (12).

    Parameters
    ----------
    rate : float or schedule
        The learning rate η.

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

    def lower(self) -> dict[str, Any]:
        """Return what C takes."""
        return {"kind": "sgd", "schedule": self.rate.lower()}


@dataclass(frozen=True)
class Adam:
    """Adam: a step in units of the typical size of each parameter's own gradient.

    With the gradient g of update u = 1, 2, … ::

        m ← b1 m + (1 - b1) g,    v ← b2 v + (1 - b2) g²,
        θ ← θ - η m̂ / √(v̂ + 10⁻⁶),    m̂ = m / (1 - b1ᵘ),    v̂ = v / (1 - b2ᵘ).

    Rules that update once in a window count their updates, not their steps. The rate is that of the
    present step. Where this is the `optimizer` of a trainer, its readout learns by
    ``Kalman(InverseSqrt(0.02))``, unless `readout_optimizer` is given.

    Parameters
    ----------
    rate : float or schedule
        The learning rate η.
    b1 : float
        How much of the running mean of g is kept at an update, in [0, 1). 0: g itself.
    b2 : float
        How much of the running mean of g² is kept at an update, in [0, 1). The usual 0.999 forgets
        within a thousand updates how large a gradient may be, so that in a long run a single rare
        one can undo what was learned.

    Raises
    ------
    TypeError
        `rate` is neither a number nor a schedule; `b1` or `b2` is no number.
    ValueError
        `rate` is negative or not finite; `b1` or `b2` is not in [0, 1).

    Notes
    -----
    Kingma & Ba, *Adam: A Method for Stochastic Optimization*, 2015, but for 10⁻⁶, which they add to
    the root of v̂ (10⁻⁸). It has no metric: norms that use the covariance of `Kalman` are plain.

    Examples
    --------
    >>> Adam()
    Adam(rate=InverseSqrt(scale=0.006, after=20000.0), b1=0.9, b2=0.9999)
    """

    rate: float | Schedule = InverseSqrt(0.006, after=20_000)
    b1: float = 0.9
    b2: float = 0.9999

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule("rate", self.rate))
        for name in ("b1", "b2"):
            value = _arguments.real(name, getattr(self, name), low=0)
            if value >= 1:
                raise ValueError(f"{name}: expected a number in [0, 1), got {value}")
            object.__setattr__(self, name, value)

    plain = True  # there is no J to reduce

    @property
    def schedule(self) -> Schedule:
        """The schedule of the rate, which C follows."""
        return self.rate

    def lower(self) -> dict[str, Any]:
        """Return what C takes."""
        return {"kind": "adam", "schedule": self.rate.lower(), "b1": self.b1, "b2": self.b2}


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
        units; 17 / √A for a `Softmax` of A symbols that sees cells with gates. Where `prior` is
        given, and for other readouts: that of the network, as in the paper. With "shared": of the
        covariance; see Notes.
    reduction : {"quasi-diagonal", "shared", "diagonal", "block", "full"}
        What is kept of J, for θ and for φ separately. "quasi-diagonal": the diagonal, and the row
        of the bias of each group. "shared": only as the `readout_optimizer` of a `Gaussian`; the
        means of all numbers share the whole covariance of what the readout sees, which is recursive
        least squares (see Notes). "diagonal": the diagonal. "block": the whole matrix of each
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
    one block of units and without exact self-influence; "shared" does not. Where the network is
    learned once in several steps, its own metric is the default one.

    With "shared", let f = (1, a), or (1, a, x) with ``direct=True``, have F entries, and let e be
    the errors of the means. A step is s = P f, g = s / (d (k + f·s)), φ ← φ - g eᵀ, P ← (P - g sᵀ)
    / k with k = 1 - γ. P begins as I / `readout_prior` (default: 0.001). γ is at most 1 / F, and F
    at most 2048. d is 1. Where targets are standardised and the largest error is beyond 3
    deviations, d is that error over 3 deviations: φ moves as if the error had been there, and P
    learns less, the further off it is. When their mean and deviation change, φ is changed with
    them, so that it predicts what it did; not where f has standardised inputs of a network that
    learns, whose mean and deviation change alike. So that P stays bounded where features do not
    vary, each step gives back what decays of the prior, one feature at a time. The outputs for the
    log-variances keep their quasi-diagonal J, whose Λ is that of the network by `prior`. P follows
    what is seen, whichever targets are known: a number that is missing leaves its own weights as
    they are. P is kept in float64, and a step costs F² multiply-adds.

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
        return self.reduction in (REDUCTIONS[0], SHARED) and self.fisher == FISHERS[0]

    @property
    def shared(self) -> bool:
        """Whether all means of a readout share one covariance."""
        return self.reduction == SHARED

    def __repr__(self) -> str:
        readout = "" if self.readout_prior is None else f", readout_prior={self.readout_prior}"
        usual = self.plain and not self.shared
        more = "" if usual else f", reduction={self.reduction!r}, fisher={self.fisher!r}"
        kappa = "" if self.outlier == Kalman.outlier else f", outlier={self.outlier}"
        return f"Kalman(decay={self.decay}, prior={self.prior}{readout}{more}{kappa})"

    def lambdas(self, cell, readout: Readout) -> tuple[float, float]:
        """Return Λ of the parameters of a network of this cell, and Λ of this readout.

        Parameters
        ----------
        cell : RNN, LeakyRNN, LSTM, GRU, MGU, LRU, Stack, Continuous, System or CompiledSystem
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
        if self.shared:
            return network, network  # `readout_prior` is that of the covariance
        if self.readout_prior is not None:
            return network, self.readout_prior
        if not symbols or self.prior is not None:
            return network, network
        gated = is_gated(cell)
        return network, GATED_READOUT_PRIOR / math.sqrt(
            readout.outputs
        ) if gated else DEFAULT_READOUT_PRIOR

    @property
    def schedule(self) -> Schedule:
        """The schedule of the decay, which C follows."""
        return self.decay

    def lower(self) -> dict[str, Any]:
        """Return what C takes, but Λ."""
        outlier = math.inf if self.outlier is None else self.outlier
        prior = SHARED_PRIOR if self.readout_prior is None else self.readout_prior
        return {
            "kind": "kalman",
            "schedule": self.decay.lower(),
            "outlier": outlier,
            **({"shared": True, "prior": prior} if self.shared else {}),
        }


def _default_prior(activation: str | tuple[str, ...]) -> float:
    """Return Λ / units of a network; for units of several kinds, the largest of their values."""
    kinds = {activation} if isinstance(activation, str) else set(activation)
    return max(DEFAULT_PRIOR[kind] for kind in kinds)


Optimizer = SGD | Kalman | Adam
OPTIMIZERS = get_args(Optimizer)


def both(optimizer: object, readout_optimizer: object) -> tuple[Optimizer, Optimizer]:
    """Return the optimizers of the network and of the readout, after they are checked. None stands
    for the readout's best known one beside that of the network."""
    first = _arguments.instance("optimizer", optimizer, *OPTIMIZERS)
    if isinstance(first, Kalman) and first.shared:
        raise ValueError(
            "optimizer: expected an optimizer of the network; reduction='shared' is for "
            f"readout_optimizer, got {first}"
        )
    if readout_optimizer is None:
        return first, default_for_readout(first)
    second = _arguments.instance("readout_optimizer", readout_optimizer, *OPTIMIZERS)
    if _metric(first) != _metric(second):
        raise ValueError(
            "readout_optimizer: expected the reduction and the Fisher matrix of the network's, "
            f"{first}, got {second}"
        )
    return first, second


def default_for_readout(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer of a readout for which none was given."""
    return Kalman(InverseSqrt(0.02)) if isinstance(optimizer, Adam) else optimizer


def _metric(optimizer: Optimizer) -> tuple[str, str]:
    """Return what is kept of J and what it is a sum of; without J, the default."""
    if not isinstance(optimizer, Kalman):
        return Kalman.reduction, Kalman.fisher
    return Kalman.reduction if optimizer.shared else optimizer.reduction, optimizer.fisher
