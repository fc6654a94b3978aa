/* bptt.h: truncated BPTT (truncated.h) of a dense cell. */
#ifndef NBT_DENSE_BPTT_H
#define NBT_DENSE_BPTT_H

#include "rule.h"

double NBT(bptt_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
