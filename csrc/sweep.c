#include "sweep.h"

/* One pair's part of a lane block: what settles w̄, its share of the gradient, its norms so far. */
typedef struct {
    vec keep, add, c, w0, norm, inner;
} pair_lanes;

/* What a lane block carries down the rows. Pointers are to its first lane. */
typedef struct {
    size_t ldn, pair_size; /* strides of rows, and of pairs in w̄ */
    step_size step;
    real *theta, *J, *J0, *w, *d;
    pair_lanes *pairs;
    vec H, keep_d, d0, norm_d, norm_q;
    qdop first;
} lane_block;

enum { PLAIN, METRIC, METRIC_INNER }; /* how w̄ and d are measured */

/* Most rows of one-hot inputs meet a zero in z, and in z_last: then w_i has no part in them, which
 * saves a seventh of their arithmetic. What is measured of a row depends on z alone, since z_last
 * is not known after a state was loaded. */
typedef enum { PRESENT, LATE, ABSENT } presence; /* in z; only in z_last; in neither */

/* Row p: settles w̄ and d, returns the gradient; *d_out, *w_out: d, and w̄ of the first pair. */
NBT_INLINE vec settle_row(lane_block *b, size_t p, real z, real z_last, int exact, presence part,
                          size_t K, vec *d_out, vec *w_out)
{
    const size_t at = p * b->ldn;
    const vec d_before = exact ? load(b->d + at) : spread(z_last);
    vec d = exact ? b->keep_d * d_before : spread(0);
    if (part == PRESENT) d += z;
    if (exact) store(b->d + at, d);
    *d_out = *w_out = d;
    vec g = b->H * d;
    for (size_t k = 0; k < K; k++) {
        real *wk = b->w + k * b->pair_size + at;
        vec w = b->pairs[k].keep * load(wk);
        if (exact || part != ABSENT) w += b->pairs[k].add * d_before;
        store(wk, w);
        g = k == 0 && !exact && part != PRESENT ? b->pairs[k].c * w : g + b->pairs[k].c * w;
        if (p == 0) b->pairs[k].w0 = w;
        if (k == 0) *w_out = w;
    }
    return g;
}

/* Adds row p's part to the norms of w̄ and d: (x - x_0 q)² r, or plain squares. */
NBT_INLINE void measure_row(lane_block *b, size_t p, vec d, vec w_first, vec q, vec r, int measure,
                            int exact, presence part, size_t K)
{
    const int whole = measure == PLAIN || p == 0;
    vec d_scaled = d;
    if (exact || part == PRESENT) {
        const vec d_part = whole ? d : d - b->d0 * q;
        d_scaled = measure == PLAIN ? d_part : d_part * r;
        b->norm_d += d_part * d_scaled;
    } else if (measure != PLAIN) { /* d = 0: d_0² q² r, its first factor left for the end */
        const vec scaled = q * r;
        b->norm_q += q * scaled;
        d_scaled = -b->d0 * scaled;
    }
    for (size_t k = 0; k < K; k++) {
        pair_lanes *pair = b->pairs + k;
        const vec w = k == 0 ? w_first : load(b->w + k * b->pair_size + p * b->ldn);
        const vec w_part = whole ? w : w - pair->w0 * q;
        const vec w_scaled = measure == PLAIN ? w_part : w_part * r;
        pair->norm += w_part * w_scaled;
        if (measure == METRIC_INNER) pair->inner += w_part * d_scaled;
    }
}

/* SGD: θ_p ← θ_p - η g_p. */
NBT_INLINE void descend(const lane_block *b, real *restrict theta, vec g)
{
    store(theta, load(theta) - b->step.rate * g);
}

/* 0, or NaN where a step of SGD may have been as large as 10^18 (10^150): from the norms, since
 * |g_p| ≤ Σ |c| ‖w̄‖ + |H| ‖d‖. */
NBT_INLINE vec descent_check(const lane_block *b, size_t K)
{
    const real enough = NBT_PRECISION == 32 ? (real)1e2 : (real)1e8;
    const vec h = b->step.rate * b->H;
    vec size = h * h * b->norm_d;
    for (size_t k = 0; k < K; k++) {
        const vec c = b->step.rate * b->pairs[k].c;
        size += c * c * b->pairs[k].norm;
    }
    return size * enough * 0;
}

/* Row 0, the biases: J_00 is needed by every other row. */
NBT_INLINE void sweep_first(lane_block *b, const real *z, const real *z_last, int kalman,
                            int measure, int exact, size_t K, int learn)
{
    vec d, w;
    const vec g = settle_row(b, 0, z[0], z_last[0], exact, PRESENT, K, &d, &w);
    b->d0 = d;
    if (kalman)
        b->first = qdop_first(b->step, learn, g, b->J);
    else if (learn)
        descend(b, b->theta, g);
    measure_row(b, 0, d, w, spread(0), b->first.inverse0, measure, exact, PRESENT, K);
}

/* Rows p … p + count - 1; count is 1 or 2. */
NBT_INLINE void sweep_rows(lane_block *b, size_t p, size_t count, const real *z, const real *z_last,
                           int kalman, int measure, int exact, presence part, size_t K, int learn)
{
    vec d[2], w[2], g[2], q[2] = {{0}}, r[2] = {{0}};
    const int metric = kalman && (learn || measure != PLAIN);
    for (size_t c = 0; c < count; c++) {
        const size_t at = (p + c) * b->ldn;
        g[c] = settle_row(b, p + c, z[p + c], z_last[p + c], exact, part, K, d + c, w + c);
        if (metric)
            q[c] = qdop_measure(b->step, learn, &b->first, g[c], b->J + at, b->J0 + at, r + c);
    }
    if (metric) qdop_invert(&b->first, count, r);
    for (size_t c = 0; c < count; c++) {
        real *theta = b->theta + (p + c) * b->ldn;
        if (learn && kalman) qdop_update(&b->first, g[c], q[c], r[c], theta);
        if (learn && !kalman) descend(b, theta, g[c]);
        measure_row(b, p + c, d[c], w[c], q[c], r[c], measure, exact, part, K);
    }
}

NBT_INLINE void sweep_all(nbt_learner *self, int kalman, int measure, int exact, size_t K,
                          int learn)
{
    const real *z = self->z, *z_last = self->z_last;
    const real *keep_w = self->keep_w, *add_w = self->add_w, *c = self->c;
    real *norm_w = self->norm_w, *inner = self->inner;
    const size_t ldn = self->ldn, P = self->P;
    const step_size step = NBT(optimizer_step_size)(self);
    pair_lanes only;
    vec check = {0};
    for (size_t i = 0; i < ldn; i += LANES) {
        lane_block b = {
            .ldn = ldn,
            .pair_size = P * ldn,
            .step = step,
            .theta = (real *)self->theta + i,
            .J = kalman ? (real *)self->theta_J + i : NULL,
            .J0 = kalman ? (real *)self->theta_J0 + i : NULL,
            .w = (real *)self->w + i,
            .d = exact ? (real *)self->d + i : NULL,
            .pairs = K == 1 ? &only : self->pairs,
            .H = load((real *)self->H + i),
            .keep_d = load((real *)self->keep_d + i),
        };
        for (size_t k = 0; k < K; k++)
            b.pairs[k] = (pair_lanes){.keep = load(keep_w + k * ldn + i),
                                      .add = load(add_w + k * ldn + i),
                                      .c = load(c + k * ldn + i)};
        sweep_first(&b, z, z_last, kalman, measure, exact, K, learn);
        size_t p = 1;
        for (; p + 2 <= P; p += 2)
            if (z[p] != 0 || z[p + 1] != 0)
                sweep_rows(&b, p, 2, z, z_last, kalman, measure, exact, PRESENT, K, learn);
            else if (!exact && (z_last[p] != 0 || z_last[p + 1] != 0))
                sweep_rows(&b, p, 2, z, z_last, kalman, measure, exact, LATE, K, learn);
            else
                sweep_rows(&b, p, 2, z, z_last, kalman, measure, exact, ABSENT, K, learn);
        if (p < P) sweep_rows(&b, p, 1, z, z_last, kalman, measure, exact, PRESENT, K, learn);
        if (learn) check += kalman ? qdop_last(b.first, b.theta) * 0 : descent_check(&b, K);
        check += b.norm_d * 0;
        store((real *)self->norm_d + i, b.norm_d + b.d0 * b.d0 * b.norm_q);
        for (size_t k = 0; k < K; k++) {
            check += b.pairs[k].norm * 0;
            store(norm_w + k * ldn + i, b.pairs[k].norm);
            store(inner + k * ldn + i, b.pairs[k].inner);
        }
    }
    if (!(fold(check) == 0)) self->diverged = 1;
}

/* One copy of the loop for each combination that changes what is read or written. */
NBT_INLINE void sweep_pairs(nbt_learner *self, int kalman, int measure, int exact, int learn)
{
    if (self->K == 1)
        sweep_all(self, kalman, measure, exact, 1, learn);
    else
        sweep_all(self, kalman, measure, exact, self->K, learn);
}
NBT_INLINE void sweep_self(nbt_learner *self, int kalman, int measure, int learn)
{
    if (self->exact_self)
        sweep_pairs(self, kalman, measure, 1, learn);
    else
        sweep_pairs(self, kalman, measure, 0, learn);
}
NBT_INLINE void sweep_measure(nbt_learner *self, int learn)
{
    if (self->optimizer == NBT_SGD)
        sweep_self(self, 0, PLAIN, learn);
    else if (self->norm == NBT_EUCLIDEAN || self->norm == NBT_NO_NORM)
        sweep_self(self, 1, PLAIN, learn);
    else if (self->norm == NBT_FISHER)
        sweep_self(self, 1, METRIC, learn);
    else
        sweep_self(self, 1, METRIC_INNER, learn);
}

void NBT(sweep)(nbt_learner *self, int learn)
{
    if (learn)
        sweep_measure(self, 1);
    else
        sweep_measure(self, 0);
}
