#include "machine/panels.h"

/* FOLDED rows by `count` vectors: their sums are independent chains, and the rows fold together. */
enum { VECTORS = NBT_REGISTER == 64 ? 4 : 2 };

/* The tail panel's turn in which row p is the first. */
NBT_INLINE real *tail_turn(const nbt_panels *at, const real *M, size_t p)
{
    return at->per_vec ? panel_of(at, M, at->full) + p * (LANES / at->per_vec) : NULL;
}

/* The sums of FOLDED rows, each in its part of the vec, of what whole panels gave and of the tail
 * panel. turn: that of the first. */
NBT_INLINE vec fold_tile(const nbt_panels *at, const vec sum[FOLDED], const real *turn,
                         const real *x)
{
    vec half[FOLDED / 2];
    for (size_t k = 0; k < FOLDED / 2; k++) half[k] = fold_halves(sum[2 * k], sum[2 * k + 1]);
    if (at->per_vec == 2) {
        const vec last = lanes_tile(load(x + at->full), 2);
        for (size_t k = 0; k < FOLDED / 2; k++) half[k] += load(turn + k * LANES) * last;
    }
    vec quarters = fold_quarters(half);
    if (at->per_vec == 4) quarters += load(turn) * lanes_tile(load(x + at->full), 4);
    return fold_within_quarters(quarters);
}

/* Groups of FOLDED rows that are walked together by one or two vectors. */
enum { BESIDE = NBT_REGISTER == 64 ? 2 : 1 };

/* `groups` of FOLDED rows from p on by `count` vectors; folded (groups, count). */
NBT_INLINE void dot_tile(const nbt_panels *at, size_t groups, size_t count, size_t p, const real *M,
                         const real *x, size_t ld_x, vec *folded)
{
    vec sum[VECTORS][BESIDE * FOLDED];
    const size_t rows = groups * FOLDED;
    for (size_t t = 0; t < count; t++)
        for (size_t k = 0; k < rows; k++) sum[t][k] = (vec){0};
    for (size_t i = 0; i < at->full; i += LANES) {
        const real *row = panel_of(at, M, i) + p * LANES;
        for (size_t k = 0; k < rows; k++) {
            const vec m = load(row + k * LANES);
            for (size_t t = 0; t < count; t++) sum[t][k] += m * load(x + t * ld_x + i);
        }
    }
    for (size_t g = 0; g < groups; g++)
        for (size_t t = 0; t < count; t++)
            folded[g * count + t] =
                fold_tile(at, sum[t] + g * FOLDED, tail_turn(at, M, p + g * FOLDED), x + t * ld_x);
}

/* As many rows from p on as a vec has, or as there are. */
NBT_INLINE void dot_rows(const nbt_panels *at, size_t rows, size_t count, size_t p, const real *M,
                         const real *x, size_t ld_x, real *out, size_t ld_out)
{
    const size_t left = rows - p < LANES ? rows - p : LANES, step = BESIDE * FOLDED;
    vec sums[VECTORS] = {{0}}, folded[BESIDE * VECTORS];
    size_t k = 0;
    for (; count <= 2 && BESIDE > 1 && k + step <= left; k += step) {
        dot_tile(at, BESIDE, count, p + k, M, x, ld_x, folded);
        for (size_t g = 0; g < BESIDE; g++)
            for (size_t t = 0; t < count; t++)
                sums[t] = lanes_take(sums[t], k + g * FOLDED, folded[g * count + t]);
    }
    for (; k < left; k += FOLDED) {
        dot_tile(at, 1, count, p + k, M, x, ld_x, folded);
        for (size_t t = 0; t < count; t++) sums[t] = lanes_take(sums[t], k, folded[t]);
    }
    for (size_t t = 0; t < count; t++) store(out + t * ld_out + p, lanes_only(sums[t], left));
}

void NBT(panels_dot)(const nbt_panels *at, size_t rows, size_t count, const real *restrict M,
                     const real *restrict x, size_t ld_x, real *restrict out, size_t ld_out)
{
    size_t t = 0;
    for (; t + VECTORS <= count; t += VECTORS)
        for (size_t p = 0; p < rows; p += LANES)
            dot_rows(at, rows, VECTORS, p, M, x + t * ld_x, ld_x, out + t * ld_out, ld_out);
    for (; t + 2 <= count; t += 2)
        for (size_t p = 0; p < rows; p += LANES)
            dot_rows(at, rows, 2, p, M, x + t * ld_x, ld_x, out + t * ld_out, ld_out);
    for (; t < count; t++)
        for (size_t p = 0; p < rows; p += LANES)
            dot_rows(at, rows, 1, p, M, x + t * ld_x, ld_x, out + t * ld_out, ld_out);
}

/* `groups` of FOLDED rows from p on: their sums, folded (groups), and M[p + k] -= step[k] x; step
 * is 0 in rows of padding. */
NBT_INLINE void descend_tile(const nbt_panels *at, size_t groups, size_t p, const real *step,
                             const real *x, real *M, vec *folded)
{
    const size_t full = at->full, apart = at->depth * LANES, rows = groups * FOLDED;
    vec sum[BESIDE * FOLDED];
    for (size_t k = 0; k < rows; k++) sum[k] = (vec){0};
    real *row = panel_of(at, M, 0) + p * LANES;
    for (size_t i = 0; i < full; i += LANES, row += apart) {
        const vec columns = load(x + i);
        for (size_t k = 0; k < rows; k++) {
            const vec m = load(row + k * LANES);
            sum[k] += m * columns;
            store(row + k * LANES, m - step[k] * columns);
        }
    }
    real *turn = tail_turn(at, M, p);
    for (size_t g = 0; g < groups; g++)
        folded[g] = fold_tile(at, sum + g * FOLDED, tail_turn(at, M, p + g * FOLDED), x);
    for (size_t k = 0; k < rows && turn; k += at->per_vec, turn += LANES) {
        const vec columns = lanes_tile(load(x + at->full), at->per_vec);
        store(turn, load(turn) - lanes_rows(step + k, at->per_vec) * columns);
    }
}

void NBT(panels_dot_descend)(const nbt_panels *at, size_t rows, real rate,
                             const real *restrict left, const real *restrict x, real *M,
                             real *restrict out)
{
    for (size_t i = 0; i < at->ld; i += LANES) store(M + i, load(M + i) - rate * load(x + i));
    for (size_t p = 0; p < rows; p += LANES) {
        const size_t count = rows - p < LANES ? rows - p : LANES, beside = BESIDE * FOLDED;
        real step[2 * NBT_LANES]; /* the second half is read, and not used */
        vec sums = {0}, folded[BESIDE];
        store_any(step, rate * lanes_only(load(left + p), count));
        store_any(step + LANES, sums);
        size_t k = 0;
        for (; BESIDE > 1 && k + beside <= count; k += beside) {
            descend_tile(at, BESIDE, p + k, step + k, x, M, folded);
            for (size_t g = 0; g < BESIDE; g++) sums = lanes_take(sums, k + g * FOLDED, folded[g]);
        }
        for (; k < count; k += FOLDED) {
            descend_tile(at, 1, p + k, step + k, x, M, folded);
            sums = lanes_take(sums, k, folded[0]);
        }
        store(out + p, lanes_only(sums, count));
    }
}

void NBT(panels_add_outer)(const nbt_panels *at, size_t first, size_t rows, nbt_ring ring,
                           const real *restrict left, size_t ld_left, const real *restrict right,
                           size_t ld_right, real *restrict M)
{
#define PANEL(i, per_vec)                                                                          \
    panel_add_outer(rows, &ring, left, ld_left, right + i, ld_right, per_vec,                      \
                    panel_of(at, M, i) + first * (LANES / per_vec))
    EACH_PANEL(at, PANEL);
#undef PANEL
}

void NBT(panels_add_row)(const nbt_panels *at, size_t p, const real *restrict x, real *restrict M)
{
    for (size_t i = 0; i < at->full; i += LANES) {
        real *row = panel_of(at, M, i) + p * LANES;
        store(row, load(row) + load(x + i));
    }
    if (!at->per_vec) return;
    const size_t width = LANES / at->per_vec;
    real *row = panel_of(at, M, at->full) + p * width;
    for (size_t l = 0; l < width; l++) row[l] += x[at->full + l];
}

/* One panel of rows, from column i on. */
NBT_INLINE void set_panel(const nbt_panels *at, size_t columns, size_t rows, const real *x, real *M,
                          size_t i, size_t per_vec)
{
    real *panel = panel_of(at, M, i);
    for (size_t p = 0; p < rows; p++)
        panel_put(panel, p, per_vec, lanes_only(load_any(x + p * columns + i), columns - i));
}

void NBT(panels_set_rows)(const nbt_panels *at, size_t columns, size_t rows, const real *restrict x,
                          real *restrict M)
{
#define PANEL(i, per_vec) set_panel(at, columns, rows, x, M, i, per_vec)
    EACH_PANEL(at, PANEL);
#undef PANEL
}
