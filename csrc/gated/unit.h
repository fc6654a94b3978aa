/* unit.h: what a unit does by itself. All that a kind of cell is, is here and in gates.h: a step of
 * a rule knows of a unit only its derivatives. (`refresh` knows which cells have one gate: their
 * states lack y, which follows from c.) */
#ifndef NBT_GATED_UNIT_H
#define NBT_GATED_UNIT_H

#include "gated/gates.h"
#include "learner.h"
#include "machine/real.h"

/* What a step made of each unit, rows of ldn numbers, and its derivatives: `local` has a row for
 * each gate, ∂c/∂a_g of those that c depends on, ∂y/∂a_g of the others. keep = ∂c/∂c(t-1); show =
 * ∂y/∂c. y depends on a_g and c. Where sums are normalised (network.h), `normal` and `slant` have
 * a row for each gate, too. */
typedef struct {
    real *c, *y, *local, *keep, *show, *normal, *slant;
} nbt_unit_step;

/* From the gates' sums a (gates, ldn) and c(t-1) in `before`. 0 in the padding. O(gates n) */
void NBT(unit_step)(const nbt_learner *self, const real *a, const real *before, nbt_unit_step out);

#endif
