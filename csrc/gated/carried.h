/* carried.h: products of carried numbers.
 *
 * What a unit carries is a number; or two neighbours carry the parts of a complex one (`paired`,
 * gates.h), re im re im … All that rules do with carried numbers is to multiply them by ∂c'/∂c = λ,
 * and on the way back a gradient δ by both parts by conj(λ). Where c is holomorphic in a complex
 * parameter, ∂c by both parts of it is one complex number e, which has their two places, and the
 * gradient by them is δ conj(e). */
#ifndef NBT_GATED_CARRIED_H
#define NBT_GATED_CARRIED_H

#include "machine/lanes.h"

/* x y, as complex numbers or each by itself. */
NBT_INLINE vec carried_times(int paired, vec x, vec y)
{
    if (!paired) return x * y;
    return lanes_evens(x) * y - lanes_alternating() * lanes_odds(x) * lanes_neighbours(y);
}

/* x conj(y). */
NBT_INLINE vec carried_against(int paired, vec x, vec y)
{
    if (!paired) return x * y;
    return lanes_alternating() * lanes_evens(x) * y + lanes_odds(x) * lanes_neighbours(y);
}

/* y ← x y for ldn numbers, whole vecs. */
NBT_INLINE void carried_multiply(int paired, size_t ldn, const real *x, real *y)
{
    for (size_t i = 0; i < ldn; i += LANES)
        store(y + i, carried_times(paired, load(x + i), load(y + i)));
}

#endif
