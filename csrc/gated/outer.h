/* outer.h: sums of outer products over a window, of θ's shape. */
#ifndef NBT_GATED_OUTER_H
#define NBT_GATED_OUTER_H

#include "gated/steps.h"

/* out = Σ_t u(t) flats(t)ᵀ + factor E, as a gradient along E: complex where E is (carried.h).
 * factor is flat; NULL: 1, and E may be of another kind. E may be NULL, or be `out`. Leaves sums of
 * squares in scratch.sums, for each column those of `out`, then those of w (NULL: none), which has
 * this shape, too. O(T gates n (n + m)) */
void NBT(gated_outer)(nbt_learner *self, nbt_flats flats, const real *factor, const real *E,
                      const real *w, real *out);

#endif
