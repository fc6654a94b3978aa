/* learner.h: the facade. A learner is what it was told once (choices.h), borrowed arrays
 * (arrays.h), counters and flags, by the part that owns them; it runs chunks of steps. */
#ifndef NBT_LEARNER_H
#define NBT_LEARNER_H

#include "arrays.h"
#include "choices.h"
#include "machine/parallel.h"
#include "shared/counts.h"
#include "systems/system.h"

enum { NBT_UNKNOWN_SYMBOL = -2 };

/* What lies in an array (arrays.h). */
typedef enum { NBT_LEARNED, NBT_CARRIED, NBT_DERIVED, NBT_SCRATCH } nbt_kind;

#define NBT_FIELD(part, name, rows, columns, which, kind) void *name;
#define NBT_WIDE_FIELD(part, name, rows, columns, which, kind) double *name;

typedef struct {
    uint64_t step;  /* steps so far */
    uint64_t looks; /* at all arrays, so far, because something left its range */
    int failed;     /* did a function of the system fail? */
} nbt_counters;

typedef struct {
    int32_t x_last; /* the entry set in one-hot z; -1: none, NBT_UNKNOWN_SYMBOL */
    NBT_NETWORK_ARRAYS(NBT_FIELD)
} nbt_network_part;

typedef struct {
    double doubt;       /* how many times less the last target counts than others (recursive.h) */
    int unscored;       /* the last target had no loss, since it has no scale yet (scaler.h) */
    int32_t symbol;     /* the last input that it sees; -1: none, or it sees no symbols */
    nbt_counts *counts; /* of symbols, NULL: none */
    NBT_READOUT_ARRAYS(NBT_FIELD)
} nbt_readout_part;

typedef struct {
    int one_schedule;                    /* of θ and φ */
    double theta_rate, phi_rate;         /* the schedules at this step */
    uint64_t theta_updates, phi_updates; /* of Adam, so far */
    int measuring;                       /* are the metric's q and r those of J? */
    size_t groups;                       /* groups of θ in the metric (metric.h): */
    int64_t *group_start;                /* (groups + 1) where each begins, and p; */
    int32_t *first;                      /* (p) where that of each parameter does */
    size_t phi_groups;                   /* those of φ in a reference metric: */
    int64_t *phi_group_start;            /* (phi_groups + 1) */
    NBT_OPTIMIZER_ARRAYS(NBT_FIELD)
    NBT_OPTIMIZER_DOUBLES(NBT_WIDE_FIELD)
} nbt_optimizer_part;

typedef struct {
    int settled;            /* nothing is pending; of RTRL: G is in the array of that name */
    int fresh;              /* norms are those of now */
    int32_t x_late;         /* as x_last, in z_last */
    int deferred, learning; /* targets come before transitions; a gradient waits for its pass */
    int32_t *pair;          /* (p) which pair a parameter belongs to (split.h) */
    NBT_ESTIMATOR_ARRAYS(NBT_FIELD)
} nbt_estimator;

/* NBT_REDUCTION_ARRAYS, with a name for each use. */
typedef struct {
    uint32_t *sign_words; /* (K, ldwords) bits of the signs of some steps at once; */
    uint64_t signs_made;  /* of which, counted in NBT_SIGN_STEPS from 1; 0: of none */
    void *u;
    union {
        void *rho;
        void *own;  /* F_ii of some units; */
        void *left; /* then ε_i ρ_i, the left factors of a hop (window.h) */
        void *size; /* ‖d_i / ρ_i‖² of the hop that joins v̄ */
    };
    union {
        void *rho_inverse;
        void *add; /* ε_i / ρ_i, where all of w̄ follows at once */
    };
    void *sign;
    union {
        void *block_v;
        void *block_H; /* H·v̄_s / K */
    };
    void *block_w;
    void *block_rho;
    void *block_inverse;
} nbt_reduction;

typedef struct {
    size_t length;          /* complete steps in the window, */
    int entered;            /* and whether the next one's transition is in it */
    size_t head;            /* the newest slot of NoBackTrack's ring (window.h) */
    int learned;            /* has a step of the window a loss that is learned from? */
    int pending;            /* g_theta has the gradient of windows that closed without learning */
    int32_t *window_symbol; /* (T) input symbol of a step's transition, -1: it has none */
    int32_t *window_order;  /* (T) of gated cells: the steps that have one, by symbol, */
    size_t ordered;         /* and how many they are (gated/turns.h) */
    NBT_PAST_ARRAYS(NBT_FIELD)
} nbt_past;

typedef struct {
    int32_t *stamp; /* (m) since when a symbol's row waits (lazy.h) */
    int resumed;    /* the arrays that were loaded have rows that wait */
    NBT_WAITING_ARRAYS(NBT_FIELD)
} nbt_waiting;

typedef struct {
    nbt_system functions;
    int64_t *indptr;       /* (n + 1) and */
    int32_t *indices;      /* (entries), with the array `values`: ∂f/∂θ; */
    int patterned;         /* are indptr and indices those of every step? */
    int64_t *seen_indptr;  /* the pattern that was last checked and surveyed; */
    int32_t *seen_indices; /* is what follows of the one that is there now? */
    int surveyed;
    uint8_t *run;              /* (n) are a row's columns neighbours, in rising order? */
    int owned, complete;       /* does a parameter act on one state alone (sparse.h)? each? */
    size_t own_begin, own_end; /* where the array `own` may differ from 0 */
    size_t spans;              /* then θ is cut into spans (sparse.h): */
    int64_t *span;             /* (spans + 1) where each begins, and p; */
    int32_t *owner;            /* (spans) the state it acts on; room for max(groups, n) + 1 */
    NBT_SYSTEM_ARRAYS(NBT_FIELD)
} nbt_system_part;

typedef struct {
    NBT_SCALER_ARRAYS(NBT_FIELD)
    NBT_SCALER_DOUBLES(NBT_WIDE_FIELD)
} nbt_scaler;

/* NBT_SCRATCH_ARRAYS, with a name for each use. */
typedef struct {
    union {
        void *c;       /* H·v̄ / K of each unit's block; of pairs: (K) */
        void *columns; /* ‖F e_i‖² without entry i; */
        void *part;    /* then ε_i ρ_i σ'_i */
        void *parts;   /* (K) ‖w̄‖² of the pairs' parts (split.h) */
    };
    void *pushed; /* F v̄, and hops */
    void *pairs;  /* what a panel carries of each pair, a thread after the other */
    void *F;      /* Fᵀ */
    void *g_flat;
    union {
        void *g;      /* the gradient */
        void *raised; /* (J + λ)⁻¹ w̄ */
    };
    union {
        void *input;  /* r[symbol], or the vector */
        void *before; /* h before a phase that is looked at */
        void *pulled; /* Fᵀ u */
    };
    union {
        void *h_next;
        void *back; /* ∂L/∂h on the way back through a window */
    };
    void *sums;       /* what the gates of all units add up to, gate by gate; */
    void *gates;      /* the same, a row for each gate */
    void *local_next; /* derivatives of a step that is looked at (gated_look); ∂L/∂γ */
    void *factors;    /* of E: in the gradient, and what of E stays */
    void *ends;       /* ∂L/∂s on ways back through a window; a factor of E; ν of each pair */
    void *w_new;      /* what a window adds to w̄ of each pair, */
    void *turns;      /* and how a pass turns that (gated/sweep.h) */
    void *a_next;
    union {
        void *slope_next;
        void *unit; /* a unit vector */
    };
} nbt_scratch;

#undef NBT_FIELD
#undef NBT_WIDE_FIELD

typedef struct nbt_learner {
    nbt_sizes sizes;
    nbt_choices choices;
    nbt_counters counters;
    nbt_workers workers;
    nbt_network_part network;
    nbt_readout_part readout;
    nbt_optimizer_part optimizer;
    nbt_estimator estimator;
    nbt_reduction reduction;
    nbt_past past;
    nbt_waiting waiting;
    nbt_system_part system;
    nbt_scaler scaler;
    nbt_scratch scratch;
    const struct nbt_kernels *kernels; /* of this dtype and instruction set (kernels.h) */
    struct nbt_learner **layers;       /* (layers) those of a stack, from the input on */
} nbt_learner;

typedef enum {
    NBT_OK,
    NBT_BAD_SYMBOL, /* a symbol changed after it was checked */
    NBT_DIVERGED,   /* loss or state is not finite after this step */
    NBT_FAILED,     /* a function of the system failed; the arrays are of no use any more */
} nbt_status;

/* What one array is: its part and field, padded size in numbers, what lies in it, whether this
 * learner has it, and whether its numbers are doubles whatever the dtype. */
typedef struct {
    const char *part, *name;
    size_t offset, rows, columns;
    nbt_kind kind;
    int needed, wide;
} nbt_array;

/* Sets the strides and the kernels from sizes and dtype. isa: a row of isa.h, -1: the best. */
void nbt_learner_init(nbt_learner *self, int isa);

/* Row k of NBT_DOUBLES, then NBT_ARRAYS, for this learner; 0 past the end. */
int nbt_learner_array(const nbt_learner *self, size_t k, nbt_array *array);

/* Recomputes what is derived, after the arrays were set from outside. */
void nbt_learner_refresh(nbt_learner *self);

/* Applies what is pending, so that the arrays have their true values. Changes no later bit. */
void nbt_learner_settle(nbt_learner *self);

/* Writes rows that wait, as they should be now, into copies of the arrays θ and w̄. */
void nbt_learner_bring_up(nbt_learner *self, void *theta, void *w);

/* What the readout says of the next target (readout.h), (A) doubles, from h, or from the state
 * after input x (symbol or vector) when has_x. Changes nothing but scratch. */
nbt_status nbt_learner_predict(nbt_learner *self, int has_x, int32_t symbol, const double *vector,
                               double *prediction);

/* What one step is compared with: a symbol, or a vector (Y). Vectors that come in are doubles
 * whatever the dtype: what is standardised is rounded after its mean was taken off. */
typedef struct {
    size_t symbol;
    const double *vector;
} nbt_target;

/* A chunk of `steps` steps. x: symbols, or vectors (steps, given). y: symbols, or vectors (steps,
 * Y), or none. input_first: the transition comes before the target. learn: 0 if nothing is learned.
 */
typedef struct {
    size_t steps;
    const int32_t *symbols;
    const double *vectors;
    const int32_t *target_symbols;
    const double *target_vectors;
    int input_first, learn;
    double *predictions; /* (steps, A): what each input leads to expect, before its step; or NULL */
} nbt_chunk;

/* Runs a chunk; loss (steps, nats; NaN for a step without a known target, untouched where a chunk
 * has no targets); *done: steps completed. */
nbt_status nbt_learner_run(nbt_learner *self, const nbt_chunk *chunk, double *loss, size_t *done);

/* Learns from the open window of a rule that has windows, as if it were full. */
nbt_status nbt_learner_flush(nbt_learner *self);

/* Index of the first of `count` symbols that is not in [0, limit); count if there is none. */
size_t nbt_first_bad_symbol(const int32_t *symbols, size_t count, size_t limit);

/* Index of the first of `count` numbers that is beyond `largest`, or NaN where none may be missing;
 * count if there is none. */
size_t nbt_first_bad_number(double largest, const double *numbers, size_t count, int missing);

#endif
