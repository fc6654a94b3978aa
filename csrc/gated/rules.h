/* rules.h: the rules that learn θ once in T steps, for every cell with gates.
 *
 * φ is learned at every step. At the end of a window, ∂L/∂θ of its losses is the exact gradient
 * inside the window and, from ∂L/∂s where it begins, s = (c, y):
 *
 * truncated BPTT   nothing more;
 * NoBackTrack      each unit's own path, E_g = ∂c_i/∂θ_g along c_i alone up to the window, exactly
 *                  (`exact_self`), and K pairs v̄ w̄ for all the rest. Without pairs this is SnAp-1
 *                  by windows. A window adds to a pair ν and νᵀ of what it adds to ∂s/∂θ but to
 *                  E, ν being random signs of all c and y;
 * RTRL             all of ∂s/∂θ.
 *
 * Without W and rms, and for a window over all, each is exact RTRL. A step only observed has no
 * loss; a window that such a step closes leaves its gradient to the next one. */
#ifndef NBT_GATED_RULES_H
#define NBT_GATED_RULES_H

#include "rule.h"

double NBT(gated_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(gated_advance)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(gated_look)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(gated_refresh)(nbt_learner *self);

/* Closes the window before it is full, and learns from it. */
void NBT(gated_flush)(nbt_learner *self);

#endif
