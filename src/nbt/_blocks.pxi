"""What callers pass, symbols or vectors, checked and as C reads it."""

cdef struct Data:
    const int32_t* symbols  # or
    const void* vectors
    size_t count
    int32_t one  # a single symbol's place; a single number's
    double real
    float real32
    bint held  # is there a buffer to release?
    Py_buffer buffer


cdef void _release(Data* data) noexcept:
    if data.held:
        PyBuffer_Release(&data.buffer)
        data.held = False


cdef int _hold(array, Data* data) except -1:
    PyObject_GetBuffer(array, &data.buffer, PyBUF_C_CONTIGUOUS)
    data.held, data.vectors, data.count = True, data.buffer.buf, array.shape[0]
    return 0


cdef int _symbols(x, str name, size_t limit, Data* data) except -1:
    """x as contiguous int32, every entry in [0, limit)."""
    cdef size_t bad
    if type(x) is int and 0 <= x < limit:
        data.one = x
        data.symbols, data.count = &data.one, 1
        return 0
    if type(x) is not np_ndarray or not (<object>x).dtype is INT32 or x.ndim != 1:
        x = _as_symbols(x, name)
    elif not x.flags.c_contiguous:
        x = np.ascontiguousarray(x)
    PyObject_GetBuffer(x, &data.buffer, PyBUF_C_CONTIGUOUS)
    data.held = True
    if <uintptr_t>data.buffer.buf % 4:  # a packed record's field, say
        _release(data)
        return _symbols(x.copy(), name, limit, data)
    data.symbols, data.count = <const int32_t*>data.buffer.buf, data.buffer.len // 4
    bad = nbt_first_bad_symbol(data.symbols, data.count, limit)
    if bad < data.count:
        value = data.symbols[bad]
        _release(data)
        raise ValueError(f"{name}: expected symbols in [0, {limit}), got {value} at position {bad}")
    return 0


INT32 = np.dtype(np.int32)
np_ndarray = np.ndarray


def _refuse_mask(x, name):
    """np.asarray would take what is masked for a number."""
    if np.ma.is_masked(x):
        raise TypeError(f"{name}: expected an array without a mask, got one; .filled(numpy.nan) "
                        "says what is missing, and missing='skip' or 'mask' what that does")


def _as_symbols(x, name):
    """Integers of any kind, order and layout as a contiguous int32 array of one dimension."""
    if isinstance(x, (str, bytes)):
        raise TypeError(f"{name}: expected integer symbols, got {type(x).__name__}; "
                        "an alphabet's encode() makes symbols of text")
    _refuse_mask(x, name)
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name}: expected a sequence of integers, got {error}") from None
    if array.size == 0 and array.ndim == 1 and isinstance(x, (list, tuple)):
        array = array.astype(np.int32)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: expected integer symbols, got {array.dtype} of {type(x).__name__}")
    if array.ndim > 1:
        raise ValueError(f"{name}: expected one dimension, got shape {array.shape}")
    array = np.atleast_1d(array)
    wide = array[(array > 0x7FFFFFFF) | (array < -0x80000000)]
    if wide.size:
        raise ValueError(f"{name}: expected 32-bit symbols, got {wide[0]}")
    return np.require(array, np.int32, ["C", "A"])


def _vectors(x, name, m, dtype, missing):
    """Real numbers of any kind, order and layout as a contiguous (steps, m) array, all finite, or
    NaN where they may be missing."""
    if isinstance(x, (str, bytes)):
        raise TypeError(f"{name}: expected numbers, got {type(x).__name__}")
    _refuse_mask(x, name)
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name}: expected vectors of {m} numbers, got {error}") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected real numbers, got {array.dtype} of {type(x).__name__}")
    if m == 1 and array.ndim < 2:
        array = array.reshape(-1, 1)  # steps of one number each
    elif array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2 or array.shape[1] != m:
        raise ValueError(f"{name}: expected shape (steps, {m}), got {np.shape(x)}")
    with np.errstate(over="ignore"):
        array = np.require(array, dtype, ["C", "A"])
    good = ~np.isinf(array) if missing else np.isfinite(array)
    if not good.all():
        step = int(np.argmin(good.all(axis=1)))
        hint = "; missing='skip' or 'mask' takes NaN" if np.isnan(array[step]).any() else ""
        raise ValueError(
            f"{name}: expected finite {dtype} numbers, got {array[step]} at step {step}{hint}")
    return array


def _check_unit_interval(array, name):
    array = np.asarray(array)
    bad = (array < 0) | (array > 1)
    if bad.any():
        raise ValueError(f"{name}: expected targets in [0, 1], got {array[bad][0]}")
