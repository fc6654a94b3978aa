/* readout.h: softmax over symbols, ŷ_z = φ_0z + Σ_i φ_iz a_i (48), loss in nats.
 *
 * φ is (1 + n, ldA): row 0 the biases, then one row a unit. */
#ifndef NBT_READOUT_H
#define NBT_READOUT_H

#include "learner.h"
#include "real.h"

/* p (ldA, zero in the padding): probabilities of the A symbols given a. O(nA) */
void NBT(readout_predict)(size_t n, size_t A, size_t ldA, const real *restrict phi,
                          const real *restrict a, real *restrict p);

/* delta (ldA) = ∂ℓ/∂ŷ = p - onehot(y); returns the loss ℓ = -ln p_y in nats. O(nA) */
double NBT(readout_loss)(size_t n, size_t A, size_t ldA, const real *restrict phi,
                         const real *restrict a, size_t y, real *restrict delta);

/* H (n) = ∂ℓ/∂h = σ'(h_i) Σ_z φ[1 + i, z] δ_z. O(nA) */
void NBT(readout_pull)(size_t n, size_t ldA, const real *restrict phi, const real *restrict slope,
                       const real *restrict delta, real *restrict H);

/* The learner's own: loss of y; if `learn`, leaves H (with φ as it predicted) and updates φ. */
double NBT(readout_observe)(nbt_learner *self, size_t y, int learn);

#endif
