/* fixed.h: a dense cell that is not learned: no rule, and nothing is kept of ∂h/∂θ.
 *
 * A step costs the network and the readout, which alone learns: O(nP + nA). */
#ifndef NBT_DENSE_FIXED_H
#define NBT_DENSE_FIXED_H

#include "rule.h"

double NBT(fixed_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(fixed_advance)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
