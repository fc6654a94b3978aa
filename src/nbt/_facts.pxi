"""Facts of this build, the names of choices that C numbers, and small functions of csrc/."""

RULES = {"nobacktrack": NBT_NOBACKTRACK, "rtrl": NBT_RTRL, "bptt": NBT_BPTT, "fixed": NBT_FIXED,
         "uoro": NBT_UORO}
ACTIVATIONS = {"sigmoid": NBT_SIGMOID, "tanh": NBT_TANH, "identity": NBT_IDENTITY}
READOUTS = {"softmax": NBT_SOFTMAX, "gaussian": NBT_GAUSSIAN, "bernoulli": NBT_BERNOULLI,
            "ownloss": NBT_OWN_LOSS}
OPTIMIZERS = {"sgd": NBT_SGD, "kalman": NBT_KALMAN, "adam": NBT_ADAM}
NORMS = {"euclidean": NBT_EUCLIDEAN, "kalman": NBT_KALMAN_NORM, "fisher": NBT_FISHER,
         "none": NBT_NO_NORM}
MISSING = {"error": NBT_NEVER_MISSING, "skip": NBT_SKIP, "mask": NBT_MASK}
SCHEDULES = {"constant": NBT_CONSTANT, "inverse_sqrt": NBT_INVERSE_SQRT}
CELLS = {"one_gate": NBT_ONE_GATE, "lstm": NBT_LSTM, "coupled_lstm": NBT_COUPLED_LSTM,
         "gru": NBT_GRU, "mgu": NBT_MGU, "lru": NBT_LRU}
KINDS = {"learned": NBT_LEARNED, "carried": NBT_CARRIED, "derived": NBT_DERIVED,
         "scratch": NBT_SCRATCH}
DTYPES = {"float32": NBT_F32, "float64": NBT_F64}


def isas():
    """Return the instruction sets compiled in and usable on this machine, in rising order."""
    return [nbt_isa_name(k).decode() for k in range(nbt_isa_count()) if nbt_isa_usable(k)]


def compiled():
    """Return facts of this build: compiler, OpenMP."""
    return {"compiler": NBT_COMPILER.decode(), "openmp": bool(NBT_OPENMP)}


def philox(counter, key):
    """Return a draw of Philox4x32-10: four 32-bit words from four counter and two key words."""
    cdef uint32_t c[4]
    cdef uint32_t k[2]
    c[0], c[1], c[2], c[3] = counter
    k[0], k[1] = key
    nbt_philox(1, c, k)
    return (c[0], c[1], c[2], c[3])


def sign_bits(seed, pair, step, draw):
    """Return the 128 sign bits of units ``128 * draw`` onwards, as four 32-bit words."""
    cdef uint32_t out[4]
    nbt_sign_bits(seed, pair, step, draw, out)
    return (out[0], out[1], out[2], out[3])


def rate(kind, double scale, double after, uint64_t step):
    """Return a schedule's value at a step, as C computes it."""
    return nbt_rate(nbt_schedule(SCHEDULES[kind], scale, after), step)


cdef int _isa_row(isa) except? -1:
    if isa is None:
        return -1
    names = [nbt_isa_name(k).decode() for k in range(nbt_isa_count())]
    if isa not in names or not nbt_isa_usable(names.index(isa)):
        raise ValueError(f"isa: expected one of {isas()}, got {isa!r}")
    return names.index(isa)
