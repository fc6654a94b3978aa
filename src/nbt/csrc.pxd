"""The declarations of csrc/, once each: one header after the other, in the order of their needs."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "machine/layout.h" nogil:
    enum:
        NBT_ALIGN
    ctypedef struct nbt_panels:
        size_t rows, ld, full, per_vec, depth

cdef extern from "shared/schedule.h" nogil:
    ctypedef enum nbt_schedule_kind:
        NBT_CONSTANT, NBT_INVERSE_SQRT
    ctypedef struct nbt_schedule:
        nbt_schedule_kind kind
        double scale, after
    double nbt_rate(nbt_schedule schedule, uint64_t step) noexcept

cdef extern from "shared/signs.h" nogil:
    void nbt_philox(size_t count, uint32_t* c, const uint32_t* key) noexcept
    void nbt_sign_bits(uint64_t seed, uint32_t pair, uint64_t step, uint32_t draw,
                       uint32_t* out) noexcept

cdef extern from "systems/system.h" nogil:
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

cdef extern from "choices.h" nogil:
    ctypedef enum nbt_dtype:
        NBT_F32, NBT_F64
    ctypedef enum nbt_rule:
        NBT_NOBACKTRACK, NBT_RTRL, NBT_BPTT, NBT_FIXED, NBT_UORO
    ctypedef enum nbt_activation:
        NBT_SIGMOID, NBT_TANH, NBT_IDENTITY
    ctypedef enum nbt_optimizer:
        NBT_SGD, NBT_KALMAN, NBT_ADAM
    ctypedef enum nbt_cell:
        NBT_ONE_GATE, NBT_LSTM, NBT_COUPLED_LSTM, NBT_GRU, NBT_MGU, NBT_LRU
    ctypedef enum nbt_readout:
        NBT_SOFTMAX, NBT_GAUSSIAN, NBT_BERNOULLI, NBT_OWN_LOSS
    ctypedef enum nbt_norm:
        NBT_EUCLIDEAN, NBT_KALMAN_NORM, NBT_FISHER, NBT_NO_NORM
    ctypedef enum nbt_missing:
        NBT_NEVER_MISSING, NBT_SKIP, NBT_MASK
    ctypedef struct nbt_method:
        nbt_optimizer kind
        nbt_schedule schedule
        double lambda_ "lambda"
        double outlier, b1, b2
        int shared
        double prior
    ctypedef struct nbt_sizes:
        size_t n, m, A, given, P, K, S, T, gates, kept, Y, phases, lanes, strip, ldwords
        size_t features, ldshared, layers, states
        nbt_panels cell, out
    ctypedef struct nbt_choices:
        nbt_dtype dtype
        nbt_rule rule
        nbt_activation activation
        const uint8_t* activations
        nbt_readout readout
        nbt_method theta, phi
        nbt_norm norm
        nbt_missing missing
        nbt_cell cell
        int windowed, recurrent, rms, upper
        int scale_x, scale_y, one_hot, exact_self, lazy, split, reference, dense, exact_fisher
        int keep_x, direct
        uint64_t seed

cdef extern from "arrays.h" nogil:
    enum:
        NBT_ERA

cdef extern from "machine/parallel.h" nogil:
    ctypedef struct nbt_workers:
        size_t threads

cdef extern from "shared/counts.h" nogil:
    enum:
        NBT_COUNTS_DEEPEST, NBT_COUNTS_BITS, NBT_COUNTS_WAYS, NBT_COUNTS_MOST_OF_ALL
    ctypedef struct nbt_counts_slot:
        pass
    ctypedef struct nbt_counts:
        size_t symbols, orders, buckets
        int of_inputs
        nbt_counts_slot* table
        uint32_t* seen
        int32_t* context
        double* beta
        double* squares
        double* base
        double* log_base
        double* share
        double* log_q
        int32_t* touched
        nbt_counts_slot* before
        uint32_t* written
        uint8_t* noted
        size_t writes
    void nbt_counts_refresh(nbt_counts* self) noexcept
    void nbt_counts_begin(nbt_counts* self) noexcept
    void nbt_counts_undo(nbt_counts* self) noexcept
    size_t nbt_counts_first_bad_slot(const nbt_counts_slot* slots, size_t count,
                                     size_t symbols) noexcept

cdef extern from "learner.h" nogil:
    ctypedef enum nbt_status:
        NBT_OK, NBT_BAD_SYMBOL, NBT_DIVERGED, NBT_FAILED
    ctypedef enum nbt_kind:
        NBT_LEARNED, NBT_CARRIED, NBT_DERIVED, NBT_SCRATCH
    ctypedef struct nbt_counters:
        uint64_t step, looks
    ctypedef struct nbt_network_part:
        int32_t x_last
    ctypedef struct nbt_readout_part:
        int32_t symbol
        nbt_counts* counts
    ctypedef struct nbt_optimizer_part:
        uint64_t theta_updates, phi_updates
        int measuring
        size_t groups, phi_groups
        int64_t* group_start
        int32_t* first
        int64_t* phi_group_start
    ctypedef struct nbt_estimator:
        int settled, fresh
        int32_t* pair
    ctypedef struct nbt_reduction:
        uint32_t* sign_words
    ctypedef struct nbt_past:
        size_t length, head
        int entered
        int32_t* window_symbol
        int32_t* window_order
    ctypedef struct nbt_waiting:
        int32_t* stamp
        int resumed
    ctypedef struct nbt_system_part:
        nbt_system functions
        int64_t* indptr
        int32_t* indices
        int64_t* seen_indptr
        int32_t* seen_indices
        int patterned, surveyed
        uint8_t* run
        int64_t* span
        int32_t* owner
    ctypedef struct nbt_learner:
        nbt_sizes sizes
        nbt_choices choices
        nbt_counters counters
        nbt_workers workers
        nbt_network_part network
        nbt_readout_part readout
        nbt_optimizer_part optimizer
        nbt_estimator estimator
        nbt_reduction reduction
        nbt_past past
        nbt_waiting waiting
        nbt_system_part system
        nbt_learner** layers
    ctypedef struct nbt_array:
        const char* part
        const char* name
        size_t offset, rows, columns
        nbt_kind kind
        int needed, wide
    ctypedef struct nbt_chunk:
        size_t steps
        const int32_t* symbols
        const double* vectors
        const int32_t* target_symbols
        const double* target_vectors
        int input_first, learn
        double* predictions
    void nbt_learner_init(nbt_learner* self, int isa) noexcept
    int nbt_learner_array(const nbt_learner* self, size_t k, nbt_array* out) noexcept
    void nbt_learner_refresh(nbt_learner* self) noexcept
    void nbt_learner_settle(nbt_learner* self) noexcept
    nbt_status nbt_learner_flush(nbt_learner* self) noexcept
    void nbt_learner_bring_up(nbt_learner* self, void* theta, void* w) noexcept
    nbt_status nbt_learner_predict(nbt_learner* self, int has_x, int32_t symbol,
                                   const double* vector, double* prediction) noexcept
    nbt_status nbt_learner_run(nbt_learner* self, const nbt_chunk* chunk, double* loss,
                               size_t* done) noexcept
    size_t nbt_first_bad_symbol(const int32_t* symbols, size_t count, size_t limit) noexcept
    size_t nbt_first_bad_number(double largest, const double* numbers, size_t count,
                                int missing) noexcept

cdef extern from "isa.h" nogil:
    int nbt_isa_count() noexcept
    const char* nbt_isa_name(int isa) noexcept
    int nbt_isa_usable(int isa) noexcept

cdef extern from "systems/network.h" nogil:
    ctypedef enum nbt_leak:
        NBT_NO_LEAK, NBT_FIXED_LEAK, NBT_LEARNED_LEAK, NBT_TIME_CONSTANT
    ctypedef struct nbt_layer:
        size_t first, start, units, inputs, below
        nbt_activation activation
        nbt_leak leak
        double dt
        const int64_t* indptr
        const int32_t* indices
    ctypedef struct nbt_network:
        size_t layers, units
        nbt_layer* layer
        void* h
        void* a
        void* slope
        void* leak
        void* keep
        void* gain
        void* keep_slope
        void* pushed
        void* both
        int* known

cdef extern from "systems/euler.h" nogil:
    ctypedef struct nbt_euler:
        nbt_system field
        double dt

cdef extern from "systems/built_in.h" nogil:
    nbt_system nbt_network_system(nbt_network* self, size_t m, nbt_dtype dtype, int isa) noexcept
    nbt_system nbt_euler_system(nbt_euler* self, nbt_dtype dtype, int isa) noexcept

cdef extern from "baselines/ctw.h" nogil:
    enum:
        NBT_CTW_SYMBOLS, NBT_CTW_DEEPEST
    ctypedef struct nbt_ctw_record:
        pass
    ctypedef struct nbt_ctw:
        size_t symbols, depth
        double alpha
        uint32_t limit
        size_t capacity, n_buckets, n_history
        nbt_ctw_record* pool
        uint32_t* buckets
        uint8_t* history
        size_t used, room
        uint64_t step
    void nbt_ctw_init(nbt_ctw* self) noexcept
    void nbt_ctw_refresh(nbt_ctw* self) noexcept
    size_t nbt_ctw_first_bad_record(const nbt_ctw* self) noexcept
    void nbt_ctw_predict(const nbt_ctw* self, double* probabilities) noexcept
    nbt_status nbt_ctw_run(nbt_ctw* self, size_t steps, const int32_t* symbols, int learning,
                           double* loss, size_t* done) noexcept

cdef extern from *:
    """
    #if defined(__clang__)
    #define NBT_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define NBT_COMPILER "gcc " __VERSION__
    #else
    #define NBT_COMPILER "unknown"
    #endif
    #ifndef NBT_OPENMP
    #define NBT_OPENMP 0
    #endif
    """
    const char* NBT_COMPILER
    int NBT_OPENMP
