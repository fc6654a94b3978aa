/* nobacktrack.h: NoBackTrack of a system: v̄ (K, n), w̄ (K, p), the rows w_i of the last phase. */
#ifndef NBT_SYSTEMS_NOBACKTRACK_H
#define NBT_SYSTEMS_NOBACKTRACK_H

#include "rule.h"

double NBT(system_nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(system_nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
