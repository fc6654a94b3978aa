"""Counts of symbols after contexts (csrc/shared/counts.h)."""

COUNTS_DEEPEST, COUNTS_BITS, COUNTS_WAYS = NBT_COUNTS_DEEPEST, NBT_COUNTS_BITS, NBT_COUNTS_WAYS
COUNTS_MOST = NBT_COUNTS_MOST_OF_ALL
COUNTS_BUCKET = NBT_COUNTS_WAYS * sizeof(nbt_counts_slot)


cdef class SymbolCounts:
    """The counts of a learner, and the arrays that C reads and writes in place.

    ``arrays`` has ``slots``, ``seen``, ``context``, ``beta`` and ``squares``. Call `refresh` after
    writing them. Memory is taken from the system only where slots are used.
    """

    cdef nbt_counts c
    cdef readonly dict arrays
    cdef object scratch, journal

    def __cinit__(self, *, size_t symbols, size_t orders, size_t buckets, bint of_inputs):
        cells = (orders + 1, COUNTS_BITS)
        self.c.symbols, self.c.orders, self.c.buckets = symbols, orders, buckets
        self.c.of_inputs = of_inputs
        table = aligned_bytes(buckets * COUNTS_BUCKET)
        self.arrays = {"slots": table[:buckets * COUNTS_BUCKET].view(np.uint32).reshape(-1, 4),
                       "seen": np.zeros(symbols, np.uint32),
                       "context": np.full(orders, -1, np.int32),
                       "beta": np.ones(cells), "squares": np.zeros(cells)}
        self.scratch = np.zeros((4, symbols)), np.zeros(symbols, np.int32)
        self.c.table = <nbt_counts_slot*><uintptr_t>table.ctypes.data
        self.c.seen = <uint32_t*><uintptr_t>self.arrays["seen"].ctypes.data
        self.c.context = <int32_t*><uintptr_t>self.arrays["context"].ctypes.data
        self.c.beta = <double*><uintptr_t>self.arrays["beta"].ctypes.data
        self.c.squares = <double*><uintptr_t>self.arrays["squares"].ctypes.data
        self.c.base = <double*><uintptr_t>self.scratch[0].ctypes.data
        self.c.log_base = self.c.base + symbols
        self.c.share = self.c.base + 2 * symbols
        self.c.log_q = self.c.base + 3 * symbols
        self.c.touched = <int32_t*><uintptr_t>self.scratch[1].ctypes.data
        nbt_counts_refresh(&self.c)

    def begin(self):
        """Return copies of the small arrays, and from now on note each bucket of slots before it is
        first written: so `undo` takes back a call, however large the table is. The journal takes
        memory from the system only where it is used."""
        if self.journal is None:
            before = aligned_bytes(self.c.buckets * COUNTS_BUCKET)
            self.journal = (before, np.empty(self.c.buckets, np.uint32),
                            np.zeros(self.c.buckets, np.uint8))
            self.c.before = <nbt_counts_slot*><uintptr_t>before.ctypes.data
            self.c.written = <uint32_t*><uintptr_t>self.journal[1].ctypes.data
            self.c.noted = <uint8_t*><uintptr_t>self.journal[2].ctypes.data
        nbt_counts_begin(&self.c)
        return {name: array.copy() for name, array in self.arrays.items() if name != "slots"}

    def undo(self, kept):
        """Take back what was written since `begin` returned `kept`."""
        nbt_counts_undo(&self.c)
        for name, array in kept.items():
            self.arrays[name][...] = array
        nbt_counts_refresh(&self.c)

    @property
    def written(self):
        """How many buckets of slots were written since `begin`."""
        return self.c.writes

    @property
    def symbols(self):
        return self.c.symbols

    def refresh(self):
        """Recompute what is derived from the arrays, after they were written."""
        nbt_counts_refresh(&self.c)

    def first_bad(self, slots):
        """Return the index of the first of these slots, uint32 (count, 4), that is not as it could
        be; their count if there is none."""
        return nbt_counts_first_bad_slot(<const nbt_counts_slot*><uintptr_t>slots.ctypes.data,
                                         len(slots), self.c.symbols)
