/* scaler.h: online standardisation of vectors, and numbers that are missing.
 *
 * Of each number of an input (given) or a target (Y): how many values have come, their mean and
 * their variance, in doubles. A value x that is not NaN changes them, when something is learned, by
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
 * A value is always read with what was known before it came.
 *
 * Inputs of a network that is not learned (`keep_x`) are read by the μ and s² that were known when
 * 32 values had come, for it does not follow a scale that drifts, nor does least squares. These
 * move on only as far as they must be to stay within one deviation, and a factor of 9, of what is
 * known now. One value that is far off does not move them.
 *
 * The network reads the last `lags` inputs at once, newest first: m = lags × given numbers. Each is
 * as it was read when it came; before the first input all are 0. */
#ifndef NBT_SHARED_SCALER_H
#define NBT_SHARED_SCALER_H

#include "learner.h"
#include "machine/real.h"

/* The inputs (m) as the network sees them after a vector (given): (x - μ) / s, at most 10 either
 * way, 0 for what is NaN or has no scale yet; x itself, rounded, where nothing is standardised and
 * NaN read as 0. Then those of the steps before. O(m) */
const void *NBT(scaler_input)(nbt_scaler *self, const nbt_sizes *at, const double *vector);

/* Keeps what scaler_input returned last, for the next steps. O(m), nothing without lags */
void NBT(scaler_keep)(nbt_scaler *self, const nbt_sizes *at);

/* Learns from an input (given); from a target, of which the last loss (readout.h) says how far off
 * it was. Nothing where these are not standardised. O(given), O(Y) */
void NBT(scaler_follow_input)(nbt_scaler *self, size_t given, const double *input);
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
