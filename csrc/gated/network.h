/* network.h: one step of a network of gated units, and its two products with vectors.
 *
 * θ's matrix has a column for each gate of each unit, g n + i, and the rows of u: the bias, W
 * (n rows; none where units do not see each other), r. A vector over these columns is *flat*,
 * (cell.ld), zero in the padding; a vector over units has ldn numbers. */
#ifndef NBT_GATED_NETWORK_H
#define NBT_GATED_NETWORK_H

#include "gated/unit.h"

/* Rows of W: n, or 0. */
NBT_INLINE size_t rows_of_W(const nbt_sizes *at, const nbt_choices *of)
{
    return of->recurrent ? at->n : 0;
}

/* A step from c and y on an input, symbol or vector (m); out.c and out.y must be others. O(gates
 * n (n + m)), O(gates n²) when one-hot. */
void NBT(gated_step)(nbt_learner *self, const real *c, const real *y, int32_t symbol,
                     const real *vector, nbt_unit_step out);

/* ∂L/∂a (flat) and ∂L/∂s(t-1), in the place of ∂L/∂s(t) = (c, y), by the derivatives of a step.
 * O(gates n²) */
void NBT(gated_back)(nbt_learner *self, const nbt_unit_step *step, real *c, real *y, real *flat);

/* v ← ∂s(t)/∂s(t-1) v, v = (c, y). O(gates n²) */
void NBT(gated_push)(nbt_learner *self, const nbt_unit_step *step, real *c, real *y);

/* Rows of gates (gates, ldn) to flat and back; a row for each of the first `count` gates. */
void NBT(gated_pack)(const nbt_sizes *at, size_t count, const real *rows, real *flat);
void NBT(gated_unpack)(const nbt_sizes *at, const real *flat, real *rows);

#endif
