#include "panels.h"

/* Four rows by `count` vectors: their sums are independent chains, and the rows fold together. */
enum { VECTORS = NBT_REGISTER == 64 ? 4 : 2 };

/* The tail panel's turn in which row p is the first. */
NBT_INLINE real *tail_turn(const nbt_panels *at, const real *M, size_t p)
{
    return at->group ? panel_of(at, M, at->full) + p * (LANES / at->group) : NULL;
}

/* Four rows: out[k] = fold(sum[k]), and what the tail panel adds, from row p's turn on. */
NBT_INLINE void fold_tile(const nbt_panels *at, const vec *sum, const real *turn, const real *x,
                          real *out)
{
    vec pairs[2] = {fold_halves(sum[0], sum[1]), fold_halves(sum[2], sum[3])};
    if (at->group == 2) {
        const vec last = lanes_tile(load(x + at->full), 2);
        for (size_t k = 0; k < 2; k++) pairs[k] += load(turn + k * LANES) * last;
    }
    vec four = fold_quarters(pairs[0], pairs[1]);
    if (at->group == 4) four += load(turn) * lanes_tile(load(x + at->full), 4);
    fold_four(four, out);
}

NBT_INLINE void dot_tile(const nbt_panels *at, size_t rows, size_t count, size_t p, const real *M,
                         const real *x, size_t ld_x, real *out, size_t ld_out)
{
    vec sum[VECTORS][4];
    for (size_t t = 0; t < count; t++)
        for (size_t k = 0; k < 4; k++) sum[t][k] = (vec){0};
    for (size_t i = 0; i < at->full; i += LANES) {
        const real *row = panel_of(at, M, i) + p * LANES;
        for (size_t k = 0; k < 4; k++) {
            const vec m = load(row + k * LANES);
            for (size_t t = 0; t < count; t++) sum[t][k] += m * load(x + t * ld_x + i);
        }
    }
    for (size_t t = 0; t < count; t++) {
        real sums[4];
        fold_tile(at, sum[t], tail_turn(at, M, p), x + t * ld_x, sums);
        for (size_t k = 0; k < 4 && p + k < rows; k++) out[t * ld_out + p + k] = sums[k];
    }
}

void NBT(panels_dot)(const nbt_panels *at, size_t rows, size_t count, const real *restrict M,
                     const real *restrict x, size_t ld_x, real *restrict out, size_t ld_out)
{
    size_t t = 0;
    for (; t + VECTORS <= count; t += VECTORS)
        for (size_t p = 0; p < rows; p += 4)
            dot_tile(at, rows, VECTORS, p, M, x + t * ld_x, ld_x, out + t * ld_out, ld_out);
    for (; t < count; t++)
        for (size_t p = 0; p < rows; p += 4)
            dot_tile(at, rows, 1, p, M, x + t * ld_x, ld_x, out + t * ld_out, ld_out);
}

/* Four rows p … p + 3: their sums, and M[p + k] -= step[k] x; step is 0 in rows of padding. Returns
 * something finite if what was written is. */
NBT_INLINE vec descend_tile(const nbt_panels *at, size_t p, const real *step, const real *x,
                            real *M, real *sums)
{
    vec sum[4] = {{0}}, check = {0};
    for (size_t i = 0; i < at->full; i += LANES) {
        real *row = panel_of(at, M, i) + p * LANES;
        const vec columns = load(x + i);
        for (size_t k = 0; k < 4; k++) {
            const vec m = load(row + k * LANES), moved = m - step[k] * columns;
            sum[k] += m * columns;
            store(row + k * LANES, moved);
            check += moved;
        }
    }
    real *turn = tail_turn(at, M, p);
    fold_tile(at, sum, turn, x, sums);
    for (size_t k = 0; k < 4 && turn; k += at->group, turn += LANES) {
        const vec columns = lanes_tile(load(x + at->full), at->group);
        const vec moved = load(turn) - lanes_rows(step + k, at->group) * columns;
        store(turn, moved);
        check += moved;
    }
    return check;
}

int NBT(panels_dot_descend)(const nbt_panels *at, size_t rows, real rate, const real *restrict left,
                            const real *restrict x, real *M, real *restrict out)
{
    vec check = {0};
    for (size_t i = 0; i < at->ld; i += LANES) {
        const vec moved = load(M + i) - rate * load(x + i);
        store(M + i, moved);
        check += moved;
    }
    for (size_t p = 0; p < rows; p += 4) {
        real step[4 + NBT_LANES] = {0}, sums[4];
        for (size_t k = 0; k < 4 && p + k < rows; k++) step[k] = rate * left[p + k];
        check += descend_tile(at, p, step, x, M, sums);
        for (size_t k = 0; k < 4 && p + k < rows; k++) out[p + k] = sums[k];
    }
    return fold(check * 0) == 0;
}

void NBT(panels_add_outer)(const nbt_panels *at, size_t first, size_t rows, nbt_ring ring,
                           const real *restrict left, size_t ld_left, const real *restrict right,
                           size_t ld_right, real *restrict M)
{
#define PANEL(i, group)                                                                            \
    panel_add_outer(rows, &ring, left, ld_left, right + i, ld_right, group,                        \
                    panel_of(at, M, i) + first * (LANES / group))
    EACH_PANEL(at, PANEL);
#undef PANEL
}

void NBT(panels_add_row)(const nbt_panels *at, size_t p, const real *restrict x, real *restrict M)
{
    for (size_t i = 0; i < at->full; i += LANES) {
        real *row = panel_of(at, M, i) + p * LANES;
        store(row, load(row) + load(x + i));
    }
    if (!at->group) return;
    const size_t width = LANES / at->group;
    real *row = panel_of(at, M, at->full) + p * width;
    for (size_t l = 0; l < width; l++) row[l] += x[at->full + l];
}

void NBT(panels_set_row)(const nbt_panels *at, size_t columns, size_t p, const real *restrict x,
                         real *restrict M)
{
    for (size_t i = 0; i < at->ld; i += LANES) {
        const size_t left = columns - i, width = i < at->full ? LANES : LANES / at->group;
        real *row = panel_of(at, M, i) + p * width;
        if (left >= LANES)
            store(row, load_any(x + i));
        else
            memcpy(row, x + i, left * sizeof(real));
    }
}
