#include "cell.h"
#include "general.h"
#include "metric.h"
#include "nobacktrack.h"
#include "reduction.h"
#include "some.h"
#include "sparse.h"
#include "whole.h"

static real *pair_v(const nbt_learner *self, size_t k) { return (real *)self->v + k * self->ldn; }
static real *pair_w(const nbt_learner *self, size_t k)
{
    return (real *)self->w + k * self->cell.size;
}

/* g = (1/K) Σ_k (H·v̄_k) w̄_k + Σ_i H_i w_i, (12). O(Kp + entries) */
static void mean_gradient(nbt_learner *self)
{
    real *g = self->g, *c = self->c;
    NBT(rows_dot)(self->K, self->ldn, self->v, self->H, c);
    for (size_t k = 0; k < self->K; k++) {
        const real part = c[k] / (real)self->K, *w = pair_w(self, k);
        for (size_t j = 0; j < self->cell.size; j += LANES) {
            const vec before = k ? load(g + j) : (vec){0};
            store(g + j, before + part * load(w + j));
        }
    }
    NBT(sparse_add)(self, self->H, g);
}

double NBT(general_nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(general_loss)(self, y, learn);
    if (!learn || self->failed) return loss;
    void (*const gradient)(nbt_learner *) = self->split ? NBT(split_gradient) : mean_gradient;
    if (self->whole) {
        if (!NBT(whole_learn)(self, gradient)) self->diverged = 1;
    } else {
        gradient(self);
        if (!NBT(metric_apply)(self, self->g)) self->diverged = 1;
    }
    if (self->norm == NBT_FISHER) NBT(follow_fisher)(self);
    return loss;
}

/* Norms are those of the metric, or plain. */
static int measured(const nbt_learner *self)
{
    return self->optimizer == NBT_KALMAN &&
           (self->norm == NBT_KALMAN_NORM || self->norm == NBT_FISHER);
}

/* ‖w̄_k‖² into block_w[0], ‖w_i‖² into norm_d, and for norm `kalman` ⟨w̄_k, w_i⟩ into inner. */
static void measure(nbt_learner *self, size_t k)
{
    const real *w = pair_w(self, k);
    real *bar = self->block_w, *y = self->g;
    if (k == 0 && measured(self)) NBT(metric_rows)(self, self->norm_d);
    if (k == 0 && !measured(self)) NBT(sparse_norms)(self, self->norm_d);
    bar[0] = measured(self) ? NBT(metric_norm)(self, w) : sum_of_squares(self->cell.size, w);
    if (self->norm != NBT_KALMAN_NORM) return;
    NBT(metric_raise)(self, w, y);
    NBT(sparse_dot)(self, y, (real *)self->inner + k * self->ldn);
}

/* (13)–(15) for one pair: v̄ ← ρ̄ v̄ + Σ ε_i ρ_i e_i, w̄ ← w̄ / ρ̄ + Σ ε_i w_i / ρ_i. */
static void reduce(nbt_learner *self, size_t k, size_t q)
{
    const size_t ldn = self->ldn;
    const int balanced = self->norm != NBT_NO_NORM;
    real *v = pair_v(self, k), *w = pair_w(self, k), *inverse = self->rho_inverse;
    const real *sign = self->sign, *rho = self->rho;
    const real *block_rho = self->block_rho, *block_inverse = self->block_inverse;
    measure(self, k);
    NBT(state_weights)(self, k);
    NBT(rows_norm)(1, ldn, v, self->u, self->block_v);
    NBT(balance)(1, balanced, self->block_w, self->block_v, self->block_rho, self->block_inverse);
    NBT(balance)(self->n, balanced, self->norm_d, self->u, self->rho, inverse);
    NBT(general_signs)(self, k, q);
    for (size_t i = 0; i < self->n; i++) {
        v[i] = block_rho[0] * v[i] + sign[i] * rho[i];
        inverse[i] *= sign[i];
    }
    for (size_t j = 0; j < self->cell.size; j += LANES)
        store(w + j, block_inverse[0] * load(w + j));
    NBT(sparse_add)(self, inverse, w);
}

/* w̄ and J decay (lanes.h). */
static void flush(nbt_learner *self)
{
    const size_t size = self->cell.size;
    NBT(flush)((self->split ? 1 : self->K) * size, self->w);
    if (self->optimizer == NBT_SGD || self->dense) return;
    NBT(flush)(size, self->theta_J);
    NBT(flush)(size, self->theta_J0);
}

void NBT(general_nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const nbt_system *f = &self->system;
    const size_t ldn = self->ldn;
    real *pushed = self->pushed;
    if (self->step % NBT_FLUSH_EVERY == 0) flush(self);
    NBT(general_input)(self, symbol, vector);
    for (size_t q = 0; q < f->phases; q++) {
        const nbt_point at = NBT(general_point)(self, self->h, q);
        if (self->split) NBT(split_reduce)(self, q);
        for (size_t k = 0; k < self->K && !self->split; k++) reduce(self, k, q);
        for (size_t k = 0; k < self->K && !self->failed; k++)
            self->failed |= f->jvp(f->self, &at, pair_v(self, k), pushed + k * ldn) != 0;
        if (self->failed || !NBT(general_rows)(self, &at) || !NBT(general_step)(self, &at)) return;
        lanes_copy(self->K * ldn, pushed, self->v);
    }
    NBT(cell_respond)(self, self->h, self->a, self->slope);
    if (!NBT(all_finite)(self->K * ldn, self->v)) self->diverged = 1;
}
