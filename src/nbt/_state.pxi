"""The state of a learner: sizes, choices, the arrays that it borrows, and counters."""

# Multiply-adds: a step counts as at least the first number of them. A phase of a system counts as
# the second number more, because its functions may do anything.
cdef double LEAST_WORK = 2e3, WORK_OF_CALLS = 1e4

# Arrays of a learner with a system that are not scratch.
CHANGED = {
    "theta", "phi", "h", "a", "slope", "x", "theta_J", "theta_J0", "phi_J", "phi_J0", "metric_q",
    "metric_r", "v", "w", "fisher", "G", "G_next", "window_h", "window_x", "window_delta",
    "window_a", "window_slope", "g_theta", "g_phi", "phi_q", "phi_r", "x_seen",
    "x_mean", "x_variance", "y_seen", "y_mean", "y_variance", "y_error", "y_limited", "x_read",
}


cdef class LearnerState:
    """A C learner: its sizes, choices, arrays and counters.

    ``arrays`` maps the names of csrc/learner.h to padded NumPy arrays (rows, stride) that C reads
    and writes in place. Call `settle` before reading them and `refresh` after writing them.
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
    cdef bint retired  # another learner took its place
    cdef readonly object lost  # the error by which it diverged, or None
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
        self.c.Y = targets  # those of a system's own loss
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
        """Set σ of the units: one name, or a name for each unit."""
        if isinstance(activation, str):
            self.c.activation = ACTIVATIONS[activation]
            return 0
        self.activations = np.array([ACTIVATIONS[one] for one in activation], np.uint8)
        self.c.activations = <const uint8_t*><uintptr_t>self.activations.ctypes.data
        return 0

    cdef int _take(self, Dynamics dynamics, starts) except -1:
        """Set a system instead of a dense cell; groups of its parameters begin at `starts`."""
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
        """Steps after which all arrays were scanned (machine/float_mode.h); usually 0."""
        return self.c.looks

    @property
    def units(self):
        return self.c.n

    @property
    def outputs(self):
        return self.c.A

    @property
    def targets(self):
        """Length of a target; 0 if it is a symbol."""
        return self.c.Y

    @property
    def inputs(self):
        return self.c.m

    @property
    def parameters(self):
        """Number of parameters of a system, p."""
        return self.c.system.p

    @property
    def entries(self):
        """Most entries of a system's ∂f/∂θ."""
        return self.c.system.entries

    @property
    def whole(self):
        """Whether the metric is a reference metric (csrc/systems/whole.h)."""
        return bool(self.c.whole)

    @property
    def dense(self):
        """Whether the reference metric keeps whole matrices."""
        return bool(self.c.dense)

    def kept(self, name):
        """Return how many numbers of J there are, without padding: those of whole matrices, or one
        for each parameter."""
        if self.c.dense:
            return self.arrays[name].shape[1]
        return self.c.system.p if name.startswith("theta") else (1 + self.c.n) * self.c.A

    @property
    def has_readout(self):
        """Whether there is a readout φ, and not a loss of the system's own."""
        return self.c.readout != NBT_OWN_LOSS

    @property
    def phases(self):
        return self.c.phases

    @property
    def one_hot(self):
        return bool(self.c.one_hot)

    @property
    def predicts_inputs(self):
        """Whether the targets are of the same kind and size as the inputs."""
        return self._predicts_inputs()

    cdef bint _predicts_inputs(self) noexcept:
        if self.c.Y:
            return not self.c.one_hot and self.c.m == self.c.Y
        return self.c.one_hot and self.c.m == self.c.A

    @property
    def strip(self):
        """Number of columns of RTRL's G that lie together."""
        return self.c.strip

    @property
    def head(self):
        """Newest slot of NoBackTrack's window (csrc/dense/window.h)."""
        return self.c.head

    def panels(self, matrix):
        """Return where the entries of θ, φ and arrays of their shapes lie: arguments of
        `Panels`."""
        cdef nbt_panels at = self.c.cell if matrix == "theta" else self.c.out
        lanes = self.c.lanes
        return {"rows": at.rows, "columns": self.c.n if matrix == "theta" else self.c.A,
                "ld": at.ld, "full": at.full, "width": lanes // at.group if at.group else 0,
                "depth": at.depth, "lanes": lanes}

    def counters(self):
        """Return all that is not in `arrays`: a dict of integers, and the window's symbols, the
        newest first where it is a ring."""
        return {"step": self.c.step, "seed": self.c.seed, "length": self.c.length,
                "entered": bool(self.c.entered),
                "symbols": np.roll(self.window_symbol, -<int>self.c.head, 0)}

    def set_counters(self, uint64_t step, uint64_t seed, size_t length, bint entered, symbols):
        """Set what `counters` returned. Values must have been checked."""
        self.c.step, self.c.seed, self.c.length, self.c.entered = step, seed, length, entered
        self.window_symbol[:] = np.roll(symbols, <int>self.c.head)

    def settle(self):
        """Apply what is pending to the arrays, so that they have their true values."""
        nbt_learner_settle(&self.c)

    def refresh(self, bint resumed=False):
        """Recompute what is derived from the arrays, after they were written. `resumed` says that
        waiting rows were written as they were when they waited."""
        self.c.resumed = resumed
        nbt_learner_refresh(&self.c)

    @property
    def lazy(self):
        """Whether rows of symbols wait until their symbol comes (csrc/dense/lazy.h)."""
        return bool(self.c.lazy)

    @property
    def era(self):
        """Most steps that a row may wait (csrc/dense/lazy.h)."""
        return NBT_ERA

    def brought_up(self):
        """Return copies of θ and w̄ in which waiting rows have their present values."""
        theta, w = aligned_zeros([self.arrays[name].shape for name in ("theta", "w")], self.dtype)
        theta[:], w[:] = self.arrays["theta"], self.arrays["w"]
        nbt_learner_bring_up(&self.c, <void*><uintptr_t>theta.ctypes.data,
                             <void*><uintptr_t>w.ctypes.data)
        return {"theta": theta, "w": w}

    def check(self):
        """Raise DivergenceError if the learner has diverged."""
        if self.lost is not None:
            raise divergence.again(self.lost)

    def retire(self):
        """Another takes its place: calls that wait for their turn with it are done by the one that
        the trainer has then."""
        self.retired = True

    # ---- before a call that may fail ------------------------------------------------------------

    cdef object _keep(self):
        """Return a copy of all that a call changes, in case a function of the system fails."""
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
