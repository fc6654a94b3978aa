#include "dense/sweep.h"
#include "dense/window.h"
#include "machine/panels.h"
#include "machine/parallel.h"

/* One pair's part of a vec: what settles w̄, its share of the gradient, its norms so far. */
typedef struct {
    vec keep, add, c, w0, norm, inner;
} pair_lanes;

/* What a panel carries down its turns. Pointers are to the turns; `rows` parameters below row 0. */
typedef struct {
    size_t rows, pair_size; /* pair_size: from a pair's w̄ to the next */
    step_size step;
    const adam_step *adam;
    real *theta, *J, *J0, *m, *v, *w, *d;
    const real *recent; /* the window's part of the gradient, below its row 0; or NULL */
    pair_lanes *pairs;
    vec H, keep_d, d0, norm_d, trust; /* trust: of the window's part; H and c have it */
    vec norm_q, mixed;                /* of rows where d = 0: Σ q² r, Σ q (w - w_0 q) r */
    qdop first;
} panel;

/* Most turns of one-hot inputs meet a zero in z, and in z_last: then w_i has no part in them, which
 * saves a seventh of their arithmetic. What is measured of a turn depends on z alone, since z_last
 * is not known after a state was loaded. */
typedef enum { PRESENT, LATE, ABSENT } presence; /* in z; only in z_last; in neither */

/* One vec: settles w̄ and d, returns the gradient; *d_out, *w_out: d, and w̄ of pair 0. */
NBT_INLINE vec settle(const panel *b, real *d_at, real *w_at, vec z, vec z_last, int exact,
                      presence part, size_t K, vec *d_out, vec *w_out)
{
    const vec d_before = exact ? load(d_at) : z_last;
    vec d = exact ? b->keep_d * d_before : part == PRESENT ? z : spread(0);
    if (exact && part == PRESENT) d += z;
    if (exact) store(d_at, d);
    *d_out = *w_out = d;
    vec g = b->H * d;
    for (size_t k = 0; k < K; k++) {
        real *wk = w_at + k * b->pair_size;
        vec w = b->pairs[k].keep * load(wk);
        if (exact || part != ABSENT) w += b->pairs[k].add * d_before;
        store(wk, w);
        g = k == 0 && !exact && part != PRESENT ? b->pairs[k].c * w : g + b->pairs[k].c * w;
        if (k == 0) *w_out = w;
    }
    return g;
}

/* Adds a turn's part to the norms of w̄ and d: (x - x_0 q)² r, or plain squares. Where d = 0 what
 * has a factor d_0 is left for the end, and of one pair the inner product, too: as sweep_brief()
 * does, to the bit, since a state that was loaded is measured here. */
NBT_INLINE void measure_turn(panel *b, const real *w_at, vec d, vec w_first, vec q, vec r,
                             int measure, int exact, presence part, size_t K)
{
    const int left = K == 1 && !exact && part != PRESENT;
    vec d_scaled = d;
    if (exact || part == PRESENT) {
        const vec d_part = measure == PLAIN ? d : d - b->d0 * q;
        d_scaled = measure == PLAIN ? d_part : d_part * r;
        b->norm_d += d_part * d_scaled;
    } else if (measure != PLAIN) {
        const vec qr = q * r;
        b->norm_q += q * qr;
        d_scaled = left ? qr : -b->d0 * qr;
    }
    for (size_t k = 0; k < K; k++) {
        pair_lanes *pair = b->pairs + k;
        const vec w = k == 0 ? w_first : load(w_at + k * b->pair_size);
        const vec w_part = measure == PLAIN ? w : w - pair->w0 * q;
        const vec w_scaled = measure == PLAIN ? w_part : w_part * r;
        pair->norm += w_part * w_scaled;
        if (measure == METRIC_INNER && left) b->mixed += w_part * d_scaled;
        if (measure == METRIC_INNER && !left) pair->inner += w_part * d_scaled;
    }
}

/* One vec of θ without a metric: SGD, or Adam. */
NBT_INLINE void descend(const panel *b, nbt_optimizer kind, vec g, real *restrict m,
                        real *restrict v, real *restrict theta)
{
    if (kind == NBT_ADAM)
        adam_update(*b->adam, g, m, v, theta);
    else
        store(theta, load(theta) - b->step.rate * g);
}

/* Row 0, the biases, and what it leaves to the turns below it, where `per_vec` rows share a vec. */
NBT_INLINE void sweep_biases(nbt_learner *self, panel *b, size_t i, size_t per_vec,
                             nbt_optimizer kind, int measure, int exact, size_t K, int learn)
{
    const real *z = self->estimator.z, *z_last = self->estimator.z_last;
    real *theta = (real *)self->network.theta + i, *w_at = (real *)self->estimator.w + i;
    real *d_at = exact ? (real *)self->estimator.d + i : NULL;
    vec d, first_w;
    vec g = settle(b, d_at, w_at, spread(z[0]), spread(z_last[0]), exact, PRESENT, K, &d, &first_w);
    if (b->recent) g += load(b->recent - LANES);
    if (kind == NBT_KALMAN && learn) {
        const vec trust = qdop_trust(b->step, g, load((real *)self->optimizer.theta_J + i));
        g *= trust;
        b->H *= trust;
        for (size_t k = 0; k < K; k++) b->pairs[k].c *= trust;
        b->trust = lanes_tile(trust, per_vec);
    }
    if (kind == NBT_KALMAN)
        b->first = qdop_first(b->step, learn, per_vec, g, (real *)self->optimizer.theta_J + i);
    else if (learn)
        descend(b, kind, g, (real *)self->optimizer.theta_m + i,
                (real *)self->optimizer.theta_v + i, theta);

    const vec r = measure == PLAIN ? spread(1) : b->first.inverse0;
    const vec scaled = lanes_only(d * r, LANES / per_vec);
    b->norm_d = d * scaled;
    b->norm_q = b->mixed = spread(0);
    b->d0 = lanes_tile(d, per_vec);
    b->H = lanes_tile(b->H, per_vec);
    b->keep_d = lanes_tile(b->keep_d, per_vec);
    for (size_t k = 0; k < K; k++) {
        pair_lanes *pair = b->pairs + k;
        const vec w = k == 0 ? first_w : load(w_at + k * b->pair_size);
        pair->norm = lanes_only(w * r, LANES / per_vec) * w;
        pair->inner = w * scaled;
        pair->w0 = lanes_tile(w, per_vec);
        pair->keep = lanes_tile(pair->keep, per_vec);
        pair->add = lanes_tile(pair->add, per_vec);
        pair->c = lanes_tile(pair->c, per_vec);
    }
}

/* Whether turns with d = 0 have a form of their own: one pair, learning, under a metric. */
NBT_INLINE int in_brief(int measure, int exact, size_t K, int learn)
{
    return measure != PLAIN && !exact && K == 1 && learn;
}

/* Turns t and t + 1, d = 0. Their step x = c (w - w_0 q) r - H d_0 q r is made of what measures w̄
 * and d, and so is Σ q x: a tenth less arithmetic, 4 % of a step at 20 units. */
NBT_INLINE void sweep_brief(panel *b, size_t t, const real *z_last, size_t per_vec, presence part)
{
    pair_lanes *pair = b->pairs;
    const vec own = b->H * b->d0;
    vec w[2], q[2], r[2];
#pragma GCC unroll 2
    for (size_t c = 0; c < 2; c++) {
        const size_t at = (t + c) * LANES;
        w[c] = pair->keep * load(b->w + at);
        if (part == LATE) w[c] += pair->add * lanes_rows(z_last + (t + c) * per_vec, per_vec);
        store(b->w + at, w[c]);
        q[c] = qdop_measure(b->step, 1, &b->first, pair->c * w[c], b->J + at, b->J0 + at, r + c);
    }
    qdop_invert(2, r);
#pragma GCC unroll 2
    for (size_t c = 0; c < 2; c++) {
        real *theta = b->theta + (t + c) * LANES;
        const vec qr = q[c] * r[c], w_part = w[c] - pair->w0 * q[c], w_scaled = w_part * r[c];
        store(theta, load(theta) - pair->c * w_scaled + own * qr);
        b->norm_q += q[c] * qr;
        b->mixed += w_part * qr;
        pair->norm += w_part * w_scaled;
    }
}

/* What turns with d = 0 left to the end: of the step, and of the inner product of one pair. */
NBT_INLINE void leave_brief(panel *b, int measure, int exact, size_t K, int learn)
{
    if (in_brief(measure, exact, K, learn))
        b->first.sum += b->pairs[0].c * b->mixed - b->H * b->d0 * b->norm_q;
    if (measure == METRIC_INNER && !exact && K == 1) b->pairs[0].inner -= b->d0 * b->mixed;
}

/* Turns t … t + count - 1; count is 1 or 2. */
NBT_INLINE void sweep_turns(panel *b, size_t t, size_t count, const real *z, const real *z_last,
                            size_t per_vec, nbt_optimizer kind, int measure, int exact,
                            presence part, size_t K, int learn)
{
    vec d[2], w[2], g[2], q[2] = {{0}}, r[2] = {{0}};
    const int metric = kind == NBT_KALMAN && (learn || measure != PLAIN);
#pragma GCC unroll 2
    for (size_t c = 0; c < count; c++) {
        const size_t at = (t + c) * LANES, p = (t + c) * per_vec;
        g[c] = settle(b, exact ? b->d + at : NULL, b->w + at, lanes_rows(z + p, per_vec),
                      lanes_rows(z_last + p, per_vec), exact, part, K, d + c, w + c);
        if (exact && b->recent)
            g[c] += kind == NBT_KALMAN && learn ? b->trust * load(b->recent + at)
                                                : load(b->recent + at);
        if (metric)
            q[c] = qdop_measure(b->step, learn, &b->first, g[c], b->J + at, b->J0 + at, r + c);
    }
    if (metric) qdop_invert(count, r);
#pragma GCC unroll 2
    for (size_t c = 0; c < count; c++) {
        const size_t at = (t + c) * LANES;
        if (learn && kind == NBT_KALMAN)
            qdop_update(&b->first, g[c], q[c], r[c], b->theta + at);
        else if (learn)
            descend(b, kind, g[c], b->m + at, b->v + at, b->theta + at);
        if (kind == NBT_ADAM) d[c] = lanes_opaque(d[c]); /* its square may be known before */
        measure_turn(b, b->w + at, d[c], w[c], q[c], r[c], measure, exact, part, K);
    }
}

/* Pairs of turns first … last - 1. */
NBT_INLINE void sweep_pairs(panel *b, size_t first, size_t last, const real *z, const real *z_last,
                            size_t per_vec, nbt_optimizer kind, int measure, int exact,
                            presence part, size_t K, int learn)
{
    for (size_t pair = first; pair < last; pair++) {
        if (part != PRESENT && in_brief(measure, exact, K, learn))
            sweep_brief(b, 2 * pair, z_last, per_vec, part);
        else
            sweep_turns(b, 2 * pair, 2, z, z_last, per_vec, kind, measure, exact, part, K, learn);
    }
}

/* Pairs of turns from where the segment before ended, all of one kind. */
typedef struct {
    size_t last;
    presence part;
} segment;

/* The rows below row 0 in segments; returns how many. One-hot inputs: all is absent but the rows of
 * two symbols, and the loops run from one to the other, so that no turn asks. */
NBT_INLINE size_t divide(const nbt_learner *self, size_t pairs, size_t per_vec, int exact,
                         segment out[6])
{
    const int known = symbols_known(&self->choices, &self->network, &self->estimator);
    const size_t full = (self->sizes.n + 2 * per_vec - 1) / (2 * per_vec);
    const size_t dense = known && full < pairs ? full : pairs;
    const size_t here = self->network.x_last >= 0
                            ? (self->sizes.n + (size_t)self->network.x_last) / (2 * per_vec)
                            : pairs;
    const size_t late = !exact && self->estimator.x_late >= 0
                            ? (self->sizes.n + (size_t)self->estimator.x_late) / (2 * per_vec)
                            : here;
    const size_t lower = late < here ? late : here, upper = late < here ? here : late;
    size_t count = 0;
    out[count++] = (segment){dense, PRESENT};
    if (lower >= dense && lower < upper && lower < pairs) {
        out[count++] = (segment){lower, ABSENT};
        out[count++] = (segment){lower + 1, lower == here ? PRESENT : LATE};
    }
    if (upper >= dense && upper < pairs) {
        out[count++] = (segment){upper, ABSENT};
        out[count++] = (segment){upper + 1, upper == here ? PRESENT : LATE};
    }
    out[count++] = (segment){pairs, ABSENT};
    return count;
}

NBT_INLINE void sweep_below(const nbt_learner *self, panel *b, size_t per_vec, nbt_optimizer kind,
                            int measure, int exact, size_t K, int learn)
{
#define PAIRS(part)                                                                                \
    case part:                                                                                     \
        sweep_pairs(b, first, parts[s].last, z, z_last, per_vec, kind, measure, exact, part, K,    \
                    learn);                                                                        \
        break
    const real *z = (real *)self->estimator.z + 1, *z_last = (real *)self->estimator.z_last + 1;
    const size_t turns = (b->rows + per_vec - 1) / per_vec, pairs = turns / 2;
    segment parts[6];
    const size_t count = divide(self, pairs, per_vec, exact, parts);
    size_t first = 0;
    for (size_t s = 0; s < count; s++) {
        switch (parts[s].part) {
            PAIRS(PRESENT);
            PAIRS(LATE);
            PAIRS(ABSENT);
        }
        first = parts[s].last;
    }
    if (2 * pairs < turns)
        sweep_turns(b, 2 * pairs, 1, z, z_last, per_vec, kind, measure, exact, PRESENT, K, learn);
#undef PAIRS
}

/* One panel, from column i on. */
NBT_INLINE void sweep_panel(nbt_learner *self, size_t thread, step_size step, const adam_step *adam,
                            size_t i, size_t per_vec, nbt_optimizer kind, int measure, int exact,
                            size_t K, int learn)
{
    const nbt_panels *at = &self->sizes.cell;
    const size_t ldn = self->sizes.ldn;
    const real *keep_w = self->estimator.keep_w, *add_w = self->estimator.add_w,
               *c = self->scratch.c;
    const real *H =
        self->sizes.T ? (real *)self->past.adjoint + self->sizes.T * ldn : self->readout.H;
    const int windowed = exact && learn && self->sizes.T;
    real *recent = windowed ? (real *)self->past.recent + thread * self->sizes.ldrecent : NULL;
    if (windowed) NBT(window_gradient)(&self->sizes, self->choices.one_hot, &self->past, i, recent);
    pair_lanes only;
    panel b = {
        .rows = at->rows,
        .pair_size = at->size,
        .step = step,
        .adam = adam,
        .theta = panel_of(at, self->network.theta, i),
        .J = kind == NBT_KALMAN ? panel_of(at, self->optimizer.theta_J, i) : NULL,
        .J0 = kind == NBT_KALMAN ? panel_of(at, self->optimizer.theta_J0, i) : NULL,
        .m = kind == NBT_ADAM ? panel_of(at, self->optimizer.theta_m, i) : NULL,
        .v = kind == NBT_ADAM ? panel_of(at, self->optimizer.theta_v, i) : NULL,
        .w = panel_of(at, self->estimator.w, i),
        .d = exact ? panel_of(at, self->estimator.d, i) : NULL,
        .pairs = learn && K == 1 ? &only : panel_pairs(self, thread),
        .recent = windowed ? recent + LANES : NULL,
        .H = load(H + i),
        .keep_d = load((real *)self->estimator.keep_d + i),
    };
    for (size_t k = 0; k < K; k++)
        b.pairs[k] = (pair_lanes){.keep = load(keep_w + k * ldn + i),
                                  .add = load(add_w + k * ldn + i),
                                  .c = load(c + k * ldn + i)};
    sweep_biases(self, &b, i, per_vec, kind, measure, exact, K, learn);
    sweep_below(self, &b, per_vec, kind, measure, exact, K, learn);
    leave_brief(&b, measure, exact, K, learn);

    if (learn && kind == NBT_KALMAN) qdop_last(b.first, per_vec, (real *)self->network.theta + i);
    if (windowed) NBT(window_clear)(&self->sizes, self->choices.one_hot, &self->past, i, recent);
    store((real *)self->estimator.norm_d + i,
          lanes_gather(b.norm_d + b.d0 * b.d0 * b.norm_q, per_vec));
    for (size_t k = 0; k < K; k++) {
        store((real *)self->estimator.norm_w + k * ldn + i, lanes_gather(b.pairs[k].norm, per_vec));
        store((real *)self->estimator.inner + k * ldn + i, lanes_gather(b.pairs[k].inner, per_vec));
    }
}

/* A sweep uses eight parts of a learner, so it gets all of it. */
typedef struct {
    nbt_learner *self;
    adam_step adam;
} sweep_work;

/* Panels first … last - 1. */
NBT_INLINE void sweep_panels(const sweep_work *work, size_t first, size_t last, size_t thread,
                             nbt_optimizer kind, int measure, int exact, size_t K, int learn)
{
    nbt_learner *self = work->self;
    const step_size step =
        NBT(optimizer_step_size)(&self->choices.theta, self->optimizer.theta_rate);
#define PANEL(i, per_vec)                                                                          \
    sweep_panel(self, thread, step, &work->adam, i, per_vec, kind, measure, exact, K, learn)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}

/* One copy of the loop for each combination that changes what is read or written. Steps that only
 * observe are rare, so that they share one for every rank, which saves a third of the build. */
#define SWEEP(name, kind, measure, exact, K, learn)                                                \
    static void name(const void *what, size_t first, size_t last, size_t thread)                   \
    {                                                                                              \
        const sweep_work *work = what;                                                             \
        sweep_panels(work, first, last, thread, kind, measure, exact, K, learn);                   \
    }
#define SWEEPS(name, kind, measure)                                                                \
    SWEEP(name##_observe, kind, measure, 0, work->self->sizes.K, 0)                                \
    SWEEP(name##_observe_exact, kind, measure, 1, work->self->sizes.K, 0)                          \
    SWEEP(name##_learn_one, kind, measure, 0, 1, 1)                                                \
    SWEEP(name##_learn_one_exact, kind, measure, 1, 1, 1)                                          \
    SWEEP(name##_learn, kind, measure, 0, work->self->sizes.K, 1)                                  \
    SWEEP(name##_learn_exact, kind, measure, 1, work->self->sizes.K, 1)                            \
    static nbt_part *const name[3][2] = {{name##_observe, name##_observe_exact},                   \
                                         {name##_learn_one, name##_learn_one_exact},               \
                                         {name##_learn, name##_learn_exact}};
SWEEPS(sgd, NBT_SGD, PLAIN)
SWEEPS(adam, NBT_ADAM, PLAIN)
SWEEPS(kalman_plain, NBT_KALMAN, PLAIN)
SWEEPS(kalman_fisher, NBT_KALMAN, METRIC)
SWEEPS(kalman_kalman, NBT_KALMAN, METRIC_INNER)

void NBT(sweep)(nbt_learner *self, int learn)
{
    const nbt_optimizer kind = self->choices.theta.kind;
    const int plain = self->choices.norm == NBT_EUCLIDEAN || self->choices.norm == NBT_NO_NORM;
    nbt_part *const(*const table)[2] = kind == NBT_SGD                    ? sgd
                                       : kind == NBT_ADAM                 ? adam
                                       : plain                            ? kalman_plain
                                       : self->choices.norm == NBT_FISHER ? kalman_fisher
                                                                          : kalman_kalman;
    nbt_part *part = table[learn ? 1 + (self->sizes.K > 1) : 0][self->choices.exact_self != 0];
    const size_t arrays = self->sizes.K + (kind == NBT_SGD ? 1 : 3);
    sweep_work work = {.self = self};
    if (kind == NBT_ADAM && learn)
        work.adam = NBT(optimizer_adam)(&self->choices.theta, self->optimizer.theta_rate,
                                        &self->optimizer.theta_updates);
    nbt_parallel(&self->workers, self->sizes.cell.count, 2 * arrays * self->sizes.cell.size, part,
                 &work);
}
