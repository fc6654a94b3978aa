/* activation.h: a = σ(h) and its slope σ'(h), unit by unit. */
#ifndef NBT_SHARED_ACTIVATION_H
#define NBT_SHARED_ACTIVATION_H

#include "choices.h"
#include "machine/real.h"

/* a = σ(h), slope = σ'(h). O(n) */
void NBT(activate)(size_t ldn, nbt_activation activation, const real *restrict h, real *restrict a,
                   real *restrict slope);

/* The same with what the units of a learner have: one σ, or each its own. */
void NBT(respond)(const nbt_sizes *at, const nbt_choices *of, const real *restrict h,
                  real *restrict a, real *restrict slope);

#endif
