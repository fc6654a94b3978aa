"""What the state says about the next target: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from nbt import _arguments
from nbt.inputs import Inputs, Symbols, Vector

__all__ = ["Bernoulli", "Gaussian", "OwnLoss", "Readout", "Softmax"]


@dataclass(frozen=True)
class Softmax:
    """Probabilities of symbols, p ∝ exp(φ_z + Σ_i φ_iz a_i), equation (48); loss -ln p(y), in nats.

    `predict` gives them, an array (symbols,).

    Parameters
    ----------
    symbols : int
        How many symbols there are, at least 1.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> Softmax(3)
    Softmax(symbols=3)
    """

    symbols: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", _arguments.whole("symbols", self.symbols))

    @property
    def outputs(self) -> int:
        """Columns of φ."""
        return self.symbols

    @property
    def targets(self) -> Inputs:
        """What is predicted, as an input."""
        return Symbols(self.symbols)


@dataclass(frozen=True)
class Gaussian:
    """Vectors of real numbers: for each entry a mean and a variance, both learned, both functions
    of the state.

    Targets are arrays (steps, dim), or (steps,) where dim is 1; `predict` gives an array (2, dim):
    the means, then the variances.

    Parameters
    ----------
    dim : int
        Numbers of a target, at least 1.
    standardize : bool
        Predict (y - mean) / deviation instead of y, mean and deviation being learned as the targets
        come, as in `Vector`, and so is the size of errors. Losses and what is predicted remain
        those of y. A number has a scale from its third value on, if it has varied. Until then it
        adds nothing to the loss, and nothing is learned from it; the loss of a step without any
        such number is NaN.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Notes
    -----
    With the outputs ŷ = φ_0 + a φ, the first dim of them the means μ, the others u: the
    log-variances are s = u / (1 + |u| / c), c = 20, and the loss in nats, the negative logarithm of
    the density, is ℓ = ½ Σ_d (ln 2π + s_d + (y_d - μ_d)² e^{-s_d}). It can be negative. The bound
    on s keeps e^s between 2·10⁻⁹ and 5·10⁸.

    With ``standardize=True`` the mean is m + k μ and the variance R² e^s, with the running mean m
    and deviation k of the targets and R² of the squared errors, less what s explains. An error
    changes R² by at most its own size, so that one value cannot ruin it. Gradients see at most 3
    deviations of an error, and squares of errors are compared with the mean of what is seen of
    them: events of one step in a thousand neither throw the network nor make the variance too
    small. R² follows the errors by itself, so s is drawn to 0 with the weight 1/20. `SGD` takes
    the gradient of the squared error for μ, and no step that would go beyond what it aims at.
    With ``standardize=False`` there is nothing of that: the gradient is that of the loss above, and
    grows as the variance shrinks; `SGD` then wants a small rate.

    `NoBackTrack` and `RTRL` measure φ by I_t in (23)-(24), the Fisher matrix of what is predicted,
    1 / variance for the means and at least (∂s_d/∂u_d)² / 2 for u, and not by squares of the
    gradient: a variance that is far too small makes them large, and would keep the readout from
    mending it.

    Examples
    --------
    >>> Gaussian(2)
    Gaussian(dim=2, standardize=True)
    """

    dim: int
    standardize: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", _arguments.whole("dim", self.dim))
        object.__setattr__(self, "standardize", _arguments.flag("standardize", self.standardize))

    @property
    def outputs(self) -> int:
        """Columns of φ."""
        return 2 * self.dim

    @property
    def targets(self) -> Inputs:
        """What is predicted, as an input."""
        return Vector(self.dim, self.standardize)


@dataclass(frozen=True)
class Bernoulli:
    """Vectors of yes and no: for each entry the probability of 1, p = logistic(φ_z + Σ_i φ_iz a_i).

    Targets are arrays (steps, dim) of numbers in [0, 1], or (steps,) where dim is 1; `predict`
    gives the probabilities (dim,). The loss, in nats, is the cross-entropy -Σ_d (y_d ln p_d +
    (1 - y_d) ln (1 - p_d)).

    Parameters
    ----------
    dim : int
        Numbers of a target, at least 1.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.

    Examples
    --------
    >>> Bernoulli(88)
    Bernoulli(dim=88)
    """

    dim: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", _arguments.whole("dim", self.dim))

    @property
    def outputs(self) -> int:
        """Columns of φ."""
        return self.dim

    @property
    def targets(self) -> Inputs:
        """What is predicted, as an input."""
        return Vector(self.dim, standardize=False)


@dataclass(frozen=True)
class OwnLoss:
    """In place of a readout: the loss is a function of the system (`System.loss`) and of its state
    alone, and nothing but θ is learned. `predict` gives the state, an array (units,).

    Parameters
    ----------
    units : int
        States of the system.
    dim : int
        Numbers of a target.
    """

    units: int
    dim: int

    @property
    def outputs(self) -> int:
        """What the loss sees."""
        return self.units

    @property
    def targets(self) -> Inputs:
        """What is predicted, as an input."""
        return Vector(self.dim, standardize=False)


Readout = Softmax | Gaussian | Bernoulli | OwnLoss
