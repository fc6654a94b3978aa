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

/* Rows of scratch.ends of a layer: ∂L/∂s where the window begins; ν on its way back; ν. */
enum { BACK_C, BACK_Y, NU_C, NU_Y, OWN, SIGN_C, SIGN_Y };

NBT_INLINE real *end_of(const nbt_learner *self, size_t k)
{
    return row_at(self->scratch.ends, k, self->sizes.ldn);
}

/* What of E stays (flat); before it the factor by which the gradient gets E. */
NBT_INLINE real *stays_of(const nbt_learner *self)
{
    return (real *)self->scratch.factors + self->sizes.cell.ld;
}

/* ∂y/∂c after the window. */
const real *NBT(older_slope)(const nbt_learner *self);

/* Backpropagation through the window and all layers, from their ends `row` and `row` + 1 on, with
 * ∂ℓ/∂y of all steps or without. */
void NBT(older_go_back)(nbt_learner *self, nbt_flats (*flats_in)(const nbt_learner *), size_t row,
                        int with_H);

/* NoBackTrack: the pairs' v̄ go through the window. Leaves what a pass needs to know of w̄ and E.
 * Without pairs and E this is truncated BPTT. */
void NBT(older_paths)(nbt_learner *self, nbt_closing by);

/* RTRL: g += ∂L/∂s · G; then G ← F G + what the window adds, F the whole window's. A way back from
 * each number of s gives a row of F, and again, when F G is known, a row of what is added. */
void NBT(older_influence)(nbt_learner *self);

#endif
