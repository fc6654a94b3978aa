/* learner.h: the facade. A learner is sizes, choices, counters and borrowed arrays; it runs whole
 * blocks of symbols. The only place that knows dtypes and instruction sets. */
#ifndef NBT_LEARNER_H
#define NBT_LEARNER_H

#include "machine/layout.h"
#include "shared/schedule.h"
#include "systems/system.h"
#include <stddef.h>
#include <stdint.h>

typedef enum { NBT_F32, NBT_F64 } nbt_dtype;
typedef enum { NBT_NOBACKTRACK, NBT_RTRL, NBT_BPTT } nbt_rule;
typedef enum { NBT_SIGMOID, NBT_TANH, NBT_IDENTITY } nbt_activation;
typedef enum { NBT_SGD, NBT_KALMAN } nbt_optimizer;
typedef enum { NBT_SOFTMAX, NBT_GAUSSIAN, NBT_BERNOULLI, NBT_OWN_LOSS } nbt_readout;
typedef enum { NBT_EUCLIDEAN, NBT_KALMAN_NORM, NBT_FISHER, NBT_NO_NORM } nbt_norm;

/* What a NaN does to its step: it never comes; only the input passes, as in a step without target;
 * only what is known counts. A NaN of an input is read as 0. */
typedef enum { NBT_NEVER_MISSING, NBT_SKIP, NBT_MASK } nbt_missing;

enum { NBT_UNKNOWN_SYMBOL = -2 };
/* Rows of symbols that wait (lazy.h): steps of an era and of an epoch, entries of the table. */
enum { NBT_ERA = 8192, NBT_EPOCH = 64, NBT_LAZY_TABLE = NBT_ERA + NBT_ERA / NBT_EPOCH + 1 };

/* Every array a learner may own: X(name, rows, columns, which).
 * Rows are padded to whole lane blocks (strides ldn, ldA, …), matrices of parameters lie in panels
 * (sizes cell.size and out.size); `which` says who needs the array. */
#define NBT_ARRAYS(X)                                                                              \
    /* the network: θ = (b; W; r), leaks, φ, pre-activations */                                    \
    X(theta, 1, cell.size, always)                                                                 \
    X(alpha, 1, ldn, always)                                                                       \
    X(phi, 1, out.size, always)                                                                    \
    X(h, 1, ldn, always)                                                                           \
    /* Kalman: diagonal and first row of J, for θ and φ */                                         \
    X(theta_J, 1, theta_kept, kalman)                                                              \
    X(theta_J0, 1, cell.size, kalman)                                                              \
    X(phi_J, 1, phi_kept, kalman)                                                                  \
    X(phi_J0, 1, phi_size, kalman)                                                                 \
    /* NoBackTrack: pairs v̄ w̄, self-influence d, the regressors z of the last transition, s */     \
    X(v, K *S, ldn, nobacktrack)                                                                   \
    X(w, Kw, cell.size, nobacktrack)                                                               \
    X(d, 1, cell.size, exact)                                                                      \
    X(z, 1, ldP, online)                                                                           \
    X(fisher, 1, ldn, fisher)                                                                      \
    /* what the next sweep still has to do to w̄ and d (nobacktrack.h) */                           \
    X(keep_w, K, ldn, nobacktrack)                                                                 \
    X(add_w, K, ldn, nobacktrack)                                                                  \
    X(keep_d, 1, ldn, nobacktrack)                                                                 \
    X(excess, 1, ldn, exact)                                                                       \
    X(z_last, 1, ldP, nobacktrack)                                                                 \
    /* 1024 times the most that an entry of a unit's w̄ and d may be then (nobacktrack.h) */        \
    X(most_w, K, ldn, deferred_pairs)                                                              \
    X(most_d, 1, ldn, deferred_pairs)                                                              \
    /* NoBackTrack, scratch */                                                                     \
    X(c, K, ldn, nobacktrack)                                                                      \
    X(norm_w, K, ldn, nobacktrack)                                                                 \
    X(norm_d, 1, ldn, nobacktrack)                                                                 \
    X(inner, K, ldn, nobacktrack)                                                                  \
    X(u, 1, ldn, nobacktrack)                                                                      \
    X(rho, 1, ldn, nobacktrack)                                                                    \
    X(rho_inverse, 1, ldn, nobacktrack)                                                            \
    X(sign, 1, ldn, nobacktrack)                                                                   \
    X(block_v, 1, ldS, nobacktrack)                                                                \
    X(block_w, 1, ldS, nobacktrack)                                                                \
    X(block_rho, 1, ldS, nobacktrack)                                                              \
    X(block_inverse, 1, ldS, nobacktrack)                                                          \
    X(pushed, (K + T) * S, ldn, nobacktrack)                                                       \
    X(pairs, threads *K, ldpair, nobacktrack)                                                      \
    /* NoBackTrack's window (window.h) */                                                          \
    X(past_F, T *n, ldn, windowed)                                                                 \
    X(past_a, T, ldn, windowed)                                                                    \
    X(past_x, T, ldm, windowed && !self->one_hot)                                                  \
    X(hop, K * T * S, ldn, windowed)                                                               \
    X(hop_right, K *T, ldn, windowed)                                                              \
    X(adjoint, T + 1, ldn, windowed)                                                               \
    X(recent, threads, ldrecent, windowed)                                                         \
    /* NoBackTrack in one pass (descent.h), and the rows that wait */                              \
    X(sv, K, ldP, descent)                                                                         \
    X(norms, 1, K + 1, descent)                                                                    \
    X(lazy_q, K, NBT_LAZY_TABLE, lazy)                                                             \
    X(lazy_r, K, NBT_LAZY_TABLE, lazy)                                                             \
    X(lazy_norm, 1, K, lazy)                                                                       \
    X(active_norm, 1, K, lazy)                                                                     \
    X(lazy_step, 1, K, lazy)                                                                       \
    /* RTRL: G and its successor in strips; Fᵀ; g */                                               \
    X(G, 1, n *ldG, rtrl)                                                                          \
    X(G_next, 1, n *ldG, rtrl)                                                                     \
    X(F, n, ldn, rtrl)                                                                             \
    X(g_flat, 1, ldG, rtrl)                                                                        \
    X(g, 1, cell.size, rtrl || general)                                                            \
    /* truncated BPTT: the window and the gradients collected from closed ones */                  \
    X(window_h, T *phases, ldn, bptt)                                                              \
    X(window_x, T, ldm, bptt)                                                                      \
    X(window_delta, T, ldA, bptt)                                                                  \
    X(g_theta, 1, cell.size, bptt)                                                                 \
    X(g_phi, 1, out.size, bptt)                                                                    \
    X(window_a, 1 + T, ldn, bptt)                                                                  \
    X(window_slope, 1 + T, ldn, bptt)                                                              \
    X(window_back, T, ldn, bptt)                                                                   \
    /* a system (systems/step.h): values of ∂f/∂θ; the metric's q, r, scratch (metric.h) */        \
    X(values, 1, entries, general)                                                                 \
    X(own, 1, cell.size, general &&nobacktrack)                                                    \
    X(metric_q, 1, theta_kept, measured)                                                           \
    X(metric_r, 1, cell.size, measured)                                                            \
    X(lead, 1, cell.size, measured)                                                                \
    /* reductions for reference (whole.h): φ flat, its gradient and metric; p, a direction */      \
    X(phi_flat, 1, phi_size, reference)                                                            \
    X(phi_g, 1, phi_size, reference)                                                               \
    X(phi_q, 1, phi_kept, reference)                                                               \
    X(phi_r, 1, phi_size, reference)                                                               \
    X(direction, 1, ldA, reference)                                                                \
    /* what every rule makes of h and of a loss */                                                 \
    X(a, 1, ldn, always)                                                                           \
    X(slope, 1, ldn, always)                                                                       \
    X(H, 1, ldn, always)                                                                           \
    /* scratch of predictions, too, at the end: what stays there says nothing of the state, and    \
     * learner.c does not look at it. The input as it is read; a system's x, y; a diagonal I_t     \
     * (23) that does not depend on y (readout.h) */                                               \
    X(input, 1, ldinput, always)                                                                   \
    X(x_read, 1, ldm, vectors)                                                                     \
    X(x, 1, ldm, general)                                                                          \
    X(y, 1, ldY, general)                                                                          \
    X(delta, 1, ldA, always)                                                                       \
    X(information, 1, ldA, informed)                                                               \
    X(h_next, 1, ldn, always)                                                                      \
    X(a_next, 1, ldn, always)                                                                      \
    X(slope_next, 1, ldn, always)

/* The same for arrays of doubles, whatever the learner's dtype. */
#define NBT_DOUBLES(X)                                                                             \
    /* online standardisation of inputs and targets (scaler.h): how many came, mean, variance; */  \
    /* mean squared error of targets, the part of it that gradients see */                         \
    X(x_seen, 1, m, scale_x)                                                                       \
    X(x_mean, 1, m, scale_x)                                                                       \
    X(x_variance, 1, m, scale_x)                                                                   \
    X(y_seen, 1, Y, scale_y)                                                                       \
    X(y_mean, 1, Y, scale_y)                                                                       \
    X(y_variance, 1, Y, scale_y)                                                                   \
    X(y_error, 1, Y, scale_y)                                                                      \
    X(y_limited, 1, Y, scale_y)                                                                    \
    /* the last squared error (readout.h), and as much of it */                                    \
    X(y_square, 2, Y, scale_y)                                                                     \
    /* what is predicted, for reference (whole.h) */                                               \
    X(predicted, 1, A, reference)

typedef struct {
    /* sizes: units, inputs, outputs, parameters a unit, pairs, blocks, window; numbers of a target,
     * 0: it is a symbol */
    size_t n, m, A, P, K, S, T, Y;
    size_t threads; /* at most so many do the work of a step (parallel.h) */
    /* numbers of a lane block, and of the columns of RTRL's G that lie together (rtrl.h) */
    size_t lanes, strip;
    /* row strides, in numbers */
    size_t ldn, ldm, ldA, ldY, ldP, ldS, ldG, ldpair, ldrecent, ldinput, ldwords;
    nbt_panels cell, out; /* of θ and what has its shape, of φ */
    /* choices */
    nbt_dtype dtype;
    nbt_rule rule;
    nbt_activation activation;
    const uint8_t *activations; /* (n) those of the units where they differ; NULL: as above */
    nbt_readout readout;
    nbt_optimizer optimizer;
    nbt_norm norm;
    nbt_missing missing;
    int scale_x, scale_y;    /* vectors are standardised */
    int exact_self, one_hot; /* inputs are symbols, or vectors */
    int descent, lazy;       /* one pass a step (descent.h); rows of symbols wait (lazy.h) */
    nbt_schedule schedule;   /* rate of SGD, decay of Kalman */
    double rate;             /* the schedule at this step */
    double lambda_theta, lambda_phi; /* Λ of the network and of the readout */
    double outlier;                  /* κ (optimizer.h); infinite: none */
    uint64_t seed;
    uint32_t *sign_words; /* (K, ldwords) bits of the signs of some steps at once (reduction.c); */
    uint64_t signs_made;  /* of which, counted in NBT_SIGN_STEPS from 1; 0: of none */
    /* counters: time; nothing is pending; norms are those of now; the entries set in one-hot z and
     * z_last (-1: none, NBT_UNKNOWN_SYMBOL); complete steps in the window, and whether the next
     * one's transition is in it */
    uint64_t step;
    int settled, fresh;
    int noted; /* something not finite was made (float_mode.h), or is about to be: look for it */
    uint64_t looks; /* at all arrays, so far, for that */
    int unscored;   /* the last target had no loss, since it has no scale yet (scaler.h) */
    int32_t x_last, x_late;
    /* the target comes before the transition; a gradient waits for its pass; the arrays that were
     * loaded have rows that wait */
    int deferred, learning, resumed;
    size_t length;
    int entered;
    size_t head;            /* the newest slot of NoBackTrack's window (window.h) */
    int32_t *window_symbol; /* (T) input symbol of a step's transition, -1: it has none */
    int32_t *stamp;         /* (m) since when a symbol's row waits (lazy.h) */
    /* a system (systems/step.h), if that is what is trained, rather than a dense cell */
    int general, failed; /* is it? did one of its functions fail? */
    size_t phases;       /* the system's, or 1 */
    nbt_system system;
    int64_t *indptr;       /* (n + 1) and */
    int32_t *indices;      /* (entries), with the array `values`: ∂f/∂θ; */
    int patterned;         /* are indptr and indices those of every step? */
    int64_t *seen_indptr;  /* the pattern that was last checked and surveyed; */
    int32_t *seen_indices; /* is what follows of the one that is there now? */
    int surveyed;
    uint8_t *run;                   /* (n) are a row's columns neighbours, in rising order? */
    int owned, complete;            /* does a parameter act on one state alone (sparse.h)? each? */
    size_t own_begin, own_end;      /* where the array `own` may differ from 0 */
    size_t spans;                   /* then the pieces, */
    int64_t *span;                  /* (spans + 1), */
    int32_t *owner;                 /* (spans), at most blocks or n of them, and one more */
    int measuring;                  /* are the metric's q and r those of J? */
    size_t blocks;                  /* blocks of θ in the metric (metric.h): */
    int64_t *block;                 /* (blocks + 1) where each begins, and p; */
    int32_t *first;                 /* (p) where that of each parameter does */
    int whole, dense, exact_fisher; /* is it one for reference (whole.h)? with dense blocks? */
    size_t phi_blocks;              /* those of φ there: */
    int64_t *phi_block;             /* (phi_blocks + 1) */
    int split;     /* do the K pairs share the parameters, rather than being averaged? */
    int32_t *pair; /* (p) which pair a parameter belongs to, then */
#define NBT_FIELD(name, rows, columns, which) void *name;
    NBT_ARRAYS(NBT_FIELD)
#undef NBT_FIELD
#define NBT_FIELD(name, rows, columns, which) double *name;
    NBT_DOUBLES(NBT_FIELD)
#undef NBT_FIELD
    uint64_t float_mode;               /* of who called (float_mode.h) */
    const struct nbt_kernels *kernels; /* of this dtype and instruction set (kernels.h) */
} nbt_learner;

typedef enum {
    NBT_OK,
    NBT_BAD_SYMBOL, /* a symbol changed after it was checked */
    NBT_DIVERGED,   /* loss or state is not finite after this step */
    NBT_FAILED,     /* a function of the system failed; the arrays are of no use any more */
} nbt_status;

/* What one array is: its field, padded size in numbers, whether this learner has it, and whether
 * its numbers are doubles whatever the dtype. */
typedef struct {
    const char *name;
    size_t offset, rows, columns;
    int needed, wide;
} nbt_array;

/* Sets the strides and the kernels from sizes and dtype. isa: a row of isa.h, -1: the best. */
void nbt_learner_init(nbt_learner *self, int isa);

/* Row k of NBT_DOUBLES, then NBT_ARRAYS, for this learner; 0 past the end. */
int nbt_learner_array(const nbt_learner *self, size_t k, nbt_array *array);

/* Recomputes what is derived from h after the arrays were set from outside. */
void nbt_learner_refresh(nbt_learner *self);

/* Applies what is pending to the arrays, so that they say what they mean. Changes no later bit. */
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

/* What a block is: `steps` steps; x: symbols, or vectors (steps, m); y: symbols, or vectors (steps,
 * Y), or none; input_first: transition, then target; learn: 0 lets time
 * pass only. */
typedef struct {
    size_t steps;
    const int32_t *symbols;
    const double *vectors;
    const int32_t *target_symbols;
    const double *target_vectors;
    int input_first, learn;
    double *predictions; /* (steps, A): what each input leads to expect, before its step; or NULL */
} nbt_block;

/* Runs a block; loss (steps, nats; NaN for a step without a known target, untouched where a block
 * has no targets); *done: steps completed. */
nbt_status nbt_learner_run(nbt_learner *self, const nbt_block *block, double *loss, size_t *done);

/* Index of the first of `count` symbols that is not in [0, limit); count if there is none. */
size_t nbt_first_bad_symbol(const int32_t *symbols, size_t count, size_t limit);

/* Index of the first of `count` numbers that is beyond `largest`, or NaN where none may be missing;
 * count if there is none. */
size_t nbt_first_bad_number(double largest, const double *numbers, size_t count, int missing);

#endif
