#include "systems/nobacktrack.h"
#include "machine/flat.h"
#include "shared/activation.h"
#include "shared/reduction.h"
#include "systems/fisher.h"
#include "systems/metric.h"
#include "systems/sparse.h"
#include "systems/split.h"
#include "systems/step.h"

/* g = (1/K) Σ_k (H·v̄_k) w̄_k + Σ_i H_i w_i, (12). O(Kp + entries) */
static void mean_gradient(nbt_learner *self)
{
    NBT(system_pairs_gradient)(self);
    NBT(sparse_add)(&self->system, self->readout.H, self->scratch.g);
}

/* Where each parameter acts on one state alone and there is one pair, a step takes two passes: the
 * gradient, the optimizer and the norms in one, the reduction in the other. */
static int in_one_pass(nbt_learner *self)
{
    if (!self->system.surveyed) {
        NBT(system_survey)(&self->choices, &self->optimizer, &self->system);
        NBT(sparse_spread)(&self->system);
    }
    const nbt_optimizer kind = self->choices.theta.kind;
    const int diagonal = kind == NBT_KALMAN && self->optimizer.groups == self->system.functions.p;
    return self->system.owned && self->sizes.K == 1 && !self->choices.split &&
           !self->choices.reference && !diagonal && kind != NBT_ADAM;
}

static void sweep(nbt_learner *self, int learn)
{
    real c = 0;
    NBT(rows_dot)(1, self->sizes.ldn, self->estimator.v, self->readout.H, &c);
    NBT(metric_sweep)(self, learn, c, NBT(sparse_own)(&self->system));
    self->estimator.fresh = 1;
}

double NBT(system_nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(system_loss)(self, y, learn);
    if (!learn || self->counters.failed) return loss;
    if (in_one_pass(self)) {
        sweep(self, 1);
        NBT(follow_fisher)(&self->sizes, self->counters.step, self->readout.H,
                           self->estimator.fisher);
        return loss;
    }
    void (*const gradient)(nbt_learner *) =
        self->choices.split ? NBT(split_gradient) : mean_gradient;
    if (self->choices.reference) {
        NBT(fisher_learn)(self, gradient);
    } else {
        gradient(self);
        NBT(metric_apply)(self, self->scratch.g);
    }
    NBT(follow_fisher)(&self->sizes, self->counters.step, self->readout.H, self->estimator.fisher);
    return loss;
}

/* Norms are those of the metric, or plain. */
static int measured(const nbt_choices *of)
{
    return of->theta.kind == NBT_KALMAN && (of->norm == NBT_KALMAN_NORM || of->norm == NBT_FISHER);
}

/* ‖w̄_k‖² into block_w[0], ‖w_i‖² into norm_d, and for norm `kalman` ⟨w̄_k, w_i⟩ into inner. */
static void measure(nbt_learner *self, size_t k)
{
    const real *w = row_at(self->estimator.w, k, self->sizes.cell.size);
    real *bar = self->reduction.block_w, *y = self->scratch.raised;
    if (measured(&self->choices) && !self->optimizer.measuring) NBT(metric_refresh)(self);
    if (k == 0 && measured(&self->choices)) NBT(metric_rows)(self, self->estimator.norm_d);
    if (k == 0 && !measured(&self->choices))
        NBT(sparse_norms)(&self->system, self->estimator.norm_d);
    bar[0] = measured(&self->choices) ? NBT(metric_norm)(self, w)
                                      : sum_of_squares(self->sizes.cell.size, w);
    if (self->choices.norm != NBT_KALMAN_NORM) return;
    NBT(metric_raise)(self, w, y);
    NBT(sparse_dot)(&self->system, y, (real *)self->estimator.inner + k * self->sizes.ldn);
}

/* w̄ ← keep w̄ + Σ_i c_i w_i for one pair. O(p) */
static void fold_rows(const nbt_system_part *of, size_t size, real keep, const real *c, real *w)
{
    for (size_t j = 0; j < size; j += LANES) store(w + j, keep * load(w + j));
    NBT(sparse_add)(of, c, w);
}

/* The same in one pass, where each parameter acts on one state alone. */
static void fold_spans(const nbt_system_part *of, real keep, const real *c, real *w)
{
    const real *z = NBT(sparse_own)(of);
    for (size_t s = 0; s < of->spans; s++) {
        const size_t first = (size_t)of->span[s], last = (size_t)of->span[s + 1];
        const size_t begin = after_odd(first, last);
        const real own = of->owner[s] < 0 ? 0 : c[of->owner[s]];
        if (begin > first) w[first] = keep * w[first] + own * z[first];
        for (size_t j = begin; j < last; j += LANES)
            store_some(w + j, last - j, keep * load_any(w + j) + own * load_any(z + j));
    }
}

/* (13)–(15) for one pair: v̄ ← ρ̄ v̄ + Σ ε_i ρ_i e_i, w̄ ← w̄ / ρ̄ + Σ ε_i w_i / ρ_i. Uses six
 * parts of a learner. */
static void reduce(nbt_learner *self, size_t k, size_t q)
{
    const int balanced = self->choices.norm != NBT_NO_NORM;
    const int at_once = in_one_pass(self);
    const size_t size = self->sizes.cell.size;
    real *v = row_at(self->estimator.v, k, self->sizes.ldn), *add = self->reduction.add;
    real *w = row_at(self->estimator.w, k, size);
    if (!at_once)
        measure(self, k);
    else if (!self->estimator.fresh)
        sweep(self, 0);
    self->estimator.fresh = 0;
    NBT(state_weights)(&self->sizes, self->choices.norm, &self->estimator, k, &self->reduction);
    NBT(balance_blocks)(&self->sizes, balanced, 1, v, &self->reduction);
    NBT(balance)(self->sizes.ldn, balanced, self->estimator.norm_d, self->reduction.u,
                 self->reduction.rho, self->reduction.rho_inverse);
    NBT(system_signs)(&self->sizes, self->choices.seed, self->counters.step, k, q,
                      &self->reduction);
    NBT(fold)(&self->reduction, self->sizes.ldn, ((const real *)self->reduction.block_rho)[0], v,
              add);
    const real keep = ((const real *)self->reduction.block_inverse)[0];
    if (at_once)
        fold_spans(&self->system, keep, add, w);
    else
        fold_rows(&self->system, size, keep, add, w);
}

void NBT(system_nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(system_input)(self, symbol, vector);
    for (size_t q = 0; q < self->sizes.phases; q++) {
        const nbt_point at = NBT(system_point)(self, self->network.h, q);
        if (self->choices.split) NBT(split_reduce)(self, q);
        for (size_t k = 0; k < self->sizes.K && !self->choices.split; k++) reduce(self, k, q);
        if (!NBT(system_move)(self, &at)) return;
    }
    NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                 self->network.slope);
}
