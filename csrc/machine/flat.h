/* flat.h: vecs that begin anywhere and may be short, for arrays that lie flat. What lies
 * behind a short one is read and written back: every array of a learner has a vec after its
 * end. */
#ifndef NBT_MACHINE_FLAT_H
#define NBT_MACHINE_FLAT_H

#include "machine/lanes.h"

/* Up to LANES numbers, 0 behind them. */
NBT_INLINE vec load_some(const real *p, size_t count) { return lanes_only(load_any(p), count); }

/* The first of up to LANES numbers. */
NBT_INLINE void store_some(real *p, size_t count, vec x)
{
    store_any(p, count >= LANES ? x : lanes_choose(lanes_below(count), x, load_any(p)));
}

/* Where whole vecs begin: one number that would be left over goes first, by itself. */
NBT_INLINE size_t after_odd(size_t first, size_t last)
{
    return first + ((last - first) % LANES == 1);
}

/* Σ x[j]² over whole vecs. Four chains: additions wait for each other. */
NBT_INLINE real sum_of_squares(size_t size, const real *x)
{
    vec sum[4] = {{0}};
    size_t j = 0;
    for (; j + 4 * LANES <= size; j += 4 * LANES)
        for (size_t k = 0; k < 4; k++) sum[k] += load(x + j + k * LANES) * load(x + j + k * LANES);
    for (; j < size; j += LANES) sum[0] += load(x + j) * load(x + j);
    return fold((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

#endif
