# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The interface to C: declares, checks once per chunk, drops the GIL, maps status codes to errors.

`Learner` owns a C learner and the NumPy arrays that it borrows. Sizes and choices have been checked
before (`trainers/plan.py`). Symbols and vectors are checked here, before anything changes, so a
refused call leaves every array as it was. Above this module nothing sees a pointer; below it
nothing sees Python. The loops over data are in csrc/, not here. The declarations of csrc/
are in `csrc.pxd`.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.float cimport DBL_MAX, FLT_MAX
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy
from numpy cimport NPY_FLOAT64, NPY_INT32, import_array, npy_intp
from numpy cimport PyArray_CheckExact, PyArray_DATA, PyArray_DIM, PyArray_ISCARRAY_RO
from numpy cimport PyArray_NBYTES, PyArray_NDIM, PyArray_SIZE, PyArray_SimpleNew, PyArray_TYPE

from nbt.csrc cimport *

import numpy as np

from nbt import divergence
from nbt.divergence import DivergenceError

import_array()

include "_turns.pxi"
include "_memory.pxi"
include "_facts.pxi"
include "_systems.pxi"
include "_network.pxi"
include "_counts.pxi"
include "_state.pxi"
include "_values.pxi"
include "_ctw.pxi"

# Multiply-adds between two checks for signals: a few milliseconds.
cdef double WORK_BETWEEN_SIGNALS = 1e7


@cython.final
cdef class Learner(LearnerState):
    """The verbs of a learner: they check the arguments, run the loop over a chunk, and name
    failures.

    A call waits for its turn with the trainer. Meanwhile another learner may have taken this one's
    place there (`retire`). The new one then does what was asked, so each verb gets the trainer as
    an argument.
    """

    # ---- the verbs -----------------------------------------------------------------------------

    def predict(self, trainer, x=None):
        """Return the prediction of the next target, float64; `x` is the input that comes first.

        These are probabilities (A,); for a Gaussian readout, means and variances (2, Y)."""
        self.turns.take(True)
        try:
            if self.retired:
                return (<Learner>trainer._live.learner)._predict(trainer, x)
            return self._predict(trainer, x)
        finally:
            self.turns.give()

    def run(self, trainer, x, y, bint learn):
        """Run a chunk; return its losses in nats, float64, shape (steps,), NaN for a step whose
        target is missing. Return None where there are no targets.

        Without y, each x is first the target and then the input. With y, each x comes first and y
        is its target. y is ``...`` if there are no targets.
        """
        self.turns.take(False)
        try:
            if self.retired:
                return (<Learner>trainer._live.learner)._chunk(trainer, x, y, learn)
            return self._chunk(trainer, x, y, learn)
        finally:
            self.turns.give()

    def predict_along(self, trainer, x):
        """Return the predictions after each input of a chunk, float64 (steps, A). The state moves
        on them."""
        self.turns.take(False)
        try:
            if self.retired:
                return (<Learner>trainer._live.learner)._along(trainer, x)
            return self._along(trainer, x)
        finally:
            self.turns.give()

    def flush(self, trainer):
        """Learn from the steps of an open window, as if it were full."""
        self.turns.take(False)
        try:
            if self.retired:
                (<Learner>trainer._live.learner)._flush(trainer)
            else:
                self._flush(trainer)
        finally:
            self.turns.give()

    cdef int _flush(self, trainer) except -1:
        self.check()
        if nbt_learner_flush(&self.c) == NBT_DIVERGED:
            self.lost = trainer._named(DivergenceError(
                f"the state is not finite after the flush before step {self.c.counters.step}",
                self.c.counters.step))
            raise self.lost
        return 0

    cdef object _predict(self, trainer, x):
        cdef Data inputs
        cdef int32_t symbol = 0
        self.check()
        inputs.symbols, inputs.vectors, inputs.count = NULL, NULL, 1
        if self.c.choices.readout == NBT_GAUSSIAN:
            p = np.empty((2, self.c.sizes.Y))
        else:
            p = np.empty(self.c.sizes.A)
        _held = None if x is None else self._inputs(x, &inputs)
        if inputs.count != 1:
            raise ValueError(f"x: expected one step's input, got {inputs.count} steps")
        if inputs.symbols != NULL:
            symbol = inputs.symbols[0]
        status = nbt_learner_predict(&self.c, x is not None, symbol, inputs.vectors,
                                     <double*>PyArray_DATA(p))
        if status == NBT_FAILED:
            self.system._raise()
        if status == NBT_DIVERGED:
            raise trainer._named(DivergenceError("what is predicted is not finite",
                                                 self.c.counters.step))
        return p

    cdef object _chunk(self, trainer, x, y, bint learn):
        cdef Data inputs, targets
        cdef nbt_chunk chunk
        cdef npy_intp steps
        inputs.symbols, inputs.vectors = NULL, NULL
        targets.symbols, targets.vectors = NULL, NULL
        if learn and y is Ellipsis:
            raise TypeError("y: expected targets to learn from, got ...; observe() takes none")
        if y is None and not self._predicts_inputs():
            raise TypeError("y: expected targets, because the inputs of this trainer are not the "
                            f"{'vectors' if self.c.sizes.Y else 'symbols'} it predicts")
        _held_x, _held_y = self._inputs(x, &inputs), None
        if y is None:
            if self.c.choices.readout == NBT_BERNOULLI:
                _check_unit_interval(np.asarray(x, self.dtype), "x")
            targets.symbols, targets.vectors = inputs.symbols, inputs.vectors
        elif y is not Ellipsis:
            _held_y = self._targets(y, &targets)
            if targets.count != inputs.count:
                raise ValueError(f"y: expected {inputs.count} targets, one for each x, "
                                 f"got {targets.count}")
        chunk.steps, chunk.learn, chunk.input_first = inputs.count, learn, y is not None
        chunk.symbols, chunk.vectors = inputs.symbols, inputs.vectors
        chunk.target_symbols, chunk.target_vectors = targets.symbols, targets.vectors
        chunk.predictions = NULL
        if y is Ellipsis:
            self._run(trainer, &chunk, NULL)
            return None
        steps = inputs.count
        loss = PyArray_SimpleNew(1, &steps, NPY_FLOAT64)
        self._run(trainer, &chunk, <double*>PyArray_DATA(loss))
        return loss

    cdef object _along(self, trainer, x):
        cdef Data inputs
        cdef nbt_chunk chunk
        inputs.symbols, inputs.vectors = NULL, NULL
        _held = self._inputs(x, &inputs)
        chunk.steps, chunk.learn, chunk.input_first = inputs.count, False, True
        chunk.symbols, chunk.vectors = inputs.symbols, inputs.vectors
        chunk.target_symbols, chunk.target_vectors = NULL, NULL
        p = np.empty((inputs.count, self.c.sizes.A))
        chunk.predictions = <double*>PyArray_DATA(p)
        self._run(trainer, &chunk, NULL)
        return p

    cdef int _run(self, trainer, nbt_chunk* chunk, double* loss) except -1:
        """Run pieces of a few milliseconds without the GIL. Between them, check for signals and let
        calls that only read go first."""
        cdef nbt_chunk piece = chunk[0]
        cdef size_t begun = 0, done = 0
        cdef size_t stride = <size_t>(WORK_BETWEEN_SIGNALS / self.work) + 1
        cdef nbt_status status
        cdef bint hold = self.system is not None and self.system.python
        self.check()
        kept = None
        if self.system is not None and self.system.fallible:
            kept = self._keep()
        if hold:  # it is not known how long its functions take
            stride = 1
        while begun < chunk.steps:
            piece.steps = min(stride, chunk.steps - begun)
            if chunk.symbols != NULL:
                piece.symbols = chunk.symbols + begun
            if chunk.vectors != NULL:
                piece.vectors = chunk.vectors + begun * self.c.sizes.given
            if chunk.target_symbols != NULL:
                piece.target_symbols = chunk.target_symbols + begun
            if chunk.target_vectors != NULL:
                piece.target_vectors = chunk.target_vectors + begun * self.c.sizes.Y
            if chunk.predictions != NULL:
                piece.predictions = chunk.predictions + begun * self.c.sizes.A
            if hold or piece.steps * self.work < 1e5:  # shorter than a switch of threads
                status = nbt_learner_run(&self.c, &piece, loss + begun if loss else NULL, &done)
            else:
                with nogil:
                    status = nbt_learner_run(&self.c, &piece, loss + begun if loss else NULL, &done)
            if status == NBT_BAD_SYMBOL:
                raise ValueError(f"x or y: a symbol changed during the call, at {begun + done}")
            if status == NBT_FAILED:
                self._put_back(kept)
                self.system._raise()
            if status == NBT_DIVERGED:
                nats = None if loss == NULL else loss[begun + done]
                unscored = self.c.choices.missing != NBT_NEVER_MISSING or self.c.choices.scale_y
                if unscored and nats != nats:
                    nats = None  # there may have been no target, or no scale
                self.lost = trainer._named(DivergenceError(
                    f"the loss or the state is not finite after step {self.c.counters.step - 1}",
                    self.c.counters.step - 1, position=begun + done, loss=nats))
                raise self.lost
            begun += piece.steps
            if begun < chunk.steps:
                if self.turns.looks:
                    self.turns.pause()
                PyErr_CheckSignals()
        return 0

    cdef object _inputs(self, x, Data* data):
        """Set `data` to x as symbols or as vectors (steps, given), float64; return what to
        hold meanwhile."""
        if self.c.choices.one_hot:
            return _symbols(x, "x", self.c.sizes.given, data)
        return self._numbers(x, "x", self.c.sizes.given, self.c.choices.scale_x, data)

    cdef object _targets(self, y, Data* data):
        """Set `data` to y as symbols or as vectors (steps, Y), float64; return what to hold
        meanwhile."""
        if not self.c.sizes.Y:
            return _symbols(y, "y", self.c.sizes.A, data)
        held = self._numbers(y, "y", self.c.sizes.Y, self.c.choices.scale_y, data)
        if self.c.choices.readout == NBT_BERNOULLI:
            _check_unit_interval(np.asarray(y if held is None else held, self.dtype), "y")
        return held

    cdef object _numbers(self, x, str name, size_t m, bint scaled, Data* data):
        """Set `data` to x as (steps, m), float64, in the range of the learner's dtype unless
        scaled; return what to hold meanwhile. A number, or an array of this form, is used as it is,
        which saves a live call the cost of `_vectors`."""
        cdef bint narrow = self.c.choices.dtype == NBT_F32 and not scaled, ready = True
        cdef double largest = FLT_MAX if narrow else DBL_MAX
        held = None
        if type(x) is float and m == 1:
            data.real, data.count = x, 1
            data.vectors = &data.real
        elif (PyArray_CheckExact(x) and PyArray_TYPE(x) == NPY_FLOAT64 and PyArray_NDIM(x) == 2
                and PyArray_DIM(x, 1) == <npy_intp>m and PyArray_ISCARRAY_RO(x)):
            held = _hold(x, data)
        else:
            ready = False
        if ready and nbt_first_bad_number(largest, data.vectors, data.count * m,
                                          self.c.choices.missing) == data.count * m:
            return held
        dtype = self.dtype if narrow else np.dtype(np.float64)
        return _hold(_vectors(x, name, m, dtype, self.c.choices.missing), data)
