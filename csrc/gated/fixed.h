/* fixed.h: cells with gates that are not learned: no rule, no window, nothing is kept of ∂s/∂θ.
 *
 * A step costs the network and the readout, which alone learns (fixed_observe of dense/fixed.h):
 * O(gates n (n + m) + nA). */
#ifndef NBT_GATED_FIXED_H
#define NBT_GATED_FIXED_H

#include "rule.h"

void NBT(gated_fixed_advance)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
