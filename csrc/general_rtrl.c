#include "cell.h"
#include "general.h"
#include "lanes.h"
#include "metric.h"
#include "whole.h"
#include <string.h>

static real *now(const nbt_learner *self) { return self->settled ? self->G : self->G_next; }
static real *next(const nbt_learner *self) { return self->settled ? self->G_next : self->G; }

/* out ← out + c row, (ld). */
static void add_row(size_t ld, real c, const real *restrict row, real *restrict out)
{
    for (size_t j = 0; j < ld; j += LANES) store(out + j, load(out + j) + c * load(row + j));
}

/* g = Σ_k H_k G[k], (6). O(np) */
static void exact_gradient(nbt_learner *self)
{
    const size_t ld = self->ldG;
    const real *H = self->H, *G = now(self);
    memset(self->g, 0, ld * sizeof(real));
    for (size_t i = 0; i < self->n; i++) add_row(ld, H[i], G + i * ld, self->g);
}

double NBT(general_rtrl_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(general_loss)(self, y, learn);
    if (!learn || self->failed) return loss;
    if (self->whole) {
        if (!NBT(whole_learn)(self, exact_gradient)) self->diverged = 1;
        return loss;
    }
    exact_gradient(self);
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

/* `blocks` lane blocks of columns of F G, their sums in registers. */
NBT_INLINE void product_strip(size_t n, size_t ldn, size_t ld, size_t blocks,
                              const real *restrict F, const real *restrict G, real *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        vec sum[4] = {{0}};
        for (size_t j = 0; j < n; j++) {
            const real f = F[j * ldn + i];
            if (f == 0) continue;
            for (size_t b = 0; b < blocks; b++) sum[b] += f * load(G + j * ld + b * LANES);
        }
        for (size_t b = 0; b < blocks; b++) store(out + i * ld + b * LANES, sum[b]);
    }
}

/* (4): G ← F G + ∂f/∂θ. */
static void carry(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn, ld = self->ldG;
    const real *F = self->F, *G = now(self), *value = self->values;
    real *out = next(self);
    size_t c = 0;
    for (; c + 4 * LANES <= ld; c += 4 * LANES) product_strip(n, ldn, ld, 4, F, G + c, out + c);
    for (; c < ld; c += LANES) product_strip(n, ldn, ld, 1, F, G + c, out + c);
    for (size_t i = 0; i < n; i++)
        for (size_t e = (size_t)self->indptr[i]; e < (size_t)self->indptr[i + 1]; e++)
            out[i * ld + (size_t)self->indices[e]] += value[e];
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
    NBT(cell_respond)(self, self->h, self->a, self->slope);
    if (!NBT(all_finite)(size, now(self))) self->diverged = 1;
}
