#include "systems/uoro.h"
#include "machine/flat.h"
#include "shared/activation.h"
#include "shared/reduction.h"
#include "systems/fisher.h"
#include "systems/metric.h"
#include "systems/sparse.h"
#include "systems/step.h"
#include <string.h>

double NBT(system_uoro_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(system_loss)(self, y, learn);
    if (!learn || self->counters.failed) return loss;
    if (self->choices.reference) {
        NBT(fisher_learn)(self, NBT(system_pairs_gradient));
    } else {
        NBT(system_pairs_gradient)(self);
        NBT(metric_apply)(self, self->scratch.g);
    }
    return loss;
}

/* x ← keep x + part y. O(size) */
static void mix(size_t size, real keep, real part, const real *restrict y, real *restrict x)
{
    for (size_t j = 0; j < size; j += LANES) store(x + j, keep * load(x + j) + part * load(y + j));
}

/* What phase q adds to pair k, when v̄ went through it already. O(p + entries) */
static void join(nbt_learner *self, size_t k, size_t q)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, size = self->sizes.cell.size;
    real *v = row_at(self->estimator.v, k, ldn), *w = row_at(self->estimator.w, k, size);
    real *added = self->scratch.g;
    const real *sign = self->reduction.sign;
    NBT(system_signs)(&self->sizes, self->choices.seed, self->counters.step, k, q,
                      &self->reduction);
    memset(added, 0, size * sizeof *added);
    NBT(sparse_add)(&self->system, sign, added);
    const nbt_balance old = balance_of(1, sum_of_squares(size, w), sum_of_squares(ldn, v));
    const nbt_balance now = balance_of(1, sum_of_squares(size, added), (real)n);
    mix(ldn, old.rho, now.rho, sign, v);
    mix(size, old.inverse, now.inverse, added, w);
}

void NBT(system_uoro_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(system_input)(self, symbol, vector);
    for (size_t q = 0; q < self->sizes.phases; q++) {
        const nbt_point at = NBT(system_point)(self, self->network.h, q);
        if (!NBT(system_move)(self, &at)) return;
        for (size_t k = 0; k < self->sizes.K; k++) join(self, k, q);
    }
    NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                 self->network.slope);
}
