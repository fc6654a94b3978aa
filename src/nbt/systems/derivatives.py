"""Derivatives of a function that were not given: by JAX if it is a JAX function, else by the
complex step or by central differences."""

from __future__ import annotations

import warnings

import numpy as np

__all__ = ["DerivedJvp", "DerivedRows", "difference", "is_jax", "jax_derivatives"]

TINY = 1e-30  # length of the complex step; no difference is taken, so no digits are lost
AGREE = 1e-6


def is_jax(step) -> bool:
    """Return whether this is a function of ``jax.jit``."""
    return type(step).__module__.split(".")[0] in ("jax", "jaxlib")


def jax_derivatives(step) -> dict:
    """Return jvp, vjp and rows of a function of ``jax.jit``, differentiated and compiled by JAX."""
    import jax  # installed, as it made the function

    @jax.jit
    def jvp(h, x, theta, v):
        return jax.jvp(lambda state: step(state, x, theta), (h,), (v,))[1]

    @jax.jit
    def vjp(h, x, theta, u):
        return jax.vjp(lambda state: step(state, x, theta), h)[1](u)[0]

    jacobian = jax.jit(jax.jacrev(step, argnums=2))

    def rows(h, x, theta):
        return sparse_rows(np.asarray(jacobian(h, x, theta)))

    return {"jvp": jvp, "vjp": vjp, "rows": rows}


def sparse_rows(dense) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the non-zero entries of a matrix (n, p) as CSR arrays."""
    i, indices = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(i, minlength=len(dense)))])
    return indptr, indices, dense[i, indices]


class DerivedJvp:
    """The function (∂f/∂h) v, derived from `step` alone."""

    def __init__(self, step) -> None:
        self.along = _Directional(step)

    def __call__(self, h, x, theta, v):
        return self.along(h, x, theta, v, np.zeros(len(theta)))


class DerivedRows:
    """The function ∂f/∂θ, derived from `step` alone, one column at a time."""

    def __init__(self, step) -> None:
        self.along = _Directional(step)

    def __call__(self, h, x, theta):
        units = np.eye(len(theta))
        dense = np.stack([self.along(h, x, theta, np.zeros(len(h)), e) for e in units], axis=1)
        return sparse_rows(dense)


class _Directional:
    """Derivative of `step` along (dh, dtheta). The first call decides how it is computed."""

    def __init__(self, step) -> None:
        self.step, self.complex = step, None

    def __call__(self, h, x, theta, dh, dtheta):
        if self.complex is None:
            _check(np.asarray(self.step(h, x, theta)), (len(h),))
            self.complex = self._complex_will_do(h, x, theta)
        if self.complex:
            return self._by_complex_step(h, x, theta, dh, dtheta)
        return difference(self.step, h, x, theta, dh, dtheta)

    def _by_complex_step(self, h, x, theta, dh, dtheta):
        return np.imag(self.step(h + 1j * TINY * dh, x, theta + 1j * TINY * dtheta)) / TINY

    def _complex_will_do(self, h, x, theta) -> bool:
        """Return whether both ways agree along a random direction, in which all entries take
        part."""
        random = np.random.default_rng(0)
        along = random.normal(size=len(h)), random.normal(size=len(theta))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # such as imaginary parts that are discarded
                exact = self._by_complex_step(h, x, theta, *along)
        except Exception:  # a user's function may raise anything for complex numbers
            return False
        return np.allclose(exact, difference(self.step, h, x, theta, *along), AGREE, AGREE)


def _check(value: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check that the value is a state, before its derivatives are computed from it."""
    if value.shape != shape or value.dtype.kind not in "biuf":
        raise ValueError(
            f"step: expected an array of real numbers of shape {shape}, "
            f"got {value.dtype} of shape {value.shape}"
        )


def difference(step, h, x, theta, dh, dtheta, dtype=np.float64):
    """Return the central difference of `step`, which computes in `dtype`, along (dh, dtheta)."""
    largest = max(1.0, np.abs(h).max(), np.abs(theta).max(initial=0.0))
    length = max(np.abs(dh).max(), np.abs(dtheta).max(initial=0.0))
    if not length > 0:
        return np.zeros(len(h))
    e = np.finfo(dtype).eps ** (1 / 3) * largest / length  # least error of central differences
    after, before = (step(h + s * e * dh, x, theta + s * e * dtheta) for s in (1, -1))
    return (np.asarray(after, np.float64) - np.asarray(before, np.float64)) / (2 * e)
