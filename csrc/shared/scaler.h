/* scaler.h: online standardisation of vectors, and numbers that are missing.
 *
 * Of each number of an input (m) or a target (Y): how many values have come, their mean and their
 * variance, in doubles. A value x that is not NaN changes them, when something is learned, by
 *     N ← min(N + 1, 2¹⁶),  e = x - μ, no larger than √(N + 8) s,
 *     μ' = μ + e / N,  s² ← s² + (e (x̄ - μ') - s²) / N,  x̄ = μ + e:
 * Welford's recursion, and an exponentially weighted one once 2¹⁶ have come. The limit is where one
 * value would double the variance and move the mean by its standard error: so no single value can
 * ruin them, a new level or scale is followed exponentially fast, and events as rare as one in N
 * count in full. Without a scale there is no such limit; of a constant that is not 0, e is at most
 * 1000 |μ|.
 *
 * The scale is known from the third value on that has not been the same as all before. If that is
 * much nearer to one of the first two than they are to each other, the third value is taken as mean
 * and its distance to the near one as deviation: one of the first three may be an outlier.
 *
 * A value is always read with what was known before it came. */
#ifndef NBT_SHARED_SCALER_H
#define NBT_SHARED_SCALER_H

#include "learner.h"
#include "machine/real.h"

/* The input as the network sees it: (x - μ) / s, at most 10 either way, 0 for what is NaN or has no
 * scale yet; x itself, rounded, where nothing is standardised and NaN read as 0. O(m) */
const void *NBT(scaler_input)(nbt_scaler *self, size_t m, const double *vector);

/* Learns from an input; from a target, of which the last loss (readout.h) says how far off it was.
 * Nothing where these are not standardised. O(m), O(Y) */
void NBT(scaler_follow_input)(nbt_scaler *self, size_t m, const double *input);
void NBT(scaler_follow_target)(nbt_scaler *self, size_t Y, const double *target);

/* How many of the numbers are not NaN. O(count) */
size_t NBT(scaler_known)(size_t count, const double *vector);

/* Of a target that is standardised, number d: mean; the scale s; the variance of errors. */
typedef struct {
    double mean, scale, error;
    int known; /* is there a scale? Otherwise s is 1 / N of the mean's size, or of 1 */
} nbt_scale;
nbt_scale NBT(scaler_target)(const nbt_scaler *self, size_t d);

#endif
