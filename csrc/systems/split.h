/* split.h: NoBackTrack of a system where the K pairs share the parameters (`split`, section 1.4).
 *
 * Pair `pair[j]` alone covers parameter j, and w̄ (p) holds the parts of all of them. The estimate
 * is the sum of the pairs' products, not their mean. */
#ifndef NBT_SYSTEMS_SPLIT_H
#define NBT_SYSTEMS_SPLIT_H

#include "rule.h"

/* Its gradient, and its reduction in phase q. Both use six parts of a learner or more.
 * O(p + entries + Kn) */
void NBT(split_gradient)(nbt_learner *self);
void NBT(split_reduce)(nbt_learner *self, size_t q);

#endif
