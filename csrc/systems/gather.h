/* gather.h: the sums of a unit of network.h over others, from which it takes all or those that a
 * graph names; and beside them what it then knows of ∂f/∂θ. */
#ifndef NBT_SYSTEMS_GATHER_H
#define NBT_SYSTEMS_GATHER_H

#include "machine/flat.h"

/* Σ x y. */
NBT_INLINE real dot_all(size_t count, const real *x, const real *y)
{
    vec s0 = {0}, s1 = {0};
    size_t e = 0;
    for (; e + 2 * LANES <= count; e += 2 * LANES) {
        s0 += load_any(x + e) * load_any(y + e);
        s1 += load_any(x + e + LANES) * load_any(y + e + LANES);
    }
    for (; e < count; e += LANES) s0 += load_some(x + e, count - e) * load_some(y + e, count - e);
    return fold(s0 + s1);
}

/* Σ_e x[e] y[which[e]], in gather_some()'s order: a step is what was predicted of it. */
NBT_INLINE real dot_some(size_t count, const real *x, const real *y, const int32_t *which)
{
    real s0 = 0, s1 = 0;
    size_t e = 0;
    for (; e + 2 <= count; e += 2) {
        s0 += x[e] * y[which[e]];
        s1 += x[e + 1] * y[which[e + 1]];
    }
    if (e < count) s0 += x[e] * y[which[e]];
    return s0 + s1;
}

/* What a unit gathers from others: Σ W a, Σ W v. */
typedef struct {
    real a, v;
} gathered;

/* Over all of a layer; values = size a. */
NBT_INLINE gathered gather_all(size_t count, const real *W, real size, const real *a, const real *v,
                               real *restrict values)
{
    vec sum_a[2] = {{0}}, sum_v[2] = {{0}};
    size_t e = 0;
    for (; e + 2 * LANES <= count; e += 2 * LANES)
        for (size_t k = 0; k < 2; k++) {
            const size_t at = e + k * LANES;
            const vec w = load_any(W + at), here = load_any(a + at);
            sum_a[k] += w * here;
            sum_v[k] += w * load_any(v + at);
            store_any(values + at, size * here);
        }
    for (; e < count; e += LANES) {
        const vec w = load_some(W + e, count - e), here = load_some(a + e, count - e);
        sum_a[0] += w * here;
        sum_v[0] += w * load_some(v + e, count - e);
        store_some(values + e, count - e, size * here);
    }
    real sums[4];
    fold_each((vec[4]){sum_a[0] + sum_a[1], sum_v[0] + sum_v[1]}, sums);
    return (gathered){sums[0], sums[1]};
}

/* a and v of a unit side by side, so that one look finds both. */
typedef real pair __attribute__((vector_size(2 * sizeof(real)), aligned(sizeof(real))));

/* Over a unit's sources. By hand: a compiler that makes vectors of it takes thrice the time. */
NBT_INLINE gathered gather_some(size_t count, const int32_t *restrict which, const real *restrict W,
                                real size, const pair *restrict av, real *restrict values)
{
    pair sum[2] = {{0}};
    size_t e = 0;
    for (; e + 2 <= count; e += 2) {
        const pair x = av[which[e]], y = av[which[e + 1]];
        sum[0] += W[e] * x;
        sum[1] += W[e + 1] * y;
        values[e] = size * x[0];
        values[e + 1] = size * y[0];
    }
    if (e < count) {
        const pair x = av[which[e]];
        sum[0] += W[e] * x;
        values[e] = size * x[0];
    }
    sum[0] += sum[1];
    return (gathered){sum[0][0], sum[0][1]};
}

/* Σ r x over a unit's inputs; values = size x. */
NBT_INLINE real gather_inputs(size_t count, const real *r, real size, const real *x,
                              real *restrict values)
{
    vec sum[2] = {{0}};
    size_t e = 0;
    for (; e + 2 * LANES <= count; e += 2 * LANES)
        for (size_t k = 0; k < 2; k++) {
            const size_t at = e + k * LANES;
            const vec here = load_any(x + at);
            sum[k] += load_any(r + at) * here;
            store_any(values + at, size * here);
        }
    for (; e < count; e += LANES) {
        const vec here = load_some(x + e, count - e);
        sum[0] += load_some(r + e, count - e) * here;
        store_some(values + e, count - e, size * here);
    }
    return fold(sum[0] + sum[1]);
}

#endif
