/* rules.h: the rules that learn θ once in T steps, for every cell with gates.
 *
 * φ is learned at every step. At the end of a window, ∂L/∂θ of its losses is the exact gradient
 * inside the window and, from ∂L/∂s where it begins, s = (c, y):
 *
 * truncated BPTT   nothing more;
 * NoBackTrack      each unit's own path, E_g = ∂c_i/∂θ_g along c_i alone up to the window, exactly
 *                  (`exact_self`), and K pairs v̄ w̄ for all the rest. Of what is known exactly
 *                  of ∂s/∂θ after a window, X is what E does not take; v̄ gains ν, and w̄ gains νᵀ X,
 *                  ν being random signs of all c and y;
 * RTRL             G = ∂s/∂θ.
 *
 * For a window over all steps each is exact RTRL; without W and rms, E alone is. A step only
 * observed has no loss; a window that such a step closes leaves its gradient to the next one. */
#ifndef NBT_GATED_RULES_H
#define NBT_GATED_RULES_H

#include "rule.h"

double NBT(gated_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(gated_advance)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(gated_look)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(gated_refresh)(nbt_learner *self);

/* The part of it that a network has which is not learned: what units show, rows of θ. */
void NBT(gated_show)(nbt_learner *self);

/* Closes the window before it is full, and learns from it. The end of a window of T steps costs
 * O(T gates n (n + m)), with pairs K times that more, with RTRL O(n² θ's size + T gates n² (n + m))
 * more. */
void NBT(gated_flush)(nbt_learner *self);

#endif
