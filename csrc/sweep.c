#include "sweep.h"

/* One pair's part of a lane block: what settles w̄, its share of the gradient, its norms so far. */
typedef struct {
    vec keep, add, c, w0, norm, inner;
} pair;

/* What a lane block carries down the rows. Pointers are to its first lane. */
typedef struct {
    size_t ldn, pair_size; /* strides of rows, and of pairs in w̄ */
    step_size step;
    real *theta, *J, *J0, *w, *d;
    pair *pairs;
    vec H, keep_d, d0, norm_d;
    qdop first;
} lane_block;

enum { PLAIN, METRIC, METRIC_INNER }; /* how w̄ and d are measured */

/* One row p of one lane block. The last five arguments are constants where this is inlined. */
NBT_INLINE void sweep_row(lane_block *b, size_t p, real z, real z_last, int kalman, int measure,
                          int exact, size_t K, int learn)
{
    const size_t at = p * b->ldn;
    const vec d_before = exact ? load(b->d + at) : spread(z_last);
    const vec d = exact ? b->keep_d * d_before + z : spread(z);
    if (exact) store(b->d + at, d);

    vec g = b->H * d, w_first = {0};
    for (size_t k = 0; k < K; k++) {
        pair *pair = b->pairs + k;
        real *wk = b->w + k * b->pair_size + at;
        const vec w = pair->keep * load(wk) + pair->add * d_before;
        store(wk, w);
        g += pair->c * w;
        if (p == 0) pair->w0 = w;
        if (k == 0) w_first = w;
    }

    qdop_row row = {{0}, {0}};
    if (!kalman) {
        if (learn) store(b->theta + at, load(b->theta + at) - b->step.rate * g);
    } else if (p == 0) {
        b->first = learn ? qdop_first(b->step, g, b->J) : qdop_first_still(b->step, b->J);
        row.r = b->first.inverse0;
        b->d0 = d;
    } else if (learn)
        row = qdop_update(b->step, &b->first, g, b->J + at, b->J0 + at, b->theta + at);
    else if (measure != PLAIN)
        row = qdop_still(b->step, b->first, b->J + at, b->J0 + at);

    const vec d_part = measure == PLAIN || p == 0 ? d : d - b->d0 * row.q;
    const vec d_scaled = measure == PLAIN ? d_part : d_part * row.r;
    b->norm_d += d_part * d_scaled;
    for (size_t k = 0; k < K; k++) {
        pair *pair = b->pairs + k;
        const vec w = k == 0 ? w_first : load(b->w + k * b->pair_size + at);
        const vec w_part = measure == PLAIN || p == 0 ? w : w - pair->w0 * row.q;
        const vec w_scaled = measure == PLAIN ? w_part : w_part * row.r;
        pair->norm += w_part * w_scaled;
        if (measure == METRIC_INNER) pair->inner += w_part * d_scaled;
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
    pair only;
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
            b.pairs[k] = (pair){.keep = load(keep_w + k * ldn + i),
                                .add = load(add_w + k * ldn + i),
                                .c = load(c + k * ldn + i)};
        sweep_row(&b, 0, z[0], z_last[0], kalman, measure, exact, K, learn);
        for (size_t p = 1; p < P; p++)
            sweep_row(&b, p, z[p], z_last[p], kalman, measure, exact, K, learn);
        if (kalman && learn) qdop_last(b.first, b.theta);
        store((real *)self->norm_d + i, b.norm_d);
        for (size_t k = 0; k < K; k++) {
            store(norm_w + k * ldn + i, b.pairs[k].norm);
            store(inner + k * ldn + i, b.pairs[k].inner);
        }
    }
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
