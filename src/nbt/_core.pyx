# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The door to C: declares, checks once per block, drops the GIL, maps status codes to exceptions.

`Learner` owns a C learner and the NumPy arrays it borrows. Sizes and choices reach it already
validated (`trainers.py`); symbols and vectors are checked here, before anything moves, so a refused
call leaves every array as it was. Above this module nothing sees a pointer; below it nothing sees
Python. No loop over data: those are in csrc/.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.float cimport DBL_MAX, FLT_MAX
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy
from numpy cimport NPY_FLOAT64, NPY_INT32, import_array, npy_intp
from numpy cimport PyArray_CheckExact, PyArray_DATA, PyArray_DIM, PyArray_ISCARRAY_RO
from numpy cimport PyArray_NBYTES, PyArray_NDIM, PyArray_SIZE, PyArray_SimpleNew, PyArray_TYPE

import numpy as np

from nbt import divergence
from nbt.divergence import DivergenceError

import_array()

include "_turns.pxi"
include "_dynamics.pxi"
include "_declarations.pxi"

# Multiply-adds between two looks at signals: a few milliseconds. A step takes as long as at least
# so many, a phase of a system, whose functions may do anything, more.
cdef double WORK_BETWEEN_SIGNALS = 1e7, LEAST_WORK = 2e3, WORK_OF_CALLS = 1e4


def isas():
    """Instruction sets compiled in and usable on this machine, in rising order."""
    return [nbt_isa_name(k).decode() for k in range(nbt_isa_count()) if nbt_isa_usable(k)]


def compiled():
    """Facts of this build: compiler, OpenMP."""
    return {"compiler": NBT_COMPILER.decode(), "openmp": bool(NBT_OPENMP)}


def philox(counter, key):
    """One Philox4x32-10 block: four 32-bit words from four counter words and two key words."""
    cdef uint32_t c[4]
    cdef uint32_t k[2]
    c[0], c[1], c[2], c[3] = counter
    k[0], k[1] = key
    nbt_philox(1, c, k)
    return (c[0], c[1], c[2], c[3])


def sign_bits(seed, pair, step, group):
    """The 128 sign bits of units ``128 * group`` onwards, as four 32-bit words."""
    cdef uint32_t out[4]
    nbt_sign_bits(seed, pair, step, group, out)
    return (out[0], out[1], out[2], out[3])


def rate(kind, double scale, uint64_t step):
    """A schedule's value at a step, as C computes it."""
    return nbt_rate(nbt_schedule(SCHEDULES[kind], scale), step)


# From so many bytes on, NumPy asks for huge pages.
LARGE = 1 << 22


def aligned_zeros(shapes, dtype):
    """Arrays of zeros of these (rows, columns), of a dtype or a list with one for each, each on a
    cache line's boundary, with a lane block after it that C may read and write back (panels.h).

    In one piece of memory if that is large: a step visits all of them, and with pages of 4 KiB
    looks up one for every 64 lines (the default at 768 units: 1.2 to 1.4 times as fast)."""
    dtypes = dtype if isinstance(dtype, list) else [np.dtype(dtype)] * len(shapes)
    sizes = [rows * columns * one.itemsize for (rows, columns), one in zip(shapes, dtypes)]
    rooms = [(size // NBT_ALIGN + 2) * NBT_ALIGN for size in sizes]
    whole = aligned_bytes(sum(rooms)) if sum(rooms) >= LARGE else None
    places = np.cumsum([0] + rooms)
    memory = [aligned_bytes(room) if whole is None else whole[place:]
              for place, room in zip(places, rooms)]
    return [one[:size].view(kind).reshape(shape)
            for one, size, kind, shape in zip(memory, sizes, dtypes, shapes)]


def aligned_bytes(size):
    """Zeros, from a cache line's boundary on."""
    memory = np.zeros(size + NBT_ALIGN, dtype=np.uint8)
    return memory[-memory.ctypes.data % NBT_ALIGN:]


@cython.final
cdef class Learner:
    """Sizes, choices, arrays and the loop.

    ``arrays`` maps the names of csrc/learner.h to padded NumPy arrays (rows, stride) that C reads
    and writes in place. Call `settle` before reading them and `refresh` after writing them.

    The verbs wait for their turn with the trainer, which a verb gets as an argument: meanwhile
    another learner may have taken this one's place there (`give_way`), and does it instead.
    """

    cdef nbt_learner c
    cdef readonly dict arrays
    cdef readonly object dtype
    cdef object window_symbol, activations, sign_words
    cdef readonly object stamp
    cdef Dynamics dynamics  # a system that is trained, or None
    cdef readonly object indptr, indices, pair
    cdef object block, first, survey, phi_block
    cdef Turns turns
    cdef bint retired  # another took its place
    cdef readonly object lost  # the error after which it is of no use; None as a rule
    cdef double work

    def __cinit__(self, *, Turns turns=None, str rule, str dtype, size_t n, size_t m,
                  size_t outputs, bint one_hot,
                  activation, str optimizer, schedule, double lambda_theta,
                  double lambda_phi, double outlier, str readout="softmax",
                  str norm="euclidean", size_t rank=1, size_t blocks=1, bint exact_self=False,
                  size_t window=0, uint64_t seed=0, isa=None, size_t threads=1, str missing="error",
                  bint standardize_inputs=False, bint standardize_targets=False,
                  Dynamics dynamics=None, starts=None, size_t targets=0,
                  bint split=False, phi_starts=None, bint dense=False,
                  bint exact_fisher=False):
        cdef nbt_array row
        cdef size_t k = 0
        self.turns = Turns() if turns is None else turns
        self.c.n, self.c.m, self.c.A, self.c.P = n, m, outputs, 1 + n + m
        self.c.K, self.c.S, self.c.T, self.c.threads = rank, blocks, window, threads
        self.c.dtype, self.c.rule = DTYPES[dtype], RULES[rule]
        self._take_activation(activation)
        self.c.optimizer = OPTIMIZERS[optimizer]
        self.c.readout, self.c.missing = READOUTS[readout], MISSING[missing]
        self.c.scale_x, self.c.scale_y = standardize_inputs, standardize_targets
        self.c.norm, self.c.exact_self, self.c.one_hot = NORMS[norm], exact_self, one_hot
        self.c.schedule = nbt_schedule(SCHEDULES[schedule[0]], schedule[1])
        self.c.lambda_theta, self.c.lambda_phi, self.c.seed = lambda_theta, lambda_phi, seed
        self.c.outlier = outlier
        self.c.Y = targets  # of a system's own loss
        if dynamics is not None:
            self._take(dynamics, starts)
        self.c.split, self.c.dense, self.c.exact_fisher = split, dense, exact_fisher
        if phi_starts is not None:
            self.c.whole, self.c.phi_blocks = True, len(phi_starts)
            self.phi_block = np.append(np.asarray(phi_starts, np.int64), (1 + n) * outputs)
            self.c.phi_block = <int64_t*><uintptr_t>self.phi_block.ctypes.data
        self.pair = np.zeros(dynamics.c.p if split else 1, np.int32)
        self.c.pair = <int32_t*><uintptr_t>self.pair.ctypes.data
        nbt_learner_init(&self.c, _isa_row(isa))
        self.dtype = np.dtype(dtype)
        rows = []
        while nbt_learner_array(&self.c, k, &row):
            if row.needed:
                kind = np.dtype(np.float64) if row.wide else self.dtype
                rows.append((row.name.decode(), row.offset, kind, (row.rows, row.columns)))
            k += 1
        self.arrays = {}
        memory = aligned_zeros([shape for *_, shape in rows], [kind for *_, kind, _ in rows])
        for (name, offset, *_), array in zip(rows, memory):
            (<void**>(<char*>&self.c + <size_t>offset))[0] = <void*><uintptr_t>array.ctypes.data
            self.arrays[name] = array
        if dynamics is not None:
            dynamics._show(self.arrays["theta"])
        self.window_symbol = np.full(max(window, 1), -1, dtype=np.int32)
        self.c.window_symbol = <int32_t*><uintptr_t>self.window_symbol.ctypes.data
        self.stamp = np.full(m if self.c.lazy else 1, -1, dtype=np.int32)
        self.c.stamp = <int32_t*><uintptr_t>self.stamp.ctypes.data
        self.sign_words = np.empty(rank * self.c.ldwords, dtype=np.uint32)
        self.c.sign_words = <uint32_t*><uintptr_t>self.sign_words.ctypes.data
        self.work = self.c.P * <double>n * (rank + 2) + n * <double>n * blocks + n * <double>outputs
        if self.c.rule == NBT_NOBACKTRACK:
            self.work += n * <double>n * window * (2 + rank * blocks)
        if dynamics is not None:
            self.work = dynamics.c.phases * (WORK_OF_CALLS + dynamics.c.p * <double>(rank + 2)
                                             + n * <double>n)
        if self.c.rule == NBT_RTRL and dynamics is not None:
            self.work += n * <double>n * dynamics.c.p
        elif self.c.rule == NBT_RTRL:
            self.work += n * <double>n * self.c.P * n
        self.work = max(self.work, LEAST_WORK)
        nbt_learner_refresh(&self.c)

    cdef int _take_activation(self, activation) except -1:
        """σ of the units: a name, or one for each of them."""
        if isinstance(activation, str):
            self.c.activation = ACTIVATIONS[activation]
            return 0
        self.activations = np.array([ACTIVATIONS[one] for one in activation], np.uint8)
        self.c.activations = <const uint8_t*><uintptr_t>self.activations.ctypes.data
        return 0

    cdef int _take(self, Dynamics dynamics, starts) except -1:
        """A system instead of a dense cell, its parameters in blocks that begin at `starts`."""
        cdef size_t p = dynamics.c.p
        self.dynamics, self.c.system, self.c.P = dynamics, dynamics.c, 0
        self.indptr = np.zeros(dynamics.c.n + 1, np.int64)
        self.indices = np.zeros(max(dynamics.c.entries, 1), np.int32)
        self.block = np.concatenate([np.asarray(starts, np.int64), [p]])
        self.first = np.repeat(self.block[:len(starts)], np.diff(self.block)).astype(np.int32)
        self.c.indptr = <int64_t*><uintptr_t>self.indptr.ctypes.data
        self.c.indices = <int32_t*><uintptr_t>self.indices.ctypes.data
        pieces = max(dynamics.c.n, len(starts)) + 1
        survey = (np.zeros_like(self.indptr), np.zeros_like(self.indices),
                  np.zeros(dynamics.c.n, np.uint8), np.zeros(pieces + 1, np.int64),
                  np.zeros(pieces, np.int32))
        self.c.seen_indptr = <int64_t*><uintptr_t>survey[0].ctypes.data
        self.c.seen_indices = <int32_t*><uintptr_t>survey[1].ctypes.data
        self.c.run = <uint8_t*><uintptr_t>survey[2].ctypes.data
        self.c.span = <int64_t*><uintptr_t>survey[3].ctypes.data
        self.c.owner = <int32_t*><uintptr_t>survey[4].ctypes.data
        self.survey = survey
        self.c.block = <int64_t*><uintptr_t>self.block.ctypes.data
        self.c.first = <int32_t*><uintptr_t>self.first.ctypes.data
        self.c.blocks = len(starts)
        return 0

    # ---- counters ------------------------------------------------------------------------------

    @property
    def step(self):
        return self.c.step

    @property
    def seed(self):
        return self.c.seed

    @property
    def looks(self):
        """After how many steps all arrays were looked at (csrc/float_mode.h): 0 as a rule."""
        return self.c.looks

    @property
    def units(self):
        return self.c.n

    @property
    def outputs(self):
        return self.c.A

    @property
    def targets(self):
        """Numbers of a target; 0: it is a symbol."""
        return self.c.Y

    @property
    def inputs(self):
        return self.c.m

    @property
    def parameters(self):
        """p of a system."""
        return self.c.system.p

    @property
    def entries(self):
        """Of a system's ∂f/∂θ, at most."""
        return self.c.system.entries

    @property
    def whole(self):
        """Is the metric one for reference (csrc/whole.h)?"""
        return bool(self.c.whole)

    @property
    def dense(self):
        """With dense blocks?"""
        return bool(self.c.dense)

    def kept(self, name):
        """Numbers of J, without padding: of dense blocks, or as many as there are parameters."""
        if self.c.dense:
            return self.arrays[name].shape[1]
        return self.c.system.p if name.startswith("theta") else (1 + self.c.n) * self.c.A

    @property
    def has_readout(self):
        """Is there φ, or a loss of the system's own?"""
        return self.c.readout != NBT_OWN_LOSS

    @property
    def phases(self):
        return self.c.phases

    @property
    def one_hot(self):
        return bool(self.c.one_hot)

    @property
    def predicts_inputs(self):
        """Are the targets of the same kind and size as the inputs?"""
        return self._predicts_inputs()

    cdef bint _predicts_inputs(self) noexcept:
        if self.c.Y:
            return not self.c.one_hot and self.c.m == self.c.Y
        return self.c.one_hot and self.c.m == self.c.A

    @property
    def strip(self):
        """Columns of RTRL's G that lie together."""
        return self.c.strip

    @property
    def head(self):
        """The newest slot of NoBackTrack's window (csrc/window.h)."""
        return self.c.head

    def panels(self, matrix):
        """Where the entries of θ, φ and of what has their shape lie: arguments of `Panels`."""
        cdef nbt_panels at = self.c.cell if matrix == "theta" else self.c.out
        lanes = self.c.lanes
        return {"rows": at.rows, "columns": self.c.n if matrix == "theta" else self.c.A,
                "ld": at.ld, "full": at.full, "width": lanes // at.group if at.group else 0,
                "depth": at.depth, "lanes": lanes}

    def counters(self):
        """Everything that is not in `arrays`: a dict of integers and the window's symbols, the
        newest first where it is a ring."""
        return {"step": self.c.step, "seed": self.c.seed, "length": self.c.length,
                "entered": bool(self.c.entered),
                "symbols": np.roll(self.window_symbol, -<int>self.c.head, 0)}

    def set_counters(self, uint64_t step, uint64_t seed, size_t length, bint entered, symbols):
        """Takes back what `counters` gave. Values must have been checked."""
        self.c.step, self.c.seed, self.c.length, self.c.entered = step, seed, length, entered
        self.window_symbol[:] = np.roll(symbols, <int>self.c.head)

    def settle(self):
        """Applies what is pending to the arrays, so that they say what they mean."""
        nbt_learner_settle(&self.c)

    def refresh(self, bint resumed=False):
        """Recomputes what is derived from the arrays, after they were written. resumed: the rows
        that wait were written too, as they wait."""
        self.c.resumed = resumed
        nbt_learner_refresh(&self.c)

    @property
    def lazy(self):
        """Do rows of symbols wait until their symbol comes (csrc/lazy.h)?"""
        return bool(self.c.lazy)

    @property
    def era(self):
        """Steps after which no row has waited longer (csrc/lazy.h)."""
        return NBT_ERA

    def brought_up(self):
        """Copies of θ and w̄ with every row as it should be now."""
        theta, w = aligned_zeros([self.arrays[name].shape for name in ("theta", "w")], self.dtype)
        theta[:], w[:] = self.arrays["theta"], self.arrays["w"]
        nbt_learner_bring_up(&self.c, <void*><uintptr_t>theta.ctypes.data,
                             <void*><uintptr_t>w.ctypes.data)
        return {"theta": theta, "w": w}

    def check(self):
        """Raises what it diverged by, if it did."""
        if self.lost is not None:
            raise divergence.again(self.lost)

    def give_way(self, dict place, dict changes):
        """Another takes its place, with all that changes there: at once, no signal in between."""
        before = dict(place)  # nothing of it is freed before the end
        place.update(changes)
        self.retired = True
        return before

    # ---- the two verbs -------------------------------------------------------------------------

    def predict(self, trainer, x=None):
        """What the readout says of the next target, float64; x: the input that comes first.

        Probabilities (A,), for the Gaussian means and variances (2, Y)."""
        self.turns.take(True)
        try:
            if self.retired:
                return (<Learner>trainer._core)._predict(trainer, x)
            return self._predict(trainer, x)
        finally:
            self.turns.give()

    def run(self, trainer, x, y, bint learn):
        """One block: losses in nats, float64, shape (steps,), or None where there is no target;
        NaN for a step whose target is missing.

        Without y, each x is first the target and then the input. With y, each x comes first and y
        is its target. y is ``...`` for inputs without targets.
        """
        self.turns.take(False)
        try:
            if self.retired:
                return (<Learner>trainer._core)._block(trainer, x, y, learn)
            return self._block(trainer, x, y, learn)
        finally:
            self.turns.give()

    def predict_along(self, trainer, x):
        """What the readout says of the target of each of a block of inputs, float64 (steps, A);
        the state moves along them."""
        self.turns.take(False)
        try:
            if self.retired:
                return (<Learner>trainer._core)._along(trainer, x)
            return self._along(trainer, x)
        finally:
            self.turns.give()

    cdef object _predict(self, trainer, x):
        cdef Data inputs
        cdef int32_t symbol = 0
        self.check()
        inputs.symbols, inputs.vectors, inputs.count = NULL, NULL, 1
        if self.c.readout == NBT_GAUSSIAN:
            p = np.empty((2, self.c.Y))
        else:
            p = np.empty(self.c.A)
        _held = None if x is None else self._inputs(x, &inputs)
        if inputs.count != 1:
            raise ValueError(f"x: expected one step's input, got {inputs.count} steps")
        if inputs.symbols != NULL:
            symbol = inputs.symbols[0]
        status = nbt_learner_predict(&self.c, x is not None, symbol, inputs.vectors,
                                     <double*>PyArray_DATA(p))
        if status == NBT_FAILED:
            self.dynamics._raise()
        if status == NBT_DIVERGED:
            raise trainer._named(DivergenceError("what is predicted is not finite", self.c.step))
        return p

    cdef object _block(self, trainer, x, y, bint learn):
        cdef Data inputs, targets
        cdef nbt_block block
        cdef npy_intp steps
        inputs.symbols, inputs.vectors = NULL, NULL
        targets.symbols, targets.vectors = NULL, NULL
        if learn and y is Ellipsis:
            raise TypeError("y: expected targets to learn from, got ...; observe() takes none")
        if y is None and not self._predicts_inputs():
            raise TypeError("y: expected targets, because the inputs of this trainer are not the "
                            f"{'vectors' if self.c.Y else 'symbols'} it predicts")
        _held_x, _held_y = self._inputs(x, &inputs), None
        if y is None:
            if self.c.readout == NBT_BERNOULLI:
                _check_unit_interval(np.asarray(x, self.dtype), "x")
            targets.symbols, targets.vectors = inputs.symbols, inputs.vectors
        elif y is not Ellipsis:
            _held_y = self._targets(y, &targets)
            if targets.count != inputs.count:
                raise ValueError(f"y: expected {inputs.count} targets, one for each x, "
                                 f"got {targets.count}")
        block.steps, block.learn, block.input_first = inputs.count, learn, y is not None
        block.symbols, block.vectors = inputs.symbols, inputs.vectors
        block.target_symbols, block.target_vectors = targets.symbols, targets.vectors
        block.predictions = NULL
        if y is Ellipsis:
            self._run(trainer, &block, NULL)
            return None
        steps = inputs.count
        loss = PyArray_SimpleNew(1, &steps, NPY_FLOAT64)
        self._run(trainer, &block, <double*>PyArray_DATA(loss))
        return loss

    cdef object _along(self, trainer, x):
        cdef Data inputs
        cdef nbt_block block
        inputs.symbols, inputs.vectors = NULL, NULL
        _held = self._inputs(x, &inputs)
        block.steps, block.learn, block.input_first = inputs.count, False, True
        block.symbols, block.vectors = inputs.symbols, inputs.vectors
        block.target_symbols, block.target_vectors = NULL, NULL
        p = np.empty((inputs.count, self.c.A))
        block.predictions = <double*>PyArray_DATA(p)
        self._run(trainer, &block, NULL)
        return p

    cdef int _run(self, trainer, nbt_block* block, double* loss) except -1:
        """Pieces of a few milliseconds without the GIL, signals looked at and those that only look
        let pass between them."""
        cdef nbt_block piece = block[0]
        cdef size_t begun = 0, done = 0
        cdef size_t stride = <size_t>(WORK_BETWEEN_SIGNALS / self.work) + 1
        cdef nbt_status status
        cdef bint hold = self.dynamics is not None and self.dynamics.python
        self.check()
        kept = None
        if self.dynamics is not None and self.dynamics.fallible:
            kept = self._keep()
        if hold:  # how long its functions take is not known
            stride = 1
        while begun < block.steps:
            piece.steps = min(stride, block.steps - begun)
            if block.symbols != NULL:
                piece.symbols = block.symbols + begun
            if block.vectors != NULL:
                piece.vectors = block.vectors + begun * self.c.m
            if block.target_symbols != NULL:
                piece.target_symbols = block.target_symbols + begun
            if block.target_vectors != NULL:
                piece.target_vectors = block.target_vectors + begun * self.c.Y
            if block.predictions != NULL:
                piece.predictions = block.predictions + begun * self.c.A
            if hold or piece.steps * self.work < 1e5:  # shorter than a change of thread
                status = nbt_learner_run(&self.c, &piece, loss + begun if loss else NULL, &done)
            else:
                with nogil:
                    status = nbt_learner_run(&self.c, &piece, loss + begun if loss else NULL, &done)
            if status == NBT_BAD_SYMBOL:
                raise ValueError(f"x or y: a symbol changed during the call, at {begun + done}")
            if status == NBT_FAILED:
                self._put_back(kept)
                self.dynamics._raise()
            if status == NBT_DIVERGED:
                nats = None if loss == NULL else loss[begun + done]
                if (self.c.missing != NBT_NEVER_MISSING or self.c.scale_y) and nats != nats:
                    nats = None  # there may have been no target, or no scale
                self.lost = trainer._named(DivergenceError(
                    f"the loss or the state is not finite after step {self.c.step - 1}",
                    self.c.step - 1, position=begun + done, loss=nats))
                raise self.lost
            begun += piece.steps
            if begun < block.steps:
                if self.turns.looks:
                    self.turns.pause()
                PyErr_CheckSignals()
        return 0

    cdef object _keep(self):
        """All that a call changes, for the case that a function of the system fails."""
        used = self.indptr[self.c.n]
        arrays = {name: array.copy() for name, array in self.arrays.items() if name in CHANGED}
        counters = (self.c.step, self.c.length, self.c.entered, self.c.settled, self.c.x_last)
        return (arrays, self.indptr.copy(), self.indices[:used].copy(),
                self.arrays["values"][0, :used].copy(), self.window_symbol.copy(), counters)

    cdef int _put_back(self, kept) except -1:
        arrays, indptr, indices, values, symbols, counters = kept
        for name, array in arrays.items():
            self.arrays[name][...] = array
        used = len(indices)
        self.indptr[:], self.indices[:used], self.window_symbol[:] = indptr, indices, symbols
        self.arrays["values"][0, :used] = values
        self.c.patterned = self.c.surveyed = self.c.fresh = self.c.measuring = False
        self.c.step, self.c.length, self.c.entered, self.c.settled, self.c.x_last = counters
        return 0

    cdef object _inputs(self, x, Data* data):
        """x as symbols or as (steps, m) vectors, float64; what to hold meanwhile."""
        if self.c.one_hot:
            return _symbols(x, "x", self.c.m, data)
        return self._numbers(x, "x", self.c.m, self.c.scale_x, data)

    cdef object _targets(self, y, Data* data):
        """y as symbols, or as (steps, Y) vectors, float64; what to hold meanwhile."""
        if not self.c.Y:
            return _symbols(y, "y", self.c.A, data)
        held = self._numbers(y, "y", self.c.Y, self.c.scale_y, data)
        if self.c.readout == NBT_BERNOULLI:
            _check_unit_interval(np.asarray(y if held is None else held, self.dtype), "y")
        return held

    cdef object _numbers(self, x, str name, size_t m, bint scaled, Data* data):
        """x as (steps, m), float64, in the range of the learner's dtype unless scaled. A number, or
        an array that is one already, is used as it is: what `_vectors` finds out, without what that
        costs a live call."""
        cdef bint narrow = self.c.dtype == NBT_F32 and not scaled, ready = True
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
                                          self.c.missing) == data.count * m:
            return held
        dtype = self.dtype if narrow else np.dtype(np.float64)
        return _hold(_vectors(x, name, m, dtype, self.c.missing), data)


# Arrays of a system's learner that are not scratch.
CHANGED = {
    "theta", "phi", "h", "a", "slope", "x", "theta_J", "theta_J0", "phi_J", "phi_J0", "metric_q",
    "metric_r", "v", "w", "fisher", "G", "G_next", "window_h", "window_x", "window_delta",
    "window_a", "window_slope", "g_theta", "g_phi", "phi_q", "phi_r", "x_seen",
    "x_mean", "x_variance", "y_seen", "y_mean", "y_variance", "y_error", "y_limited", "x_read",
}


cdef int _isa_row(isa) except? -1:
    if isa is None:
        return -1
    names = [nbt_isa_name(k).decode() for k in range(nbt_isa_count())]
    if isa not in names or not nbt_isa_usable(names.index(isa)):
        raise ValueError(f"isa: expected one of {isas()}, got {isa!r}")
    return names.index(isa)


# ---- what callers pass; systems of the package; the baseline -------------------------------------

include "_blocks.pxi"
include "_network.pxi"
include "_ctw.pxi"
