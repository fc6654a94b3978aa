/* lanes.h: a block of reals as a value.
 *
 * Units (or symbols) lie in the lanes, parameters in the outer loop, so arithmetic on `vec` is the
 * plain arithmetic of every unit side by side. A sum over lanes is always folded in the same tree
 * of LANES, whatever the width of the machine's registers: same bits on each.
 * Without GNU vectors a lane block is one real and the same code runs serially. */
#ifndef NBT_LANES_H
#define NBT_LANES_H

#include "learner.h"
#include "real.h"
#include <string.h>

enum { NBT_FLUSH_EVERY = 64 };
#if NBT_PRECISION == 32
#define NBT_TINY 1e-18f
#else
#define NBT_TINY 1e-150
#endif

#if defined(__GNUC__)
typedef real vec __attribute__((vector_size(NBT_LANE_BYTES)));
typedef word wvec __attribute__((vector_size(NBT_LANE_BYTES)));
typedef vec vec_in_memory __attribute__((may_alias));
#define LANES (NBT_LANE_BYTES / sizeof(real))
NBT_INLINE vec lanes_first(void)
{ /* 0, 1, 2 … */
    vec x;
    for (size_t l = 0; l < LANES; l++) x[l] = (real)l;
    return x;
}
/* x where the lane's index differs from `lane`, 0 there. */
NBT_INLINE vec lanes_without(vec x, real lane)
{
    const wvec keep = lanes_first() != lane;
    return (vec)((wvec)x & keep);
}
/* The larger of the two in each lane. */
NBT_INLINE vec lanes_max(vec x, vec y)
{
    const wvec keep = x > y;
    return (vec)(((wvec)x & keep) | ((wvec)y & ~keep));
}
#else
typedef real vec, vec_in_memory;
#define LANES 1
NBT_INLINE vec lanes_without(vec x, real lane) { return lane == 0 ? 0 : x; }
NBT_INLINE vec lanes_max(vec x, vec y) { return x > y ? x : y; }
#endif

NBT_INLINE vec load(const real *p) { return *(const vec_in_memory *)(const void *)p; }
NBT_INLINE void store(real *p, vec x) { *(vec_in_memory *)(void *)p = x; }
NBT_INLINE vec spread(real x) { return x - (vec){0}; }

/* Sum of the lanes, in a fixed tree: halves, quarters, … */
NBT_INLINE real fold(vec x)
{
    real t[LANES];
#if defined(__GNUC__) && !defined(__clang__) && NBT_PRECISION == 32
    x += __builtin_shuffle(x, (wvec){8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
    x += __builtin_shuffle(x, (wvec){4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
    x += __builtin_shuffle(x, (wvec){2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
    x += __builtin_shuffle(x, (wvec){1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14});
    (void)t;
    return x[0];
#else
    memcpy(t, &x, sizeof t);
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) t[l] += t[l + half];
    return t[0];
#endif
}

/* to (count, whole lane blocks) = from. For rows too short to call memcpy for. */
NBT_INLINE void lanes_copy(size_t count, const real *from, real *to)
{
    for (size_t i = 0; i < count; i += LANES) store(to + i, load(from + i));
}

/* out[r] = Σ_c M[r,c] x[c]; M (rows, ld), x (ld), ld a multiple of LANES. out must not alias.
 * O(rows ld) */
void NBT(rows_dot)(size_t rows, size_t ld, const real *restrict M, const real *restrict x,
                   real *restrict out);

/* out[r] = Σ_c x[c] M[r,c]²: squared norms of the rows under weights x. O(rows ld) */
void NBT(rows_norm)(size_t rows, size_t ld, const real *restrict M, const real *restrict x,
                    real *restrict out);

/* Σ x[c], x (ld). */
real NBT(sum)(size_t ld, const real *x);

/* Sets entries of x (count, whole lane blocks) below NBT_TINY to 0. What decays by a factor a step
 * would otherwise end as denormal numbers, which rounding keeps from ever reaching 0 and which cost
 * many times a normal one. Done every NBT_FLUSH_EVERY steps, by the step's number. */
void NBT(flush)(size_t count, real *x);

/* 1 if every entry of x (ld) is finite. */
int NBT(all_finite)(size_t ld, const real *x);

#endif
