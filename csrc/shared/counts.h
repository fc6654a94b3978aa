/* counts.h: a softmax's base measure, from counts of what followed the last symbols.
 *
 * The context of order k is the last k symbols. c_k(z) is how often z was counted after it, N_k
 * their sum, d_k the number of symbols z counted there:
 *     q_0(z) = (max(c_0(z) - D, 0) + (D d_0 + U) / A) / (N_0 + U),
 *     q_k(z) = (max(c_k(z) - D, 0) + (D d_k + U) q_{k-1}(z)) / (N_k + U),   D = 0.7, U = 0.5,
 * up to order K; a context never seen changes nothing. The logits gain β ln q_K. There is a β for
 * each cell: the longest order seen, and the bits of its N; it descends its own gradient,
 * β ← β - 0.02 g / √(Σ g² + 10⁻⁸), and is 1 at first.
 *
 * A symbol is counted in the contexts from order K down to the first one after which it was known.
 * Counts of a context are halved, rounded up, before one would exceed NBT_COUNTS_MOST.
 *
 * Memory: order 0 has a number a symbol. The others share a table of slots that is lent. A slot has
 * up to 3 symbols and their counts; a context with more takes several, found by the hash of
 * (context, how many come before). A hash leads to a bucket of 4 slots, a line of the cache. If
 * those are taken, the slot of least life is given up, of equals the one that came first. A slot
 * begins with life GAIN, gains as much when a symbol is counted in it, and loses 1 when another one
 * of its bucket was given up. So a full table forgets what was rare and long ago. */
#ifndef NBT_SHARED_COUNTS_H
#define NBT_SHARED_COUNTS_H

#include <stddef.h>
#include <stdint.h>

enum {
    NBT_COUNTS_DEEPEST = 16,
    NBT_COUNTS_BITS = 12, /* cells of an order */
    NBT_COUNTS_PAIRS = 3,
    NBT_COUNTS_WAYS = 4,
    NBT_COUNTS_MOST = 255,
    NBT_COUNTS_MOST_OF_ALL = 65535, /* of order 0 */
};

typedef struct {
    uint32_t mark;                   /* a part of the hash (24 bits), life (8) */
    uint32_t pair[NBT_COUNTS_PAIRS]; /* a symbol (24 bits), its count (8); those in use first */
} nbt_counts_slot;

typedef struct nbt_counts {
    /* choices */
    size_t symbols, orders; /* A, K */
    size_t buckets;         /* a power of 2 */
    int of_inputs;          /* contexts are of inputs, or of targets */
    /* lent: state */
    nbt_counts_slot *table; /* (buckets, 4) */
    uint32_t *seen;         /* (A) c_0 */
    int32_t *context;       /* (K) the last symbols, the newest first; -1: none */
    double *beta, *squares; /* (K + 1, BITS) β, Σ g² */
    /* lent: scratch */
    double *base, *log_base; /* (A) q_0, ln q_0 */
    double *share;           /* (A) 0 between calls */
    double *log_q;           /* (A) ln q_K, up to a constant */
    int32_t *touched;        /* (A) */
    /* lent, or NULL: the journal of the table; see nbt_counts_begin */
    nbt_counts_slot *before; /* (buckets, 4) what buckets were, in the order of the first writes; */
    uint32_t *written;       /* (buckets) their numbers; */
    uint8_t *noted;          /* (buckets) 1 where a bucket is one of them */
    size_t writes;           /* how many they are */
    /* derived */
    size_t known;                          /* symbols in the context */
    uint64_t hash[NBT_COUNTS_DEEPEST + 1]; /* of the context of each order */
    uint64_t total, distinct;              /* N_0, d_0 */
    int stale;                             /* are q_0 and its logarithm? */
    /* of the last prediction */
    size_t cell;
    double slope; /* ∂ℓ/∂β, set by who computes the loss */
} nbt_counts;

/* Recomputes what is derived, after the arrays were written. */
void nbt_counts_refresh(nbt_counts *self);

/* From now on, each bucket of the table is noted before it is first written; what was noted is
 * dropped. O(what was noted) */
void nbt_counts_begin(nbt_counts *self);

/* The table is as it was then. The caller has the other arrays, and calls nbt_counts_refresh. */
void nbt_counts_undo(nbt_counts *self);

/* Sets log_q (A) for the next symbol; returns β. O(A + what is counted in the contexts of now). */
double nbt_counts_predict(nbt_counts *self);

/* Learns that `symbol` came, after the last prediction's loss. */
void nbt_counts_learn(nbt_counts *self, uint32_t symbol);

/* Moves the context on; returns the symbol that it forgets. */
int32_t nbt_counts_follow(nbt_counts *self, int32_t symbol);

/* Moves it back. */
void nbt_counts_go_back(nbt_counts *self, int32_t forgotten);

/* The first of `count` slots that is not as it could be; `count` if there is none. */
size_t nbt_counts_first_bad_slot(const nbt_counts_slot *slots, size_t count, size_t symbols);

#endif
