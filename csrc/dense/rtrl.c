#include "dense/rtrl.h"
#include "dense/cell.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/influence.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include <string.h>

/* Columns that lie together: sizes.strip. */
#define STRIP (INFLUENCE_BLOCKS * LANES)
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

/* A product with G: left G into out, left being H or Fᵀ (n, ldn). */
typedef struct {
    const nbt_sizes *sizes;
    const real *left, *G;
    real *out;
} product_work;

/* Strips first … last - 1 of g = Σ_k H_k G[k]. */
static void gradient_strips(const void *what, size_t first, size_t last, size_t thread)
{
    const product_work *work = what;
    (void)thread;
    const size_t n = work->sizes->n;
    for (size_t c = first; c < last; c++)
        influence_tile(n, 1, STRIP, 1, INFLUENCE_BLOCKS, 0, work->left, work->G + c * n * STRIP,
                       work->out + c * STRIP);
}

/* g, from strips into panels. It uses five parts of a learner, so it gets all of it. O(n nP) */
static void gradient(nbt_learner *self)
{
    const size_t n = self->sizes.n;
    real *flat = self->scratch.g_flat, *g = self->scratch.g;
    const product_work work = {&self->sizes, self->readout.H, influence_now(&self->estimator),
                               flat};
    nbt_parallel(&self->workers, self->sizes.ldG / STRIP, n * self->sizes.ldG, gradient_strips,
                 &work);
    memcpy(g, flat, n * sizeof(real));
    NBT(panels_set_rows)(&self->sizes.cell, n, self->sizes.P - 1, flat + n, g);
}

double NBT(rtrl_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(readout_loss)(self, y, self->readout.delta);
    if (!learn) return loss;
    NBT(readout_learn)(self);
    gradient(self);
    NBT(optimizer_apply_theta)(self, self->scratch.g);
    return loss;
}

/* Strips first … last - 1 of the next G: F G. */
static void product_strips(const void *what, size_t first, size_t last, size_t thread)
{
    const product_work *work = what;
    (void)thread;
    const size_t n = work->sizes->n, ldn = work->sizes->ldn, size = n * STRIP;
    for (size_t c = first; c < last; c++)
        influence_strip(n, ldn, STRIP, n, ROWS, INFLUENCE_BLOCKS, 0, work->left, work->G + c * size,
                        work->out + c * size);
}

void NBT(rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const size_t n = self->sizes.n, size = n * self->sizes.ldG;
    nbt_estimator *estimator = &self->estimator;
    const dense_cell cell = cell_of(self);
    NBT(cell_jacobian)(&cell, 0, n, self->scratch.F);
    const product_work work = {&self->sizes, self->scratch.F, influence_now(estimator),
                               influence_next(estimator)};
    nbt_parallel(&self->workers, self->sizes.ldG / STRIP, n * size, product_strips, &work);
    estimator->settled = !estimator->settled;
    NBT(cell_regress)(&cell, symbol, vector, &self->network.x_last, estimator->z);
    NBT(cell_advance)(self, symbol, vector);
    const real *z = estimator->z;
    for (size_t p = 0; p < self->sizes.P; p++)
        if (z[p] != 0) add_regressor(n, p, z[p], influence_now(estimator));
}
