/* sweep.h: the one pass over θ and what has its shape, at a window's end. */
#ifndef NBT_GATED_SWEEP_H
#define NBT_GATED_SWEEP_H

#include "gated/steps.h"

/* g = Σ_t u(t) back(t)ᵀ + factor E + Σ_k part_k w̄_k, and what scratch.g holds already if `begun`;
 * E ← stays E + Σ_t u(t) own(t)ᵀ, if there is E (`exact_self`); w̄_k ← keep_k w̄_k + add_k w_new_k,
 * for K pairs. factor, stays: flat; scratch.turns (3, K): part, keep, add. O((T + K) gates n (n +
 * m)) */
typedef struct {
    nbt_flats back, own;
    const real *factor, *stays;
    size_t K;
    int begun;
} nbt_gated_pass;

/* Leaves g in scratch.g. */
void NBT(gated_collect)(nbt_learner *self, const nbt_gated_pass *pass);

/* The same, and θ ← a step of SGD or Adam on g, while g is in registers; scratch.g is lost. */
void NBT(gated_collect_and_learn)(nbt_learner *self, const nbt_gated_pass *pass);

#endif
