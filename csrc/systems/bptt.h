/* bptt.h: truncated BPTT (truncated.h) of a system, whose window keeps h before each phase of each
 * step. The pass backwards asks for Fᵀ u and the rows of ∂f/∂θ at each of them again. */
#ifndef NBT_SYSTEMS_BPTT_H
#define NBT_SYSTEMS_BPTT_H

#include "rule.h"

double NBT(system_bptt_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(system_bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(system_bptt_refresh)(nbt_learner *self);

#endif
