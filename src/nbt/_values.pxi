"""The arguments of callers, symbols or vectors, checked and in the form that C reads."""

cdef struct Data:
    const int32_t* symbols  # or
    const double* vectors
    size_t count
    int32_t one  # room for a single symbol, and below for a single number
    double real


cdef object _hold(array, Data* data):
    """Set `data` to an array (steps, m); return the array, to be held while it is read."""
    data.vectors = <const double*>PyArray_DATA(array)
    data.count = <size_t>PyArray_DIM(array, 0)
    return array


cdef object _symbols(x, str name, size_t limit, Data* data):
    """Set `data` to x as contiguous int32 in [0, limit); return what to hold while it is read."""
    cdef size_t bad
    cdef int beyond = 0
    cdef long long one
    if type(x) is int:
        one = PyLong_AsLongLongAndOverflow(x, &beyond)
        if not beyond and 0 <= one < <long long>limit:
            data.one = <int32_t>one
            data.symbols, data.count = &data.one, 1
            return None
    if not (PyArray_CheckExact(x) and PyArray_TYPE(x) == NPY_INT32 and PyArray_NDIM(x) == 1
            and PyArray_ISCARRAY_RO(x)):
        x = _as_symbols(x, name)
    data.symbols, data.count = <const int32_t*>PyArray_DATA(x), <size_t>PyArray_SIZE(x)
    bad = nbt_first_bad_symbol(data.symbols, data.count, limit)
    if bad < data.count:
        raise ValueError(f"{name}: expected symbols in [0, {limit}), got {data.symbols[bad]} "
                         f"at position {bad}")
    return x


def _refuse_mask(x, name):
    """Raise for a masked array, whose masked entries np.asarray would take for numbers."""
    if np.ma.is_masked(x):
        raise TypeError(f"{name}: expected an array without a mask, got one; .filled(numpy.nan) "
                        "says what is missing, and missing='skip' or 'mask' what that does")


def _as_symbols(x, name):
    """Return integers of any type and layout as a contiguous int32 array of one dimension."""
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
    """Return real numbers of any type and layout as a contiguous float64 array (steps, m). All are
    finite in `dtype`, or NaN where numbers may be missing."""
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
        array = np.require(array, np.float64, ["C", "A"])
    good = (np.abs(array) <= np.finfo(dtype).max) | (np.isnan(array) if missing else False)
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
