/* readout.h: what the state says about the next target, and the loss, in nats.
 *
 * φ has 1 + n rows (panels.h), row 0 the biases, then one row a unit, and A columns. The outputs
 * are ŷ_z = φ_0z + Σ_i φ_iz a_i (48). A kind, a row of the table in readout.c, says what they mean:
 *
 * softmax: y is a symbol, p = softmax(ŷ), ℓ = -ln p_y, δ = p - onehot(y).
 *
 * gaussian: y is a vector (Y), A = 2Y; ŷ holds means μ, then u, from which the log-variances are
 * s = u / (1 + |u| / c), c = 20. ℓ = ½ Σ (ln 2π + s + (y - μ)² e^-s), δ_μ = (μ - y) e^-s,
 * δ_u = ½ (1 - (y - μ)² e^-s) ∂s/∂u. The bound keeps e^s within 2·10⁻⁹ … 5·10⁸, and so in float32;
 * ∂s/∂u falls so slowly that s comes back from wherever an outlier took it. Its Fisher matrix, of
 * which Kalman makes J of φ, is diagonal: e^-s, ½ (∂s/∂u)², 0 where y is not known.
 *
 * bernoulli: y is a vector (Y) in [0, 1], A = Y, p = logistic(ŷ), δ = p - y,
 * ℓ = -Σ (y ln p + (1 - y) ln (1 - p)).
 *
 * A NaN in y is not known: no loss, δ = 0. Where targets are standardised (scaler.h), gaussian
 * compares with (y - mean) / scale, ℓ is that of y itself (+ ln scale), what is predicted is in the
 * units of y; a number that has not varied has no scale, and counts as one not known. */
#ifndef NBT_READOUT_H
#define NBT_READOUT_H

#include "learner.h"
#include "real.h"

/* What is predicted given a, out (ldA): probabilities; means and variances; probabilities. O(nA) */
void NBT(readout_predict)(const nbt_learner *self, const real *restrict a, real *restrict out);

/* H = ∂ℓ/∂h = σ'(h_i) Σ_z φ[1 + i, z] δ_z for `count` steps; H, slope (count, ldn), δ (count, ldA).
 * O(count nA) */
void NBT(readout_pull)(const nbt_learner *self, size_t count, const real *restrict slope,
                       const real *restrict delta, real *restrict H);

/* The loss ℓ of y in nats; delta (ldA, zero in the padding) = ∂ℓ/∂ŷ; the learner's information
 * (ldA) is that of the step, where it has one. O(nA) */
double NBT(readout_loss)(nbt_learner *self, nbt_target y, real *restrict delta);

/* Learns from the last loss: leaves H (with φ as it predicted) and updates φ. O(nA) */
void NBT(readout_learn)(nbt_learner *self);

#endif
