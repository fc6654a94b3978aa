/* readout.h: softmax over symbols, ŷ_z = φ_0z + Σ_i φ_iz a_i (48), loss in nats.
 *
 * φ has 1 + n rows (panels.h): row 0 the biases, then one row a unit. */
#ifndef NBT_READOUT_H
#define NBT_READOUT_H

#include "learner.h"
#include "real.h"

/* p (ldA, zero in the padding): probabilities of the A symbols given a. O(nA) */
void NBT(readout_predict)(const nbt_learner *self, const real *restrict a, real *restrict p);

/* H = ∂ℓ/∂h = σ'(h_i) Σ_z φ[1 + i, z] δ_z for `count` steps; H, slope (count, ldn), δ (count, ldA).
 * O(count nA) */
void NBT(readout_pull)(const nbt_learner *self, size_t count, const real *restrict slope,
                       const real *restrict delta, real *restrict H);

/* The loss ℓ = -ln p_y of y in nats; delta (ldA) = ∂ℓ/∂ŷ = p - onehot(y). O(nA) */
double NBT(readout_loss)(nbt_learner *self, size_t y, real *restrict delta);

/* Learns from the last loss: leaves H (with φ as it predicted) and updates φ. O(nA) */
void NBT(readout_learn)(nbt_learner *self);

#endif
