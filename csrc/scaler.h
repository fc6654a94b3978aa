/* scaler.h: online standardisation of vectors, and numbers that are missing.
 *
 * Of each number of an input (m) or a target (Y): how many values have come, their mean and their
 * variance. A value x that is not NaN changes them, when something is learned, by
 *     N ← min(N + 1, 2¹⁶),  μ' = μ + (x - μ) / N,  s² ← s² + ((x - μ) (x - μ') - s²) / N:
 * Welford's recursion, and an exponentially weighted one once 2¹⁶ have come. A value is always read
 * with what was known before it came. */
#ifndef NBT_SCALER_H
#define NBT_SCALER_H

#include "learner.h"
#include "real.h"

/* The input as the network sees it: (x - μ) / s, 0 for what is NaN or has not varied yet; x itself
 * where nothing is standardised and nothing may be missing. O(m) */
const void *NBT(scaler_input)(nbt_learner *self, const void *vector);

/* Learns from an input, from a target; NULL: there is none. O(m), O(Y) */
void NBT(scaler_follow)(nbt_learner *self, const void *input, const void *target);

/* How many of the numbers are not NaN. O(count) */
size_t NBT(scaler_known)(size_t count, const void *vector);

/* Target number d: *mean, and the scale s, 1 while it has not varied; returns whether it has. */
int NBT(scaler_target)(const nbt_learner *self, size_t d, real *mean, real *scale);

#endif
