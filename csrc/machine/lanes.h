/* lanes.h: a vec: as many reals as a register holds, as a value.
 *
 * Units (or symbols) lie in the lanes, parameters in the outer loop, so arithmetic on `vec` is the
 * plain arithmetic of every unit side by side. It is as wide as the registers of the
 * instruction set: gcc keeps wider ones in memory, 1.5 to 6 times slower. A sum over lanes
 * is folded in a fixed tree. Needs the vector extensions of GNU C, which gcc and clang have
 * on every machine; of instruction sets, one guess. */
#ifndef NBT_MACHINE_LANES_H
#define NBT_MACHINE_LANES_H

#include "machine/real.h"
#include <float.h>
#include <math.h>
#include <string.h>
#ifdef __SSE__
#include <immintrin.h>
#endif

typedef real vec __attribute__((vector_size(NBT_REGISTER)));
typedef word wvec __attribute__((vector_size(NBT_REGISTER)));
typedef vec vec_in_memory __attribute__((may_alias));
typedef vec vec_anywhere __attribute__((may_alias, aligned(sizeof(real))));
#define LANES ((size_t)NBT_LANES)

NBT_INLINE vec load(const real *p) { return *(const vec_in_memory *)(const void *)p; }
NBT_INLINE void store(real *p, vec x) { *(vec_in_memory *)(void *)p = x; }
NBT_INLINE vec load_any(const real *p) { return *(const vec_anywhere *)(const void *)p; }
NBT_INLINE void store_any(real *p, vec x) { *(vec_anywhere *)(void *)p = x; }
NBT_INLINE vec spread(real x) { return x - (vec){0}; }

/* x, of which the compiler knows nothing: so a product with it stays where it is written, and is
 * fused with the sum there, or not, in every loop alike. */
NBT_INLINE vec lanes_opaque(vec x)
{
    __asm__("" : "+m"(x));
    return x;
}

NBT_INLINE vec lanes_root(vec x)
{
    for (size_t k = 0; k < LANES; k++) x[k] = root(x[k]); /* one instruction */
    return x;
}

/* 2 a / √x, x > 0 and normal, or infinity. In float32 by a guess of 1 / √x, where the machine has
 * one, and a step of Newton's, in place of a root and a division: a fifth of Adam's time. There
 * infinity counts as the largest number; NaN stays. */
#if NBT_PRECISION == 32 && defined(__SSE__)
#if NBT_REGISTER == 64
#define GUESS_PER_ROOT(x) (vec) _mm512_rsqrt14_ps((__m512)(x))
#define LESSER(x, y) (vec) _mm512_min_ps((__m512)(x), (__m512)(y))
#elif NBT_REGISTER == 32
#define GUESS_PER_ROOT(x) (vec) _mm256_rsqrt_ps((__m256)(x))
#define LESSER(x, y) (vec) _mm256_min_ps((__m256)(x), (__m256)(y))
#else
#define GUESS_PER_ROOT(x) (vec) _mm_rsqrt_ps((__m128)(x))
#define LESSER(x, y) (vec) _mm_min_ps((__m128)(x), (__m128)(y))
#endif
NBT_INLINE vec lanes_twice_per_root(vec a, vec x)
{
    const vec finite = LESSER(spread(FLT_MAX), x), guess = GUESS_PER_ROOT(finite);
    return (a * guess) * (3 - (finite * guess) * guess);
}
#else
NBT_INLINE vec lanes_twice_per_root(vec a, vec x) { return 2 * a / lanes_root(x); }
#endif

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (wvec){__VA_ARGS__})
#endif

#ifdef __has_builtin
#if __has_builtin(__builtin_elementwise_max)
#define ELEMENTWISE_MAX __builtin_elementwise_max
#endif
#endif

/* Vecs whose sums over lanes fold together into one vec, a part for each. */
#define FOLDED ((size_t)NBT_FOLDED)
#define NBT_FOLDED (NBT_LANES < 4 ? 2 : 4)

/* Orders of lanes. Of one vec: neighbours, quarters or halves exchanged; the first half or
 * quarter, or the first 2 or 4 lanes, repeated; the first of each part, again and again; the first
 * or second of two neighbours in the place of both. Of two: the lower or upper parts of their
 * parts. */
#if NBT_LANES == 16
#define SWAP_HALVES 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7
#define SWAP_QUARTERS 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11
#define TILE_HALF 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7
#define TILE_QUARTER 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3
#define OF_PARTS 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12
#define EACH_OF_2 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1
#define EACH_OF_4 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3
#define LOWER_HALVES 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define UPPER_HALVES 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOWER_QUARTERS 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define UPPER_QUARTERS 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#define SWAP_PAIRS 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
#define SWAP_NEIGHBOURS 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14
#define EVENS 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14
#define ODDS 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15
#elif NBT_LANES == 8
#define SWAP_HALVES 4, 5, 6, 7, 0, 1, 2, 3
#define SWAP_QUARTERS 2, 3, 0, 1, 6, 7, 4, 5
#define TILE_HALF 0, 1, 2, 3, 0, 1, 2, 3
#define TILE_QUARTER 0, 1, 0, 1, 0, 1, 0, 1
#define OF_PARTS 0, 2, 4, 6, 0, 2, 4, 6
#define EACH_OF_2 0, 0, 0, 0, 1, 1, 1, 1
#define EACH_OF_4 0, 0, 1, 1, 2, 2, 3, 3
#define LOWER_HALVES 0, 1, 2, 3, 8, 9, 10, 11
#define UPPER_HALVES 4, 5, 6, 7, 12, 13, 14, 15
#define LOWER_QUARTERS 0, 1, 4, 5, 8, 9, 12, 13
#define UPPER_QUARTERS 2, 3, 6, 7, 10, 11, 14, 15
#define SWAP_NEIGHBOURS 1, 0, 3, 2, 5, 4, 7, 6
#define EVENS 0, 0, 2, 2, 4, 4, 6, 6
#define ODDS 1, 1, 3, 3, 5, 5, 7, 7
#elif NBT_LANES == 4
#define SWAP_HALVES 2, 3, 0, 1
#define SWAP_QUARTERS 1, 0, 3, 2
#define TILE_HALF 0, 1, 0, 1
#define TILE_QUARTER 0, 0, 0, 0
#define SWAP_NEIGHBOURS SWAP_QUARTERS
#define EVENS 0, 0, 2, 2
#define ODDS 1, 1, 3, 3
#define OF_PARTS 0, 1, 2, 3
#define EACH_OF_2 0, 0, 1, 1
#define EACH_OF_4 0, 1, 2, 3
#define LOWER_HALVES 0, 1, 4, 5
#define UPPER_HALVES 2, 3, 6, 7
#define LOWER_QUARTERS 0, 2, 4, 6
#define UPPER_QUARTERS 1, 3, 5, 7
#else /* a half is one lane: there are no quarters, nor 4 rows in a vec */
#define SWAP_HALVES 1, 0
#define TILE_HALF 0, 0
#define TILE_QUARTER TILE_HALF
#define SWAP_NEIGHBOURS SWAP_HALVES
#define EVENS 0, 0
#define ODDS 1, 1
#define OF_PARTS 0, 1
#define EACH_OF_2 0, 1
#define EACH_OF_4 EACH_OF_2
#define LOWER_HALVES 0, 2
#define UPPER_HALVES 1, 3
#endif

/* All bits in some lanes, none in the others, from a run of such words in memory: no number has to
 * become one of another kind, and no instruction set has to compare words. The lanes below `count`;
 * `lane` alone, or none; FOLDED lanes from k on, a multiple of FOLDED below LANES. */
NBT_INLINE wvec lanes_of(const word *run)
{
    return (wvec)load_any((const real *)(const void *)run);
}
NBT_INLINE wvec lanes_below(size_t count)
{
    static const word run[2 * NBT_LANES] = {[0 ... NBT_LANES - 1] = -1};
    return lanes_of(run + LANES - (count < LANES ? count : LANES));
}
NBT_INLINE wvec lanes_at(size_t lane)
{
    static const word run[2 * NBT_LANES] = {[NBT_LANES] = -1};
    return lanes_of(run + LANES - (lane < LANES ? lane : LANES));
}
NBT_INLINE wvec lanes_folded(size_t k)
{
    static const word run[2 * NBT_LANES] = {[NBT_LANES... NBT_LANES + NBT_FOLDED - 1] = -1};
    return lanes_of(run + LANES - k);
}

/* 1 in one lane, or in none. */
NBT_INLINE vec lanes_one_at(size_t lane) { return (vec)((wvec)spread(1) & lanes_at(lane)); }

/* x, but 0 in one lane, or in none. */
NBT_INLINE vec lanes_without(vec x, size_t lane) { return (vec)((wvec)x & ~lanes_at(lane)); }

/* The first `count` lanes of x, 0 in the others. */
NBT_INLINE vec lanes_only(vec x, size_t count)
{
    return count >= LANES ? x : (vec)((wvec)x & lanes_below(count));
}

/* x in the lanes that have all bits in `mine`, y in those that have none. */
NBT_INLINE vec lanes_choose(wvec mine, vec x, vec y)
{
    return (vec)(((wvec)x & mine) | ((wvec)y & ~mine));
}

/* The numbers of neighbours exchanged; the first or the second one in the place of both. */
NBT_INLINE vec lanes_neighbours(vec x) { return SHUFFLE(x, x, SWAP_NEIGHBOURS); }
NBT_INLINE vec lanes_evens(vec x) { return SHUFFLE(x, x, EVENS); }
NBT_INLINE vec lanes_odds(vec x) { return SHUFFLE(x, x, ODDS); }

/* 1, -1, 1, -1, …; x, but 0 in odd lanes. */
NBT_INLINE vec lanes_alternating(void)
{
    vec x = {0};
    for (size_t l = 0; l < LANES; l++) x[l] = l % 2 ? -1 : 1;
    return x;
}
NBT_INLINE vec lanes_even_only(vec x)
{
    wvec mine = {0};
    for (size_t l = 0; l < LANES; l += 2) mine[l] = -1;
    return (vec)((wvec)x & mine);
}

/* The lowest bits, one a lane: 1 where it is set, -1 where not. */
NBT_INLINE vec lanes_signs(uint32_t bits)
{
    wvec of_lane = {0};
    for (size_t l = 0; l < LANES; l++) of_lane[l] = (word)1 << l;
    const wvec minus = (of_lane & (word)bits) == 0;
    return (vec)((wvec)spread(1) | (minus & ((wvec)spread(-1) ^ (wvec)spread(1))));
}

/* The larger of the two in each lane. */
NBT_INLINE vec lanes_max(vec x, vec y) { return lanes_choose(x > y, x, y); }

/* x, or y / 2^halvings where that is more, y > 0. By integers, which numbers above 0 are ordered
 * like: the units that multiply are what steps wait for. A NaN may be lost. */
NBT_INLINE vec lanes_at_least(vec x, vec y, int halvings)
{
    const wvec a = (wvec)x, b = (wvec)y - ((word)halvings << (NBT_PRECISION == 32 ? 23 : 52));
#ifdef ELEMENTWISE_MAX /* clang does not see it in the loop, nor gcc in anything else */
    return (vec)ELEMENTWISE_MAX(a, b);
#else
    wvec most;
    for (size_t l = 0; l < LANES; l++) most[l] = a[l] > b[l] ? a[l] : b[l];
    return (vec)most;
#endif
}

/* A vec shared by `per_vec` rows (panels.h): the first LANES / per_vec lanes of x for each of them.
 */
NBT_INLINE vec lanes_tile(vec x, size_t per_vec)
{
    if (per_vec == 2) return SHUFFLE(x, x, TILE_HALF);
    if (per_vec == 4) return SHUFFLE(x, x, TILE_QUARTER);
    return x;
}

/* x[row] in every lane of each row of the vec. */
NBT_INLINE vec lanes_rows(const real *x, size_t per_vec)
{
    if (per_vec == 1) return spread(x[0]);
    const vec all = load_any(x);
    return per_vec == 2 ? SHUFFLE(all, all, EACH_OF_2) : SHUFFLE(all, all, EACH_OF_4);
}

/* Quarters exchanged; x, where there are none. */
NBT_INLINE vec swap_quarters(vec x)
{
#ifdef SWAP_QUARTERS
    x = SHUFFLE(x, x, SWAP_QUARTERS);
#endif
    return x;
}

/* The sum of the rows that share a vec, in its first LANES / per_vec lanes; 0 in the others. */
NBT_INLINE vec lanes_gather(vec x, size_t per_vec)
{
    if (per_vec == 1) return x;
    x += SHUFFLE(x, x, SWAP_HALVES);
    if (per_vec == 4) x += swap_quarters(x);
    return lanes_only(x, LANES / per_vec);
}

/* Half-way sums: of the halves of x, then of those of y. */
NBT_INLINE vec fold_halves(vec x, vec y)
{
    return SHUFFLE(x, y, LOWER_HALVES) + SHUFFLE(x, y, UPPER_HALVES);
}

/* FOLDED vecs in one, from their half-way sums: those of their quarters. */
NBT_INLINE vec fold_quarters(const vec half[FOLDED / 2])
{
#if NBT_FOLDED == 4
    return SHUFFLE(half[0], half[1], LOWER_QUARTERS) + SHUFFLE(half[0], half[1], UPPER_QUARTERS);
#else
    return half[0];
#endif
}

/* Sums of each quarter of x, in its own lanes. */
NBT_INLINE vec fold_within_quarters(vec x)
{
#ifdef SWAP_PAIRS
    x += SHUFFLE(x, x, SWAP_PAIRS);
#endif
    if (LANES > 4) x += SHUFFLE(x, x, SWAP_NEIGHBOURS);
    return x;
}

/* Sum of the lanes, in a fixed tree: halves, quarters, … */
NBT_INLINE real fold(vec x)
{
    x += SHUFFLE(x, x, SWAP_HALVES);
    if (LANES > 2) x += swap_quarters(x);
    return fold_within_quarters(x)[0];
}

/* The largest lane, by the same tree. */
NBT_INLINE real fold_max(vec x)
{
    x = lanes_max(x, SHUFFLE(x, x, SWAP_HALVES));
    x = lanes_max(x, swap_quarters(x));
    real high = x[0]; /* quarters are equal now */
    for (size_t l = 1; 4 * l < LANES; l++) high = x[l] > high ? x[l] : high;
    return high;
}

/* out[k] = fold(x[k]) for four vecs, to the bit. */
NBT_INLINE void fold_each(const vec x[4], real *out)
{
    for (size_t k = 0; k < 4; k += FOLDED) {
        vec half[FOLDED / 2];
        for (size_t h = 0; h < FOLDED / 2; h++)
            half[h] = fold_halves(x[k + 2 * h], x[k + 2 * h + 1]);
        const vec folded = fold_within_quarters(fold_quarters(half));
        for (size_t l = 0; l < FOLDED; l++) out[k + l] = folded[l * (LANES / FOLDED)];
    }
}

/* x with FOLDED lanes from k on, a multiple of FOLDED, from the parts of y. */
NBT_INLINE vec lanes_take(vec x, size_t k, vec y)
{
    return lanes_choose(lanes_folded(k), SHUFFLE(y, y, OF_PARTS), x);
}

/* Row t of an array whose rows have ld numbers. */
NBT_INLINE real *row_at(const void *array, size_t t, size_t ld)
{
    return (real *)(uintptr_t)array + t * ld;
}

/* to (count, whole vecs) = from. For rows too short to call memcpy for. */
NBT_INLINE void lanes_copy(size_t count, const real *from, real *to)
{
    for (size_t i = 0; i < count; i += LANES) store(to + i, load(from + i));
}

/* to (count, whole vecs) *= x. */
NBT_INLINE void lanes_multiply(size_t count, const real *x, real *to)
{
    for (size_t i = 0; i < count; i += LANES) store(to + i, load(to + i) * load(x + i));
}

/* to (count, whole vecs) += x. */
NBT_INLINE void lanes_add(size_t count, const real *x, real *to)
{
    for (size_t i = 0; i < count; i += LANES) store(to + i, load(to + i) + load(x + i));
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

/* 1 if every entry of x (ld) is finite. */
int NBT(all_finite)(size_t ld, const real *x);

#endif
