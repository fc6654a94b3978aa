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
 * ∂y/∂c. y depends on a_g and c. `met` and `slant` are there where θ has a last row, a row for each
 * gate: where sums are normalised (network.h), x̂ and γ / √…; of complex units λ c(t-1) and, by γ,
 * ∂y/∂ ln |λ|. */
typedef struct {
    real *c, *y, *local, *keep, *show, *met, *slant;
} nbt_unit_step;

/* Rows of past.polar, of complex units: λ; γ and ∂γ/∂ ln |λ|, twice; ∂ ln |λ|/∂ν and ∂ arg λ/∂η.
 * All that rules sum up is by ln λ = ln |λ| + i arg λ, of which c is a holomorphic function; it
 * becomes the gradient by ν and η when θ is learned. */
enum { LAMBDA, GAMMA, GAMMA_SLOPE, POLAR_SLOPES };

NBT_INLINE real *polar_of(const nbt_learner *self, size_t row)
{
    return (real *)self->past.polar + row * self->sizes.ldn;
}

/* Sets them, from the last row of θ in past.last. O(n) */
void NBT(unit_refresh)(nbt_learner *self);

/* From the gates' sums a (gates, ldn) and c(t-1) in `before`. 0 in the padding. O(gates n) */
void NBT(unit_step)(const nbt_learner *self, const real *a, const real *before, nbt_unit_step out);

#endif
