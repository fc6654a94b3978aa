"""Compare the derivatives of a user's system with finite differences."""

from __future__ import annotations

import functools

import numpy as np

from nbt import _arguments
from nbt.systems.compiled import CompiledSystem
from nbt.systems.compiled_calls import CompiledCalls, in_python
from nbt.systems.derivatives import difference
from nbt.systems.system import System, as_vector

__all__ = ["check_system", "dense_rows"]

TOLERANCE = {"float64": 1e-5, "float32": 1e-3}
ROUNDING = {"float64": 1e-9, "float32": 1e-4}  # tolerance of sums, relative to the largest term


def check_system(
    system: System | CompiledSystem,
    h=None,
    x=None,
    theta=None,
    y=None,
    *,
    tolerance: float | None = None,
) -> float:
    """Compare every derivative of a system with finite differences at one point.

    Choose a typical point: no number at 0, no saturated unit. The check calls `step` twice for each
    state and each parameter.

    Parameters
    ----------
    system : System or CompiledSystem
        For a compiled system, `move` is also compared with the other functions.
    h : array (n,), optional
        Default: the state where training begins.
    x
        An input, as `step` takes it; a vector for a compiled system.
    theta : array (p,), optional
        Default: the parameters where training begins.
    y : optional
        A target. If it is given, the loss is checked, too.
    tolerance : float, optional
        Largest error of an entry: |given - difference| ≤ tolerance · max(1, |difference|). Default:
        1e-5, or 1e-3 if a compiled system computes in float32.

    Returns
    -------
    float
        The largest error, |given - difference| / max(1, |difference|).

    Raises
    ------
    TypeError
        `system` is no system, or has no `state` or `theta` and none is given; `rows` does not
        return CSR arrays, or `loss` no pair.
    ValueError
        A derivative is wrong; the message names the function, the entry, the value given and the
        value expected. Or a function returns another shape or numbers that are not finite, returns
        another result for the same arguments, or changes its arguments; `h`, `theta` or the `x` of
        a compiled system is no vector of finite numbers; `y` is given and the system has no loss.
    RuntimeError
        A compiled function did not return 0.

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
    compiled = None
    if isinstance(system, CompiledSystem):
        compiled, x = system, as_vector("x", x)
        system = in_python(system)
    _arguments.not_called("system", system)
    if not isinstance(system, System):
        raise TypeError(f"system: expected System or CompiledSystem, got {system!r}")
    h = as_vector("h", system.first_values()[0] if h is None else h)
    theta = as_vector("theta", system.first_values()[1] if theta is None else theta)
    dtype = compiled.dtype if compiled else "float64"
    check = _Check(system, h, x, theta, tolerance or TOLERANCE[dtype], dtype)
    for phase in range(system.phases):
        check.phase = {"phase": phase} if system.phases > 1 else {}
        check.step()
        check.jvp()
        check.rows()
        if system.vjp is not None:
            check.vjp()
    if compiled and compiled.move is not None:
        check.move(CompiledCalls(compiled))
    if y is not None:
        check.loss(y)
    return check.largest


class _Check:
    """One point, and the largest error found there."""

    def __init__(self, system, h, x, theta, tolerance, dtype) -> None:
        self.system, self.h, self.x, self.theta = system, h, x, theta
        self.tolerance, self.largest, self.dtype = tolerance, 0.0, dtype
        self.phase: dict[str, int] = {}

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

    def move(self, calls: CompiledCalls) -> None:
        """Compare `move` for two vectors with the functions called one after the other."""
        n, p = len(self.h), len(self.theta)
        v = np.random.default_rng(0).normal(size=(2, n))
        next_h, along, csr = calls.move(self.h, self.x, self.theta, v)
        self._same("move: next[{0}]", next_h, self._call("step"), "step")
        for k in range(2):
            self._same(f"move: out[{k}, {{0}}]", along[k], self._call("jvp", v[k]), "jvp")
        rows = dense_rows(self._call("rows"), n, p)
        self._same("move: ∂f[{0}]/∂theta[{1}]", dense_rows(csr, n, p), rows, "rows")

    def _same(self, entry: str, given, expected, function: str) -> None:
        near = ROUNDING[self.dtype]
        wrong = ~np.isclose(given, expected, near, near * np.abs(expected).max(initial=1.0))
        if wrong.any():
            at = tuple(map(int, np.argwhere(wrong)[0]))
            raise ValueError(
                f"{entry.format(*at)} is {given[at]:.6g}, expected {expected[at]:.6g} as by "
                f"{function}"
            )

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
            expected = difference(value, self.h, None, none, e, none, self.dtype)[:1]
            self._compare("loss", "∂ℓ/∂h[{1}]", gradient[j : j + 1], expected, column=j)

    def _expected(self, dh, dtheta):
        step = functools.partial(self.system.step, **self.phase)
        return difference(step, self.h, self.x, self.theta, dh, dtheta, self.dtype)

    def _call(self, name: str, *more):
        """Return what a function of the system returns at the point. It must not change its
        arguments."""
        given = self.h.copy(), self.theta.copy(), *(one.copy() for one in more)
        h, theta, *rest = given
        result = getattr(self.system, name)(h, self.x, theta, *rest, **self.phase)
        for argument, was, now in zip(
            ("h", "theta", "v"), (self.h, self.theta, *more), given, strict=False
        ):
            if not np.array_equal(was, now):
                raise ValueError(f"{name}: expected to leave {argument} alone, it was changed")
        return result

    def _linear(self, name: str, F) -> None:
        v = np.random.default_rng(0).normal(size=len(self.h))
        near = ROUNDING[self.dtype]
        if not np.allclose(self._call(name, v), F @ v, near, near * np.abs(F).max(initial=1.0)):
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
    """Return CSR arrays ``(indptr, indices, data)``, checked, as an array (n, p)."""
    if not isinstance(csr, tuple):
        csr = tuple(getattr(csr, name, None) for name in ("indptr", "indices", "data"))
    if len(csr) != 3 or any(part is None for part in csr):
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
