"""Context tree weighting (csrc/baselines/ctw.h), the baseline."""

CTW_SYMBOLS, CTW_DEEPEST = NBT_CTW_SYMBOLS, NBT_CTW_DEEPEST
CTW_RECORD = np.dtype([("value", np.uint64), ("words", np.uint32, 4)])
assert CTW_RECORD.itemsize == sizeof(nbt_ctw_record)

# Symbols between two checks for signals, and of a call too short for a switch of threads.
cdef size_t SYMBOLS_BETWEEN_SIGNALS = 1 << 12, FEW_SYMBOLS = 1 << 4


cdef class ContextTree:
    """Context tree weighting: choices, borrowed arrays, the loop over a chunk. See baselines/ctw.h.

    `pool`, `history` and the hash table are NumPy arrays that C reads and writes in place.
    """

    cdef nbt_ctw c
    cdef readonly object pool, history
    cdef object buckets
    cdef readonly Turns turns

    def __cinit__(self, *, size_t symbols, size_t depth, double alpha, uint32_t limit,
                  size_t nodes, size_t buckets, size_t history):
        self.c.symbols, self.c.depth, self.c.alpha, self.c.limit = symbols, depth, alpha, limit
        self.c.capacity, self.c.n_buckets, self.c.n_history = nodes, buckets, history
        self.turns = Turns()
        self.pool = np.zeros(nodes, CTW_RECORD)
        self.buckets = np.zeros(buckets, np.uint32)
        self.history = np.zeros(history, np.uint8)
        self.c.pool = <nbt_ctw_record*><uintptr_t>self.pool.ctypes.data
        self.c.buckets = <uint32_t*><uintptr_t>self.buckets.ctypes.data
        self.c.history = <uint8_t*><uintptr_t>self.history.ctypes.data
        nbt_ctw_init(&self.c)

    @property
    def step(self):
        return self.c.step

    @property
    def used(self):
        return self.c.used

    def load(self, records, history, uint64_t step):
        """Set the records (CTW_RECORD) and the last symbols. ValueError if a record is damaged."""
        self.turns.renew(self._load, records, history, step)

    def _load(self, records, history, uint64_t step):
        cdef nbt_ctw there = self.c
        cdef size_t bad
        there.pool = <nbt_ctw_record*><uintptr_t>records.ctypes.data
        there.used = len(records)
        bad = nbt_ctw_first_bad_record(&there)
        if bad < there.used:
            raise ValueError(f"tree.records: number {bad} is damaged")
        memcpy(self.c.pool, there.pool, there.used * sizeof(nbt_ctw_record))
        self.history[:len(history)] = history
        self.c.used, self.c.step = there.used, step
        nbt_ctw_refresh(&self.c)

    def predict(self):
        """Return the probabilities of the next symbol, float64, shape (symbols,)."""
        p = np.empty(self.c.symbols)
        self.turns.take(True)
        try:
            nbt_ctw_predict(&self.c, <double*>PyArray_DATA(p))
        finally:
            self.turns.give()
        return p

    def run(self, x, bint learn):
        """Run a chunk; return its losses in nats, float64, shape (steps,)."""
        cdef Data data
        _held = _symbols(x, "x", self.c.symbols, &data)
        loss = np.empty(data.count)
        self.turns.take(False)
        try:
            self._run(&data, learn, <double*>PyArray_DATA(loss))
        finally:
            self.turns.give()
        return loss

    cdef int _run(self, Data* data, bint learn, double* loss) except -1:
        """Run pieces of a few milliseconds without the GIL. Between them, check for signals and let
        calls that only read go first."""
        cdef size_t begun = 0, done = 0, steps
        cdef nbt_status status
        while begun < data.count:
            steps = min(SYMBOLS_BETWEEN_SIGNALS, data.count - begun)
            if steps < FEW_SYMBOLS:
                status = nbt_ctw_run(&self.c, steps, data.symbols + begun, learn, loss + begun,
                                     &done)
            else:
                with nogil:
                    status = nbt_ctw_run(&self.c, steps, data.symbols + begun, learn, loss + begun,
                                         &done)
            if status == NBT_BAD_SYMBOL:
                raise ValueError(f"x: a symbol changed during the call, at {begun + done}")
            begun += steps
            if begun < data.count:
                if self.turns.looks:
                    self.turns.pause()
                PyErr_CheckSignals()
        return 0
