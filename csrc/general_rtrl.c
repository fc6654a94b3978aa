#include "cell.h"
#include "general.h"
#include "lanes.h"
#include "metric.h"
#include "readout.h"
#include <string.h>

static real *now(const nbt_learner *self) { return self->settled ? self->G : self->G_next; }
static real *next(const nbt_learner *self) { return self->settled ? self->G_next : self->G; }

/* out ← out + c row, (ld). */
static void add_row(size_t ld, real c, const real *restrict row, real *restrict out)
{
    for (size_t j = 0; j < ld; j += LANES) store(out + j, load(out + j) + c * load(row + j));
}

double NBT(general_rtrl_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const size_t ld = self->ldG;
    const real *H = self->H, *G = now(self);
    const double loss = NBT(readout_loss)(self, y, self->delta);
    if (!learn) return loss;
    NBT(readout_learn)(self);
    memset(self->g, 0, ld * sizeof(real));
    for (size_t i = 0; i < self->n; i++) add_row(ld, H[i], G + i * ld, self->g);
    if (!NBT(metric_apply)(self, self->g)) self->diverged = 1;
    return loss;
}

/* Fᵀ (n, ldn), a product with a unit vector a row. O(n) calls */
static int jacobian(nbt_learner *self, const nbt_point *at)
{
    const nbt_system *f = &self->system;
    real *F = self->F, *unit = self->slope_next;
    memset(unit, 0, self->ldn * sizeof *unit);
    for (size_t j = 0; j < self->n && !self->failed; j++) {
        unit[j] = 1;
        self->failed |= f->jvp(f->self, at, unit, F + j * self->ldn) != 0;
        unit[j] = 0;
    }
    return !self->failed;
}

/* (4): G ← F G + ∂f/∂θ. */
static void carry(nbt_learner *self)
{
    const size_t n = self->n, ld = self->ldG;
    const real *F = self->F, *G = now(self), *value = self->values;
    real *out = next(self);
    memset(out, 0, n * ld * sizeof(real));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            if (F[j * self->ldn + i] != 0) add_row(ld, F[j * self->ldn + i], G + j * ld, out + i * ld);
        for (size_t e = (size_t)self->indptr[i]; e < (size_t)self->indptr[i + 1]; e++)
            out[i * ld + (size_t)self->indices[e]] += value[e];
    }
    self->settled = !self->settled;
}

void NBT(general_rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const size_t size = self->n * self->ldG;
    if (self->step % NBT_FLUSH_EVERY == 0) NBT(flush)(size, now(self));
    NBT(general_input)(self, symbol, vector);
    for (size_t q = 0; q < self->phases; q++) {
        const nbt_point at = NBT(general_point)(self, self->h, q);
        if (!jacobian(self, &at) || !NBT(general_rows)(self, &at)) return;
        carry(self);
        if (!NBT(general_step)(self, &at)) return;
    }
    NBT(cell_activate)(self->ldn, self->activation, self->h, self->a, self->slope);
    if (!NBT(all_finite)(size, now(self))) self->diverged = 1;
}
