#include "panels.h"

/* Four rows by `count` vectors: their sums are independent chains, and the rows fold together.
 */
enum { VECTORS = NBT_REGISTER == 64 ? 4 : 2 };

/* M[p] -= rate left[p] x on the way, p < rows, with x the only vector; left = NULL: nothing. */
typedef struct {
    const real *left;
    real rate;
    size_t rows;
    vec check; /* finite if everything written is */
} descent_step;

/* Row p, or the rows of a turn from p on, which were m. Returns m. */
NBT_INLINE vec move_rows(descent_step *step, size_t p, vec x, size_t group, vec m, real *at)
{
    if (!step->left || p >= step->rows) return m;
    const vec moved = m - step->rate * (lanes_rows(step->left + p, group) * x);
    store(at, moved);
    step->check += moved;
    return m;
}

NBT_INLINE void dot_tile(const nbt_panels *at, size_t rows, size_t count, size_t p, const real *M,
                         const real *x, size_t ld_x, real *out, size_t ld_out, descent_step *step)
{
    vec sum[VECTORS][4];
    for (size_t t = 0; t < count; t++)
        for (size_t k = 0; k < 4; k++) sum[t][k] = (vec){0};
    for (size_t i = 0; i < at->full; i += LANES) {
        real *row = panel_of(at, M, i) + p * LANES;
        for (size_t k = 0; k < 4; k++) {
            const vec m = load(row + k * LANES);
            for (size_t t = 0; t < count; t++) sum[t][k] += m * load(x + t * ld_x + i);
            move_rows(step, p + k, load(x + i), 1, m, row + k * LANES);
        }
    }
    real *tail = panel_of(at, M, at->full);
    for (size_t t = 0; t < count; t++) {
        const vec *s = sum[t];
        vec pairs[2] = {fold_halves(s[0], s[1]), fold_halves(s[2], s[3])};
        if (at->group == 2) {
            const vec last = lanes_tile(load(x + t * ld_x + at->full), 2);
            for (size_t k = 0; k < 2; k++) {
                real *turn = tail + p * (LANES / 2) + k * LANES;
                pairs[k] += move_rows(step, p + 2 * k, last, 2, load(turn), turn) * last;
            }
        }
        vec four = fold_quarters(pairs[0], pairs[1]);
        if (at->group == 4) {
            const vec last = lanes_tile(load(x + t * ld_x + at->full), 4);
            real *turn = tail + p * (LANES / 4);
            four += move_rows(step, p, last, 4, load(turn), turn) * last;
        }
        real sums[4];
        fold_four(four, sums);
        for (size_t k = 0; k < 4 && p + k < rows; k++) out[t * ld_out + p + k] = sums[k];
    }
}

void NBT(panels_dot)(const nbt_panels *at, size_t rows, size_t count, const real *restrict M,
                     const real *restrict x, size_t ld_x, real *restrict out, size_t ld_out)
{
    descent_step none = {0};
    size_t t = 0;
    for (; t + VECTORS <= count; t += VECTORS)
        for (size_t p = 0; p < rows; p += 4)
            dot_tile(at, rows, VECTORS, p, M, x + t * ld_x, ld_x, out + t * ld_out, ld_out, &none);
    for (; t < count; t++)
        for (size_t p = 0; p < rows; p += 4)
            dot_tile(at, rows, 1, p, M, x + t * ld_x, ld_x, out + t * ld_out, ld_out, &none);
}

int NBT(panels_dot_descend)(const nbt_panels *at, size_t rows, real rate, const real *restrict left,
                            const real *restrict x, real *M, real *restrict out)
{
    descent_step step = {left, rate, SIZE_MAX, {0}};
    for (size_t i = 0; i < at->ld; i += LANES) {
        const vec moved = load(M + i) - rate * load(x + i);
        store(M + i, moved);
        step.check += moved;
    }
    size_t p = 0;
    for (; p + 4 <= rows; p += 4) dot_tile(at, rows, 1, p, M, x, 0, out, 0, &step);
    step.rows = rows; /* those below are padding */
    if (p < rows) dot_tile(at, rows, 1, p, M, x, 0, out, 0, &step);
    return fold(step.check * 0) == 0;
}

/* Eight turns of sums stay in registers while the outer products pass by. */
enum { TURNS = 8 };
NBT_INLINE void add_outer_turns(size_t turns, size_t count, const real *left, size_t ld_left,
                                const real *right, size_t ld_right, size_t group, real *M)
{
    vec sum[TURNS];
    for (size_t k = 0; k < turns; k++) sum[k] = load_any(M + k * LANES);
    for (size_t t = 0; t < count; t++) {
        const vec lanes = lanes_tile(load(right + t * ld_right), group);
        for (size_t k = 0; k < turns; k++)
            sum[k] += lanes_rows(left + t * ld_left + k * group, group) * lanes;
    }
    for (size_t k = 0; k < turns; k++) store_any(M + k * LANES, sum[k]);
}

NBT_INLINE void add_outer_panel(size_t rows, size_t count, const real *left, size_t ld_left,
                                const real *right, size_t ld_right, size_t group, real *M)
{
    size_t p = 0;
    for (; p + TURNS * group <= rows; p += TURNS * group, M += TURNS * LANES)
        add_outer_turns(TURNS, count, left + p, ld_left, right, ld_right, group, M);
    for (; p < rows; p += group, M += LANES)
        add_outer_turns(1, count, left + p, ld_left, right, ld_right, group, M);
}

void NBT(panels_add_outer)(const nbt_panels *at, size_t first, size_t rows, size_t count,
                           const real *restrict left, size_t ld_left, const real *restrict right,
                           size_t ld_right, real *restrict M)
{
#define PANEL(i, group)                                                                            \
    add_outer_panel(rows, count, left, ld_left, right + i, ld_right, group,                        \
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
