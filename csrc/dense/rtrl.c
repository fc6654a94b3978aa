#include "dense/rtrl.h"
#include "dense/cell.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include <string.h>

static real *now(const nbt_learner *self)
{
    return self->estimator.settled ? self->estimator.G : self->estimator.G_next;
}
static real *next(const nbt_learner *self)
{
    return self->estimator.settled ? self->estimator.G_next : self->estimator.G;
}

#define STRIP (4 * LANES)
/* States at a time: as many sums as registers hold. */
enum { ROWS = NBT_REGISTER == 64 ? 4 : 2 };

/* G[i, p n + i] += z_p for every unit i: ∂f_i/∂θ_i. Within a strip the next entry is one row and
 * one column on. */
static void add_regressor(size_t n, size_t p, real z, real *G)
{
    for (size_t i = 0; i < n;) {
        const size_t column = p * n + i, within = column % STRIP;
        const size_t left = STRIP - within, run = left < n - i ? left : n - i;
        real *at = G + (column / STRIP * n + i) * STRIP + within;
        for (size_t k = 0; k < run; k++) at[k * (STRIP + 1)] += z;
        i += run;
    }
}

/* Strips first … last - 1 of g = Σ_k H_k G[k]. */
static void gradient_strips(nbt_learner *self, const void *what, size_t first, size_t last,
                            size_t thread)
{
    (void)what, (void)thread;
    const size_t n = self->sizes.n;
    const real *H = self->readout.H;
    for (size_t c = first; c < last; c++) {
        const real *G = now(self) + c * n * STRIP;
        vec sum[4] = {{0}};
        for (size_t k = 0; k < n; k++)
            for (size_t v = 0; v < 4; v++) sum[v] += H[k] * load(G + k * STRIP + v * LANES);
        for (size_t v = 0; v < 4; v++)
            store((real *)self->scratch.g_flat + c * STRIP + v * LANES, sum[v]);
    }
}

/* g, from strips into panels. O(n nP) */
static void gradient(nbt_learner *self)
{
    const size_t n = self->sizes.n;
    real *flat = self->scratch.g_flat, *g = self->scratch.g;
    nbt_parallel(&self->workers, self, self->sizes.ldG / STRIP, n * self->sizes.ldG,
                 gradient_strips, NULL);
    memcpy(g, flat, n * sizeof(real));
    NBT(panels_set_rows)(&self->sizes.cell, n, self->sizes.P - 1, flat + n, g);
}

double NBT(rtrl_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(readout_loss)(self, y, self->readout.delta);
    if (!learn) return loss;
    NBT(readout_learn)(self);
    gradient(self);
    NBT(optimizer_apply)(self, &self->sizes.cell, self->scratch.g, self->optimizer.theta_J,
                         self->optimizer.theta_J0, self->network.theta);
    return loss;
}

/* `rows` states of one strip of F G from Fᵀ, all sums in registers. */
NBT_INLINE void product_tile(size_t n, size_t ldn, size_t rows, const real *restrict F,
                             const real *restrict G, real *restrict out)
{
    vec sum[ROWS][4];
    for (size_t k = 0; k < rows; k++)
        for (size_t v = 0; v < 4; v++) sum[k][v] = (vec){0};
    for (size_t j = 0; j < n; j++) {
        vec g[4];
        for (size_t v = 0; v < 4; v++) g[v] = load(G + j * STRIP + v * LANES);
        for (size_t k = 0; k < rows; k++)
            for (size_t v = 0; v < 4; v++) sum[k][v] += F[j * ldn + k] * g[v];
    }
    for (size_t k = 0; k < rows; k++)
        for (size_t v = 0; v < 4; v++) store(out + k * STRIP + v * LANES, sum[k][v]);
}

/* Strips first … last - 1 of the next G: F G. */
static void product_strips(nbt_learner *self, const void *what, size_t first, size_t last,
                           size_t thread)
{
    (void)what, (void)thread;
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, size = n * STRIP;
    const real *F = self->scratch.F;
    for (size_t c = first; c < last; c++) {
        const real *G = now(self) + c * size;
        real *out = next(self) + c * size;
        size_t k = 0;
        for (; k + ROWS <= n; k += ROWS) product_tile(n, ldn, ROWS, F + k, G, out + k * STRIP);
        for (; k < n; k++) product_tile(n, ldn, 1, F + k, G, out + k * STRIP);
    }
}

void NBT(rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const size_t n = self->sizes.n, size = n * self->sizes.ldG;
    NBT(cell_jacobian)(self, 0, n, self->scratch.F);
    nbt_parallel(&self->workers, self, self->sizes.ldG / STRIP, n * size, product_strips, NULL);
    self->estimator.settled = !self->estimator.settled;
    NBT(cell_regress)(self, symbol, vector);
    NBT(cell_advance)(self, symbol, vector);
    const real *z = self->estimator.z;
    for (size_t p = 0; p < self->sizes.P; p++)
        if (z[p] != 0) add_regressor(n, p, z[p], now(self));
}

void NBT(rtrl_settle)(nbt_learner *self)
{
    if (self->estimator.settled) return;
    memcpy(self->estimator.G, self->estimator.G_next,
           self->sizes.n * self->sizes.ldG * sizeof(real));
    self->estimator.settled = 1;
}
