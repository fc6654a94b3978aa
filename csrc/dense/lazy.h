/* lazy.h: rows of symbols that do not come, brought up to date when they do.
 *
 * With SGD, one block and one-hot inputs, a step does the same to w̄'s and θ's rows of every symbol
 * that is not its own: (θ, w̄_k) → (θ - Σ_k r_k w̄_k, q_k w̄_k), q and r numbers. Such maps compose:
 * after (Q, R), (q, r) gives (Q q, R + Q r). A row is left as it is and stamped with the step's
 * place in an era of NBT_ERA steps; the table keeps, for every stamp, the map from there to now, in
 * two parts, so that a step costs O(epoch + era / epoch) numbers whatever the alphabet. Its
 * entries:
 *
 * - 0 … NBT_ERA - 1: from a step to the end of its epoch of NBT_EPOCH steps;
 * - the next NBT_ERA / NBT_EPOCH: from the end of an epoch to now;
 * - the last: from the era's beginning, or from a load, to now.
 *
 * At the end of an era all rows are brought up to date.
 *
 * `stamp` of a symbol: its row's entry; NBT_ACTIVE: up to date, z has it; NBT_BASE: the last entry.
 * lazy_norm (K): Σ w̄² over all rows that are not active, as they should be now. */
#ifndef NBT_DENSE_LAZY_H
#define NBT_DENSE_LAZY_H

#include "learner.h"
#include "machine/panels.h"

enum { NBT_ACTIVE = -2, NBT_BASE = -1 };

/* The rows that may wait, in θ and w̄, and what is known of them: stamps, the table, norms. */
typedef struct {
    const nbt_sizes *sizes;
    const nbt_waiting *waiting;
    real *theta, *w;
} lazy_rows;

NBT_INLINE lazy_rows lazy_rows_of(const nbt_learner *self)
{
    return (lazy_rows){&self->sizes, &self->waiting, self->network.theta, self->estimator.w};
}

/* The map of step t, q = keep (K) and r (K), happens to every row that is not active: the table
 * and lazy_norm take it. */
void NBT(lazy_advance)(size_t K, uint64_t t, const real *q, const real *r, const nbt_waiting *to);

/* The row of an active symbol is left as it is from step t on; its squared norms (K) join the rest.
 * An era ends here. */
void NBT(lazy_retire)(const lazy_rows *rows, uint64_t t, int32_t symbol, const real *norms);

/* Brings the row of a symbol up to date, makes it active, leaves its norms in active_norm (K). */
void NBT(lazy_recall)(const lazy_rows *rows, int32_t symbol);

/* Row of θ for a symbol as it should be now, (ldn). Changes nothing. */
void NBT(lazy_row)(const lazy_rows *rows, int32_t symbol, real *restrict row);

/* Writes every row that waits, as it should be now, into θ and w̄ (copies, or the learner's own).
 * O(K nm) */
void NBT(lazy_settle)(const lazy_rows *rows, real *theta, real *w);

/* Are θ and w̄ finite in rows that wait, as they should be now? O(K nm) */
int NBT(lazy_finite)(const lazy_rows *rows);

/* norms (K) = ‖row p of w̄_k‖², p below row 0. */
void NBT(row_norms)(const nbt_sizes *at, const real *w, size_t p, real *norms);

/* All rows are up to date; `symbol` (-1: none) is active. */
void NBT(lazy_reset)(const lazy_rows *rows, int32_t symbol);

#endif
