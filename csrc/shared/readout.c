#include "shared/readout.h"
#include "machine/panels.h"
#include "machine/vmath.h"
#include "shared/optimizer.h"
#include "shared/recursive.h"
#include "shared/scaler.h"
#include <math.h>
#include <string.h>

/* ---- what is seen ------------------------------------------------------------------------- */

nbt_view NBT(readout_view)(const nbt_learner *self)
{
    return (nbt_view){1, self->network.a, self->readout.last_x,
                      self->choices.direct ? &self->readout.symbol : NULL};
}

void NBT(readout_sees)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (self->choices.one_hot)
        self->readout.symbol = symbol;
    else
        memcpy(self->readout.last_x, vector, self->sizes.m * sizeof(real));
}

/* (a, x) of one step, or a where no vector is seen; 0 up to a whole vec. */
static const real *features_of(const nbt_learner *self, nbt_view seen)
{
    real *features = self->readout.features;
    if (!features) return seen.a;
    memcpy(features, seen.a, self->sizes.n * sizeof *features);
    memcpy(features + self->sizes.n, seen.x, self->sizes.m * sizeof *features);
    return features;
}

/* The row of a symbol, below row 0. */
static size_t row_of(const nbt_learner *self, int32_t symbol)
{
    return self->sizes.n + (size_t)symbol;
}

/* One panel's part of ŷ, without the bias. The rows of inputs go one after the other: so more of
 * them that are 0 change no bit. */
NBT_INLINE vec panel_output(const nbt_panels *at, const real *panel, size_t n, const real *x,
                            size_t per_vec)
{
    vec sum = panel_sum((vec){0}, panel, 0, per_vec == 1 ? at->rows : n, x, per_vec);
    for (size_t p = n; per_vec > 1 && p < at->rows; p += per_vec)
        sum += lanes_rows(x + p, per_vec) * load_any(panel + p * (LANES / per_vec));
    return sum;
}

/* ŷ; 0 in the padding. */
static void outputs(const nbt_learner *self, nbt_view seen, real *restrict out)
{
    const nbt_panels *at = &self->sizes.out;
    const real *phi = self->readout.phi, *x = features_of(self, seen);
    const int32_t symbol = seen_symbol(seen, 0);
    size_t i = 0;
    for (; i + SIDE_BY_SIDE * LANES <= at->full; i += SIDE_BY_SIDE * LANES) {
        vec sum[SIDE_BY_SIDE];
        panels_sum(at, panel_of(at, phi, i), at->rows, x, sum);
        for (size_t k = 0; k < SIDE_BY_SIDE; k++)
            store(out + i + k * LANES, load(phi + i + k * LANES) + sum[k]);
    }
#define PANEL(i, per_vec)                                                                          \
    store(out + i, load(phi + i) + lanes_gather(panel_output(at, panel_of(at, phi, i),             \
                                                             self->sizes.n, x, per_vec),           \
                                                per_vec))
    EACH_PANEL_OF(at, i / LANES, at->count, PANEL);
#undef PANEL
    for (i = 0; symbol >= 0 && i < at->ld; i += LANES)
        store(out + i, load(out + i) + panel_row(at, phi, row_of(self, symbol), i));
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

/* The same with ŷ + β ln q, which leaves ∂ℓ/∂β (counts.h). Apart, so that a step without counts has
 * one look at a pointer. */
static __attribute__((noinline)) double counted_softmax(nbt_counts *counts, size_t A, size_t ldA,
                                                        size_t seen, real *x)
{
    const double beta = nbt_counts_predict(counts);
    for (size_t z = 0; z < A; z++) x[z] += (real)(beta * counts->log_q[z]);
    const double y = seen < A ? (double)x[seen] : 0, loss = softmax(A, ldA, seen, x) - y;
    counts->slope = 0;
    for (size_t z = 0; z < A; z++) counts->slope += (double)x[z] * counts->log_q[z];
    return loss;
}

static void softmax_predict(const nbt_learner *self, real *out, double *p)
{
    const nbt_sizes *at = &self->sizes;
    if (self->readout.counts)
        counted_softmax(self->readout.counts, at->A, at->ldA, SIZE_MAX, out);
    else
        softmax(at->A, at->ldA, SIZE_MAX, out);
    for (size_t z = 0; z < at->A; z++) p[z] = (double)out[z];
}

static double softmax_loss(nbt_learner *self, nbt_target y, real *delta)
{
    const nbt_sizes *at = &self->sizes;
    if (self->readout.counts)
        return counted_softmax(self->readout.counts, at->A, at->ldA, y.symbol, delta);
    const double seen = (double)delta[y.symbol];
    return softmax(at->A, at->ldA, y.symbol, delta) - seen;
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
    double *errors = self->optimizer.phi_e; /* of the means, in their own units */
    self->readout.doubt = 1;
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
        if (errors) errors[d] = counts ? off / own : 0;
        if (errors && self->choices.scale_y && fabs(off) > LIMIT * self->readout.doubt)
            self->readout.doubt = fabs(off) / LIMIT;
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

void NBT(readout_predict)(const nbt_learner *self, nbt_view seen, real *restrict out,
                          double *restrict p)
{
    outputs(self, seen, out);
    KINDS[self->choices.readout].predict(self, out, p);
}

double NBT(readout_loss)(nbt_learner *self, nbt_target y, real *restrict delta)
{
    outputs(self, NBT(readout_view)(self), delta);
    return KINDS[self->choices.readout].loss(self, y, delta);
}

void NBT(readout_pull)(const nbt_learner *self, size_t count, const real *restrict slope,
                       const real *restrict delta, real *restrict H)
{
    NBT(panels_dot)(&self->sizes.out, self->sizes.n, count, self->readout.phi, delta,
                    self->sizes.ldA, H, self->sizes.ldn);
    lanes_multiply(count * self->sizes.ldn, slope, H);
}

/* ‖x‖² (count). */
static real squared(size_t count, const real *x)
{
    vec sum = {0};
    for (size_t i = 0; i < count; i += LANES) {
        const vec some = lanes_only(load(x + i), count - i);
        sum += some * some;
    }
    return fold(sum);
}

void NBT(readout_shorten)(const nbt_learner *self, nbt_view seen, real *delta)
{
    real size = 0;
    for (size_t t = 0; t < seen.count; t++) {
        size += 1 + squared(self->sizes.n, seen.a + t * self->sizes.ldn);
        if (self->readout.last_x) size += squared(self->sizes.m, seen.x + t * self->sizes.ldm);
        if (seen_symbol(seen, t) >= 0) size += 1;
    }
    const real turn = (real)self->optimizer.phi_rate * size;
    if (!(turn > 1)) return;
    for (size_t z = 0; z < seen.count * self->sizes.ldA; z++) delta[z] /= turn;
}

void NBT(readout_collect)(const nbt_learner *self, nbt_view seen, const real *delta, real *g)
{
    const size_t n = self->sizes.n, ldA = self->sizes.ldA;
    const nbt_panels *at = &self->sizes.out;
    const nbt_ring all = {.count = seen.count};
    for (size_t t = 0; t < seen.count; t++) {
        lanes_add(ldA, delta + t * ldA, g);
        const int32_t symbol = seen_symbol(seen, t);
        if (symbol >= 0) NBT(panels_add_row)(at, row_of(self, symbol), delta + t * ldA, g);
    }
    NBT(panels_add_outer)(at, 0, n, all, seen.a, self->sizes.ldn, delta, ldA, g);
    if (self->readout.last_x)
        NBT(panels_add_outer)(at, n, self->sizes.m, all, seen.x, self->sizes.ldm, delta, ldA, g);
}

/* The rows of x: φ ← φ - η x δᵀ. */
static void descend_inputs(nbt_learner *self, const real *delta, real rate)
{
    const nbt_panels *at = &self->sizes.out;
    real *step = self->readout.features, *phi = self->readout.phi;
    if (self->readout.symbol >= 0)
        NBT(optimizer_apply_row)(self, row_of(self, self->readout.symbol), delta, NULL);
    if (!step) return;
    for (size_t l = 0; l < self->sizes.ldm; l++)
        step[l] = -rate * ((real *)self->readout.last_x)[l];
    NBT(panels_add_outer)(at, self->sizes.n, self->sizes.m, (nbt_ring){.count = 1}, step,
                          self->sizes.ldm, delta, self->sizes.ldA, phi);
}

/* SGD reads φ once, for H and for its own step: a tenth of a Euclidean step of 20 units. */
static void descend_outer(nbt_learner *self)
{
    const real *a = self->network.a, *delta = self->readout.delta,
               rate = (real)self->optimizer.phi_rate;
    if (self->choices.scale_y)
        NBT(readout_shorten)(self, NBT(readout_view)(self), self->readout.delta);
    NBT(panels_dot_descend)(&self->sizes.out, self->sizes.n, rate, a, delta, self->readout.phi,
                            self->readout.H);
    lanes_multiply(self->sizes.ldn, self->network.slope, self->readout.H);
    if (self->choices.direct) descend_inputs(self, delta, rate);
}

/* The means by recursive least squares; what is left of δ is that of u. */
static void learn_means(nbt_learner *self)
{
    const size_t size = self->sizes.Y * sizeof(real);
    if (!self->readout.unscored)
        NBT(recursive_learn)(self, features_of(self, NBT(readout_view)(self)),
                             self->readout.symbol);
    memset(self->readout.delta, 0, size);
    memset(self->readout.information, 0, size);
}

void NBT(readout_learn)(nbt_learner *self)
{
    if (self->choices.phi.kind == NBT_SGD) {
        descend_outer(self);
        return;
    }
    NBT(readout_pull)(self, 1, self->network.slope, self->readout.delta, self->readout.H);
    if (self->choices.phi.shared) learn_means(self);
    if (self->readout.symbol >= 0)
        NBT(optimizer_apply_row)(self, row_of(self, self->readout.symbol), self->readout.delta,
                                 self->readout.information);
    NBT(optimizer_apply_outer)(self, features_of(self, NBT(readout_view)(self)),
                               self->readout.delta, self->readout.information);
}
