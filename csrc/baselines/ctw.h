/* ctw.h: context tree weighting (Willems, Shtarkov, Tjalkens 1995) over up to 256 symbols.
 *
 * A symbol is a path of binary decisions: its range of symbols is halved until one is left. Each
 * decision has a context tree of its own: a node s for every string of at most D past symbols that
 * has occurred before it, with counts a of its two outcomes. It predicts
 *     p_e = (a_bit + α) / (a_0 + a_1 + 2α),   p_w = (β p_e + p_w(child)) / (β + 1),
 * the child being the context that is longer by one symbol, p_w = p_e where there is none (depth
 * D), 1/2 where it is new. Then β ← β p_e / p_w(child): β = P_e / Π P_w(children), the odds of
 * "s is a leaf of the source's tree", 1 at first. The product of the p_w at the root is the
 * mixture over all tree sources, each weighted by 2^-(nodes, without those at depth D). Counts are
 * halved (rounded up) when their sum would exceed `limit`.
 *
 * Before the first symbol there is one that never comes again.
 *
 * Memory: a pool of `capacity` records lent by the caller; 0 is none, 1 the empty context. A
 * context seen once takes one record, the time it was seen: all its nodes have β = 1 and counts
 * of 1, and are made from `history` at its second visit (a visit that `history` no longer holds is
 * forgotten). When the pool has no room for a whole step it stops growing: what has no record then
 * predicts nothing, the longest context that has one acts as if at depth D, and its β stays. */
#ifndef NBT_BASELINES_CTW_H
#define NBT_BASELINES_CTW_H

#include "learner.h"
#include <stddef.h>
#include <stdint.h>

enum { NBT_CTW_SYMBOLS = 256, NBT_CTW_BITS = 8, NBT_CTW_DEEPEST = 64 };
#define NBT_CTW_CONTEXT 0x80000000u

typedef union {
    struct {
        double beta;
        uint32_t count[2], next[2]; /* next: the same context's node of the next decision */
    } node;
    struct {
        uint64_t seen;   /* when it was seen, if once: `first` is 0 */
        uint32_t first;  /* its node of the first decision */
        uint32_t parent; /* the context without its oldest symbol */
        uint32_t chain;  /* next context in the same bucket */
        uint32_t symbol; /* its oldest symbol, and NBT_CTW_CONTEXT, which no `next` has */
    } context;
} nbt_ctw_record;

typedef struct {
    /* choices */
    size_t symbols, depth;
    double alpha;
    uint32_t limit;
    /* lent: sizes are powers of two but for the pool's */
    size_t capacity, n_buckets, n_history;
    nbt_ctw_record *pool; /* (capacity) */
    uint32_t *buckets;    /* (n_buckets) contexts by parent and symbol, 0: none */
    uint8_t *history;     /* (n_history) symbol of step t at t mod n_history */
    /* state */
    size_t used;
    uint64_t step;
    /* derived */
    uint8_t code[NBT_CTW_SYMBOLS], length[NBT_CTW_SYMBOLS]; /* decisions, the first one highest */
    size_t room;                                            /* records that a step may take */
    int growing;                                            /* are there so many? */
    uint32_t path[NBT_CTW_DEEPEST + 1]; /* contexts of now, from the empty one on, all with nodes */
    size_t path_length;
    uint32_t stale; /* the context after them, seen once but too long ago; 0: none */
} nbt_ctw;

/* Sets the codes and the empty context. Choices, sizes and zeroed arrays must be set. */
void nbt_ctw_init(nbt_ctw *self);

/* Recomputes what is derived from pool, history, used and step after they were written. */
void nbt_ctw_refresh(nbt_ctw *self);

/* Index of the first record in [1, used) that does not say what it should; used if there is none.
 * What passes cannot lead anyone out of the arrays. */
size_t nbt_ctw_first_bad_record(const nbt_ctw *self);

/* Probabilities of the next symbol, (symbols). Changes nothing. O(symbols depth) */
void nbt_ctw_predict(const nbt_ctw *self, double *probabilities);

/* Predicts each of the symbols (steps), then learns it, or (learn = 0) only lets it pass. loss
 * (steps): nats. *done: symbols completed. O(depth log symbols) each. */
nbt_status nbt_ctw_run(nbt_ctw *self, size_t steps, const int32_t *symbols, int learn, double *loss,
                       size_t *done);

#endif
