/* truncated.h: backpropagation through time, truncated as in footnote 13.
 *
 * Steps (a transition, then a target) are kept until there are T; then one backward pass over them
 * collects the gradient of their summed losses, h before the first of them being constant, and the
 * optimizer takes one step, on θ and φ. A step without a target, or one that is only observed, has
 * no loss; a window that such a step closes adds to the gradients, which wait for the next one. */
#ifndef NBT_SHARED_TRUNCATED_H
#define NBT_SHARED_TRUNCATED_H

#include "rule.h"

/* What differs between dense cells and systems. */
typedef struct {
    /* Loss of y; ∂ℓ/∂ŷ, or ∂ℓ/∂h where there is no readout, into delta (ldA). */
    double (*loss)(nbt_learner *self, nbt_target y, real *delta);
    /* g_theta += the gradient of the window, of which window_back has ∂ℓ/∂h of each step alone. */
    void (*backpropagate)(nbt_learner *self);
    /* θ and φ ← the optimizer's step on g_theta and g_phi. */
    void (*apply)(nbt_learner *self);
} nbt_truncated;

double NBT(truncated_observe)(nbt_learner *self, const nbt_truncated *form, nbt_target y,
                              int learn);

/* The next step enters the window with its input; its state is still to be kept. */
void NBT(truncated_enter)(nbt_learner *self, const nbt_truncated *form, int32_t symbol,
                          const void *vector);

/* Activities in the window from its states, after these were set from outside. */
void NBT(truncated_refresh)(nbt_learner *self);

/* φ ← the optimizer's step on g_phi. */
void NBT(truncated_apply_phi)(nbt_learner *self);

#endif
