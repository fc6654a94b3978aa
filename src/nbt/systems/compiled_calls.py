"""Call the functions of a compiled system from Python: slowly, to check and inspect them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System

__all__ = ["CompiledCalls", "in_python"]


def in_python(system: CompiledSystem) -> System:
    """Return a `System` whose functions call the compiled ones. Their results have the compiled
    dtype."""
    calls = CompiledCalls(system)
    return System(
        calls.step,
        calls.jvp,
        calls.rows,
        vjp=calls.vjp if system.vjp is not None else None,
        loss=calls.loss if system.loss is not None else None,
        state=system.state,
        theta=system.theta,
        starts=system.starts,
        activation=system.activation,
        entries=system.entries,
        targets=system.targets,
    )


class CompiledCalls:
    """The compiled functions on arrays, with the arguments of `System`. They raise RuntimeError if
    a compiled function does not return 0."""

    def __init__(self, system: CompiledSystem) -> None:
        self.system, self.dtype = system, np.dtype(system.dtype)
        self.addresses = system.addresses()

    def step(self, h, x, theta):
        """Return h(t+1), (n,)."""
        return self._vector("step", h, x, theta)

    def jvp(self, h, x, theta, v):
        """Return F v, (n,)."""
        return self._vector("jvp", h, x, theta, v)

    def vjp(self, h, x, theta, u):
        """Return Fᵀ u, (n,)."""
        return self._vector("vjp", h, x, theta, u)

    def rows(self, h, x, theta):
        """Return ∂f/∂θ as CSR arrays."""
        indptr, indices, values, pattern = self._csr()
        self._call("rows", (h, x, theta), *pattern, values)
        return indptr, indices[: indptr[-1]], values[: indptr[-1]]

    def loss(self, h, y):
        """Return ℓ and H (n,)."""
        value, H = np.empty(1), np.empty(len(h), self.dtype)
        self._call("loss", (h, y), value, H)
        return float(value[0]), H

    def move(self, h, x, theta, v):
        """Return h(t+1) (n,), F v (count, n) and ∂f/∂θ as CSR arrays, for v (count, n)."""
        count, n = v.shape
        ld = n + 3  # as in trainers, there is a gap between the vectors
        along, out = np.zeros((2, count, ld), self.dtype)
        along[:, :n] = v
        next_h = np.empty(n, self.dtype)
        indptr, indices, values, pattern = self._csr()
        sizes = ctypes.c_size_t(count), ctypes.c_size_t(ld)
        self._call("move", (h, x, theta), *sizes, along, next_h, out, *pattern, values)
        return next_h, out[:, :n], (indptr, indices[: indptr[-1]], values[: indptr[-1]])

    def _vector(self, name: str, h, *more) -> np.ndarray:
        out = np.empty(len(h), self.dtype)
        self._call(name, (h, *more), out)
        return out

    def _csr(self):
        """Return empty CSR arrays, and what a function gets as indptr and indices."""
        values = np.empty(self.system.entries, self.dtype)
        if self.system.pattern is not None:
            return *self.system.pattern, values, (None, None)
        indptr = np.zeros(len(self.system.state) + 1, np.int64)
        indices = np.zeros(self.system.entries, np.int32)
        return indptr, indices, values, (indptr, indices)

    def _call(self, name: str, numbers, *rest: Any) -> None:
        """Call a function with the vectors that it reads, converted to its dtype, and then the
        rest."""
        arrays = [np.ascontiguousarray(one, self.dtype) for one in numbers]
        given = [
            one.ctypes.data_as(ctypes.c_void_p) if isinstance(one, np.ndarray) else one
            for one in (*arrays, *rest)
        ]
        kinds = [ctypes.c_size_t if isinstance(one, ctypes.c_size_t) else ctypes.c_void_p
                 for one in given]  # fmt: skip
        kind = ctypes.CFUNCTYPE(ctypes.c_int, *kinds, ctypes.c_void_p)
        status = kind(self.addresses[name])(*given, self.addresses["data"])
        if status != 0:
            raise RuntimeError(f"{name}: expected it to return 0, got {status}")
