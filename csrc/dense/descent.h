/* descent.h: NoBackTrack with SGD and one block, in one pass over memory a step.
 *
 * The norms of w̄ are known from the pass before, so everything a reduction needs is known before
 * the pass, and nothing is left pending: each row of θ and w̄ is read once, updated, θ ← θ - η (Σ_k
 * c_k w̄_k + H z),   w̄_k ← w̄_k / ρ̄_k + ε_k z / ρ_k, and met by the transition and by F v̄ while it is
 * at hand. Rows of one-hot inputs wait until their symbol comes (lazy.h), unless the alphabet is so
 * small that this does not pay.
 *
 * A target before the transition (`deferred`) leaves H and c for the pass; one after it makes a
 * pass of its own, over θ. Unlike nobacktrack.h's, w̄ is always settled and the norms always known.
 */
#ifndef NBT_DENSE_DESCENT_H
#define NBT_DENSE_DESCENT_H

#include "rule.h"

double NBT(descent_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(descent_advance)(nbt_learner *self, int32_t symbol, const void *vector);
/* As cell_look(), with rows that wait as they should be now. */
void NBT(descent_look)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(descent_refresh)(nbt_learner *self);

#endif
