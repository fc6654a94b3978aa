#include "systems/split.h"
#include "machine/lanes.h"
#include "shared/reduction.h"
#include "systems/metric_split.h"
#include "systems/sparse.h"
#include "systems/step.h"

void NBT(split_gradient)(nbt_learner *self)
{
    real *g = self->g, *c = self->c;
    const real *w = self->w;
    NBT(rows_dot)(self->K, self->ldn, self->v, self->H, c);
    for (size_t j = 0; j < self->system.p; j++) g[j] = c[self->pair[j]] * w[j];
    NBT(sparse_add)(self, self->H, g);
}

/* Norms of the pairs' parts: of w̄ into c (K), of the rows into norm_w (K, ldn), and for norm
 * `kalman` their products into inner (K, ldn). */
static void measure_parts(nbt_learner *self)
{
    NBT(metric_norm_split)(self, self->w, self->c);
    NBT(metric_rows_split)(self, self->norm_w);
    if (self->norm != NBT_KALMAN_NORM) return;
    NBT(metric_raise_split)(self, self->w, self->g);
    NBT(sparse_dot_split)(self, self->g, self->inner);
}

/* (13) for pair k; leaves what (14) does to its part: a factor in keep_w[k], ε_i / ρ_i in add_w. */
static void fold_pair(nbt_learner *self, size_t k, size_t q)
{
    const size_t ldn = self->ldn;
    real *v = (real *)self->v + k * ldn, *add_w = (real *)self->add_w + k * ldn;
    lanes_copy(ldn, (const real *)self->norm_w + k * ldn, self->norm_d);
    ((real *)self->block_w)[0] = ((const real *)self->c)[k];
    NBT(state_weights)(self, k);
    NBT(balance_blocks)(self, 1, v);
    NBT(balance)(ldn, self->norm != NBT_NO_NORM, self->norm_d, self->u, self->rho,
                 self->rho_inverse);
    NBT(system_signs)(self, k, q);
    NBT(fold)(self, ((const real *)self->block_rho)[0], v, add_w);
    ((real *)self->keep_w)[k] = ((const real *)self->block_inverse)[0];
}

void NBT(split_reduce)(nbt_learner *self, size_t q)
{
    const real *keep = self->keep_w;
    real *w = self->w;
    measure_parts(self);
    for (size_t k = 0; k < self->K; k++) fold_pair(self, k, q);
    for (size_t j = 0; j < self->system.p; j++) w[j] *= keep[self->pair[j]];
    NBT(sparse_add_split)(self, self->add_w, w);
}
