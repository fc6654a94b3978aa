#include "readout.h"
#include "optimizer.h"
#include "panels.h"
#include "vmath.h"
#include <math.h>
#include <string.h>

static void logits(const nbt_learner *self, const real *restrict a, real *restrict out)
{
    const real *phi = self->phi;
#define PANEL(i, group)                                                                            \
    store(out + i, load(phi + i) + lanes_gather(panel_sum((vec){0}, panel_of(&self->out, phi, i),  \
                                                          0, self->n, a, group),                   \
                                                group))
    EACH_PANEL(&self->out, PANEL);
#undef PANEL
}

/* x ← softmax(x) in place; returns ln Σ exp x. */
static double softmax(size_t A, size_t ldA, real *x)
{
    const real nowhere = (real)-INFINITY; /* the padding */
    for (size_t z = A; z < ldA; z++) x[z] = nowhere;
    real high[LANES];
    for (size_t l = 0; l < LANES; l++) high[l] = nowhere;
    for (size_t z = 0; z < ldA; z += LANES)
        for (size_t l = 0; l < LANES; l++) high[l] = x[z + l] > high[l] ? x[z + l] : high[l];
    real top = high[0];
    for (size_t l = 1; l < LANES; l++) top = high[l] > top ? high[l] : top;

    for (size_t z = 0; z < ldA; z++) x[z] = vexp(x[z] - top);
    const real sum = NBT(sum)(ldA, x), scale = 1 / sum;
    for (size_t z = 0; z < ldA; z++) x[z] *= scale;
    return (double)top + vlog((double)sum);
}

void NBT(readout_predict)(const nbt_learner *self, const real *restrict a, real *restrict p)
{
    logits(self, a, p);
    softmax(self->A, self->ldA, p);
}

double NBT(readout_loss)(nbt_learner *self, size_t y, real *restrict delta)
{
    logits(self, self->a, delta);
    const double seen = (double)delta[y];
    const double loss = softmax(self->A, self->ldA, delta) - seen;
    delta[y] -= 1;
    return loss;
}

void NBT(readout_pull)(const nbt_learner *self, size_t count, const real *restrict slope,
                       const real *restrict delta, real *restrict H)
{
    const size_t n = self->n, ldn = self->ldn;
    NBT(panels_dot)(&self->out, n, count, self->phi, delta, self->ldA, H, ldn);
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < n; i++) H[t * ldn + i] *= slope[t * ldn + i];
}

void NBT(readout_learn)(nbt_learner *self)
{
    NBT(readout_pull)(self, 1, self->slope, self->delta, self->H);
    if (!NBT(optimizer_apply_outer)(self, &self->out, self->a, self->delta, self->phi_J,
                                    self->phi_J0, self->phi))
        self->diverged = 1;
}
