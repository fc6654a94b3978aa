/* sweep.h: the one pass of NoBackTrack over θ, J, w̄ and d; see nobacktrack.h for what it computes.
 */
#ifndef NBT_SWEEP_H
#define NBT_SWEEP_H

#include "optimizer.h"

/* Settles w̄ and d; if `learn`, updates J and θ by the gradient from self->H and self->c (K, ldn;
 * the H·v̄ / K of each unit's block); leaves norm_w (K, ldn), norm_d (ldn) and, for norm `kalman`,
 * the inner products (K, ldn) of w̄ and d: squared, per unit. O(nPK), memory-bound when large. */
void NBT(sweep)(nbt_learner *self, int learn);

#endif
