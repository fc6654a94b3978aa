#include "readout.h"
#include "optimizer.h"
#include "panels.h"
#include "scaler.h"
#include "vmath.h"
#include <math.h>
#include <string.h>

/* ŷ; 0 in the padding. */
static void outputs(const nbt_learner *self, const real *restrict a, real *restrict out)
{
    const nbt_panels *at = &self->out;
    const real *phi = self->phi;
    size_t i = 0;
    for (; i + SIDE_BY_SIDE * LANES <= at->full; i += SIDE_BY_SIDE * LANES) {
        vec sum[SIDE_BY_SIDE];
        panels_sum(at, panel_of(at, phi, i), self->n, a, sum);
        for (size_t k = 0; k < SIDE_BY_SIDE; k++)
            store(out + i + k * LANES, load(phi + i + k * LANES) + sum[k]);
    }
#define PANEL(i, group)                                                                            \
    store(out + i, load(phi + i) + lanes_gather(panel_sum((vec){0}, panel_of(at, phi, i), 0,       \
                                                          self->n, a, group),                      \
                                                group))
    EACH_PANEL_OF(at, i / LANES, at->count, PANEL);
#undef PANEL
}

/* ---- softmax ------------------------------------------------------------------------------- */

/* x ← softmax(x) in place, less 1 at `seen`; returns ln Σ exp x. In the loop, since the next load
 * of x would wait for a number stored by itself (2 % of a Euclidean step of 20 units on Intel's).
 */
static double softmax(size_t A, size_t ldA, size_t seen, real *x)
{
    for (size_t z = A; z < ldA; z++) x[z] = x[0]; /* the padding, which counts nowhere else */
    vec high = load(x);
    for (size_t z = LANES; z < ldA; z += LANES) high = lanes_max(load(x + z), high);
    const real top = fold_max(high);
    for (size_t z = 0; z < ldA; z++) x[z] = vexp_falling(x[z] - top);
    vec each = {0};
    for (size_t z = 0; z < ldA; z += LANES) each += lanes_only(load(x + z), A - z);
    const real sum = fold(each), scale = 1 / sum;
    for (size_t z = 0; z < ldA; z += LANES)
        store(x + z, scale * lanes_only(load(x + z), A - z) - lanes_one_at(seen - z));
    return (double)top + vlog((double)sum);
}

static void softmax_predict(const nbt_learner *self, real *out)
{
    softmax(self->A, self->ldA, SIZE_MAX, out);
}

static double softmax_loss(const nbt_learner *self, nbt_target y, real *delta)
{
    const double seen = (double)delta[y.symbol];
    return softmax(self->A, self->ldA, y.symbol, delta) - seen;
}

/* ---- gaussian ------------------------------------------------------------------------------ */

#define LN_2PI 1.8378770664093454836
#define LOG_VARIANCE_BOUND ((real)20)

/* s, and ∂s/∂u. */
NBT_INLINE real log_variance(real u, real *slope)
{
    const real shrink = 1 / (1 + (u < 0 ? -u : u) / LOG_VARIANCE_BOUND);
    *slope = shrink * shrink;
    return u * shrink;
}

static void gaussian_predict(const nbt_learner *self, real *out)
{
    real *u = out + self->Y, slope, mean, scale;
    for (size_t d = 0; d < self->Y; d++) {
        NBT(scaler_target)(self, d, &mean, &scale);
        out[d] = mean + scale * out[d];
        u[d] = scale * scale * vexp(log_variance(u[d], &slope));
    }
}

static double gaussian_loss(const nbt_learner *self, nbt_target y, real *delta)
{
    const real *target = y.vector;
    real *u = delta + self->Y, *information = self->information, slope, mean, scale;
    double loss = 0;
    for (size_t d = 0; d < self->Y; d++) {
        const int varied = NBT(scaler_target)(self, d, &mean, &scale);
        const int counts = varied && target[d] == target[d];
        const real s = log_variance(u[d], &slope), precision = vexp(-s);
        const real error = delta[d] - (target[d] - mean) / scale;
        const real square = error * error * precision;
        if (counts) loss += LN_2PI + (double)s + (double)square + 2 * vlog((double)scale);
        delta[d] = counts ? error * precision : 0;
        u[d] = counts ? (real)0.5 * (1 - square) * slope : 0;
        if (!information) continue;
        information[d] = counts ? precision : 0;
        information[self->Y + d] = counts ? (real)0.5 * slope * slope : 0;
    }
    return loss / 2;
}

/* ---- bernoulli ----------------------------------------------------------------------------- */

static void bernoulli_predict(const nbt_learner *self, real *out)
{
    real slope;
    for (size_t d = 0; d < self->Y; d++) out[d] = vsigmoid(out[d], &slope);
}

static double bernoulli_loss(const nbt_learner *self, nbt_target y, real *delta)
{
    const real *target = y.vector;
    double loss = 0;
    for (size_t d = 0; d < self->Y; d++) {
        real slope;
        const real x = delta[d], small = vexp_falling(x < 0 ? x : -x);
        const int known = target[d] == target[d];
        if (known)
            loss +=
                (double)(x < 0 ? 0 : x) - (double)target[d] * (double)x + vlog(1 + (double)small);
        delta[d] = known ? vsigmoid(x, &slope) - target[d] : 0;
    }
    return loss;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct {
    void (*predict)(const nbt_learner *self, real *out);                /* from ŷ, in place */
    double (*loss)(const nbt_learner *self, nbt_target y, real *delta); /* ŷ becomes ∂ℓ/∂ŷ */
} KINDS[] = {
    [NBT_SOFTMAX] = {softmax_predict, softmax_loss},
    [NBT_GAUSSIAN] = {gaussian_predict, gaussian_loss},
    [NBT_BERNOULLI] = {bernoulli_predict, bernoulli_loss},
};

void NBT(readout_predict)(const nbt_learner *self, const real *restrict a, real *restrict out)
{
    outputs(self, a, out);
    KINDS[self->readout].predict(self, out);
}

double NBT(readout_loss)(nbt_learner *self, nbt_target y, real *restrict delta)
{
    outputs(self, self->a, delta);
    return KINDS[self->readout].loss(self, y, delta);
}

void NBT(readout_pull)(const nbt_learner *self, size_t count, const real *restrict slope,
                       const real *restrict delta, real *restrict H)
{
    NBT(panels_dot)(&self->out, self->n, count, self->phi, delta, self->ldA, H, self->ldn);
    lanes_multiply(count * self->ldn, slope, H);
}

/* SGD reads φ once, for H and for its own step: a tenth of a Euclidean step of 20 units. */
static void descend_outer(nbt_learner *self)
{
    const real *a = self->a, *delta = self->delta, rate = (real)self->rate;
    NBT(panels_dot_descend)(&self->out, self->n, rate, a, delta, self->phi, self->H);
    lanes_multiply(self->ldn, self->slope, self->H);
}

void NBT(readout_learn)(nbt_learner *self)
{
    if (self->optimizer == NBT_SGD) {
        descend_outer(self);
        return;
    }
    NBT(readout_pull)(self, 1, self->slope, self->delta, self->H);
    NBT(optimizer_apply_outer)(self, &self->out, self->a, self->delta, self->information,
                               self->phi_J, self->phi_J0, self->phi);
}
