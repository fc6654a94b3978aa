/* panels.h: matrices whose columns are units (or symbols) and whose rows are their parameters.
 *
 * Row 0, the biases, lies by itself: ld numbers. The other rows lie in panels, one after another:
 * LANES columns, all their rows in one run, so that a walk down the rows is a walk through memory
 * whatever the size, and no stride is ever a power of two. What is left of the columns is the tail
 * panel, LANES / 2 or LANES / 4 wide; there 2 or 4 rows share a vec (`per_vec`), so that few
 * lanes are padding. A panel is walked in turns of one vec, `per_vec` rows each.
 *
 *     panel at column i:   M + ld + i depth,    turn t: + t LANES,    row p: + p (LANES / per_vec)
 *
 * Everything in the padding is 0 and stays 0. */
#ifndef NBT_MACHINE_PANELS_H
#define NBT_MACHINE_PANELS_H

#include "machine/lanes.h"
#include "machine/layout.h"

/* PANEL(i, per_vec) for panels first … last - 1 of `at`; per_vec is a constant: 1, or the tail's.
 */
#define EACH_PANEL_OF(at, first, last, PANEL)                                                      \
    do {                                                                                           \
        for (size_t i_ = (first) * LANES; i_ < (last) * LANES && i_ < (at)->full; i_ += LANES)     \
            PANEL(i_, 1);                                                                          \
        if ((last) * LANES > (at)->full && (at)->per_vec == 2) PANEL((at)->full, 2);               \
        if (LANES > 2 && (last) * LANES > (at)->full && (at)->per_vec == 4) PANEL((at)->full, 4);  \
    } while (0)
#define EACH_PANEL(at, PANEL) EACH_PANEL_OF(at, 0, (at)->count, PANEL)

/* The panel that begins at column i. */
NBT_INLINE real *panel_of(const nbt_panels *at, const real *M, size_t i)
{
    return (real *)(uintptr_t)M + at->ld + i * at->depth;
}

/* The vec of row p ≥ 0 below the first, in the panel that begins there; 0 in the padding. */
NBT_INLINE vec panel_row_of(const real *begin, size_t p, size_t per_vec)
{
    if (per_vec == 1) return load(begin + p * LANES);
    return lanes_only(load_any(begin + p * (LANES / per_vec)), LANES / per_vec);
}

/* The same at column i. */
NBT_INLINE vec panel_row(const nbt_panels *at, const real *M, size_t p, size_t i)
{
    const real *begin = panel_of(at, M, i);
    return i < at->full       ? panel_row_of(begin, p, 1)
           : at->per_vec == 2 ? panel_row_of(begin, p, 2)
                              : panel_row_of(begin, p, 4);
}

/* Lanes c … of row i without entry i, the rows lying `stride` apart from `rows` on: of a column of
 * F, from a panel of W, stride LANES / per_vec, or from Fᵀ, per_vec 1. */
NBT_INLINE vec others_of(const real *rows, size_t stride, size_t per_vec, size_t c, size_t i)
{
    const real *row = rows + i * stride;
    const vec x = per_vec == 1 ? load(row) : lanes_only(load_any(row), LANES / per_vec);
    return lanes_without(x, i - c);
}

/* sum[k] += u x² for those of rows first + k, k < count. */
NBT_INLINE void add_others(const real *rows, size_t stride, size_t per_vec, size_t c, size_t first,
                           size_t count, vec u, vec sum[4])
{
    for (size_t k = 0; k < count; k++) {
        const vec others = others_of(rows, stride, per_vec, c, first + k);
        sum[k] += others * others * u;
    }
}

/* Sets vec of row p ≥ 0 below the first, in the panel that begins there. */
NBT_INLINE void panel_put(real *begin, size_t p, size_t per_vec, vec x)
{
    if (per_vec == 1)
        store(begin + p * LANES, x);
    else
        memcpy(begin + p * (LANES / per_vec), &x, sizeof x / per_vec);
}

/* Sets the vec of row p ≥ 0 below the first at column i. */
NBT_INLINE void panel_set_row(const nbt_panels *at, real *M, size_t p, size_t i, vec x)
{
    real *begin = panel_of(at, M, i);
    if (i < at->full)
        panel_put(begin, p, 1, x);
    else
        panel_put(begin, p, at->per_vec, x);
}

/* Where the entry of column i in row p ≥ 0 below the first is. */
NBT_INLINE real *panel_entry(const nbt_panels *at, const real *M, size_t p, size_t i)
{
    const size_t first = i < at->full ? i / LANES * LANES : at->full;
    return panel_of(at, M, first) + p * (i < at->full ? LANES : LANES / at->per_vec) + (i - first);
}

/* Panels that are summed side by side, in two chains each: half of AVX2's registers. */
enum { SIDE_BY_SIDE = 4 };

/* sum + Σ_p x[p] M[first + p] over `count` rows of one panel, x zero up to a whole turn, each lane
 * of the tail's turns by itself: lanes_gather() is left to the caller. Two chains: the additions
 * wait for each other. */
NBT_INLINE vec panel_sum(vec sum, const real *panel, size_t first, size_t count, const real *x,
                         size_t per_vec)
{
    const real *row = panel + first * (LANES / per_vec);
    vec other = {0};
    size_t p = 0;
    for (; p + 2 * per_vec <= count; p += 2 * per_vec, row += 2 * LANES) {
        sum += lanes_rows(x + p, per_vec) * load_any(row);
        other += lanes_rows(x + p + per_vec, per_vec) * load_any(row + LANES);
    }
    for (; p < count; p += per_vec, row += LANES) sum += lanes_rows(x + p, per_vec) * load_any(row);
    return sum + other;
}

/* The same for SIDE_BY_SIDE full panels, which meet each x[p] at once: out[k] = Σ_p x[p] M_k[p], to
 * the bit. */
NBT_INLINE void panels_sum(const nbt_panels *at, const real *panel, size_t count, const real *x,
                           vec out[SIDE_BY_SIDE])
{
    const size_t apart = at->depth * LANES;
    vec even[SIDE_BY_SIDE] = {{0}}, odd[SIDE_BY_SIDE] = {{0}};
    size_t p = 0;
    for (; p + 2 <= count; p += 2, panel += 2 * LANES) {
        const vec first = spread(x[p]), second = spread(x[p + 1]);
        for (size_t k = 0; k < SIDE_BY_SIDE; k++) {
            even[k] += first * load(panel + k * apart);
            odd[k] += second * load(panel + k * apart + LANES);
        }
    }
    for (size_t k = 0; p < count && k < SIDE_BY_SIDE; k++)
        even[k] += spread(x[p]) * load(panel + k * apart);
    for (size_t k = 0; k < SIDE_BY_SIDE; k++) out[k] = even[k] + odd[k];
}

/* Panels that are summed side by side with two vectors. */
enum { PAIRED = NBT_REGISTER == 64 ? 4 : 2 };

/* panels_sum() of PAIRED panels with x and y: M is read once. */
NBT_INLINE void panels_sum_two(const nbt_panels *at, const real *panel, size_t count, const real *x,
                               const real *y, vec out[2][PAIRED])
{
    const size_t apart = at->depth * LANES;
    vec even[2][PAIRED] = {{{0}}}, odd[2][PAIRED] = {{{0}}};
    size_t p = 0;
    for (; p + 2 <= count; p += 2, panel += 2 * LANES)
        for (size_t k = 0; k < PAIRED; k++) {
            const vec first = load(panel + k * apart), second = load(panel + k * apart + LANES);
            even[0][k] += spread(x[p]) * first;
            even[1][k] += spread(y[p]) * first;
            odd[0][k] += spread(x[p + 1]) * second;
            odd[1][k] += spread(y[p + 1]) * second;
        }
    for (size_t k = 0; p < count && k < PAIRED; k++) {
        even[0][k] += spread(x[p]) * load(panel + k * apart);
        even[1][k] += spread(y[p]) * load(panel + k * apart);
    }
    for (size_t k = 0; k < PAIRED; k++)
        out[0][k] = even[0][k] + odd[0][k], out[1][k] = even[1][k] + odd[1][k];
}

/* out[t, p] = Σ_c M[p, c] x[t, c] for the first `rows` rows below row 0 and `count` vectors x
 * (count, ld_x), zero in the padding; out (count, ld_out). O(count rows ld) */
void NBT(panels_dot)(const nbt_panels *at, size_t rows, size_t count, const real *restrict M,
                     const real *restrict x, size_t ld_x, real *restrict out, size_t ld_out);

/* The same with one vector x (ld), and in the same pass M[0] -= rate x, M[1 + p] -= rate left[p] x,
 * out from before that. */
void NBT(panels_dot_descend)(const nbt_panels *at, size_t rows, real rate,
                             const real *restrict left, const real *restrict x, real *M,
                             real *restrict out);

/* The order of outer products: `count` of them, from `head` on and round. `fresh`: what they are
 * added to counts as 0. */
typedef struct {
    size_t count, head;
    int fresh;
} nbt_ring;

/* Eight turns of sums stay in registers while the outer products pass by. */
enum { OUTER_TURNS = 8 };
NBT_INLINE void add_outer_turns(size_t turns, const nbt_ring *ring, const real *left,
                                size_t ld_left, const real *right, size_t ld_right, size_t per_vec,
                                real *M)
{
    vec sum[OUTER_TURNS] = {{0}};
    for (size_t k = 0; k < turns && !ring->fresh; k++) sum[k] = load_any(M + k * LANES);
    for (size_t round = 0; round < 2; round++) {
        const size_t last = round ? ring->head : ring->count;
        for (size_t t = round ? 0 : ring->head; t < last; t++) {
            const vec lanes = lanes_tile(load(right + t * ld_right), per_vec);
            for (size_t k = 0; k < turns; k++)
                sum[k] += lanes_rows(left + t * ld_left + k * per_vec, per_vec) * lanes;
        }
    }
    for (size_t k = 0; k < turns; k++) store_any(M + k * LANES, sum[k]);
}

/* Row p of a panel, p < rows, += Σ_t left[t, p] right[t]; M, right: where the panel begins. */
NBT_INLINE void panel_add_outer(size_t rows, const nbt_ring *ring, const real *left, size_t ld_left,
                                const real *right, size_t ld_right, size_t per_vec, real *M)
{
    size_t p = 0;
    for (; p + OUTER_TURNS * per_vec <= rows; p += OUTER_TURNS * per_vec, M += OUTER_TURNS * LANES)
        add_outer_turns(OUTER_TURNS, ring, left + p, ld_left, right, ld_right, per_vec, M);
    for (; p < rows; p += per_vec, M += LANES)
        add_outer_turns(1, ring, left + p, ld_left, right, ld_right, per_vec, M);
}

/* M[first + p] += Σ_t left[t, p] right[t], p < rows, below row 0: outer products of left (count,
 * ld_left), zero up to a whole turn, and right (count, ld_right). O(count rows ld) */
void NBT(panels_add_outer)(const nbt_panels *at, size_t first, size_t rows, nbt_ring ring,
                           const real *restrict left, size_t ld_left, const real *restrict right,
                           size_t ld_right, real *restrict M);

/* M[p] += x (ld), row p below row 0. O(ld) */
void NBT(panels_add_row)(const nbt_panels *at, size_t p, const real *restrict x, real *restrict M);

/* M[p] = x[p] (columns) for the first `rows` rows below row 0; x is flat, and a vec after
 * its end is read. O(rows ld) */
void NBT(panels_set_rows)(const nbt_panels *at, size_t columns, size_t rows, const real *restrict x,
                          real *restrict M);

#endif
