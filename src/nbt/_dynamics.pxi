"""Systems as C calls them (csrc/system.h): trampolines into Python, and functions by address."""

from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ

cdef extern from "system.h" nogil:
    ctypedef struct nbt_point:
        const void* h
        const void* x
        const void* theta
        int64_t symbol
        size_t phase
    ctypedef struct nbt_system:
        size_t n, m, p, entries, phases
        int theirs
        void* self
        int (*step)(void*, const nbt_point*, void*) noexcept
        int (*jvp)(void*, const nbt_point*, const void*, void*) noexcept
        int (*vjp)(void*, const nbt_point*, const void*, void*) noexcept
        int (*rows)(void*, const nbt_point*, int64_t*, int32_t*, void*) noexcept
        int (*loss)(void*, const void*, const void*, double*, void*) noexcept
    ctypedef struct nbt_compiled:
        size_t n, p, entries
        const int64_t* indptr
        const int32_t* indices
        int (*step)(const void*, const void*, const void*, void*, void*) noexcept
        int (*jvp)(const void*, const void*, const void*, const void*, void*, void*) noexcept
        int (*vjp)(const void*, const void*, const void*, const void*, void*, void*) noexcept
        int (*rows)(const void*, const void*, const void*, int64_t*, int32_t*, void*,
                    void*) noexcept
        int (*move)(const void*, const void*, const void*, size_t, size_t, const void*, void*,
                    void*, int64_t*, int32_t*, void*, void*) noexcept
        int (*loss)(const void*, const void*, double*, void*, void*) noexcept
        void* data
    nbt_system nbt_system_of(nbt_compiled* compiled, size_t m) noexcept
    int nbt_csr_valid(size_t n, size_t p, size_t entries, const int64_t* indptr,
                      const int32_t* indices) noexcept


cdef class Dynamics:
    """What a learner trains in place of a dense cell; a learner keeps its own.

    Subclasses fill `c`. `python`: its functions need the GIL. `fallible`: they may fail.
    """

    cdef nbt_system c
    cdef bint python, fallible
    cdef object error  # what a Python function raised

    @property
    def sizes(self):
        """n, m, p, entries, phases."""
        return {"n": self.c.n, "m": self.c.m, "p": self.c.p, "entries": self.c.entries,
                "phases": self.c.phases}

    cdef int _raise(self) except -1:
        """Raises what made the last call fail."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        raise RuntimeError("a function of the system failed: it returned something else than 0, or "
                           "∂f/∂θ that are no CSR arrays of its size")


cdef class CompiledDynamics(Dynamics):
    """Functions by address; `data` is passed to each. pattern: indptr (int64), indices (int32)."""

    cdef nbt_compiled compiled
    cdef object pattern

    def __cinit__(self, *, size_t n, size_t m, size_t p, size_t entries, uintptr_t step,
                  uintptr_t jvp, uintptr_t rows, uintptr_t vjp=0, uintptr_t move=0,
                  uintptr_t loss=0, uintptr_t data=0, pattern=None):
        cdef const int64_t[::1] indptr
        cdef const int32_t[::1] indices
        self.compiled.n, self.compiled.p, self.compiled.entries = n, p, entries
        if pattern is not None:
            indptr, indices = self.pattern = pattern
            self.compiled.indptr, self.compiled.indices = &indptr[0], &indices[0]
        (<uintptr_t*>&self.compiled.step)[0] = step
        (<uintptr_t*>&self.compiled.jvp)[0] = jvp
        (<uintptr_t*>&self.compiled.rows)[0] = rows
        (<uintptr_t*>&self.compiled.vjp)[0] = vjp
        (<uintptr_t*>&self.compiled.move)[0] = move
        (<uintptr_t*>&self.compiled.loss)[0] = loss
        self.compiled.data = <void*>data
        self.c = nbt_system_of(&self.compiled, m)
        self.fallible = True


cdef class PythonDynamics(Dynamics):
    """Python functions step, jvp, vjp (or None), rows of (h, x, theta, …), which get read-only
    arrays over C's own memory; with several phases also the keyword `phase`."""

    cdef object functions, dtype
    cdef size_t targets  # numbers of a target of `loss`
    cdef dict views

    def __cinit__(self, *, size_t n, size_t m, size_t p, size_t entries, size_t phases, dtype,
                  dict functions, size_t targets=0):
        self.c.n, self.c.m, self.c.p, self.c.entries, self.c.phases = n, m, p, entries, phases
        self.functions, self.dtype, self.views = functions, np.dtype(dtype), {}
        self.c.self = <void*>self
        self.c.step, self.c.jvp, self.c.rows = _python_step, _python_jvp, _python_rows
        if functions["vjp"] is not None:
            self.c.vjp = _python_vjp
        if functions["loss"] is not None:
            self.c.loss = _python_loss
        self.targets = targets
        self.python = self.fallible = self.c.theirs = True

    cdef object view(self, const void* at, size_t count):
        """The numbers there, as an array that is made once: C's arrays stay where they are."""
        key = <uintptr_t>at
        array = self.views.get(key)
        if array is None:
            memory = PyMemoryView_FromMemory(<char*>at, count * <size_t>self.dtype.itemsize,
                                             PyBUF_READ)
            array = self.views[key] = np.frombuffer(memory, self.dtype)
        return array

    cdef object call(self, str name, const nbt_point* at, const void* vector):
        h = self.view(at.h, self.c.n)
        x = self.view(at.x, self.c.m)
        theta = self.view(at.theta, self.c.p)
        function = self.functions[name]
        if self.c.phases > 1:
            if vector != NULL:
                return function(h, x, theta, self.view(vector, self.c.n), phase=at.phase)
            return function(h, x, theta, phase=at.phase)
        if vector != NULL:
            return function(h, x, theta, self.view(vector, self.c.n))
        return function(h, x, theta)

    cdef int give(self, str name, result, size_t count, void* out) except -1:
        """Copies what a function gave, `count` numbers, to where C wants it."""
        array = np.asarray(result)
        if array.shape != (count,) or array.dtype.kind not in "iuf":
            raise ValueError(f"{name}: expected an array of real numbers of shape ({count},), "
                             f"got {array.dtype} of shape {array.shape}")
        if array.dtype is not self.dtype or not array.flags.c_contiguous:
            array = np.require(array, self.dtype, ["C"])
        memcpy(out, PyArray_DATA(array), PyArray_NBYTES(array))
        return 0

    cdef int vector(self, str name, const nbt_point* at, const void* vector, void* out) except -1:
        return self.give(name, self.call(name, at, vector), self.c.n, out)

    cdef int measure(self, const void* h, const void* y, double* value, void* H) except -1:
        result = self.functions["loss"](self.view(h, self.c.n), self.view(y, self.targets))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"loss: expected (ℓ, ∂ℓ/∂h), got {result!r}")
        value[0] = float(result[0])
        return self.give("loss: ∂ℓ/∂h", result[1], self.c.n, H)

    cdef int csr(self, const nbt_point* at, int64_t* indptr, int32_t* indices,
                 void* values) except -1:
        starts, columns, data = _csr_arrays(self.call("rows", at, NULL), self.c.n, self.c.p,
                                            self.c.entries)
        memcpy(indptr, PyArray_DATA(starts), PyArray_NBYTES(starts))
        memcpy(indices, PyArray_DATA(columns), PyArray_NBYTES(columns))
        if not nbt_csr_valid(self.c.n, self.c.p, self.c.entries, indptr, indices):
            raise ValueError("rows: expected indptr to begin with 0 and never fall, and indices in "
                             f"[0, {self.c.p}), got {starts} and {columns}")
        return self.give("rows: data", data, len(columns), values)


def _csr_arrays(csr, n, p, entries):
    """indptr (int64), indices (int32) and data of a tuple, or of what has these attributes."""
    if not isinstance(csr, tuple):
        csr = tuple(getattr(csr, name, None) for name in ("indptr", "indices", "data"))
    if len(csr) != 3 or any(part is None for part in csr):
        raise TypeError("rows: expected (indptr, indices, data) or a CSR array that has them")
    indptr, indices, data = map(np.asarray, csr)
    if indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        raise TypeError("rows: expected integers in indptr and indices, got "
                        f"{indptr.dtype}, {indices.dtype}")
    if indptr.shape != (n + 1,):
        raise ValueError(f"rows: expected indptr of shape {(n + 1,)}, got {indptr.shape}")
    if indices.shape != (indptr[n],) or data.shape != indices.shape:
        raise ValueError(f"rows: expected {indptr[n]} indices and data, as many as indptr ends "
                         f"with, got shapes {indices.shape}, {data.shape}")
    if len(indices) > entries:
        raise ValueError(f"rows: expected at most {entries} entries, got {len(indices)}; say "
                         "System(entries=...) how many there may be")
    if indices.dtype.itemsize > 4:  # C would see what is left of 32 bits
        outside = indices[(indices < 0) | (indices >= p)]
        if len(outside):
            raise ValueError(f"rows: expected indices in [0, {p}), got {outside[0]}")
    return np.require(indptr, np.int64, ["C"]), np.require(indices, np.int32, ["C"]), data


cdef int _python_step(void* self, const nbt_point* at, void* next) noexcept with gil:
    dynamics = <PythonDynamics>self
    try:
        dynamics.vector("step", at, NULL, next)
        return 0
    except BaseException as error:
        dynamics.error = error
        return -1


cdef int _python_jvp(void* self, const nbt_point* at, const void* v, void* out) noexcept with gil:
    dynamics = <PythonDynamics>self
    try:
        dynamics.vector("jvp", at, v, out)
        return 0
    except BaseException as error:
        dynamics.error = error
        return -1


cdef int _python_vjp(void* self, const nbt_point* at, const void* u, void* out) noexcept with gil:
    dynamics = <PythonDynamics>self
    try:
        dynamics.vector("vjp", at, u, out)
        return 0
    except BaseException as error:
        dynamics.error = error
        return -1


cdef int _python_rows(void* self, const nbt_point* at, int64_t* indptr, int32_t* indices,
                      void* values) noexcept with gil:
    dynamics = <PythonDynamics>self
    try:
        dynamics.csr(at, indptr, indices, values)
        return 0
    except BaseException as error:
        dynamics.error = error
        return -1


cdef int _python_loss(void* self, const void* h, const void* y, double* value,
                      void* H) noexcept with gil:
    dynamics = <PythonDynamics>self
    try:
        dynamics.measure(h, y, value, H)
        return 0
    except BaseException as error:
        dynamics.error = error
        return -1
