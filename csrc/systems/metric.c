#include "systems/metric.h"
#include "machine/flat.h"
#include "shared/optimizer.h"
#include "systems/reference.h"
#include <string.h>

/* ---- a pass over groups -------------------------------------------------------------------- */

/* What a pass does; constant wherever it is compiled. */
typedef struct {
    int learn;   /* J and θ follow the gradient */
    int pair;    /* which is H z + c w̄, or z alone */
    int keep;    /* q and r are kept */
    int measure; /* ‖z‖² in each group, ‖w̄‖² in all; ⟨z, w̄⟩ */
} work;

typedef struct {
    step_size step;
    real c;
    const real *z, *w;
    real *theta, *J, *J0, *q, *r;
} pass;

/* Of a group: what its first parameter says, and what the others leave to it. */
typedef struct {
    real H, c, g0, z0, w0, inverse0;
    vec x, Q, z2, zw;
} arrow;

/* ‖w̄‖² so far. */
typedef struct {
    vec w2;
    real first_w2;
} totals;

/* Up to LANES parameters from j on that are not first in their group. */
NBT_INLINE void arrow_turn(const pass *at, work todo, arrow *b, totals *all, size_t j, size_t count)
{
    const vec z = todo.learn || todo.measure ? load_any(at->z + j) : spread(0);
    const vec w = todo.pair ? load_any(at->w + j) : spread(0);
    const vec g = todo.pair ? b->H * z + b->c * w : b->H * z;
    vec Jjj = load_any(at->J + j), J0j = load_any(at->J0 + j);
    if (todo.learn) {
        Jjj = g * g + at->step.keep * Jjj;
        J0j = b->g0 * g + at->step.keep * J0j;
        store_some(at->J + j, count, Jjj);
        store_some(at->J0 + j, count, J0j);
    }
    const vec q = J0j * b->inverse0;
    const vec r = lanes_only(1 / qdop_denominator(Jjj + at->step.lambda, J0j, q), count);
    if (todo.learn) {
        const vec x = (g - b->g0 * q) * r;
        store_some(at->theta + j, count, load_any(at->theta + j) - x);
        b->x += q * x;
    }
    if (todo.keep) {
        store_some(at->q + j, count, q);
        store_some(at->r + j, count, r);
        b->Q += q * q * r;
    }
    if (todo.measure == PLAIN) {
        b->z2 += lanes_only(z, count) * z;
        all->w2 += lanes_only(w, count) * w;
    } else if (todo.measure) {
        const vec z_part = z - b->z0 * q, w_part = w - b->w0 * q, z_scaled = z_part * r;
        b->z2 += z_part * z_scaled;
        all->w2 += w_part * w_part * r;
        if (todo.measure == METRIC_INNER) b->zw += w_part * z_scaled;
    }
}

/* Kalman: the group first … last - 1. *z2, *zw: what is measured. */
NBT_INLINE void arrow_group(const pass *at, work todo, totals *all, size_t first, size_t last,
                            real H, real *z2, real *zw)
{
    arrow b = {.H = todo.pair ? H : 1, .c = at->c};
    if (todo.learn || todo.measure) b.z0 = at->z[first];
    if (todo.pair) b.w0 = at->w[first];
    b.g0 = todo.pair ? H * b.z0 + at->c * b.w0 : b.z0;
    if (todo.learn) {
        const real trust = qdop_trust(at->step, spread(b.g0), spread(at->J[first]))[0];
        b.H *= trust, b.c *= trust, b.g0 *= trust;
    }
    if (todo.learn) at->J[first] = at->step.keep * at->J[first] + b.g0 * b.g0;
    b.inverse0 = 1 / (at->J[first] + at->step.lambda);
    size_t j = first + 1;
    for (; j + LANES <= last; j += LANES) arrow_turn(at, todo, &b, all, j, LANES);
    if (j < last) arrow_turn(at, todo, &b, all, j, last - j);
    real sums[4]; /* of x, z2, zw, Q */
    fold_each((vec[4]){b.x, b.z2, b.zw, b.Q}, sums);
    if (todo.learn) at->theta[first] -= b.g0 * b.inverse0 - sums[0];
    if (todo.keep) {
        at->q[first] = sums[3];
        at->r[first] = b.inverse0;
    }
    if (!todo.measure) return;
    const real weight = todo.measure == PLAIN ? 1 : b.inverse0;
    *z2 = b.z0 * b.z0 * weight + sums[1];
    all->first_w2 += b.w0 * b.w0 * weight;
    if (todo.measure == METRIC_INNER) *zw = b.w0 * b.z0 * weight + sums[2];
}

/* SGD: parameters first … last - 1; *z2 and ‖w̄‖² are plain. */
NBT_INLINE void descend_span(const pass *at, work todo, totals *all, size_t first, size_t last,
                             real H, real *z2)
{
    const size_t begin = after_odd(first, last);
    const real of_z = at->step.rate * H, of_w = at->step.rate * at->c;
    vec squares = {0};
    for (size_t j = begin; j < last; j += LANES) {
        const size_t count = last - j;
        const vec z = load_some(at->z + j, count), w = load_some(at->w + j, count);
        if (todo.learn)
            store_some(at->theta + j, count, load_any(at->theta + j) - of_z * z - of_w * w);
        squares += z * z;
        all->w2 += w * w;
    }
    *z2 = fold(squares);
    if (begin > first) {
        const real z0 = at->z[first], w0 = at->w[first];
        if (todo.learn) at->theta[first] -= of_z * z0 + of_w * w0;
        *z2 += z0 * z0;
        all->first_w2 += w0 * w0;
    }
}

static pass pass_of(const nbt_learner *self, const real *z)
{
    const step_size step =
        NBT(optimizer_step_size)(&self->choices.theta, self->optimizer.theta_rate);
    return (pass){.step = step,
                  .z = z,
                  .theta = self->network.theta,
                  .J = self->optimizer.theta_J,
                  .J0 = self->optimizer.theta_J0,
                  .q = self->optimizer.metric_q,
                  .r = self->optimizer.metric_r};
}

/* ---- the step ------------------------------------------------------------------------------ */

static void descend(size_t size, real rate, const real *g, real *theta)
{
    for (size_t j = 0; j < size; j += LANES) store(theta + j, load(theta + j) - rate * load(g + j));
}

static void adam(size_t size, adam_step step, const real *g, const nbt_optimizer_part *of,
                 real *theta)
{
    real *m = of->theta_m, *v = of->theta_v;
    for (size_t j = 0; j < size; j += LANES)
        adam_update(step, load(g + j), m + j, v + j, theta + j);
}

/* J ← keep J + g gᵀ for g = z, r and θ where every group is one parameter. */
static void diagonal(size_t size, const pass *at)
{
    const real *g = at->z;
    real *theta = at->theta, *J = at->J, *r = at->r;
    const step_size step = at->step;
    for (size_t j = 0; j < size; j += LANES) {
        const vec gj = load(g + j), Jjj = step.keep * load(J + j) + gj * gj;
        const vec inverse = 1 / (Jjj + step.lambda);
        store(J + j, Jjj);
        store(r + j, inverse);
        store(theta + j, load(theta + j) - gj * inverse);
    }
}

/* Every group, for q and r. */
NBT_INLINE void each_group(const pass *at, const work todo, nbt_optimizer_part *metric)
{
    const int64_t *group = metric->group_start;
    totals all = {0};
    real none;
    for (size_t b = 0; b < metric->groups; b++)
        arrow_group(at, todo, &all, (size_t)group[b], (size_t)group[b + 1], 1, &none, &none);
    metric->measuring = todo.keep;
}

void NBT(metric_apply)(nbt_learner *self, const real *restrict g)
{
    const pass at = pass_of(self, g);
    const size_t size = self->sizes.cell.size;
    nbt_optimizer_part *of = &self->optimizer;
    if (self->choices.theta.kind == NBT_SGD)
        descend(size, at.step.rate, g, at.theta);
    else if (self->choices.theta.kind == NBT_ADAM)
        adam(size, NBT(optimizer_adam)(&self->choices.theta, of->theta_rate, &of->theta_updates), g,
             of, at.theta);
    else if (of->groups == self->system.functions.p)
        diagonal(size, &at);
    else if (self->choices.rule != NBT_NOBACKTRACK)
        each_group(&at, (work){.learn = 1}, of);
    else
        each_group(&at, (work){.learn = 1, .keep = 1}, of);
}

void NBT(metric_refresh)(nbt_learner *self)
{
    if (self->choices.theta.kind != NBT_KALMAN) return;
    if (self->choices.reference) {
        NBT(reference_refresh)(self);
        self->optimizer.measuring = 1;
        return;
    }
    const pass at = pass_of(self, NULL);
    each_group(&at, (work){.keep = 1}, &self->optimizer);
}

/* ---- gradient, step and norms in one pass ---------------------------------------------------- */

NBT_INLINE void each_span(nbt_learner *self, const pass *at, const int learn, const int measure)
{
    const work todo = {.learn = learn, .pair = 1, .measure = measure};
    const int64_t *span = self->system.span;
    const real *H = self->readout.H;
    real *norm = self->estimator.norm_d, *inner = self->estimator.inner, none;
    totals all = {0};
    for (size_t s = 0; s < self->system.spans; s++) {
        const size_t first = (size_t)span[s], last = (size_t)span[s + 1];
        const int32_t i = self->system.owner[s];
        const real of = i < 0 ? 0 : H[i];
        real *z2 = i < 0 ? &none : norm + i, *zw = i < 0 ? &none : inner + i;
        if (measure == NOTHING)
            descend_span(at, todo, &all, first, last, of, z2);
        else
            arrow_group(at, todo, &all, first, last, of, z2, zw);
    }
    ((real *)self->reduction.block_w)[0] = fold(all.w2) + all.first_w2;
}

void NBT(metric_sweep)(nbt_learner *self, int learn, real c, const real *z)
{
    const int fisher = self->choices.norm == NBT_FISHER,
              kalman = self->choices.norm == NBT_KALMAN_NORM;
    pass at = pass_of(self, z);
    at.w = self->estimator.w;
    at.c = c;
    memset(self->estimator.norm_d, 0, self->sizes.ldn * sizeof(real)); /* of rows that are empty */
    memset(self->estimator.inner, 0, self->sizes.ldn * sizeof(real));
    const int sgd = self->choices.theta.kind == NBT_SGD;
    if (learn && !sgd) self->optimizer.measuring = 0;
#define SPANS(measure)                                                                             \
    do {                                                                                           \
        if (learn)                                                                                 \
            each_span(self, &at, 1, measure);                                                      \
        else                                                                                       \
            each_span(self, &at, 0, measure);                                                      \
    } while (0)
    if (sgd)
        SPANS(NOTHING);
    else if (fisher)
        SPANS(METRIC);
    else if (kalman)
        SPANS(METRIC_INNER);
    else
        SPANS(PLAIN);
#undef SPANS
}

/* ---- norms --------------------------------------------------------------------------------- */

real NBT(metric_norm)(nbt_learner *self, const real *restrict w)
{
    if (self->choices.dense) {
        const nbt_reference at = NBT(reference_theta)(self);
        return NBT(reference_norm)(&at, w, self->scratch.raised);
    }
    const real *q = self->optimizer.metric_q, *r = self->optimizer.metric_r;
    vec sum = {0};
    if (self->optimizer.groups == self->system.functions.p) {
        for (size_t j = 0; j < self->sizes.cell.size; j += LANES)
            sum += load(w + j) * load(w + j) * load(r + j);
        return fold(sum);
    }
    real firsts = 0;
    for (size_t b = 0; b < self->optimizer.groups; b++) {
        const size_t first = (size_t)self->optimizer.group_start[b],
                     last = (size_t)self->optimizer.group_start[b + 1];
        const real w0 = w[first];
        firsts += w0 * w0 * r[first];
        for (size_t j = first + 1; j < last; j += LANES) {
            const size_t count = last - j;
            const vec part = load_some(w + j, count) - w0 * load_some(q + j, count);
            sum += part * part * load_some(r + j, count);
        }
    }
    return firsts + fold(sum);
}

void NBT(metric_raise)(const nbt_learner *self, const real *restrict w, real *restrict y)
{
    if (self->choices.dense) {
        const nbt_reference at = NBT(reference_theta)(self);
        NBT(reference_solve)(&at, w, y);
        return;
    }
    const real *q = self->optimizer.metric_q, *r = self->optimizer.metric_r;
    for (size_t b = 0; b < self->optimizer.groups; b++) {
        const size_t first = (size_t)self->optimizer.group_start[b],
                     last = (size_t)self->optimizer.group_start[b + 1];
        const real w0 = w[first];
        vec sum = {0};
        for (size_t j = first + 1; j < last; j += LANES) {
            const size_t count = last - j;
            const vec qj = load_some(q + j, count);
            const vec x = (load_some(w + j, count) - w0 * qj) * load_some(r + j, count);
            store_some(y + j, count, x);
            sum += qj * x;
        }
        y[first] = w0 * r[first] - fold(sum);
    }
}

/* What a bias w_0 leaves on the parameters of its group that a row does not have is w_0² (Q - Σ q²
 * r), the sum being over those it has. */
static real left_over(real w0, real Q, real covered)
{
    return Q > covered ? w0 * w0 * (Q - covered) : 0;
}

/* ‖w_i‖² of a run within the group that begins at `first` (or where there are no biases, SIZE_MAX),
 * its columns from j on. */
static real run_norm(const real *q, const real *r, size_t first, size_t j, size_t count,
                     const real *value)
{
    const int biased = j == first;
    const real w0 = biased ? value[0] : 0;
    vec own = {0}, covered = {0};
    for (size_t e = (size_t)biased; e < count; e += LANES) {
        const size_t left = count - e;
        const vec qj = load_some(q + j + e, left), rj = load_some(r + j + e, left);
        const vec part = load_some(value + e, left) - w0 * qj;
        own += part * part * rj;
        covered += qj * qj * rj;
    }
    const real rest = biased ? w0 * w0 * r[first] + left_over(w0, q[first], fold(covered)) : 0;
    return rest + fold(own);
}

/* Of any row, `lead` being 0 before and after. */
static real row_norm(const real *q, const real *r, const int32_t *first, size_t count,
                     const int32_t *index, const real *value, real *lead)
{
    real own = 0, rest = 0;
    for (size_t e = 0; e < count; e++) {
        const int32_t j = index[e];
        if (first[j] != j) continue;
        lead[j] = value[e];
        own += value[e] * value[e] * r[j];
        rest += value[e] * value[e] * q[j];
    }
    for (size_t e = 0; e < count; e++) {
        const int32_t j = index[e];
        if (first[j] == j) continue;
        const real shift = lead[first[j]] * q[j], part = value[e] - shift;
        own += part * part * r[j];
        rest -= shift * shift * r[j];
    }
    for (size_t e = 0; e < count; e++) lead[first[index[e]]] = 0;
    return own + (rest > 0 ? rest : 0);
}

void NBT(metric_rows)(nbt_learner *self, real *restrict norm)
{
    if (self->choices.dense) {
        const nbt_reference at = NBT(reference_theta)(self);
        NBT(reference_rows)(&at, &self->system, self->optimizer.lead, self->scratch.raised, norm);
        return;
    }
    const real *q = self->optimizer.metric_q, *r = self->optimizer.metric_r,
               *value = self->system.values;
    const int32_t *index = self->system.indices, *first = self->optimizer.first;
    const int diagonal = self->optimizer.groups ==
                         self->system.functions.p; /* as if every row were within one group */
    for (size_t i = 0; i < self->sizes.n; i++) {
        const size_t at = (size_t)self->system.indptr[i],
                     count = (size_t)self->system.indptr[i + 1] - at;
        const size_t j = count ? (size_t)index[at] : 0;
        norm[i] = 0;
        if (count && self->system.run[i] && (diagonal || first[j] == first[j + count - 1]))
            norm[i] = run_norm(q, r, diagonal ? SIZE_MAX : (size_t)first[j], j, count, value + at);
        else if (count)
            norm[i] = row_norm(q, r, first, count, index + at, value + at, self->optimizer.lead);
    }
}
