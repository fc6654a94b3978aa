"""A dynamical system of the user's own, as plain functions on arrays, with its derivatives checked.

h(t+1) = f(h(t), x(t), θ), equation (1), with h (n,) and θ (p,) flat arrays of float64; x is what
the functions take. The derivative ∂f/∂θ is given by its non-zero entries, as CSR arrays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["DerivedWarning", "System", "check_system"]

TINY = 1e-30  # the complex step: no difference is taken, so that nothing is lost
AGREE = 1e-6
STEP = np.finfo(float).eps ** (1 / 3)  # of central differences, times max(1, |variable|)


class DerivedWarning(UserWarning):
    """A derivative was not given and is computed numerically."""


@dataclass(frozen=True)
class System:
    """A dynamical system h(t+1) = f(h(t), x(t), θ) and what is lost on its states.

    Functions must return new arrays, leave their arguments alone, and depend on nothing else.

    Parameters
    ----------
    step : callable
        ``step(h, x, theta)`` → h(t+1), array (n,).
    jvp : callable, optional
        ``jvp(h, x, theta, v)`` → (∂f/∂h) v, array (n,).
    rows : callable, optional
        ``rows(h, x, theta)`` → ∂f/∂θ, (n, p), as CSR arrays ``(indptr (n + 1,), indices, data)``:
        row i has the entries ``data[indptr[i]:indptr[i + 1]]`` in those columns.
        (``scipy.sparse.csr_array`` has the three as attributes of these names.)
    vjp : callable, optional
        ``vjp(h, x, theta, u)`` → (∂f/∂h)ᵀ u, array (n,); for backpropagation alone.
    loss : callable, optional
        ``loss(h, y)`` → (ℓ, ∂ℓ/∂h), a number and an array (n,).

    Notes
    -----
    Without `jvp` or `rows` they are derived, with a `DerivedWarning`: by the complex step, exact to
    rounding, where `step` takes complex arrays and finite differences agree with it; else by
    central differences. Derived rows take a step for each parameter, or two.

    Examples
    --------
    >>> import numpy as np
    >>> decay = System(                                   # the paper's linear example (28)
    ...     step=lambda h, x, theta: 0.9 * h + theta,
    ...     jvp=lambda h, x, theta, v: 0.9 * v,
    ...     rows=lambda h, x, theta: (np.arange(4), np.arange(3), np.ones(3)),
    ... )
    >>> check_system(decay, h=np.ones(3), x=None, theta=np.zeros(3)) < 1e-9
    True
    """

    step: Callable[..., Any]
    jvp: Callable[..., Any] | None = None
    rows: Callable[..., Any] | None = None
    vjp: Callable[..., Any] | None = None
    loss: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not callable(self.step):
            raise TypeError(f"step: expected a function, got {self.step!r}")
        for name in ("jvp", "rows", "vjp", "loss"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name}: expected a function or None, got {getattr(self, name)!r}")
        for name, derived in (("jvp", _DerivedJvp), ("rows", _DerivedRows)):
            if getattr(self, name) is None:
                warnings.warn(
                    f"{name}: not given, it is derived numerically from step; slower, and less "
                    "exact where step does not take complex numbers",
                    DerivedWarning,
                    stacklevel=3,
                )
                object.__setattr__(self, name, derived(self.step))


class _DerivedJvp:
    """(∂f/∂h) v from `step` alone."""

    def __init__(self, step) -> None:
        self.along = _Directional(step)

    def __call__(self, h, x, theta, v):
        return self.along(h, x, theta, v, np.zeros(len(theta)))


class _DerivedRows:
    """∂f/∂θ from `step` alone, a column at a time."""

    def __init__(self, step) -> None:
        self.along = _Directional(step)

    def __call__(self, h, x, theta):
        units = np.eye(len(theta))
        dense = np.stack([self.along(h, x, theta, np.zeros(len(h)), e) for e in units], axis=1)
        i, indices = np.nonzero(dense)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(i, minlength=len(h)))])
        return indptr, indices, dense[i, indices]


class _Directional:
    """The derivative of `step` along (dh, dtheta); which way is settled at the first call."""

    def __init__(self, step) -> None:
        self.step, self.complex = step, None

    def __call__(self, h, x, theta, dh, dtheta):
        if self.complex is None:
            self.complex = self._complex_will_do(h, x, theta)
        if self.complex:
            return self._by_complex_step(h, x, theta, dh, dtheta)
        return _difference(self.step, h, x, theta, dh, dtheta)

    def _by_complex_step(self, h, x, theta, dh, dtheta):
        return np.imag(self.step(h + 1j * TINY * dh, x, theta + 1j * TINY * dtheta)) / TINY

    def _complex_will_do(self, h, x, theta) -> bool:
        """Whether both ways agree along a direction that no entry is absent from."""
        random = np.random.default_rng(0)
        along = random.normal(size=len(h)), random.normal(size=len(theta))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # imaginary parts that were discarded
                exact = self._by_complex_step(h, x, theta, *along)
        except Exception:  # whatever a user's function raises for complex numbers
            return False
        return np.allclose(exact, _difference(self.step, h, x, theta, *along), AGREE, AGREE)


def _difference(step, h, x, theta, dh, dtheta):
    """Central difference of `step` along (dh, dtheta)."""
    largest = max(1.0, np.abs(h).max(), np.abs(theta).max(initial=0.0))
    length = max(np.abs(dh).max(), np.abs(dtheta).max(initial=0.0))
    if not length > 0:
        return np.zeros(len(h))
    e = STEP * largest / length
    after, before = (step(h + s * e * dh, x, theta + s * e * dtheta) for s in (1, -1))
    return (np.asarray(after) - np.asarray(before)) / (2 * e)


# ---- the check ---------------------------------------------------------------------------------


def check_system(system: System, h, x, theta, y=None, *, tolerance: float = 1e-5) -> float:
    """Compares every derivative of a system with finite differences at one point.

    Choose a point that is typical: nothing at 0, no saturated unit. It takes two steps for each
    state and each parameter.

    Parameters
    ----------
    system : System
    h : array (n,)
    x
        An input, as `step` takes it.
    theta : array (p,)
    y : optional
        A target; with it, the loss is checked, too.
    tolerance : float
        Of an entry: |given - difference| ≤ tolerance · max(1, |difference|).

    Returns
    -------
    float
        The largest such error.

    Raises
    ------
    TypeError, ValueError
        Names the function and the entry, the value given and the one expected; or what is wrong
        with a shape, with the CSR arrays, or with a function that changes its arguments.

    Examples
    --------
    >>> import numpy as np
    >>> wrong = System(
    ...     step=lambda h, x, theta: np.tanh(h) * theta,
    ...     jvp=lambda h, x, theta, v: (1 - np.tanh(h)) * theta * v,
    ...     rows=lambda h, x, theta: (np.arange(3), np.arange(2), np.tanh(h)),
    ... )
    >>> check_system(wrong, h=np.array([0.3, 0.2]), x=None, theta=np.array([1.0, 2.0]))
    Traceback (most recent call last):
    ...
    ValueError: jvp: ∂f[0]/∂h[0] is 0.708687, expected 0.915137 by finite differences
    """
    if not isinstance(system, System):
        raise TypeError(f"system: expected System, got {system!r}")
    check = _Check(system, _vector("h", h), x, _vector("theta", theta), tolerance)
    check.step()
    check.jvp()
    check.rows()
    if system.vjp is not None:
        check.vjp()
    if y is not None:
        check.loss(y)
    return check.largest


class _Check:
    """One point, and the largest error found there."""

    def __init__(self, system, h, x, theta, tolerance) -> None:
        self.system, self.h, self.x, self.theta = system, h, x, theta
        self.tolerance, self.largest = tolerance, 0.0

    def step(self) -> None:
        first = self._array("step", self._call("step"), self.h.shape)
        if not np.array_equal(first, self._call("step")):
            raise ValueError("step: expected the same result for the same arguments, got another")

    def jvp(self) -> None:
        n, zero = len(self.h), np.zeros(len(self.theta))
        F = np.empty((n, n))
        for j, e in enumerate(np.eye(n)):
            F[:, j] = self._array("jvp", self._call("jvp", e), (n,))
            self._compare("jvp", "∂f[{}]/∂h[{}]", F[:, j], self._expected(e, zero), column=j)
        self._linear("jvp", F)

    def vjp(self) -> None:
        n, zero = len(self.h), np.zeros(len(self.theta))
        expected = np.stack([self._expected(e, zero) for e in np.eye(n)], axis=1)
        F = np.empty((n, n))
        for i, e in enumerate(np.eye(n)):
            F[i] = self._array("vjp", self._call("vjp", e), (n,))
        for j in range(n):
            self._compare("vjp", "∂f[{}]/∂h[{}]", F[:, j], expected[:, j], column=j)
        self._linear("vjp", F.T)

    def rows(self) -> None:
        n, p = len(self.h), len(self.theta)
        given = dense_rows(self._call("rows"), n, p)
        for j, e in enumerate(np.eye(p)):
            expected = self._expected(np.zeros(n), e)
            self._compare("rows", "∂f[{}]/∂theta[{}]", given[:, j], expected, column=j)

    def loss(self, y) -> None:
        if self.system.loss is None:
            raise ValueError("y: the system has no loss to check")

        def value(h, *_):
            return np.array([self.system.loss(h, y)[0]])

        kept = self.h.copy()
        result = self.system.loss(self.h, y)
        if not np.array_equal(self.h, kept):
            raise ValueError("loss: expected to leave h alone, it was changed")
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"loss: expected (ℓ, ∂ℓ/∂h), got {result!r}")
        gradient = self._array("loss", result[1], self.h.shape)
        none = np.zeros(0)
        for j, e in enumerate(np.eye(len(self.h))):
            expected = _difference(value, self.h, None, none, e, none)[:1]
            self._compare("loss", "∂ℓ/∂h[{1}]", gradient[j : j + 1], expected, column=j)

    def _expected(self, dh, dtheta):
        return _difference(self.system.step, self.h, self.x, self.theta, dh, dtheta)

    def _call(self, name: str, *more):
        """A function of the system at the point; it must leave its arguments as they are."""
        given = self.h.copy(), self.theta.copy(), *(one.copy() for one in more)
        h, theta, *rest = given
        result = getattr(self.system, name)(h, self.x, theta, *rest)
        for argument, was, now in zip(
            ("h", "theta", "v"), (self.h, self.theta, *more), given, strict=False
        ):
            if not np.array_equal(was, now):
                raise ValueError(f"{name}: expected to leave {argument} alone, it was changed")
        return result

    def _linear(self, name: str, F) -> None:
        v = np.random.default_rng(0).normal(size=len(self.h))
        if not np.allclose(self._call(name, v), F @ v, 1e-9, 1e-9 * np.abs(F).max(initial=1.0)):
            raise ValueError(f"{name}: expected a linear function of its last argument, it is not")

    def _array(self, name: str, value, shape) -> np.ndarray:
        array = np.asarray(value)
        if array.shape != shape or array.dtype.kind not in "iuf":
            raise ValueError(
                f"{name}: expected an array of real numbers of shape {shape}, "
                f"got {array.dtype} of shape {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers, got {array}")
        return array

    def _compare(self, name: str, entry: str, given, expected, *, column: int) -> None:
        errors = np.abs(given - expected) / np.maximum(1.0, np.abs(expected))
        self.largest = max(self.largest, float(errors.max()))
        bad = ~(errors <= self.tolerance)
        if bad.any():
            i = int(np.argmax(errors))
            raise ValueError(
                f"{name}: {entry.format(i, column)} is {given[i]:.6g}, "
                f"expected {expected[i]:.6g} by finite differences"
            )


def dense_rows(csr, n: int, p: int) -> np.ndarray:
    """CSR arrays ``(indptr, indices, data)``, checked, as an array (n, p)."""
    if not isinstance(csr, tuple) or len(csr) != 3:
        raise TypeError(f"rows: expected (indptr, indices, data), got {type(csr).__name__}")
    indptr, indices, data = map(np.asarray, csr)
    if indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        raise TypeError(
            f"rows: expected integers in indptr and indices, got {indptr.dtype}, {indices.dtype}"
        )
    if indptr.shape != (n + 1,):
        raise ValueError(f"rows: expected indptr of shape {(n + 1,)}, got {indptr.shape}")
    if indptr[0] != 0 or (np.diff(indptr.astype(np.int64)) < 0).any():
        raise ValueError(f"rows: expected indptr to begin with 0 and never fall, got {indptr}")
    if indices.shape != (indptr[-1],) or data.shape != indices.shape:
        raise ValueError(
            f"rows: expected {indptr[-1]} indices and data, as many as indptr ends with, "
            f"got shapes {indices.shape}, {data.shape}"
        )
    if data.dtype.kind not in "iuf" or not np.isfinite(data).all():
        raise ValueError("rows: expected finite real numbers in data, got others")
    if ((indices < 0) | (indices >= p)).any():
        raise ValueError(
            f"rows: expected indices in [0, {p}), got {indices.min()} to {indices.max()}"
        )
    dense, seen = np.zeros((n, p)), np.zeros((n, p), bool)
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            if seen[i, indices[k]]:
                raise ValueError(
                    f"rows: expected column {indices[k]} once in row {i}, it is there twice"
                )
            seen[i, indices[k]] = True
            dense[i, indices[k]] = data[k]
    return dense


def _vector(name: str, value) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected a vector of finite numbers, got {value!r}")
    return array.astype(np.float64)
