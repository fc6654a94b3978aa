#include "readout.h"
#include "lanes.h"
#include "optimizer.h"
#include "vmath.h"
#include <math.h>
#include <string.h>

static void logits(size_t n, size_t ldA, const real *restrict phi, const real *restrict a,
                   real *restrict out)
{
    for (size_t z = 0; z < ldA; z += LANES) {
        vec sum = load(phi + z), other = {0};
        const real *row = phi + ldA + z;
        size_t i = 0;
        for (; i + 2 <= n; i += 2) {
            sum += a[i] * load(row + i * ldA);
            other += a[i + 1] * load(row + (i + 1) * ldA);
        }
        if (i < n) sum += a[i] * load(row + i * ldA);
        store(out + z, sum + other);
    }
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

void NBT(readout_predict)(size_t n, size_t A, size_t ldA, const real *restrict phi,
                          const real *restrict a, real *restrict p)
{
    logits(n, ldA, phi, a, p);
    softmax(A, ldA, p);
}

double NBT(readout_loss)(size_t n, size_t A, size_t ldA, const real *restrict phi,
                         const real *restrict a, size_t y, real *restrict delta)
{
    logits(n, ldA, phi, a, delta);
    const double seen = (double)delta[y];
    const double loss = softmax(A, ldA, delta) - seen;
    delta[y] -= 1;
    return loss;
}

void NBT(readout_pull)(size_t n, size_t ldA, const real *restrict phi, const real *restrict slope,
                       const real *restrict delta, real *restrict H)
{
    NBT(rows_dot)(n, ldA, phi + ldA, delta, H);
    for (size_t i = 0; i < n; i++) H[i] *= slope[i];
}

double NBT(readout_observe)(nbt_learner *self, size_t y, int learn)
{
    const size_t n = self->n, ldA = self->ldA;
    const double loss = NBT(readout_loss)(n, self->A, ldA, self->phi, self->a, y, self->delta);
    if (!learn) return loss;
    NBT(readout_pull)(n, ldA, self->phi, self->slope, self->delta, self->H);
    real *a1 = self->a1;
    a1[0] = 1;
    const real *a = self->a;
    for (size_t i = 0; i < n; i++) a1[1 + i] = a[i];
    if (!NBT(optimizer_apply_outer)(self->optimizer, NBT(optimizer_step_size)(self), 1 + n, ldA, a1,
                                    self->delta, self->phi_J, self->phi_J0, self->phi))
        self->diverged = 1;
    return loss;
}
