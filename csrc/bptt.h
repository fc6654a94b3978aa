/* bptt.h: backpropagation through time, truncated as in footnote 13.
 *
 * Steps (a transition, then a target) are kept until there are T; then one backward pass over them
 * collects the gradient of their summed losses, h before the first of them being constant, and the
 * optimizer takes one step, on θ and φ. A step without a target, or one that is only observed, has
 * no loss; a window that such a step closes adds to the gradients, which wait for the next one. */
#ifndef NBT_BPTT_H
#define NBT_BPTT_H

#include "rule.h"

double NBT(bptt_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(bptt_refresh)(nbt_learner *self);

/* The next step enters the window with its input; its state is still to be kept. */
void NBT(bptt_enter)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
