#include "systems/step.h"
#include "machine/lanes.h"
#include "shared/activation.h"
#include "shared/readout.h"
#include "shared/reduction.h"
#include "shared/signs.h"
#include "systems/metric.h"
#include "systems/sparse.h"
#include <string.h>

void NBT(system_input)(nbt_learner *self, int32_t symbol, const void *vector)
{
    real *x = self->system.x;
    if (!self->choices.one_hot) {
        memcpy(x, vector, self->sizes.m * sizeof *x);
        return;
    }
    if (self->network.x_last >= 0)
        x[self->network.x_last] = 0;
    else
        memset(x, 0, self->sizes.m * sizeof *x);
    x[symbol] = 1;
    self->network.x_last = symbol;
}

nbt_point NBT(system_point)(const nbt_learner *self, const real *h, size_t phase)
{
    const int told = self->choices.one_hot && self->system.functions.by_symbol;
    return (nbt_point){h, self->system.x, self->network.theta, told ? self->network.x_last : -1,
                       phase};
}

void NBT(system_given)(nbt_learner *self, size_t count, const void *numbers)
{
    if (self->system.functions.theirs && !NBT(all_finite)(count, numbers)) self->workers.noted = 1;
}

double NBT(system_own_loss)(nbt_learner *self, nbt_target y, real *H)
{
    double value = 0;
    real *numbers = self->system.y;
    for (size_t d = 0; d < self->sizes.Y; d++) numbers[d] = (real)y.vector[d];
    NBT_ASK(self, loss, self->network.h, self->system.y, &value, H);
    NBT(system_given)(self, self->sizes.ldn, H);
    return value;
}

double NBT(system_loss)(nbt_learner *self, nbt_target y, int learn)
{
    if (self->choices.readout == NBT_OWN_LOSS)
        return NBT(system_own_loss)(self, y, self->readout.H);
    const double loss = NBT(readout_loss)(self, y, self->readout.delta);
    if (learn && !self->choices.reference) NBT(readout_learn)(self);
    return loss;
}

/* Is the pattern the one that was surveyed last? Not kept of systems that say when it changes. */
static int seen(const nbt_system_part *of)
{
    const size_t rows = (of->functions.n + 1) * sizeof *of->indptr;
    if (of->functions.fixed || !of->surveyed) return 0;
    if (memcmp(of->indptr, of->seen_indptr, rows)) return 0;
    const size_t entries = (size_t)of->indptr[of->functions.n] * sizeof *of->indices;
    return !memcmp(of->indices, of->seen_indices, entries);
}

void NBT(system_survey)(const nbt_choices *choices, const nbt_optimizer_part *metric,
                        nbt_system_part *to)
{
    const size_t entries = (size_t)to->indptr[to->functions.n];
    if (!to->functions.fixed) {
        memcpy(to->seen_indptr, to->indptr, (to->functions.n + 1) * sizeof *to->indptr);
        memcpy(to->seen_indices, to->indices, entries * sizeof *to->indices);
    }
    NBT(sparse_survey)(choices->theta.kind == NBT_KALMAN ? metric : NULL, to);
}

/* What follows of the arrays that `rows` wrote; `dense`: one pattern for all symbols. */
static int follow_pattern(nbt_learner *self, int dense)
{
    const nbt_system *f = &self->system.functions;
    if (self->counters.failed || self->system.patterned || seen(&self->system))
        return !self->counters.failed;
    self->counters.failed =
        f->unchecked &&
        !nbt_csr_valid(f->n, f->p, f->entries, self->system.indptr, self->system.indices);
    if (self->counters.failed) return 0;
    NBT(system_survey)(&self->choices, &self->optimizer, &self->system);
    self->system.patterned = f->fixed && f->phases == 1 && dense;
    return 1;
}

int NBT(system_rows)(nbt_learner *self, const nbt_point *at)
{
    int64_t *indptr = self->system.patterned ? NULL : self->system.indptr;
    int32_t *indices = self->system.patterned ? NULL : self->system.indices;
    NBT_ASK(self, rows, at, indptr, indices, self->system.values);
    if (!follow_pattern(self, at->symbol < 0)) return 0;
    NBT(system_given)(self, (size_t)self->system.indptr[self->sizes.n], self->system.values);
    return 1;
}

int NBT(system_move)(nbt_learner *self, const nbt_point *at)
{
    const size_t K = self->sizes.K, ldn = self->sizes.ldn;
    real *v = self->estimator.v, *pushed = self->scratch.pushed;
    if (self->system.functions.move) {
        int64_t *indptr = self->system.patterned ? NULL : self->system.indptr;
        int32_t *indices = self->system.patterned ? NULL : self->system.indices;
        NBT_ASK(self, move, at, K, ldn, v, self->scratch.h_next, pushed, indptr, indices,
                self->system.values);
        if (!follow_pattern(self, 1)) return 0;
        NBT(system_given)(self, (size_t)self->system.indptr[self->sizes.n], self->system.values);
        NBT(system_given)(self, ldn, self->scratch.h_next);
        lanes_copy(ldn, self->scratch.h_next, self->network.h);
    } else {
        nbt_point dense = *at;
        dense.symbol = -1;
        for (size_t k = 0; k < K && !self->counters.failed; k++)
            NBT_ASK(self, jvp, at, v + k * ldn, pushed + k * ldn);
        if (self->counters.failed || !NBT(system_rows)(self, &dense)) return 0;
        if (!NBT(system_step)(self, at)) return 0;
    }
    NBT(sparse_spread)(&self->system);
    NBT(system_given)(self, K * ldn, pushed);
    lanes_copy(K * ldn, pushed, v);
    return 1;
}

void NBT(system_pairs_gradient)(nbt_learner *self)
{
    real *g = self->scratch.g, *c = self->scratch.c;
    NBT(rows_dot)(self->sizes.K, self->sizes.ldn, self->estimator.v, self->readout.H, c);
    for (size_t k = 0; k < self->sizes.K; k++) {
        const real part = c[k] / (real)self->sizes.K,
                   *w = row_at(self->estimator.w, k, self->sizes.cell.size);
        for (size_t j = 0; j < self->sizes.cell.size; j += LANES) {
            const vec before = k ? load(g + j) : (vec){0};
            store(g + j, before + part * load(w + j));
        }
    }
}

int NBT(system_step)(nbt_learner *self, const nbt_point *at)
{
    NBT_ASK(self, step, at, self->scratch.h_next);
    NBT(system_given)(self, self->sizes.ldn, self->scratch.h_next);
    if (!self->counters.failed) lanes_copy(self->sizes.ldn, self->scratch.h_next, self->network.h);
    return !self->counters.failed;
}

void NBT(system_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(system_input)(self, symbol, vector);
    for (size_t q = 0; q < self->sizes.phases; q++) {
        const nbt_point at = NBT(system_point)(self, self->network.h, q);
        if (!NBT(system_step)(self, &at)) return;
    }
    NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                 self->network.slope);
}

void NBT(system_signs)(const nbt_sizes *at, uint64_t seed, uint64_t t, size_t k, size_t q,
                       nbt_reduction *to)
{
    real *sign = to->sign;
    if (q == 0) {
        NBT(signs)(at, seed, t, (uint32_t)k, to);
        return;
    }
    for (size_t i = 0; i < at->n;) {
        const size_t unit = q * at->n + i, within = unit % 128;
        uint32_t bits[4];
        nbt_sign_bits(seed, (uint32_t)k, t, (uint32_t)(unit / 128), bits);
        const size_t left = at->n - i, count = left < 128 - within ? left : 128 - within;
        for (size_t b = within; b < within + count; b++)
            sign[i++] = bits[b / 32] >> (b % 32) & 1 ? 1 : -1;
    }
}

void NBT(system_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    real *h = self->scratch.before, *h_next = self->scratch.h_next;
    NBT(system_input)(self, symbol, vector);
    lanes_copy(self->sizes.ldn, self->network.h, h_next);
    for (size_t q = 0; q < self->sizes.phases && !self->counters.failed; q++) {
        lanes_copy(self->sizes.ldn, h_next, h);
        const nbt_point at = NBT(system_point)(self, h, q);
        NBT_ASK(self, step, &at, h_next);
    }
}

void NBT(system_refresh)(nbt_learner *self)
{
    NBT(metric_refresh)(self);
    self->system.patterned = self->system.surveyed = 0;
}
