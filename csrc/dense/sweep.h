/* sweep.h: the one pass of NoBackTrack over θ, J, w̄ and d; see nobacktrack.h for what it computes.
 */
#ifndef NBT_DENSE_SWEEP_H
#define NBT_DENSE_SWEEP_H

#include "shared/optimizer.h"

/* Settles w̄ and d; if `learn`, updates J and θ by the gradient from self->readout.H and
 * self->scratch.c (K, ldn; the H·v̄ / K of each unit's block); leaves norm_w (K, ldn), norm_d (ldn)
 * and, for norm `kalman`, the inner products (K, ldn) of w̄ and d: squared, per unit. O(nPK),
 * memory-bound when large. */
void NBT(sweep)(nbt_learner *self, int learn);

/* Are all entries of x in z and z_last 0 but for those at x_last and x_late? */
NBT_INLINE int symbols_known(const nbt_choices *of, const nbt_network_part *network,
                             const nbt_estimator *estimator)
{
    return of->one_hot && network->x_last != NBT_UNKNOWN_SYMBOL &&
           estimator->x_late != NBT_UNKNOWN_SYMBOL;
}

/* A thread's scratch for what a panel carries of each pair: K times at most 6 vecs. */
NBT_INLINE void *panel_pairs(const nbt_learner *self, size_t thread)
{
    return (real *)self->scratch.pairs + thread * self->sizes.K * self->sizes.ldpair;
}

#endif
