"""Systems as C calls them (csrc/systems/system.h): Python functions, and functions by address."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from numpy cimport PyArray_STRIDE

cdef extern from "Python.h":
    Py_ssize_t references "Py_REFCNT"(PyObject*)

cdef class CoreSystem:
    """A system that a learner trains instead of a dense cell. Each learner has its own.

    Subclasses fill `c`. `python` says that its functions need the GIL, `fallible` that they may
    fail.
    """

    cdef nbt_system c
    cdef bint python, fallible
    cdef object error  # what a Python function raised

    @property
    def sizes(self):
        """The sizes n, m, p, entries and phases."""
        return {"n": self.c.n, "m": self.c.m, "p": self.c.p, "entries": self.c.entries,
                "phases": self.c.phases}

    cdef int _show(self, theta) except -1:
        """Take the array of the learner in which θ lies."""
        return 0

    cdef int _raise(self) except -1:
        """Raise the error by which the last call failed."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        raise RuntimeError("a function of the system failed: it returned something else than 0, or "
                           "∂f/∂θ that are no CSR arrays of its size")


cdef class CompiledCoreSystem(CoreSystem):
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


@cython.final
cdef class _Lent:
    """An argument of a Python function: a read-only array of C's numbers.

    The numbers are copied into it for each call. If something else still holds the array, it keeps
    the array with its numbers, and the next call gets a new one. θ is large and is not copied: it
    is the learner's own array, which lives as long as any view of it.
    """

    cdef object array, memory, dtype
    cdef str name
    cdef int kind
    cdef bint copied
    cdef npy_intp count, itemsize
    cdef char* data

    def __cinit__(self, str name, size_t count, dtype):
        self.name, self.count, self.dtype = name, count, dtype
        self.kind, self.itemsize, self.copied = dtype.num, dtype.itemsize, True

    cdef int show(self, array) except -1:
        """Use this array itself from now on. It owns the memory that C reads."""
        self.memory = memoryview(array).cast("B").toreadonly()
        self.array, self.copied = None, False
        return 0

    cdef object of(self, const void* numbers):
        if self.array is None or self.changed() or self.copied and self.kept():
            if self.copied:
                self.memory = PyBytes_FromStringAndSize(NULL, self.count * self.itemsize)
            self.array = np.frombuffer(self.memory, self.dtype, self.count)
            self.data = <char*>PyArray_DATA(self.array)
        if self.copied:
            memcpy(self.data, numbers, self.count * self.itemsize)
        return self.array

    cdef bint kept(self):
        """Return whether anything else holds the array or its memory."""
        return references(<PyObject*>self.array) > 1 or references(<PyObject*>self.memory) > 2

    cdef bint changed(self):
        """Return whether the shape or the type of the array was changed. Its numbers cannot be."""
        array = self.array
        return not (PyArray_NDIM(array) == 1 and PyArray_DIM(array, 0) == self.count
                    and PyArray_STRIDE(array, 0) == self.itemsize
                    and PyArray_TYPE(array) == self.kind
                    and <char*>PyArray_DATA(array) == self.data)


cdef class PythonCoreSystem(CoreSystem):
    """A system of Python functions step, jvp, vjp (or None) and rows of (h, x, theta, …), whose
    arguments are `_Lent`. With several phases they also get the keyword `phase`."""

    cdef object functions, dtype
    cdef int kind
    cdef _Lent h, x, theta, y
    cdef dict vectors  # the further argument of each function that has one

    def __cinit__(self, *, size_t n, size_t m, size_t p, size_t entries, size_t phases, dtype,
                  dict functions, size_t targets=0):
        self.c.n, self.c.m, self.c.p, self.c.entries, self.c.phases = n, m, p, entries, phases
        self.functions, self.dtype = functions, np.dtype(dtype)
        self.kind = self.dtype.num
        self.h, self.x = _Lent("h", n, self.dtype), _Lent("x", m, self.dtype)
        self.theta, self.y = _Lent("theta", p, self.dtype), _Lent("y", targets, self.dtype)
        self.vectors = {"jvp": _Lent("v", n, self.dtype), "vjp": _Lent("u", n, self.dtype)}
        self.c.self = <void*>self
        self.c.step, self.c.jvp, self.c.rows = _python_step, _python_jvp, _python_rows
        if functions["vjp"] is not None:
            self.c.vjp = _python_vjp
        if functions["loss"] is not None:
            self.c.loss = _python_loss
        self.python = self.fallible = self.c.theirs = True

    cdef int _show(self, theta) except -1:
        return self.theta.show(theta)

    cdef object call(self, str name, const nbt_point* at, const void* vector):
        cdef _Lent more
        h, x, theta = self.h.of(at.h), self.x.of(at.x), self.theta.of(at.theta)
        function = self.functions[name]
        more = None
        if vector != NULL:
            more = self.vectors[name]
            v = more.of(vector)
            if self.c.phases > 1:
                result = function(h, x, theta, v, phase=at.phase)
            else:
                result = function(h, x, theta, v)
            self.unchanged(name, more)
        elif self.c.phases > 1:
            result = function(h, x, theta, phase=at.phase)
        else:
            result = function(h, x, theta)
        self.unchanged(name, self.h)
        self.unchanged(name, self.x)
        self.unchanged(name, self.theta)
        return result

    cdef int unchanged(self, str name, _Lent one) except -1:
        if one.changed():
            raise ValueError(f"{name}: changed the shape or the type of its argument {one.name}; "
                             "expected a function that leaves its arguments as they are: "
                             f"{one.name}.reshape(…) and {one.name}.view(…) make other arrays")
        return 0

    cdef int give(self, str name, result, size_t count, void* out) except -1:
        """Copy the result of a function, `count` numbers, to where C reads it."""
        if not PyArray_CheckExact(result):
            result = _as_array(name, result)
        if (PyArray_NDIM(result) != 1 or PyArray_DIM(result, 0) != <npy_intp>count
                or PyArray_TYPE(result) != self.kind and result.dtype.kind not in "iuf"):
            raise ValueError(f"{name}: expected an array of real numbers of shape ({count},), "
                             f"got {result.dtype} of shape {result.shape}")
        if PyArray_TYPE(result) != self.kind or not PyArray_ISCARRAY_RO(result):
            result = np.require(result, self.dtype, ["C", "A"])
        memcpy(out, PyArray_DATA(result), PyArray_NBYTES(result))
        return 0

    cdef int vector(self, str name, const nbt_point* at, const void* vector, void* out) except -1:
        return self.give(name, self.call(name, at, vector), self.c.n, out)

    cdef int measure(self, const void* h, const void* y, double* value, void* H) except -1:
        result = self.functions["loss"](self.h.of(h), self.y.of(y))
        self.unchanged("loss", self.h)
        self.unchanged("loss", self.y)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"loss: expected (ℓ, ∂ℓ/∂h), got {result!r}")
        value[0] = result[0] if type(result[0]) is float else _as_number("loss: ℓ", result[0])
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


def _as_array(name, result):
    """Return the result of a function as an array."""
    if isinstance(result, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array without a mask, got a masked one; "
                        ".filled(…) says what is where something is masked")
    try:
        return np.asarray(result)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array of real numbers, got {error}") from None


def _as_number(name, value):
    array = _as_array(name, value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected a number, got {value!r}")
    return float(array.reshape(()))


def _csr_arrays(csr, n, p, entries):
    """Return indptr (int64), indices (int32) and data of a tuple, or of an object with these."""
    if not isinstance(csr, tuple):
        csr = tuple(getattr(csr, name, None) for name in ("indptr", "indices", "data"))
    if len(csr) != 3 or any(part is None for part in csr):
        raise TypeError("rows: expected (indptr, indices, data) or a CSR array that has them")
    names = ("rows: indptr", "rows: indices", "rows: data")
    indptr, indices, data = map(_as_array, names, csr)
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
    if indices.dtype.itemsize > 4:  # C would see only 32 bits of them
        outside = indices[(indices < 0) | (indices >= p)]
        if len(outside):
            raise ValueError(f"rows: expected indices in [0, {p}), got {outside[0]}")
    return np.require(indptr, np.int64, ["C"]), np.require(indices, np.int32, ["C"]), data


cdef int _python_step(void* self, const nbt_point* at, void* next) noexcept with gil:
    system = <PythonCoreSystem>self
    try:
        system.vector("step", at, NULL, next)
        return 0
    except BaseException as error:
        system.error = error
        return -1


cdef int _python_jvp(void* self, const nbt_point* at, const void* v, void* out) noexcept with gil:
    system = <PythonCoreSystem>self
    try:
        system.vector("jvp", at, v, out)
        return 0
    except BaseException as error:
        system.error = error
        return -1


cdef int _python_vjp(void* self, const nbt_point* at, const void* u, void* out) noexcept with gil:
    system = <PythonCoreSystem>self
    try:
        system.vector("vjp", at, u, out)
        return 0
    except BaseException as error:
        system.error = error
        return -1


cdef int _python_rows(void* self, const nbt_point* at, int64_t* indptr, int32_t* indices,
                      void* values) noexcept with gil:
    system = <PythonCoreSystem>self
    try:
        system.csr(at, indptr, indices, values)
        return 0
    except BaseException as error:
        system.error = error
        return -1


cdef int _python_loss(void* self, const void* h, const void* y, double* value,
                      void* H) noexcept with gil:
    system = <PythonCoreSystem>self
    try:
        system.measure(h, y, value, H)
        return 0
    except BaseException as error:
        system.error = error
        return -1
