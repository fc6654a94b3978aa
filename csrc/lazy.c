#include "lazy.h"

/* The map of one pair from a stamp to now. */
typedef struct {
    real q, r;
} row_map;

enum { EPOCHS = NBT_ERA / NBT_EPOCH };

static size_t place(const nbt_learner *self) { return (size_t)(self->step % NBT_ERA); }

static row_map map_since(const nbt_learner *self, int32_t stamp, size_t k)
{
    const real *q = (const real *)self->lazy_q + k * NBT_LAZY_TABLE;
    const real *r = (const real *)self->lazy_r + k * NBT_LAZY_TABLE;
    if (stamp == NBT_BASE) return (row_map){q[NBT_ERA + EPOCHS], r[NBT_ERA + EPOCHS]};
    const size_t at = (size_t)stamp, epoch = NBT_ERA + at / NBT_EPOCH;
    return (row_map){q[at] * q[epoch], r[at] + q[at] * r[epoch]};
}

static void clear(size_t count, real *restrict q, real *restrict r)
{
    for (size_t e = 0; e < count; e++) q[e] = 1, r[e] = 0;
}

/* Products of factors below 1, as NBT(flush): never denormal. */
static void flush_scalars(size_t count, real *q)
{
    for (size_t e = 0; e < count; e++) q[e] = q[e] < NBT_TINY ? 0 : q[e];
}

static void compose(size_t count, real *restrict q, real *restrict r, real step_q, real step_r)
{
    for (size_t e = 0; e < count; e++) {
        r[e] += q[e] * step_r;
        q[e] *= step_q;
    }
}

void NBT(lazy_advance)(nbt_learner *self, const real *q, const real *r)
{
    const size_t epoch = place(self) / NBT_EPOCH;
    for (size_t k = 0; k < self->K; k++) {
        real *table_q = (real *)self->lazy_q + k * NBT_LAZY_TABLE;
        real *table_r = (real *)self->lazy_r + k * NBT_LAZY_TABLE;
        if (place(self) % NBT_EPOCH == 0) {
            flush_scalars(EPOCHS + 1, table_q + NBT_ERA);
            clear(NBT_EPOCH, table_q + epoch * NBT_EPOCH, table_r + epoch * NBT_EPOCH);
        }
        compose(NBT_EPOCH, table_q + epoch * NBT_EPOCH, table_r + epoch * NBT_EPOCH, q[k], r[k]);
        compose(EPOCHS + 1, table_q + NBT_ERA, table_r + NBT_ERA, q[k], r[k]);
        table_q[NBT_ERA + epoch] = 1; /* its entries reach to now by themselves */
        table_r[NBT_ERA + epoch] = 0;
        ((real *)self->lazy_norm)[k] *= q[k] * q[k];
    }
}

void NBT(row_norms)(const nbt_learner *self, size_t p, real *norms)
{
    const nbt_panels *at = &self->cell;
    for (size_t k = 0; k < self->K; k++) {
        vec sum = {0};
        for (size_t i = 0; i < at->ld; i += LANES) {
            const vec w = panel_row(at, (const real *)self->w + k * at->size, p, i);
            sum += w * w;
        }
        norms[k] = fold(sum);
    }
}

/* θ's row as it should be now, lane block i. */
NBT_INLINE vec row_now(const nbt_learner *self, size_t p, int32_t stamp, size_t i)
{
    const nbt_panels *at = &self->cell;
    vec theta = panel_row(at, self->theta, p, i);
    if (stamp == NBT_ACTIVE) return theta;
    for (size_t k = 0; k < self->K; k++)
        theta -=
            map_since(self, stamp, k).r * panel_row(at, (const real *)self->w + k * at->size, p, i);
    return theta;
}

static void bring_up(const nbt_learner *self, size_t symbol, real *theta, real *w)
{
    const nbt_panels *at = &self->cell;
    const size_t p = self->n + symbol;
    const int32_t stamp = self->stamp[symbol];
    if (stamp == NBT_ACTIVE) return;
    for (size_t i = 0; i < at->ld; i += LANES) {
        panel_put(at, theta, p, i, row_now(self, p, stamp, i));
        for (size_t k = 0; k < self->K; k++) {
            const vec before = panel_row(at, (const real *)self->w + k * at->size, p, i);
            panel_put(at, w + k * at->size, p, i, map_since(self, stamp, k).q * before);
        }
    }
}

void NBT(lazy_settle)(const nbt_learner *self, real *restrict theta, real *restrict w)
{
    for (size_t symbol = 0; symbol < self->m; symbol++) bring_up(self, symbol, theta, w);
}

void NBT(lazy_row)(const nbt_learner *self, int32_t symbol, real *restrict row)
{
    const size_t p = self->n + (size_t)symbol;
    for (size_t i = 0; i < self->ldn; i += LANES)
        store(row + i, row_now(self, p, self->stamp[symbol], i));
}

void NBT(lazy_recall)(nbt_learner *self, int32_t symbol)
{
    if (self->stamp[symbol] == NBT_ACTIVE) return;
    real *norms = self->active_norm, *norm = self->lazy_norm;
    bring_up(self, (size_t)symbol, self->theta, self->w);
    self->stamp[symbol] = NBT_ACTIVE;
    NBT(row_norms)(self, self->n + (size_t)symbol, norms);
    for (size_t k = 0; k < self->K; k++) norm[k] = norm[k] > norms[k] ? norm[k] - norms[k] : 0;
}

void NBT(lazy_reset)(nbt_learner *self, int32_t symbol)
{
    real *norms = self->lazy_step, *norm = self->lazy_norm;
    for (size_t k = 0; k < self->K; k++) norm[k] = 0;
    for (size_t l = 0; l < self->m; l++) {
        self->stamp[l] = (int32_t)l == symbol ? NBT_ACTIVE : NBT_BASE;
        if ((int32_t)l == symbol) continue;
        NBT(row_norms)(self, self->n + l, norms);
        for (size_t k = 0; k < self->K; k++) norm[k] += norms[k];
    }
    clear(self->K * NBT_LAZY_TABLE, self->lazy_q, self->lazy_r);
}

void NBT(lazy_retire)(nbt_learner *self, int32_t symbol, const real *norms)
{
    const size_t at = place(self);
    if (symbol >= 0) {
        self->stamp[symbol] = (int32_t)at;
        for (size_t k = 0; k < self->K; k++) {
            ((real *)self->lazy_q)[k * NBT_LAZY_TABLE + at] = 1;
            ((real *)self->lazy_r)[k * NBT_LAZY_TABLE + at] = 0;
            ((real *)self->lazy_norm)[k] += norms[k];
        }
    }
    if (at + 1 < NBT_ERA) return;
    NBT(lazy_settle)(self, self->theta, self->w);
    NBT(flush)(self->K * self->cell.size, self->w);
    NBT(lazy_reset)(self, -1);
}
