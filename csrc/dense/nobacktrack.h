/* nobacktrack.h: NoBackTrack, Algorithms 1 and 2, with blocks of units and exact self-influence.
 *
 * The estimate of ∂h/∂θ after a transition is  (1/K) Σ_k v̄_ks w̄_k + Σ_i e_i d_iᵀ, column block i of
 * w̄ belonging to block s = i mod S; d_i is w_i = z, or with exact_self the influence of θ_i on h_i
 * along the unit's own path, of whose factors F_ii it takes κ_i = clip(F_ii, -1, 1) (reduction.h).
 *
 * What a reduction does to w̄ and d is a scale and an addition in every unit's column, so it waits
 * for the next sweep, which reads and writes every parameter array once:
 *     w̄ ← keep_w w̄ + add_w d     (d: before its own change; without exact_self, z_last)
 *     d ← keep_d d + z            (exact_self only)
 *     g = (1/K) Σ_k (H·v̄_ks) w̄_k + H d;   J, θ ← optimizer(g);   the norms of w̄ and d for ρ.
 * `settled`: nothing waits. `fresh`: the norms are those of now.
 *
 * What waits could leave the range of numbers unseen. So bounds follow the same recursion with
 * absolute values, 1024 times as large: they overflow first, which is noted (float_mode.h), and
 * then the sweep is made at once (learner.c). */
#ifndef NBT_DENSE_NOBACKTRACK_H
#define NBT_DENSE_NOBACKTRACK_H

#include "rule.h"

double NBT(nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(nobacktrack_settle)(nbt_learner *self);
/* Which entry of z is set, after a state was loaded: it may have been edited to several. */
void NBT(nobacktrack_refresh)(nbt_learner *self);

/* What descent.h shares. The loss of y; if `learn`, the readout learns from it, and s of norm
 * `fisher` follows. */
double NBT(observe_readout)(nbt_learner *self, nbt_target y, int learn);

/* z_last ← z; known: symbols_known() (sweep.h). O(n) when known. */
void NBT(keep_regressors)(const nbt_sizes *at, int known, int32_t x_last, nbt_estimator *of);

#endif
