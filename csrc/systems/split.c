#include "systems/split.h"
#include "machine/lanes.h"
#include "shared/reduction.h"
#include "systems/metric_split.h"
#include "systems/sparse.h"
#include "systems/step.h"

void NBT(split_gradient)(nbt_learner *self)
{
    real *g = self->scratch.g, *c = self->scratch.c;
    const real *w = self->estimator.w;
    NBT(rows_dot)(self->sizes.K, self->sizes.ldn, self->estimator.v, self->readout.H, c);
    for (size_t j = 0; j < self->system.functions.p; j++) g[j] = c[self->estimator.pair[j]] * w[j];
    NBT(sparse_add)(&self->system, self->readout.H, g);
}

/* Norms of the pairs' parts: of w̄ into parts (K), of the rows into norm_w (K, ldn), and for norm
 * `kalman` their products into inner (K, ldn). */
static void measure_parts(nbt_learner *self)
{
    const split_metric at = NBT(split_metric_of)(self);
    NBT(metric_norm_split)(&at, self->estimator.w, self->scratch.parts);
    NBT(metric_rows_split)(&at, &self->system, self->sizes.ldn, self->optimizer.lead,
                           self->estimator.norm_w);
    if (self->choices.norm != NBT_KALMAN_NORM) return;
    NBT(metric_raise_split)(&at, self->estimator.w, self->scratch.raised);
    NBT(sparse_dot_split)(&self->system, self->estimator.pair, &self->sizes, self->scratch.raised,
                          self->estimator.inner);
}

/* (13) for pair k; leaves what (14) does to its part: a factor in keep_w[k], ε_i / ρ_i in add_w. */
static void fold_pair(nbt_learner *self, size_t k, size_t q)
{
    const size_t ldn = self->sizes.ldn;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    real *v = (real *)self->estimator.v + k * ldn, *add_w = (real *)self->estimator.add_w + k * ldn;
    lanes_copy(ldn, (const real *)self->estimator.norm_w + k * ldn, self->estimator.norm_d);
    ((real *)self->reduction.block_w)[0] = ((const real *)self->scratch.parts)[k];
    NBT(state_weights)(&self->sizes, self->choices.norm, &self->estimator, k, &self->reduction);
    NBT(balance_blocks)(&self->sizes, balanced, 1, v, &self->reduction);
    NBT(balance)(ldn, balanced, self->estimator.norm_d, self->reduction.u, self->reduction.rho,
                 self->reduction.rho_inverse);
    NBT(system_signs)(&self->sizes, self->choices.seed, self->counters.step, k, q,
                      &self->reduction);
    NBT(fold)(&self->reduction, self->sizes.ldn, ((const real *)self->reduction.block_rho)[0], v,
              add_w);
    ((real *)self->estimator.keep_w)[k] = ((const real *)self->reduction.block_inverse)[0];
}

void NBT(split_reduce)(nbt_learner *self, size_t q)
{
    const real *keep = self->estimator.keep_w;
    real *w = self->estimator.w;
    measure_parts(self);
    for (size_t k = 0; k < self->sizes.K; k++) fold_pair(self, k, q);
    for (size_t j = 0; j < self->system.functions.p; j++) w[j] *= keep[self->estimator.pair[j]];
    NBT(sparse_add_split)(&self->system, self->estimator.pair, self->sizes.ldn,
                          self->estimator.add_w, w);
}
