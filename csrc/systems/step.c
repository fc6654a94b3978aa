#include "systems/step.h"
#include "machine/lanes.h"
#include "shared/readout.h"
#include "shared/reduction.h"
#include "shared/signs.h"
#include "systems/metric.h"
#include "systems/sparse.h"
#include <string.h>

void NBT(system_input)(nbt_learner *self, int32_t symbol, const void *vector)
{
    real *x = self->x;
    if (!self->one_hot) {
        memcpy(x, vector, self->m * sizeof *x);
        return;
    }
    if (self->x_last >= 0)
        x[self->x_last] = 0;
    else
        memset(x, 0, self->m * sizeof *x);
    x[symbol] = 1;
    self->x_last = symbol;
}

nbt_point NBT(system_point)(const nbt_learner *self, const real *h, size_t phase)
{
    const int told = self->one_hot && self->system.by_symbol;
    return (nbt_point){h, self->x, self->theta, told ? self->x_last : -1, phase};
}

void NBT(system_given)(nbt_learner *self, size_t count, const void *numbers)
{
    if (self->system.theirs && !NBT(all_finite)(count, numbers)) self->noted = 1;
}

double NBT(system_own_loss)(nbt_learner *self, nbt_target y, real *H)
{
    double value = 0;
    real *numbers = self->y;
    for (size_t d = 0; d < self->Y; d++) numbers[d] = (real)y.vector[d];
    NBT_ASK(self, loss, self->h, self->y, &value, H);
    NBT(system_given)(self, self->ldn, H);
    return value;
}

double NBT(system_loss)(nbt_learner *self, nbt_target y, int learn)
{
    if (self->readout == NBT_OWN_LOSS) return NBT(system_own_loss)(self, y, self->H);
    const double loss = NBT(readout_loss)(self, y, self->delta);
    if (learn && !self->whole) NBT(readout_learn)(self);
    return loss;
}

/* Is the pattern the one that was surveyed last? Not kept of systems that say when it changes. */
static int seen(const nbt_learner *self)
{
    const size_t rows = (self->n + 1) * sizeof *self->indptr;
    if (self->system.fixed || !self->surveyed) return 0;
    if (memcmp(self->indptr, self->seen_indptr, rows)) return 0;
    const size_t entries = (size_t)self->indptr[self->n] * sizeof *self->indices;
    return !memcmp(self->indices, self->seen_indices, entries);
}

void NBT(system_survey)(nbt_learner *self)
{
    const size_t entries = (size_t)self->indptr[self->n];
    if (!self->system.fixed) {
        memcpy(self->seen_indptr, self->indptr, (self->n + 1) * sizeof *self->indptr);
        memcpy(self->seen_indices, self->indices, entries * sizeof *self->indices);
    }
    NBT(sparse_survey)(self);
}

/* What follows of the arrays that `rows` wrote; `dense`: one pattern for all symbols. */
static int follow_pattern(nbt_learner *self, int dense)
{
    const nbt_system *f = &self->system;
    if (self->failed || self->patterned || seen(self)) return !self->failed;
    self->failed =
        f->unchecked && !nbt_csr_valid(f->n, f->p, f->entries, self->indptr, self->indices);
    if (self->failed) return 0;
    NBT(system_survey)(self);
    self->patterned = f->fixed && f->phases == 1 && dense;
    return 1;
}

int NBT(system_rows)(nbt_learner *self, const nbt_point *at)
{
    int64_t *indptr = self->patterned ? NULL : self->indptr;
    int32_t *indices = self->patterned ? NULL : self->indices;
    NBT_ASK(self, rows, at, indptr, indices, self->values);
    if (!follow_pattern(self, at->symbol < 0)) return 0;
    NBT(system_given)(self, (size_t)self->indptr[self->n], self->values);
    return 1;
}

int NBT(system_move)(nbt_learner *self, const nbt_point *at)
{
    const size_t K = self->K, ldn = self->ldn;
    real *v = self->v, *pushed = self->pushed;
    if (self->system.move) {
        int64_t *indptr = self->patterned ? NULL : self->indptr;
        int32_t *indices = self->patterned ? NULL : self->indices;
        NBT_ASK(self, move, at, K, ldn, v, self->h_next, pushed, indptr, indices, self->values);
        if (!follow_pattern(self, 1)) return 0;
        NBT(system_given)(self, (size_t)self->indptr[self->n], self->values);
        NBT(system_given)(self, ldn, self->h_next);
        lanes_copy(ldn, self->h_next, self->h);
    } else {
        nbt_point dense = *at;
        dense.symbol = -1;
        for (size_t k = 0; k < K && !self->failed; k++)
            NBT_ASK(self, jvp, at, v + k * ldn, pushed + k * ldn);
        if (self->failed || !NBT(system_rows)(self, &dense)) return 0;
        if (!NBT(system_step)(self, at)) return 0;
    }
    NBT(sparse_spread)(self);
    NBT(system_given)(self, K * ldn, pushed);
    lanes_copy(K * ldn, pushed, v);
    return 1;
}

int NBT(system_step)(nbt_learner *self, const nbt_point *at)
{
    NBT_ASK(self, step, at, self->h_next);
    NBT(system_given)(self, self->ldn, self->h_next);
    if (!self->failed) lanes_copy(self->ldn, self->h_next, self->h);
    return !self->failed;
}

void NBT(system_signs)(nbt_learner *self, size_t k, size_t q)
{
    real *sign = self->sign;
    if (q == 0) {
        NBT(signs)(self, (uint32_t)k, sign);
        return;
    }
    for (size_t i = 0; i < self->n;) {
        const size_t unit = q * self->n + i, within = unit % 128;
        uint32_t bits[4];
        nbt_sign_bits(self->seed, (uint32_t)k, self->step, (uint32_t)(unit / 128), bits);
        const size_t left = self->n - i, count = left < 128 - within ? left : 128 - within;
        for (size_t b = within; b < within + count; b++)
            sign[i++] = bits[b / 32] >> (b % 32) & 1 ? 1 : -1;
    }
}

void NBT(system_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    real *h = self->input, *h_next = self->h_next;
    NBT(system_input)(self, symbol, vector);
    lanes_copy(self->ldn, self->h, h_next);
    for (size_t q = 0; q < self->phases && !self->failed; q++) {
        lanes_copy(self->ldn, h_next, h);
        const nbt_point at = NBT(system_point)(self, h, q);
        NBT_ASK(self, step, &at, h_next);
    }
}

void NBT(system_refresh)(nbt_learner *self)
{
    NBT(metric_refresh)(self);
    self->patterned = self->surveyed = 0;
}
