/* uoro.h: UORO (Tallec and Ollivier, 2017) of any system: the mean of pairs v̄ w̄ is ∂h/∂θ's
 * estimate.
 *
 * All of a step's ∂f/∂θ joins a pair at once, by the same signs ν over the states:
 *     v̄ ← ρ₀ F v̄ + ρ₁ ν,   w̄ ← w̄ / ρ₀ + (νᵀ ∂f/∂θ) / ρ₁.
 * So the last transition is a part of the estimate, too, where NoBackTrack has it exactly. */
#ifndef NBT_SYSTEMS_UORO_H
#define NBT_SYSTEMS_UORO_H

#include "rule.h"

double NBT(system_uoro_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(system_uoro_advance)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
