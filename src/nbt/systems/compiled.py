"""Systems of your own in machine code: functions by address, with no Python in the loop."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.systems.system import ACTIVATIONS, Activation, as_starts, as_vector

__all__ = ["CompiledSystem"]


@dataclass(frozen=True, eq=False, repr=False)
class CompiledSystem:
    """Dynamical system like `System`, with compiled functions.

    With ``real`` for ``double`` or ``float``, by `dtype`, the functions are:

        int step(const real *h, const real *x, const real *theta, real *next, void *data);
        int jvp(const real *h, const real *x, const real *theta, const real *v, real *out,
                void *data);
        int vjp(const real *h, const real *x, const real *theta, const real *u, real *out,
                void *data);
        int rows(const real *h, const real *x, const real *theta,
                 int64_t *indptr, int32_t *indices, real *values, void *data);
        int loss(const real *h, const real *y, double *value, real *H, void *data);
        int move(const real *h, const real *x, const real *theta, size_t count, size_t ld,
                 const real *v, real *next, real *out,
                 int64_t *indptr, int32_t *indices, real *values, void *data);

    Their arguments are h (n), the input x (m), one-hot where inputs are symbols, and theta (p).
    Each function writes its whole result of n numbers; `rows` writes indptr (n + 1) and at most
    `entries` indices and values, each column at most once in a row. A function returns 0. Anything
    else is an error, which undoes the call. The functions run without the GIL and must be
    thread-safe. `check_system` compares them with finite differences.

    Parameters
    ----------
    step, jvp, rows, vjp
        Each is a function made by Numba's ``cfunc``, `ctypes` or cffi, a
        ``scipy.LowLevelCallable``, or an address. Only `TruncatedBPTT` needs `vjp`.
    state, theta : array (n,), array (p,)
        h and θ where training begins.
    entries : int, optional
        Most entries that ∂f/∂θ has at once, at least 1. Needed unless there is a `pattern`.
    starts, activation
        As in `System`.
    data : address or ctypes pointer, optional
        Passed to every function. Default: the user data of `step` if that is a
        ``LowLevelCallable``, else NULL.
    dtype : {"float64", "float32"}
        Type of the numbers that the functions take. It must be that of the trainer.
    loss : optional
        Computes ℓ(h, y) and H = ∂ℓ/∂h (n); used instead of a readout.
    targets : int, optional
        Length of y. Default: n.
    pattern : (indptr (n + 1,), indices), optional
        Places of the entries of ∂f/∂θ, if they never change. `rows` and `move` then get NULL for
        indptr and indices, and write only the values.
    move : optional
        Writes at once what `step`, `jvp` for `count` vectors, and `rows` write. `NoBackTrack` calls
        it instead of them, so that what they share is computed once. A vector is the first n of
        each ld numbers in v, and so is a result in out.

    Raises
    ------
    TypeError
        A function or `data` has no address, or is the address 0; `entries` is no integer, or is
        missing where there is no `pattern`; `pattern` is no pair of integer vectors; `activation`
        or `dtype` is no string.
    ValueError
        `state` or `theta` is no vector of finite numbers; `entries` is not in [1, 2⁴⁰]; `starts`
        does not rise from 0 within the parameters; `pattern` is not that of CSR arrays (n, p) with
        at least one entry; `activation` or `dtype` is none of the names above.
    """

    step: Any
    jvp: Any
    rows: Any
    vjp: Any = None
    state: Any = None
    theta: Any = None
    entries: int | None = None
    starts: Any = None
    activation: Activation = "identity"
    data: Any = None
    dtype: str = "float64"
    loss: Any = None
    targets: int | None = None
    pattern: Any = None
    move: Any = None

    def __post_init__(self) -> None:
        for name in ("state", "theta"):
            object.__setattr__(self, name, as_vector(name, getattr(self, name)))
        if self.pattern is not None:
            pattern = as_pattern(self.pattern, len(self.state), len(self.theta))
            object.__setattr__(self, "pattern", pattern)
            object.__setattr__(self, "entries", len(pattern[1]))
        _arguments.integer("entries", self.entries, high=2**40)
        _arguments.one_of("activation", self.activation, ACTIVATIONS)
        _arguments.one_of("dtype", self.dtype, ("float64", "float32"))
        object.__setattr__(self, "starts", as_starts(self.starts, len(self.theta)))
        self.addresses()

    @property
    def units(self) -> int:
        """Number of states, n."""
        return len(self.state)

    def first_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Return h and θ where training begins, (n,) and (p,)."""
        return self.state, self.theta

    def addresses(self) -> dict[str, int]:
        """Return the address of each function and of the data; 0 for data that is not given.

        Raises
        ------
        TypeError
            A function is not compiled, so it has no address.
        """
        more = [name for name in ("vjp", "move", "loss") if getattr(self, name) is not None]
        names = ("step", "jvp", "rows", *more)
        found = {name: address_of(name, getattr(self, name)) for name in names}
        data = getattr(self.step, "user_data", None) if self.data is None else self.data
        return found | {"data": 0 if data is None else address_of("data", data)}

    def __repr__(self) -> str:
        return f"CompiledSystem({len(self.state)} states, {len(self.theta)} parameters)"


def as_pattern(value, n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pattern of CSR arrays (n, p), checked and copied: indptr (int64) and indices
    (int32)."""
    try:
        indptr, indices = map(np.asarray, value)
    except (TypeError, ValueError):
        raise TypeError(f"pattern: expected (indptr, indices), got {value!r}") from None
    for name, array in (("indptr", indptr), ("indices", indices)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise TypeError(f"pattern: expected a vector of integers as {name}, got {array!r}")
    if len(indptr) != n + 1 or indptr[0] != 0 or (np.diff(indptr.astype(np.int64)) < 0).any():
        raise ValueError(
            f"pattern: expected {n + 1} numbers as indptr, beginning with 0 and never falling, "
            f"got {indptr}"
        )
    if not len(indices) or len(indices) != indptr[-1]:
        raise ValueError(
            f"pattern: expected {indptr[-1]} indices, as many as indptr ends with and at least "
            f"one, got {len(indices)}"
        )
    if indices.min() < 0 or indices.max() >= p:
        raise ValueError(f"pattern: expected indices in [0, {p}), got {indices}")
    rows = np.repeat(np.arange(n), np.diff(indptr.astype(np.int64)))
    if len(np.unique(rows * p + indices.astype(np.int64))) < len(indices):
        raise ValueError(f"pattern: expected each column at most once in a row, got {indices}")
    return indptr.astype(np.int64), indices.astype(np.int32)


def address_of(name: str, function: Any) -> int:
    """Return the address of a compiled function, or of what a pointer points to."""
    address = _address(function)
    if not address:
        raise TypeError(
            f"{name}: expected a function of numba.cfunc, ctypes or cffi, a LowLevelCallable or an "
            f"address, got {function!r}"
        )
    return address


def _address(function: Any) -> int | None:
    if isinstance(function, bool | str | bytes):
        return None
    if isinstance(function, int | np.integer):
        return int(function)
    if isinstance(function, tuple) and hasattr(function, "function"):  # LowLevelCallable
        return _address(function.function)
    if isinstance(getattr(function, "address", None), int):  # Numba
        return function.address
    kind = type(function)
    if kind.__name__ == "PyCapsule":
        return _capsule(function)
    if kind.__module__ == "_cffi_backend":
        import _cffi_backend  # installed, as it made the function

        ffi = _cffi_backend.FFI()
        return int(ffi.cast("uintptr_t", function))
    try:
        return ctypes.cast(function, ctypes.c_void_p).value
    except (ctypes.ArgumentError, TypeError):
        return None


def _capsule(capsule: Any) -> int | None:
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = (
        ctypes.c_char_p,
        [ctypes.py_object],
    )
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
