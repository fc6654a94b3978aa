/* activation.h: a = σ(h) and its slope σ'(h), unit by unit. */
#ifndef NBT_SHARED_ACTIVATION_H
#define NBT_SHARED_ACTIVATION_H

#include "learner.h"
#include "machine/real.h"

/* a = σ(h), slope = σ'(h). O(n) */
void NBT(activate)(size_t ldn, nbt_activation activation, const real *restrict h, real *restrict a,
                   real *restrict slope);

/* The same with what the learner's units have: one σ, or each its own. */
void NBT(respond)(const nbt_learner *self, const real *restrict h, real *restrict a,
                  real *restrict slope);

#endif
