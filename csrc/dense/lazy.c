#include "dense/lazy.h"

/* The map of one pair from a stamp to now. */
typedef struct {
    real q, r;
} row_map;

enum { EPOCHS = NBT_ERA / NBT_EPOCH };

static size_t place(const nbt_learner *self) { return (size_t)(self->counters.step % NBT_ERA); }

static row_map map_since(const nbt_learner *self, int32_t stamp, size_t k)
{
    const real *q = (const real *)self->waiting.lazy_q + k * NBT_LAZY_TABLE;
    const real *r = (const real *)self->waiting.lazy_r + k * NBT_LAZY_TABLE;
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

void NBT(lazy_advance)(nbt_learner *self, const real *q, const real *r)
{
    const size_t epoch = place(self) / NBT_EPOCH;
    for (size_t k = 0; k < self->sizes.K; k++) {
        real *table_q = (real *)self->waiting.lazy_q + k * NBT_LAZY_TABLE;
        real *table_r = (real *)self->waiting.lazy_r + k * NBT_LAZY_TABLE;
        if (place(self) % NBT_EPOCH == 0)
            clear(NBT_EPOCH, table_q + epoch * NBT_EPOCH, table_r + epoch * NBT_EPOCH);
        compose(NBT_EPOCH, table_q + epoch * NBT_EPOCH, table_r + epoch * NBT_EPOCH, q[k], r[k]);
        compose(EPOCHS + 1, table_q + NBT_ERA, table_r + NBT_ERA, q[k], r[k]);
        table_q[NBT_ERA + epoch] = 1; /* its entries reach to now by themselves */
        table_r[NBT_ERA + epoch] = 0;
        ((real *)self->waiting.lazy_norm)[k] *= q[k] * q[k];
    }
}

void NBT(row_norms)(const nbt_learner *self, size_t p, real *norms)
{
    const nbt_panels *at = &self->sizes.cell;
    for (size_t k = 0; k < self->sizes.K; k++) {
        vec sum = {0};
        for (size_t i = 0; i < at->ld; i += LANES) {
            const vec w = panel_row(at, (const real *)self->estimator.w + k * at->size, p, i);
            sum += w * w;
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
static void bring_up(const nbt_learner *self, size_t symbol, real *theta, real *w, real *norms)
{
    const nbt_panels *at = &self->sizes.cell;
    const size_t p = self->sizes.n + symbol;
    for (size_t k = 0; k < self->sizes.K; k++) {
        const row_map map = map_since(self, self->waiting.stamp[symbol], k);
        const real *theta_was = k ? theta : self->network.theta, *w_was = self->estimator.w;
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

void NBT(lazy_settle)(const nbt_learner *self, real *restrict theta, real *restrict w)
{
    for (size_t symbol = 0; symbol < self->sizes.m; symbol++)
        if (self->waiting.stamp[symbol] != NBT_ACTIVE)
            bring_up(self, symbol, theta, w, self->waiting.lazy_step);
}

int NBT(lazy_finite)(const nbt_learner *self)
{
    const nbt_panels *at = &self->sizes.cell;
    vec check = {0};
    for (size_t symbol = 0; symbol < self->sizes.m; symbol++) {
        if (self->waiting.stamp[symbol] == NBT_ACTIVE) continue;
        for (size_t i = 0; i < at->ld; i += LANES) {
            vec theta = panel_row(at, self->network.theta, self->sizes.n + symbol, i);
            for (size_t k = 0; k < self->sizes.K; k++) {
                const row_map map = map_since(self, self->waiting.stamp[symbol], k);
                const real *w_k = (const real *)self->estimator.w + k * at->size;
                const vec w = panel_row(at, w_k, self->sizes.n + symbol, i);
                theta -= map.r * w;
                check += map.q * w * 0;
            }
            check += theta * 0;
        }
    }
    return fold(check) == 0;
}

void NBT(lazy_row)(const nbt_learner *self, int32_t symbol, real *restrict row)
{
    const nbt_panels *at = &self->sizes.cell;
    const size_t p = self->sizes.n + (size_t)symbol;
    const int32_t stamp = self->waiting.stamp[symbol];
    for (size_t i = 0; i < self->sizes.ldn; i += LANES)
        store(row + i, panel_row(at, self->network.theta, p, i));
    for (size_t k = 0; stamp != NBT_ACTIVE && k < self->sizes.K; k++) {
        const row_map map = map_since(self, stamp, k);
        const real *w = (const real *)self->estimator.w + k * at->size;
        for (size_t i = 0; i < self->sizes.ldn; i += LANES)
            store(row + i, load(row + i) - map.r * panel_row(at, w, p, i));
    }
}

void NBT(lazy_recall)(nbt_learner *self, int32_t symbol)
{
    if (self->waiting.stamp[symbol] == NBT_ACTIVE) return;
    real *norms = self->waiting.active_norm, *norm = self->waiting.lazy_norm;
    bring_up(self, (size_t)symbol, self->network.theta, self->estimator.w, norms);
    self->waiting.stamp[symbol] = NBT_ACTIVE;
    for (size_t k = 0; k < self->sizes.K; k++)
        norm[k] = norm[k] > norms[k] ? norm[k] - norms[k] : 0;
}

void NBT(lazy_reset)(nbt_learner *self, int32_t symbol)
{
    real *norms = self->waiting.lazy_step, *norm = self->waiting.lazy_norm;
    for (size_t k = 0; k < self->sizes.K; k++) norm[k] = 0;
    for (size_t l = 0; l < self->sizes.m; l++) {
        self->waiting.stamp[l] = (int32_t)l == symbol ? NBT_ACTIVE : NBT_BASE;
        if ((int32_t)l == symbol) continue;
        NBT(row_norms)(self, self->sizes.n + l, norms);
        for (size_t k = 0; k < self->sizes.K; k++) norm[k] += norms[k];
    }
    clear(self->sizes.K * NBT_LAZY_TABLE, self->waiting.lazy_q, self->waiting.lazy_r);
}

void NBT(lazy_retire)(nbt_learner *self, int32_t symbol, const real *norms)
{
    const size_t at = place(self);
    if (symbol >= 0) {
        self->waiting.stamp[symbol] = (int32_t)at;
        for (size_t k = 0; k < self->sizes.K; k++) {
            ((real *)self->waiting.lazy_q)[k * NBT_LAZY_TABLE + at] = 1;
            ((real *)self->waiting.lazy_r)[k * NBT_LAZY_TABLE + at] = 0;
            ((real *)self->waiting.lazy_norm)[k] += norms[k];
        }
    }
    if (at + 1 < NBT_ERA) return;
    NBT(lazy_settle)(self, self->network.theta, self->estimator.w);
    NBT(lazy_reset)(self, -1);
}
