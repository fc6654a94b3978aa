/* network.h: one step of a network of gated units, forward and back, with vectors beside it.
 *
 * θ's matrix has a column for each gate of each unit, g n + i, and the rows of u: the bias, W
 * (n rows; none where units do not see each other), r. A vector over these columns is *flat*,
 * (cell.ld), zero in the padding; a vector over units has ldn numbers.
 *
 * Where sums are normalised (`rms`), x̂_g = s_g / √(mean s_g² + ε) over the units, s_g being the
 * sums without bias, and a_g = b_g + γ_g x̂_g. The gains γ are the last row of θ. Of complex units
 * that row has ν and η, from which λ follows (unit.h). */
#ifndef NBT_GATED_NETWORK_H
#define NBT_GATED_NETWORK_H

#include "gated/unit.h"

/* How many rows W has: n, or 0; and which row, counted below row 0, is the last. */
NBT_INLINE size_t rows_of_W(const nbt_sizes *at, const nbt_choices *of)
{
    return of->recurrent ? at->n : 0;
}
NBT_INLINE size_t row_of_last(const nbt_sizes *at) { return at->cell.rows - 1; }

/* Flat vectors, or `count` of them one after another: what the rows of θ meet. That of the last row
 * is the product itself; NULL where there is none. W and r may be the same array as bias. */
typedef struct {
    real *bias, *W, *r, *last;
} nbt_flats;

NBT_INLINE nbt_flats flats_at(nbt_flats all, size_t t, size_t ld)
{
    return (nbt_flats){all.bias + t * ld, all.W + t * ld, all.r + t * ld,
                       all.last ? all.last + t * ld : NULL};
}

/* `count` vectors v = (c, y), (count, 2, ldn), which go through a step as the state does: v ←
 * ∂s(t)/∂s(t-1) v, and + ∂s(t)/∂x(t) times a vector of input, `apart` numbers from one to the next,
 * where that is not NULL. */
typedef struct {
    size_t count;
    real *v;
    const real *input;
    size_t apart;
} nbt_pushed;

/* A step from c and y on an input, symbol or vector (m), and what is pushed along with it, if that
 * is not NULL; out.c and out.y must be others. W is read once for each two vectors. O(gates n (n +
 * m)), O(gates n²) when one-hot; for each vector pushed O(gates n²) more. */
void NBT(gated_step)(nbt_learner *self, const real *c, const real *y, int32_t symbol,
                     const real *vector, nbt_unit_step out, const nbt_pushed *pushed);

/* Ways back through a step, `count` of them: ∂L/∂s (count, 2, ldn) and the flats of each, which are
 * `apart` numbers from one to the next; ∂L/∂x(t), too, where `input` is not NULL, `input_apart`
 * from one to the next. */
typedef struct {
    size_t count;
    real *ends;
    nbt_flats flats;
    size_t apart;
    real *input;
    size_t input_apart;
} nbt_ways;

/* What θ's rows meet in ∂L/∂θ, and ∂L/∂s(t-1), in the place of ∂L/∂s(t) = (c, y), by the
 * derivatives of a step. W is read once for two ways or more. O(gates n²) each, with input
 * O(gates n (n + m)) */
void NBT(gated_back)(nbt_learner *self, const nbt_unit_step *step, const nbt_ways *ways);

/* The same for the first `kept` gates and a unit's own path alone: through (ldn) is ∂L/∂c. Of
 * what normalises, only the unit's own part counts. Of complex units it is the factor of ∂c in a
 * later ∂c, and what the rows meet is ∂c, in their last row by ln λ. O(gates n) */
void NBT(gated_back_own)(nbt_learner *self, const nbt_unit_step *step, const real *through,
                         nbt_flats flats);

/* g, of θ's shape, becomes the gradient by θ, from that by what rules sum up (unit.h). O(n) */
void NBT(gated_chain)(const nbt_learner *self, real *g);

/* Biases and the last row as rows, and what follows from that, after θ changed. O(gates n) */
void NBT(gated_refresh_rows)(nbt_learner *self);

#endif
