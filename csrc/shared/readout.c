#include "shared/readout.h"
#include "machine/panels.h"
#include "machine/vmath.h"
#include "shared/optimizer.h"
#include "shared/scaler.h"
#include <math.h>
#include <string.h>

/* ŷ; 0 in the padding. */
static void outputs(const nbt_learner *self, const real *restrict a, real *restrict out)
{
    const nbt_panels *at = &self->sizes.out;
    const real *phi = self->readout.phi;
    size_t i = 0;
    for (; i + SIDE_BY_SIDE * LANES <= at->full; i += SIDE_BY_SIDE * LANES) {
        vec sum[SIDE_BY_SIDE];
        panels_sum(at, panel_of(at, phi, i), self->sizes.n, a, sum);
        for (size_t k = 0; k < SIDE_BY_SIDE; k++)
            store(out + i + k * LANES, load(phi + i + k * LANES) + sum[k]);
    }
#define PANEL(i, per_vec)                                                                          \
    store(out + i, load(phi + i) + lanes_gather(panel_sum((vec){0}, panel_of(at, phi, i), 0,       \
                                                          self->sizes.n, a, per_vec),              \
                                                per_vec))
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

static void softmax_predict(const nbt_learner *self, real *out, double *p)
{
    softmax(self->sizes.A, self->sizes.ldA, SIZE_MAX, out);
    for (size_t z = 0; z < self->sizes.A; z++) p[z] = (double)out[z];
}

static double softmax_loss(nbt_learner *self, nbt_target y, real *delta)
{
    const double seen = (double)delta[y.symbol];
    return softmax(self->sizes.A, self->sizes.ldA, y.symbol, delta) - seen;
}

/* ---- gaussian ------------------------------------------------------------------------------ */

#define LN_2PI 1.8378770664093454836
#define LOG_VARIANCE_BOUND ((real)20)
#define LIMIT 3.0      /* deviations of an error that gradients see */
#define PULL 0.05      /* of the log-variance to 0 */
#define FARTHEST 1e150 /* deviations of which the square is finite */

/* s, and ∂s/∂u. */
NBT_INLINE real log_variance(real u, real *slope)
{
    const real shrink = 1 / (1 + (u < 0 ? -u : u) / LOG_VARIANCE_BOUND);
    *slope = shrink * shrink;
    return u * shrink;
}

/* The scale of number d; a target that is not standardised is in units of its own. */
static nbt_scale scale_of(const nbt_learner *self, size_t d)
{
    return self->choices.scale_y ? NBT(scaler_target)(&self->scaler, d) : (nbt_scale){0, 1, 1, 1};
}

static void gaussian_predict(const nbt_learner *self, real *out, double *p)
{
    const real *u = out + self->sizes.Y;
    real slope;
    for (size_t d = 0; d < self->sizes.Y; d++) {
        const nbt_scale at = scale_of(self, d);
        p[d] = at.mean + at.scale * (double)out[d];
        p[self->sizes.Y + d] = at.error * (double)vexp(log_variance(u[d], &slope));
    }
}

/* What gradients see of one number: its error in deviations; the mean of its square; and how much
 * the log-variance is drawn to 0, where the variance of errors is known by itself. */
typedef struct {
    double off, share, pull;
} surprise;

/* Where targets are standardised, no more than LIMIT deviations are seen; leaves in y_square what
 * the variance of errors is made of. */
static surprise limited(nbt_learner *self, size_t d, double off, double error)
{
    if (!self->choices.scale_y) return (surprise){off, 1, 0};
    const double most = off > LIMIT ? LIMIT : off < -LIMIT ? -LIMIT : off;
    const double seen = self->scaler.y_error[d];
    self->scaler.y_square[d] = error < FARTHEST ? off * off * error : error;
    self->scaler.y_square[self->sizes.Y + d] = most * most * error;
    return (surprise){most, seen > 0 ? self->scaler.y_limited[d] / seen : 0, PULL};
}

static double gaussian_loss(nbt_learner *self, nbt_target y, real *delta)
{
    real *u = delta + self->sizes.Y, *information = self->readout.information, slope;
    double loss = 0;
    size_t scored = 0;
    for (size_t d = 0; d < self->sizes.Y; d++) {
        const nbt_scale at = scale_of(self, d);
        const int counts = at.known && y.vector[d] == y.vector[d];
        const real s = log_variance(u[d], &slope);
        const double deviation = sqrt(at.error) * (double)vexp(s / 2), own = at.scale / deviation;
        double off = counts ? (at.mean + at.scale * (double)delta[d] - y.vector[d]) / deviation : 0;
        off = off > FARTHEST ? FARTHEST : off < -FARTHEST ? -FARTHEST : off;
        if (counts) loss += LN_2PI + 2 * vlog(deviation) + off * off;
        scored += (size_t)counts;
        const surprise seen = limited(self, d, off, at.error);
        const double step =
            self->choices.scale_y && self->choices.phi.kind == NBT_SGD ? 1 / own : own;
        delta[d] = counts ? (real)(seen.off * step) : 0;
        const double by_s = 0.5 * (seen.share - seen.off * seen.off) + seen.pull * (double)s;
        u[d] = counts ? (real)by_s * slope : 0;
        if (!information) continue;
        information[d] = counts ? (real)(own * own) : 0;
        const real squared = self->choices.scale_y ? u[d] * u[d] : 0,
                   least = (real)0.5 * slope * slope;
        information[self->sizes.Y + d] = counts ? (squared > least ? squared : least) : 0;
    }
    self->readout.unscored = !scored;
    return scored ? loss / 2 : (double)NAN;
}

/* ---- bernoulli ----------------------------------------------------------------------------- */

static void bernoulli_predict(const nbt_learner *self, real *out, double *p)
{
    real slope;
    for (size_t d = 0; d < self->sizes.Y; d++) p[d] = (double)vsigmoid(out[d], &slope);
}

static double bernoulli_loss(nbt_learner *self, nbt_target y, real *delta)
{
    double loss = 0;
    for (size_t d = 0; d < self->sizes.Y; d++) {
        real slope;
        const real x = delta[d], small = vexp_falling(x < 0 ? x : -x);
        const real target = (real)y.vector[d];
        const int known = target == target;
        if (known)
            loss += (double)(x < 0 ? 0 : x) - (double)target * (double)x + vlog(1 + (double)small);
        delta[d] = known ? vsigmoid(x, &slope) - target : 0;
    }
    return loss;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct {
    void (*predict)(const nbt_learner *self, real *out, double *p); /* from ŷ, which it may lose */
    double (*loss)(nbt_learner *self, nbt_target y, real *delta);   /* ŷ becomes ∂ℓ/∂ŷ */
} KINDS[] = {
    [NBT_SOFTMAX] = {softmax_predict, softmax_loss},
    [NBT_GAUSSIAN] = {gaussian_predict, gaussian_loss},
    [NBT_BERNOULLI] = {bernoulli_predict, bernoulli_loss},
};

void NBT(readout_predict)(const nbt_learner *self, const real *restrict a, real *restrict out,
                          double *restrict p)
{
    outputs(self, a, out);
    KINDS[self->choices.readout].predict(self, out, p);
}

double NBT(readout_loss)(nbt_learner *self, nbt_target y, real *restrict delta)
{
    outputs(self, self->network.a, delta);
    return KINDS[self->choices.readout].loss(self, y, delta);
}

void NBT(readout_pull)(const nbt_learner *self, size_t count, const real *restrict slope,
                       const real *restrict delta, real *restrict H)
{
    NBT(panels_dot)(&self->sizes.out, self->sizes.n, count, self->readout.phi, delta,
                    self->sizes.ldA, H, self->sizes.ldn);
    lanes_multiply(count * self->sizes.ldn, slope, H);
}

void NBT(readout_shorten)(const nbt_learner *self, size_t count, const real *a, real *delta)
{
    real size = 0;
    for (size_t t = 0; t < count; t++) {
        vec sum = {0};
        for (size_t i = 0; i < self->sizes.n; i += LANES) {
            const vec some = lanes_only(load(a + t * self->sizes.ldn + i), self->sizes.n - i);
            sum += some * some;
        }
        size += 1 + fold(sum);
    }
    const real turn = (real)self->optimizer.phi_rate * size;
    if (!(turn > 1)) return;
    for (size_t z = 0; z < count * self->sizes.ldA; z++) delta[z] /= turn;
}

/* SGD reads φ once, for H and for its own step: a tenth of a Euclidean step of 20 units. */
static void descend_outer(nbt_learner *self)
{
    const real *a = self->network.a, *delta = self->readout.delta,
               rate = (real)self->optimizer.phi_rate;
    if (self->choices.scale_y) NBT(readout_shorten)(self, 1, a, self->readout.delta);
    NBT(panels_dot_descend)(&self->sizes.out, self->sizes.n, rate, a, delta, self->readout.phi,
                            self->readout.H);
    lanes_multiply(self->sizes.ldn, self->network.slope, self->readout.H);
}

void NBT(readout_learn)(nbt_learner *self)
{
    if (self->choices.phi.kind == NBT_SGD) {
        descend_outer(self);
        return;
    }
    NBT(readout_pull)(self, 1, self->network.slope, self->readout.delta, self->readout.H);
    NBT(optimizer_apply_outer)(self, self->network.a, self->readout.delta,
                               self->readout.information);
}
