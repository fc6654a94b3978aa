#include "systems/rtrl.h"
#include "shared/activation.h"
#include "shared/influence.h"
#include "systems/fisher.h"
#include "systems/metric.h"
#include "systems/sparse.h"
#include "systems/step.h"
#include <string.h>

/* As many sums as registers hold: rows of the product, vecs of columns. */
enum { TILE_ROWS = 4, TILE_BLOCKS = NBT_REGISTER == 64 ? 4 : 3 };

/* out (rows, ld) = F G for G (n, ld), a strip of columns at a time. */
NBT_INLINE void product(size_t n, size_t ldF, size_t ld, size_t rows, int holes, const real *F,
                        const real *G, real *out)
{
    size_t c = 0;
    for (; c + TILE_BLOCKS * LANES <= ld; c += TILE_BLOCKS * LANES)
        influence_strip(n, ldF, ld, rows, TILE_ROWS, TILE_BLOCKS, holes, F, G + c, out + c);
    for (; c < ld; c += LANES)
        influence_strip(n, ldF, ld, rows, TILE_ROWS, 1, holes, F, G + c, out + c);
}

/* g = Σ_k H_k G[k], (6). O(np) */
static void exact_gradient(nbt_learner *self)
{
    product(self->sizes.n, 1, self->sizes.ldG, 1, 0, self->readout.H,
            influence_now(&self->estimator), self->scratch.g);
}

double NBT(system_rtrl_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(system_loss)(self, y, learn);
    if (!learn || self->counters.failed) return loss;
    if (self->choices.reference) {
        NBT(fisher_learn)(self, exact_gradient);
        return loss;
    }
    exact_gradient(self);
    NBT(metric_apply)(self, self->scratch.g);
    return loss;
}

/* Fᵀ (n, ldn), a product with a unit vector a row. O(n) calls */
static int jacobian(nbt_learner *self, const nbt_point *at)
{
    real *F = self->scratch.F, *unit = self->scratch.unit;
    memset(unit, 0, self->sizes.ldn * sizeof *unit);
    for (size_t j = 0; j < self->sizes.n && !self->counters.failed; j++) {
        unit[j] = 1;
        NBT_ASK(self, jvp, at, unit, F + j * self->sizes.ldn);
        unit[j] = 0;
    }
    NBT(system_given)(self, self->sizes.n * self->sizes.ldn, F);
    return !self->counters.failed;
}

/* Is most of F 0, as for a graph, or a layer that the others leave alone? */
static int has_holes(size_t n, size_t ldn, const real *F)
{
    size_t zeros = 0;
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++) zeros += F[j * ldn + i] == 0;
    return 2 * zeros > n * n;
}

/* (4): G ← F G + ∂f/∂θ. */
static void carry(const nbt_sizes *at, const real *F, const nbt_system_part *rows,
                  nbt_estimator *of)
{
    const size_t n = at->n, ldn = at->ldn, ld = at->ldG;
    if (has_holes(n, ldn, F))
        product(n, ldn, ld, n, 1, F, influence_now(of), influence_next(of));
    else
        product(n, ldn, ld, n, 0, F, influence_now(of), influence_next(of));
    NBT(sparse_add_rows)(rows, ld, influence_next(of));
    of->settled = !of->settled;
}

void NBT(system_rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(system_input)(self, symbol, vector);
    for (size_t q = 0; q < self->sizes.phases; q++) {
        const nbt_point at = NBT(system_point)(self, self->network.h, q);
        if (!jacobian(self, &at) || !NBT(system_rows)(self, &at)) return;
        carry(&self->sizes, self->scratch.F, &self->system, &self->estimator);
        if (!NBT(system_step)(self, &at)) return;
    }
    NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                 self->network.slope);
}
