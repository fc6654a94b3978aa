/* fisher.h: a step with the metrics of reference.h, whose J is a Fisher matrix, (24) and (26):
 * exact, or of the loss's gradient. Both functions use six parts of a learner or more. */
#ifndef NBT_SYSTEMS_FISHER_H
#define NBT_SYSTEMS_FISHER_H

#include "learner.h"
#include "machine/real.h"

/* What observing does in place of the readout's and the optimizer's own ways: J of θ and φ from the
 * Fisher matrix, exact or of the loss's gradient, then both steps. δ is ∂ℓ/∂ŷ; `gradient` makes g
 * of H. Leaves H. */
void NBT(fisher_learn)(nbt_learner *self, void (*gradient)(nbt_learner *self));

/* The same for gradients that were collected over a window: g_theta, and g_phi in panels. */
void NBT(fisher_apply)(nbt_learner *self);

#endif
