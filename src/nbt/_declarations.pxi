"""What learner.h and its neighbours in csrc/ say, for Cython, and the names of their choices."""

cdef extern from "schedule.h" nogil:
    ctypedef enum nbt_schedule_kind:
        NBT_CONSTANT, NBT_INVERSE_SQRT
    ctypedef struct nbt_schedule:
        nbt_schedule_kind kind
        double scale
    double nbt_rate(nbt_schedule schedule, uint64_t step) noexcept

cdef extern from "signs.h" nogil:
    void nbt_philox(size_t count, uint32_t* c, const uint32_t* key) noexcept
    void nbt_sign_bits(uint64_t seed, uint32_t pair, uint64_t step, uint32_t group,
                       uint32_t* out) noexcept

cdef extern from "learner.h" nogil:
    ctypedef enum nbt_dtype:
        NBT_F32, NBT_F64
    ctypedef enum nbt_rule:
        NBT_NOBACKTRACK, NBT_RTRL, NBT_BPTT
    ctypedef enum nbt_activation:
        NBT_SIGMOID, NBT_TANH, NBT_IDENTITY
    ctypedef enum nbt_optimizer:
        NBT_SGD, NBT_KALMAN
    ctypedef enum nbt_readout:
        NBT_SOFTMAX, NBT_GAUSSIAN, NBT_BERNOULLI, NBT_OWN_LOSS
    ctypedef enum nbt_norm:
        NBT_EUCLIDEAN, NBT_KALMAN_NORM, NBT_FISHER, NBT_NO_NORM
    ctypedef enum nbt_missing:
        NBT_NEVER_MISSING, NBT_SKIP, NBT_MASK
    ctypedef enum nbt_status:
        NBT_OK, NBT_BAD_SYMBOL, NBT_DIVERGED, NBT_FAILED
    enum:
        NBT_ALIGN, NBT_ERA
    ctypedef struct nbt_panels:
        size_t rows, ld, full, group, depth
    ctypedef struct nbt_learner:
        size_t n, m, A, P, K, S, T, Y, threads, length, head, lanes, strip
        nbt_panels cell, out
        nbt_dtype dtype
        nbt_rule rule
        nbt_activation activation
        const uint8_t* activations
        nbt_readout readout
        nbt_optimizer optimizer
        nbt_norm norm
        nbt_missing missing
        int scale_x, scale_y
        int exact_self, one_hot, lazy, resumed, settled, fresh, entered
        uint64_t looks
        nbt_schedule schedule
        double lambda_theta, lambda_phi, outlier
        uint64_t seed, step
        int32_t* window_symbol
        int32_t* stamp
        size_t ldwords
        uint32_t* sign_words
        int general
        size_t phases
        nbt_system system
        int64_t* indptr
        int32_t* indices
        int64_t* seen_indptr
        int32_t* seen_indices
        int patterned, surveyed, measuring
        uint8_t* run
        int64_t* span
        int32_t* owner
        size_t blocks
        int64_t* block
        int32_t* first
        int split, whole, dense, exact_fisher
        size_t phi_blocks
        int64_t* phi_block
        int32_t* pair
        int32_t x_last
    ctypedef struct nbt_array:
        const char* name
        size_t offset, rows, columns
        int needed, wide
    ctypedef struct nbt_block:
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
    void nbt_learner_bring_up(nbt_learner* self, void* theta, void* w) noexcept
    nbt_status nbt_learner_predict(nbt_learner* self, int has_x, int32_t symbol,
                                   const double* vector, double* prediction) noexcept
    nbt_status nbt_learner_run(nbt_learner* self, const nbt_block* block, double* loss,
                               size_t* done) noexcept
    size_t nbt_first_bad_symbol(const int32_t* symbols, size_t count, size_t limit) noexcept
    size_t nbt_first_bad_number(double largest, const double* numbers, size_t count,
                                int missing) noexcept
    int nbt_isa_count() noexcept
    const char* nbt_isa_name(int isa) noexcept
    int nbt_isa_usable(int isa) noexcept

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

RULES = {"nobacktrack": NBT_NOBACKTRACK, "rtrl": NBT_RTRL, "bptt": NBT_BPTT}
ACTIVATIONS = {"sigmoid": NBT_SIGMOID, "tanh": NBT_TANH, "identity": NBT_IDENTITY}
READOUTS = {"softmax": NBT_SOFTMAX, "gaussian": NBT_GAUSSIAN, "bernoulli": NBT_BERNOULLI,
            "ownloss": NBT_OWN_LOSS}
OPTIMIZERS = {"sgd": NBT_SGD, "kalman": NBT_KALMAN}
NORMS = {"euclidean": NBT_EUCLIDEAN, "kalman": NBT_KALMAN_NORM, "fisher": NBT_FISHER,
         "none": NBT_NO_NORM}
MISSING = {"error": NBT_NEVER_MISSING, "skip": NBT_SKIP, "mask": NBT_MASK}
SCHEDULES = {"constant": NBT_CONSTANT, "inverse_sqrt": NBT_INVERSE_SQRT}
DTYPES = {"float32": NBT_F32, "float64": NBT_F64}
