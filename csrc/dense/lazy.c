#include "dense/lazy.h"

/* The map of one pair from a stamp to now. */
typedef struct {
    real q, r;
} row_map;

enum { EPOCHS = NBT_ERA / NBT_EPOCH };

/* Of step t in its era. */
static size_t place(uint64_t t) { return (size_t)(t % NBT_ERA); }

static row_map map_since(const nbt_waiting *of, int32_t stamp, size_t k)
{
    const real *q = (const real *)of->lazy_q + k * NBT_LAZY_TABLE;
    const real *r = (const real *)of->lazy_r + k * NBT_LAZY_TABLE;
    if (stamp == NBT_BASE) return (row_map){q[NBT_ERA + EPOCHS], r[NBT_ERA + EPOCHS]};
    const size_t at = (size_t)stamp, epoch = NBT_ERA + at / NBT_EPOCH;
    return (row_map){q[at] * q[epoch], r[at] + q[at] * r[epoch]};
}

static void clear(size_t count, real *restrict q, real *restrict r)
{
    for (size_t e = 0; e < count; e++) q[e] = 1, r[e] = 0;
}

static void compose(size_t count, real *restrict q, real *restrict r, real step_q, real step_r)
{
    for (size_t e = 0; e < count; e++) {
        r[e] += q[e] * step_r;
        q[e] *= step_q;
    }
}

void NBT(lazy_advance)(size_t K, uint64_t t, const real *q, const real *r, const nbt_waiting *to)
{
    const size_t epoch = place(t) / NBT_EPOCH;
    for (size_t k = 0; k < K; k++) {
        real *table_q = (real *)to->lazy_q + k * NBT_LAZY_TABLE;
        real *table_r = (real *)to->lazy_r + k * NBT_LAZY_TABLE;
        if (place(t) % NBT_EPOCH == 0)
            clear(NBT_EPOCH, table_q + epoch * NBT_EPOCH, table_r + epoch * NBT_EPOCH);
        compose(NBT_EPOCH, table_q + epoch * NBT_EPOCH, table_r + epoch * NBT_EPOCH, q[k], r[k]);
        compose(EPOCHS + 1, table_q + NBT_ERA, table_r + NBT_ERA, q[k], r[k]);
        table_q[NBT_ERA + epoch] = 1; /* its entries reach to now by themselves */
        table_r[NBT_ERA + epoch] = 0;
        ((real *)to->lazy_norm)[k] *= q[k] * q[k];
    }
}

void NBT(row_norms)(const nbt_sizes *at, const real *w, size_t p, real *norms)
{
    const nbt_panels *cell = &at->cell;
    for (size_t k = 0; k < at->K; k++) {
        vec sum = {0};
        for (size_t i = 0; i < cell->ld; i += LANES) {
            const vec row = panel_row(cell, w + k * cell->size, p, i);
            sum += row * row;
        }
        norms[k] = fold(sum);
    }
}

/* A vec of row p: θ ← θ_was - r w̄_was, w̄ ← q w̄_was, which is returned. All begin where their
 * panel does. */
NBT_INLINE vec apply_map(row_map map, size_t p, size_t per_vec, const real *theta_was,
                         const real *w_was, real *theta, real *w)
{
    const vec before = panel_row_of(w_was, p, per_vec), now = map.q * before;
    panel_put(theta, p, per_vec, panel_row_of(theta_was, p, per_vec) - map.r * before);
    panel_put(w, p, per_vec, now);
    return now;
}

/* Writes the row of a symbol that waits into θ and w̄, and its squared norms (K). */
static void bring_up(const lazy_rows *rows, size_t symbol, real *theta, real *w, real *norms)
{
    const nbt_panels *at = &rows->sizes->cell;
    const size_t p = rows->sizes->n + symbol;
    for (size_t k = 0; k < rows->sizes->K; k++) {
        const row_map map = map_since(rows->waiting, rows->waiting->stamp[symbol], k);
        const real *theta_was = k ? theta : rows->theta, *w_was = rows->w;
        const size_t pair = k * at->size;
        vec norm = {0};
#define PANEL(i, per_vec)                                                                          \
    do {                                                                                           \
        const vec now =                                                                            \
            apply_map(map, p, per_vec, panel_of(at, theta_was, i), panel_of(at, w_was + pair, i),  \
                      panel_of(at, theta, i), panel_of(at, w + pair, i));                          \
        norm += now * now;                                                                         \
    } while (0)
        EACH_PANEL(at, PANEL);
#undef PANEL
        norms[k] = fold(norm);
    }
}

void NBT(lazy_settle)(const lazy_rows *rows, real *theta, real *w)
{
    for (size_t symbol = 0; symbol < rows->sizes->m; symbol++)
        if (rows->waiting->stamp[symbol] != NBT_ACTIVE)
            bring_up(rows, symbol, theta, w, rows->waiting->lazy_step);
}

int NBT(lazy_finite)(const lazy_rows *rows)
{
    const nbt_panels *at = &rows->sizes->cell;
    vec check = {0};
    for (size_t symbol = 0; symbol < rows->sizes->m; symbol++) {
        if (rows->waiting->stamp[symbol] == NBT_ACTIVE) continue;
        for (size_t i = 0; i < at->ld; i += LANES) {
            vec theta = panel_row(at, rows->theta, rows->sizes->n + symbol, i);
            for (size_t k = 0; k < rows->sizes->K; k++) {
                const row_map map = map_since(rows->waiting, rows->waiting->stamp[symbol], k);
                const real *w_k = rows->w + k * at->size;
                const vec w = panel_row(at, w_k, rows->sizes->n + symbol, i);
                theta -= map.r * w;
                check += map.q * w * 0;
            }
            check += theta * 0;
        }
    }
    return fold(check) == 0;
}

void NBT(lazy_row)(const lazy_rows *rows, int32_t symbol, real *restrict row)
{
    const nbt_panels *at = &rows->sizes->cell;
    const size_t p = rows->sizes->n + (size_t)symbol;
    const int32_t stamp = rows->waiting->stamp[symbol];
    for (size_t i = 0; i < rows->sizes->ldn; i += LANES)
        store(row + i, panel_row(at, rows->theta, p, i));
    for (size_t k = 0; stamp != NBT_ACTIVE && k < rows->sizes->K; k++) {
        const row_map map = map_since(rows->waiting, stamp, k);
        const real *w = rows->w + k * at->size;
        for (size_t i = 0; i < rows->sizes->ldn; i += LANES)
            store(row + i, load(row + i) - map.r * panel_row(at, w, p, i));
    }
}

void NBT(lazy_recall)(const lazy_rows *rows, int32_t symbol)
{
    if (rows->waiting->stamp[symbol] == NBT_ACTIVE) return;
    real *norms = rows->waiting->active_norm, *norm = rows->waiting->lazy_norm;
    bring_up(rows, (size_t)symbol, rows->theta, rows->w, norms);
    rows->waiting->stamp[symbol] = NBT_ACTIVE;
    for (size_t k = 0; k < rows->sizes->K; k++)
        norm[k] = norm[k] > norms[k] ? norm[k] - norms[k] : 0;
}

void NBT(lazy_reset)(const lazy_rows *rows, int32_t symbol)
{
    real *norms = rows->waiting->lazy_step, *norm = rows->waiting->lazy_norm;
    for (size_t k = 0; k < rows->sizes->K; k++) norm[k] = 0;
    for (size_t l = 0; l < rows->sizes->m; l++) {
        rows->waiting->stamp[l] = (int32_t)l == symbol ? NBT_ACTIVE : NBT_BASE;
        if ((int32_t)l == symbol) continue;
        NBT(row_norms)(rows->sizes, rows->w, rows->sizes->n + l, norms);
        for (size_t k = 0; k < rows->sizes->K; k++) norm[k] += norms[k];
    }
    clear(rows->sizes->K * NBT_LAZY_TABLE, rows->waiting->lazy_q, rows->waiting->lazy_r);
}

void NBT(lazy_retire)(const lazy_rows *rows, uint64_t t, int32_t symbol, const real *norms)
{
    const size_t at = place(t);
    if (symbol >= 0) {
        rows->waiting->stamp[symbol] = (int32_t)at;
        for (size_t k = 0; k < rows->sizes->K; k++) {
            ((real *)rows->waiting->lazy_q)[k * NBT_LAZY_TABLE + at] = 1;
            ((real *)rows->waiting->lazy_r)[k * NBT_LAZY_TABLE + at] = 0;
            ((real *)rows->waiting->lazy_norm)[k] += norms[k];
        }
    }
    if (at + 1 < NBT_ERA) return;
    NBT(lazy_settle)(rows, rows->theta, rows->w);
    NBT(lazy_reset)(rows, -1);
}
