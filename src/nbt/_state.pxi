"""The state of a learner: sizes, choices, the arrays that it borrows, and counters."""

# Multiply-adds: a step counts as at least the first number of them. A phase of a system counts as
# the second number more, because its functions may do anything.
cdef double LEAST_WORK = 2e3, WORK_OF_CALLS = 1e4


cdef nbt_method _method(dict asked) except *:
    """Return how gradients change θ, or φ, from what `lower` of an optimizer says."""
    cdef nbt_method of
    kind, scale, after = asked["schedule"]
    of.kind, of.schedule = OPTIMIZERS[asked["kind"]], nbt_schedule(SCHEDULES[kind], scale, after)
    of.lambda_, of.outlier = asked.get("lambda", 0), asked.get("outlier", 0)
    of.b1, of.b2 = asked.get("b1", 0), asked.get("b2", 0)
    of.shared, of.prior = asked.get("shared", False), asked.get("prior", 0)
    return of


cdef class LearnerState:
    """A C learner: its sizes, choices, arrays and counters.

    ``arrays`` maps the names of csrc/arrays.h to padded NumPy arrays (rows, stride) that C reads
    and writes in place. Call `settle` before reading them and `refresh` after writing them.
    """

    cdef nbt_learner c
    cdef readonly dict arrays
    cdef dict owners  # of each array: the part that owns it, its kind
    cdef set lasting  # the arrays that are learned or carried, but `values`, of which few are used
    cdef readonly object dtype
    cdef object window_symbol, window_order, activations, sign_words
    cdef readonly object stamp
    cdef CoreSystem system  # a system that is trained, or None
    cdef readonly SymbolCounts counts  # of symbols, or None
    cdef readonly object indptr, indices, pair
    cdef readonly tuple layers  # learners that are the layers of a stack; none: it is no stack
    cdef object layer_pointers
    cdef object group_start, first, survey, phi_group_start
    cdef Turns turns
    cdef bint retired  # another learner took its place
    cdef readonly object lost  # the error by which it diverged, or None
    cdef double work

    def __cinit__(self, *, Turns turns=None, str rule, str dtype, size_t n, size_t m,
                  size_t outputs, bint one_hot,
                  activation, dict theta, dict phi, str readout="softmax",
                  str norm="euclidean", size_t rank=1, size_t blocks=1, bint exact_self=False,
                  size_t window=0, uint64_t seed=0, isa=None, size_t threads=1, str missing="error",
                  bint standardize_inputs=False, bint standardize_targets=False,
                  CoreSystem system=None, starts=None, size_t targets=0,
                  bint split=False, phi_starts=None, bint dense=False,
                  bint exact_fisher=False, size_t lags=1, str cell="one_gate", bint recurrent=True,
                  bint windowed=False, bint direct=False, SymbolCounts counts=None,
                  bint rms=False, bint upper=False, layers=(), size_t states=0,
                  bint keep_scales=False):
        cdef nbt_array row
        cdef size_t k = 0
        cdef nbt_sizes* at = &self.c.sizes
        cdef nbt_choices* to = &self.c.choices
        self.turns = Turns() if turns is None else turns
        at.states = states
        at.n, at.given, at.m, at.A, at.Y = n, m, lags * m, outputs, targets
        at.P = 1 + n + at.m
        at.K, at.S, at.T, self.c.workers.threads = rank, blocks, window, threads
        to.dtype, to.rule, to.one_hot, to.seed = DTYPES[dtype], RULES[rule], one_hot, seed
        to.cell, to.recurrent, to.windowed = CELLS[cell], recurrent, windowed
        to.rms, to.upper = rms, upper
        self._take_layers(tuple(layers))
        self._take_activation(activation)
        to.readout, to.missing = READOUTS[readout], MISSING[missing]
        to.scale_x, to.scale_y = standardize_inputs, standardize_targets
        to.keep_x = keep_scales
        to.direct = direct
        to.norm, to.exact_self, to.split = NORMS[norm], exact_self, split
        to.theta, to.phi = _method(theta), _method(phi)
        to.dense, to.exact_fisher = dense, exact_fisher
        if system is not None:
            self._take(system, starts)
        if phi_starts is not None:
            to.reference, self.c.optimizer.phi_groups = True, len(phi_starts)
            self.phi_group_start = np.append(np.asarray(phi_starts, np.int64),
                                             (1 + n + (m * lags if direct else 0)) * outputs)
            self.c.optimizer.phi_group_start = <int64_t*><uintptr_t>self.phi_group_start.ctypes.data
        self.counts = counts
        self.c.readout.counts = NULL if counts is None else &counts.c
        self.pair = np.zeros(system.c.p if split else 1, np.int32)
        self.c.estimator.pair = <int32_t*><uintptr_t>self.pair.ctypes.data
        nbt_learner_init(&self.c, _isa_row(isa))
        self.dtype = np.dtype(dtype)
        rows, self.owners = [], {}
        while nbt_learner_array(&self.c, k, &row):
            if row.needed:
                kind, name = np.dtype(np.float64) if row.wide else self.dtype, row.name.decode()
                rows.append((name, row.offset, kind, (row.rows, row.columns)))
                self.owners[name] = (row.part.decode(), row.kind)
            k += 1
        self.lasting = (self.named("learned") | self.named("carried")) - {"values"}
        self.arrays = {}
        memory = aligned_zeros([shape for *_, shape in rows], [kind for *_, kind, _ in rows])
        for (name, offset, *_), array in zip(rows, memory):
            (<void**>(<char*>&self.c + <size_t>offset))[0] = <void*><uintptr_t>array.ctypes.data
            self.arrays[name] = array
        if system is not None:
            system._show(self.arrays["theta"])
        self.window_symbol = np.full(max(window, 1), -1, dtype=np.int32)
        self.c.past.window_symbol = <int32_t*><uintptr_t>self.window_symbol.ctypes.data
        self.window_order = np.zeros_like(self.window_symbol)
        self.c.past.window_order = <int32_t*><uintptr_t>self.window_order.ctypes.data
        self._share_with_layers()
        self.stamp = np.full(m if to.lazy else 1, -1, dtype=np.int32)
        self.c.waiting.stamp = <int32_t*><uintptr_t>self.stamp.ctypes.data
        self.sign_words = np.empty(rank * at.ldwords, dtype=np.uint32)
        self.c.reduction.sign_words = <uint32_t*><uintptr_t>self.sign_words.ctypes.data
        self.work = at.P * <double>n * (rank + 2) + n * <double>n * blocks
        self.work += at.features * <double>outputs
        if windowed:
            ways = 1 if to.rule == NBT_FIXED else 5 + rank
            self.work = at.gates * at.P * <double>n * ways + at.features * <double>outputs
            if layers:
                self.work = at.features * <double>outputs + sum(one.work_of_step for one in layers)
        elif to.rule == NBT_NOBACKTRACK:
            self.work += n * <double>n * window * (2 + rank * blocks)
        if system is not None:
            self.work = system.c.phases * (WORK_OF_CALLS + system.c.p * <double>(rank + 2)
                                           + n * <double>n)
        if to.rule == NBT_RTRL and system is not None:
            self.work += n * <double>n * system.c.p
        elif to.rule == NBT_RTRL:
            states = at.states if windowed else n
            self.work += states * <double>states * at.P * n * at.gates * (2 if windowed else 1)
        if to.phi.shared:
            self.work += 2 * <double>at.ldshared * at.ldshared
        self.work = max(self.work, LEAST_WORK)
        nbt_learner_refresh(&self.c)

    cdef int _take_layers(self, tuple layers) except -1:
        """Make this a stack of these learners (csrc/gated/layers.h)."""
        cdef LearnerState layer
        self.layers, self.c.sizes.layers = layers, len(layers)
        pointers = []
        for layer in layers:
            pointers.append(<uintptr_t>&layer.c)
        self.layer_pointers = np.array(pointers, np.uintp)
        self.c.layers = <nbt_learner**><uintptr_t>self.layer_pointers.ctypes.data
        return 0

    cdef int _share_with_layers(self) except -1:
        """The layers have the window's symbols of the stack, which shows their arrays as its own,
        by their number and name: "0.theta"."""
        cdef LearnerState layer
        for place, layer in enumerate(self.layers):
            layer.c.past.window_symbol = self.c.past.window_symbol
            layer.c.past.window_order = self.c.past.window_order
            self.arrays |= {f"{place}.{name}": array for name, array in layer.arrays.items()}
            self.owners |= {f"{place}.{name}": owner for name, owner in layer.owners.items()}
        return 0

    @property
    def work_of_step(self):
        """Multiply-adds of a step, roughly."""
        return self.work

    cdef int _take_activation(self, activation) except -1:
        """Set σ of the units: one name, or a name for each unit."""
        if isinstance(activation, str):
            self.c.choices.activation = ACTIVATIONS[activation]
            return 0
        self.activations = np.array([ACTIVATIONS[one] for one in activation], np.uint8)
        self.c.choices.activations = <const uint8_t*><uintptr_t>self.activations.ctypes.data
        return 0

    cdef int _take(self, CoreSystem system, starts) except -1:
        """Set a system instead of a dense cell; groups of its parameters begin at `starts`."""
        cdef size_t p = system.c.p
        self.system, self.c.system.functions, self.c.sizes.P = system, system.c, 0
        self.indptr = np.zeros(system.c.n + 1, np.int64)
        self.indices = np.zeros(max(system.c.entries, 1), np.int32)
        self.group_start = np.concatenate([np.asarray(starts, np.int64), [p]])
        sizes = np.diff(self.group_start)
        self.first = np.repeat(self.group_start[:len(starts)], sizes).astype(np.int32)
        self.c.system.indptr = <int64_t*><uintptr_t>self.indptr.ctypes.data
        self.c.system.indices = <int32_t*><uintptr_t>self.indices.ctypes.data
        pieces = max(system.c.n, len(starts)) + 1
        survey = (np.zeros_like(self.indptr), np.zeros_like(self.indices),
                  np.zeros(system.c.n, np.uint8), np.zeros(pieces + 1, np.int64),
                  np.zeros(pieces, np.int32))
        self.c.system.seen_indptr = <int64_t*><uintptr_t>survey[0].ctypes.data
        self.c.system.seen_indices = <int32_t*><uintptr_t>survey[1].ctypes.data
        self.c.system.run = <uint8_t*><uintptr_t>survey[2].ctypes.data
        self.c.system.span = <int64_t*><uintptr_t>survey[3].ctypes.data
        self.c.system.owner = <int32_t*><uintptr_t>survey[4].ctypes.data
        self.survey = survey
        self.c.optimizer.group_start = <int64_t*><uintptr_t>self.group_start.ctypes.data
        self.c.optimizer.first = <int32_t*><uintptr_t>self.first.ctypes.data
        self.c.optimizer.groups = len(starts)
        return 0

    def named(self, kind, *parts):
        """Return the names of the arrays of a kind: "learned", "carried", "derived" or "scratch"
        (csrc/arrays.h). `parts` are the parts of the learner to look in; all, if none is named."""
        return {name for name, (part, lies) in self.owners.items()
                if lies == KINDS[kind] and (part in parts or not parts)}

    # ---- counters ------------------------------------------------------------------------------

    @property
    def step(self):
        return self.c.counters.step

    @property
    def seed(self):
        return self.c.choices.seed

    @property
    def looks(self):
        """Steps after which all arrays were scanned (csrc/machine/float_mode.h); usually 0."""
        return self.c.counters.looks

    @property
    def units(self):
        return self.c.sizes.n

    @property
    def outputs(self):
        return self.c.sizes.A

    @property
    def targets(self):
        """Length of a target; 0 if it is a symbol."""
        return self.c.sizes.Y

    @property
    def inputs(self):
        """Length of an input as a call brings it."""
        return self.c.sizes.given

    @property
    def lags(self):
        """Number of inputs that the network reads at once."""
        return self.c.sizes.m // self.c.sizes.given

    @property
    def parameters(self):
        """Number of parameters of a system, p."""
        return self.c.system.functions.p

    @property
    def entries(self):
        """Most entries of a system's ∂f/∂θ."""
        return self.c.system.functions.entries

    @property
    def has_readout(self):
        """Whether there is a readout φ, and not a loss of the system's own."""
        return self.c.choices.readout != NBT_OWN_LOSS

    @property
    def one_hot(self):
        return bool(self.c.choices.one_hot)

    @property
    def direct(self):
        """Whether the readout sees the last input."""
        return bool(self.c.choices.direct)

    @property
    def predicts_inputs(self):
        """Whether the targets are of the same kind and size as the inputs."""
        return self._predicts_inputs()

    @property
    def seen(self):
        """The last input that the readout sees, where that is a symbol; -1: none."""
        return self.c.readout.symbol

    @seen.setter
    def seen(self, int32_t symbol):
        self.c.readout.symbol = symbol

    cdef bint _predicts_inputs(self) noexcept:
        if self.c.sizes.Y:
            return not self.c.choices.one_hot and self.c.sizes.given == self.c.sizes.Y
        return self.c.choices.one_hot and self.c.sizes.given == self.c.sizes.A

    @property
    def strip(self):
        """Number of columns of RTRL's G that lie together."""
        return self.c.sizes.strip

    @property
    def head(self):
        """Newest slot of NoBackTrack's window (csrc/dense/window.h)."""
        return self.c.past.head

    def panels(self, matrix):
        """Return where the entries of θ, φ and arrays of their shapes lie: arguments of
        `Panels`."""
        cdef nbt_panels at = self.c.sizes.cell if matrix == "theta" else self.c.sizes.out
        lanes = self.c.sizes.lanes
        columns = self.c.sizes.n * self.c.sizes.gates if matrix == "theta" else self.c.sizes.A
        rows = at.rows if matrix == "theta" else self.c.sizes.features
        return {"rows": rows, "columns": columns,
                "ld": at.ld, "full": at.full, "width": lanes // at.per_vec if at.per_vec else 0,
                "depth": at.depth, "lanes": lanes}

    def counters(self):
        """Return all that is not in `arrays`: a dict of integers, and the window's symbols, the
        newest first where it is a ring."""
        return {"step": self.c.counters.step, "seed": self.c.choices.seed,
                "theta_updates": self.c.optimizer.theta_updates,
                "phi_updates": self.c.optimizer.phi_updates,
                "seen": self.c.readout.symbol,
                "length": self.c.past.length, "entered": bool(self.c.past.entered),
                "symbols": np.roll(self.window_symbol, -<int>self.c.past.head, 0)}

    def set_counters(self, uint64_t step, uint64_t seed, int32_t seen, uint64_t theta_updates,
                     uint64_t phi_updates, size_t length, bint entered, symbols):
        """Set what `counters` returned. Values must have been checked."""
        self.c.counters.step, self.c.choices.seed, self.c.readout.symbol = step, seed, seen
        self.c.optimizer.theta_updates, self.c.optimizer.phi_updates = theta_updates, phi_updates
        self.c.past.length, self.c.past.entered = length, entered
        self.window_symbol[:] = np.roll(symbols, <int>self.c.past.head)

    def settle(self):
        """Apply what is pending to the arrays, so that they have their true values."""
        nbt_learner_settle(&self.c)

    def refresh(self, bint resumed=False):
        """Recompute what is derived from the arrays, after they were written. `resumed` says that
        waiting rows were written as they were when they waited."""
        self.c.waiting.resumed = resumed
        nbt_learner_refresh(&self.c)

    @property
    def windowed(self):
        """Whether θ is learned once in T steps (csrc/gated/rules.h)."""
        return bool(self.c.choices.windowed)

    @property
    def lazy(self):
        """Whether rows of symbols wait until their symbol comes (csrc/dense/lazy.h)."""
        return bool(self.c.choices.lazy)

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
        """Note that another learner takes this one's place. It then does the calls that wait for
        their turn with this one."""
        self.retired = True

    # ---- before a call that may fail ------------------------------------------------------------

    cdef object _keep(self):
        """Return a copy of all that a call changes, in case a function of the system fails."""
        used = self.indptr[self.c.sizes.n]
        arrays = {name: self.arrays[name].copy() for name in self.lasting}
        counted = None if self.counts is None else self.counts.begin()
        counters = (self.c.counters.step, self.c.past.length, self.c.past.entered,
                    self.c.estimator.settled, self.c.network.x_last, self.c.readout.symbol,
                    self.c.optimizer.theta_updates, self.c.optimizer.phi_updates)
        return (arrays, self.indptr.copy(), self.indices[:used].copy(),
                self.arrays["values"][0, :used].copy(), self.window_symbol.copy(), counted,
                counters)

    cdef int _put_back(self, kept) except -1:
        arrays, indptr, indices, values, symbols, counted, counters = kept
        if counted is not None:
            self.counts.undo(counted)
        for name, array in arrays.items():
            self.arrays[name][...] = array
        used = len(indices)
        self.indptr[:], self.indices[:used], self.window_symbol[:] = indptr, indices, symbols
        self.arrays["values"][0, :used] = values
        self.c.system.patterned = self.c.system.surveyed = False
        self.c.estimator.fresh = self.c.optimizer.measuring = False
        (self.c.counters.step, self.c.past.length, self.c.past.entered,
         self.c.estimator.settled, self.c.network.x_last, self.c.readout.symbol,
         self.c.optimizer.theta_updates, self.c.optimizer.phi_updates) = counters
        return 0
