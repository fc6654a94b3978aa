/* older.h: what the rules keep of what is older than the window (rules.h), of one layer or of all
 * layers of a stack. */
#ifndef NBT_GATED_OLDER_H
#define NBT_GATED_OLDER_H

#include "gated/layers.h"
#include "gated/steps.h"
#include "machine/lanes.h"

/* What closes a window. Several windows may end within one step, by one of each at most, and have
 * signs of their own. */
typedef enum { BY_TARGET, BY_TRANSITION, BY_FLUSH } nbt_closing;

/* What follows the ways in scratch.ends: a factor of E (ldn); ν of pair k, signs of c, then of y.
 */
NBT_INLINE real *own_of(const nbt_learner *self) { return way_end(self, ways_of(self)); }
NBT_INLINE real *signs_of(const nbt_learner *self, size_t k)
{
    return own_of(self) + (1 + 2 * k) * self->sizes.ldn;
}

/* What of E stays (flat); before it the factor by which the gradient gets E. */
NBT_INLINE real *stays_of(const nbt_learner *self)
{
    return (real *)self->scratch.factors + self->sizes.cell.ld;
}

/* ∂y/∂c after the window. */
const real *NBT(older_slope)(const nbt_learner *self);

/* Backpropagation through the window and all layers on `count` ways from `first` on (steps.h), from
 * their ends. */
void NBT(older_go_back)(nbt_learner *self, size_t first, size_t count);

/* Truncated BPTT, and NoBackTrack, whose v̄ have gone through the window (past.pushed): all ways
 * back, that of the loss from 0; then v̄ of the next window. Leaves what a pass needs to know of w̄
 * and E. */
void NBT(older_paths)(nbt_learner *self, nbt_closing by);

/* RTRL: the way back of the loss; g += ∂L/∂s · G; then G ← F G + what the window adds, F the whole
 * window's. A way back from each number of s gives a row of F, and again, when F G is known, a row
 * of what is added. */
void NBT(older_influence)(nbt_learner *self);

#endif
