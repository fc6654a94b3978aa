"""Dynamical systems of your own, as plain functions on arrays.

A system is h(t+1) = f(h(t), x(t), θ), equation (1), with flat arrays h (n,) and θ (p,). The
derivative ∂f/∂θ is given by its non-zero entries, as CSR arrays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from nbt import _arguments
from nbt.systems.derivatives import DerivedJvp, DerivedRows, is_jax, jax_derivatives

__all__ = ["ACTIVATIONS", "DerivedWarning", "System", "as_starts", "as_vector"]

Activation = Literal["identity", "sigmoid", "tanh"]
ACTIVATIONS = get_args(Activation)
FUNCTIONS = ("step", "jvp", "rows", "vjp", "loss")


class DerivedWarning(UserWarning):
    """A derivative was not given and is computed numerically."""


@dataclass(frozen=True, eq=False, repr=False)
class System:
    """Dynamical system h(t+1) = f(h(t), x(t), θ) that `NoBackTrack`, `RTRL` and `TruncatedBPTT`
    train, optionally with its own loss.

    Functions must depend only on their arguments, and must not change them. A trainer passes
    read-only arrays of its own dtype. x is always a vector (m,), one-hot where the inputs are
    symbols. The arrays may be kept. But theta is a view of the trainer's memory, which goes on
    changing; copy it to keep its numbers. The numbers of the others do not change. Functions must
    not use the trainer that calls them; this is refused.

    Parameters
    ----------
    step : callable
        ``step(h, x, theta)`` → h(t+1), array (n,).
    jvp : callable, optional
        ``jvp(h, x, theta, v)`` → (∂f/∂h) v, array (n,).
    rows : callable, optional
        ``rows(h, x, theta)`` → ∂f/∂θ, (n, p), as CSR arrays ``(indptr (n + 1,), indices, data)``:
        row i has the entries ``data[indptr[i]:indptr[i + 1]]`` in the columns
        ``indices[indptr[i]:indptr[i + 1]]``, each column at most once. An object with these three
        as attributes is accepted, too, such as ``scipy.sparse.csr_array``.
    vjp : callable, optional
        ``vjp(h, x, theta, u)`` → (∂f/∂h)ᵀ u, array (n,); for `TruncatedBPTT`.
    loss : callable, optional
        ``loss(h, y)`` → (ℓ, ∂ℓ/∂h), a number and an array (n,). Trainers use it instead of a
        readout, with arrays (`targets`,) as y. Then only θ is learned.
    state, theta : array (n,), array (p,), optional
        h and θ where training begins.
    starts : sequence of int, optional
        Where groups of parameters begin in θ, for the quasi-diagonal metric of `Kalman`: 0 first,
        and rising. The first parameter of a group should be like a bias. Default: each parameter is
        a group, which gives the diagonal metric.
    activation : {"identity", "sigmoid", "tanh"}
        Function of h that a readout sees.
    entries : int, optional
        Most entries that ∂f/∂θ has at once, at least 1. Default: n p.
    phases : int
        Number of inner steps of a step, such as layers one after another. If it is above 1, each
        function but `loss` gets the keyword ``phase``, 0 … phases - 1, and a phase begins where the
        previous one ended.
    targets : int, optional
        Length of a target y of `loss`. Default: n.

    Raises
    ------
    TypeError
        `step` is no function; `jvp`, `rows`, `vjp` or `loss` is neither a function nor None; `jvp`
        or `rows` is missing where there are several phases; `activation` is no string; `entries`,
        `phases` or `targets` is no integer.
    ValueError
        `state` or `theta` is no vector of finite numbers; `starts` does not rise from 0 within the
        parameters; `activation` is none of the names above; `entries`, `phases` or `targets` is out
        of range.

    Notes
    -----
    If `jvp` or `rows` is not given it is derived from `step`, with a `DerivedWarning`. This is done
    by the complex step, which is exact to rounding, if `step` takes complex arrays and finite
    differences agree with the result; else by central differences. Derived rows call `step` once or
    twice for each parameter. If `step` is a function of ``jax.jit``, JAX differentiates it, without
    a warning. Without JAX's 64-bit mode that is in single precision.

    Examples
    --------
    >>> import numpy as np
    >>> import nbt
    >>> decay = System(                                   # the paper's linear example (28)
    ...     step=lambda h, x, theta: 0.9 * h + theta,
    ...     jvp=lambda h, x, theta, v: 0.9 * v,
    ...     rows=lambda h, x, theta: (np.arange(4), np.arange(3), np.ones(3)),
    ...     state=np.ones(3),
    ...     theta=np.zeros(3),
    ... )
    >>> nbt.check_system(decay) < 1e-9
    True
    >>> trainer = nbt.NoBackTrack(decay, nbt.Softmax(4))
    >>> trainer.learn([0, 3, 1]).shape
    (3,)
    """

    step: Callable[..., Any]
    jvp: Callable[..., Any] | None = None
    rows: Callable[..., Any] | None = None
    vjp: Callable[..., Any] | None = None
    loss: Callable[..., Any] | None = None
    state: Any = None
    theta: Any = None
    starts: Any = None
    activation: Activation = "identity"
    entries: int | None = None
    phases: int = 1
    targets: int | None = None

    def __post_init__(self) -> None:
        if not callable(self.step):
            raise TypeError(f"step: expected a function, got {self.step!r}")
        for name in FUNCTIONS[1:]:
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name}: expected a function or None, got {getattr(self, name)!r}")
        self._check_sizes()
        if is_jax(self.step) and None in (self.jvp, self.rows, self.vjp) and self.phases == 1:
            for name, function in jax_derivatives(self.step).items():
                if getattr(self, name) is None:
                    object.__setattr__(self, name, function)
        for name, derived in (("jvp", DerivedJvp), ("rows", DerivedRows)):
            if getattr(self, name) is None:
                if self.phases > 1:
                    raise TypeError(f"{name}: expected a function where there are several phases")
                warnings.warn(
                    f"{name}: not given, it is derived numerically from step; slower, and less "
                    "exact where step does not take complex numbers",
                    DerivedWarning,
                    stacklevel=3,
                )
                object.__setattr__(self, name, derived(self.step))

    def _check_sizes(self) -> None:
        for name in ("state", "theta"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_vector(name, getattr(self, name)))
        _arguments.one_of("activation", self.activation, ACTIVATIONS)
        if self.entries is not None:
            _arguments.integer("entries", self.entries, high=2**40)
        _arguments.integer("phases", self.phases)
        if self.targets is not None:
            _arguments.integer("targets", self.targets)
        if self.theta is not None:
            starts = as_starts(self.starts, len(self.theta))
            object.__setattr__(self, "starts", starts)

    @property
    def units(self) -> int:
        """Number of states, n."""
        return len(self.first_values()[0])

    def first_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Return h and θ where training begins, (n,) and (p,).

        Raises
        ------
        TypeError
            `state` or `theta` was not given.
        """
        for name in ("state", "theta"):
            if getattr(self, name) is None:
                raise TypeError(
                    f"{name}: expected System({name}=...), where training is to begin, got None"
                )
        return self.state, self.theta

    def __repr__(self) -> str:
        names = [f"{name}={_name(getattr(self, name))}" for name in FUNCTIONS
                 if getattr(self, name) is not None]  # fmt: skip
        sizes = [f"{name}=<{len(getattr(self, name))} numbers>" for name in ("state", "theta")
                 if getattr(self, name) is not None]  # fmt: skip
        return f"System({', '.join(names + sizes)})"


def _name(function) -> str:
    return getattr(function, "__name__", type(function).__name__)


def as_vector(name: str, value) -> np.ndarray:
    """Return a copy of a vector of finite numbers, float64."""
    array = np.asarray(value)
    finite = array.ndim == 1 and array.dtype.kind in "iuf" and np.isfinite(array).all()
    if not finite or not len(array):
        raise ValueError(f"{name}: expected a vector of finite numbers, got {value!r}")
    return array.astype(np.float64)


def as_starts(value, parameters: int) -> np.ndarray:
    """Return where the groups of parameters begin. None: each parameter is a group."""
    if value is None:
        return np.arange(parameters)
    starts = np.asarray(value)
    rising = starts.ndim == 1 and starts.dtype.kind in "iu" and len(starts) > 0
    if not rising or starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= parameters:
        raise ValueError(
            f"starts: expected rising integers from 0 to less than {parameters}, got {value!r}"
        )
    return starts.astype(np.int64)
