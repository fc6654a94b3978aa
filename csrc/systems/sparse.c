#include "systems/sparse.h"
#include "machine/flat.h"
#include <string.h>

/* One row: how many entries, their columns and values. */
typedef struct {
    size_t count;
    const int32_t *index;
    const real *value;
} sparse_row;

static sparse_row row_of(const nbt_learner *self, size_t i)
{
    const size_t begin = (size_t)self->system.indptr[i], end = (size_t)self->system.indptr[i + 1];
    return (sparse_row){end - begin, self->system.indices + begin,
                        (const real *)self->system.values + begin};
}

/* The first and last column of a row that is not empty. */
typedef struct {
    int32_t first, last;
} extent;

static extent extent_of(const sparse_row *w, int run)
{
    extent at = {w->index[0], w->index[w->count - 1]};
    for (size_t e = 0; e < w->count && !run; e++) {
        if (w->index[e] < at.first) at.first = w->index[e];
        if (w->index[e] > at.last) at.last = w->index[e];
    }
    return at;
}

/* Begins the span of row i, whose columns lie in `at`. Returns whether it can have one. */
static int begin_span(nbt_learner *self, int32_t i, extent at)
{
    const size_t s = self->system.spans;
    if (self->choices.theta.kind != NBT_KALMAN) {
        self->system.span[s] = s ? at.first : 0;
        self->system.owner[self->system.spans++] = i;
        return 1;
    }
    while (self->system.spans < self->optimizer.groups &&
           self->optimizer.group_start[self->system.spans + 1] <= at.first)
        self->system.owner[self->system.spans++] = -1;
    if (self->system.spans == self->optimizer.groups ||
        at.first < self->optimizer.group_start[self->system.spans] ||
        at.last >= self->optimizer.group_start[self->system.spans + 1])
        return 0;
    self->system.owner[self->system.spans++] = i;
    return 1;
}

static void end_spans(nbt_learner *self)
{
    if (self->choices.theta.kind == NBT_KALMAN) {
        while (self->system.spans < self->optimizer.groups)
            self->system.owner[self->system.spans++] = -1;
        memcpy(self->system.span, self->optimizer.group_start,
               (self->optimizer.groups + 1) * sizeof *self->system.span);
        return;
    }
    if (!self->system.spans) {
        self->system.span[0] = 0;
        self->system.owner[self->system.spans++] = -1;
    }
    self->system.span[self->system.spans] = (int64_t)self->system.functions.p;
}

void NBT(sparse_survey)(nbt_learner *self)
{
    int64_t end = 0; /* of the rows so far */
    int runs = 1;
    self->system.spans = 0;
    self->system.owned = 1;
    for (size_t i = 0; i < self->sizes.n; i++) {
        const sparse_row w = row_of(self, i);
        int gaps = 0;
        for (size_t e = 1; e < w.count; e++) gaps |= w.index[e] - w.index[e - 1] - 1;
        self->system.run[i] = gaps == 0;
        runs &= gaps == 0;
        if (!w.count || !self->system.owned) continue;
        const extent at = extent_of(&w, self->system.run[i]);
        self->system.owned = at.first >= end && begin_span(self, (int32_t)i, at);
        end = (int64_t)at.last + 1;
    }
    self->system.complete = self->system.owned && runs &&
                            (size_t)self->system.indptr[self->sizes.n] == self->system.functions.p;
    if (self->system.owned) end_spans(self);
    self->system.surveyed = 1;
}

void NBT(sparse_spread)(nbt_learner *self)
{
    if (!self->system.owned || self->system.complete) return;
    real *z = self->system.own;
    memset(z + self->system.own_begin, 0,
           (self->system.own_end - self->system.own_begin) * sizeof *z);
    size_t begin = self->system.functions.p, end = 0;
    for (size_t i = 0; i < self->sizes.n; i++) {
        const sparse_row w = row_of(self, i);
        if (!w.count) continue;
        const extent at = extent_of(&w, self->system.run[i]);
        if (end == 0) begin = (size_t)at.first;
        end = (size_t)at.last + 1;
        for (size_t e = 0; e < w.count && !self->system.run[i]; e++) z[w.index[e]] = w.value[e];
        if (self->system.run[i]) memcpy(z + at.first, w.value, w.count * sizeof *z);
    }
    self->system.own_begin = end ? begin : 0;
    self->system.own_end = end;
}

const void *NBT(sparse_own)(const nbt_learner *self)
{
    return self->system.complete ? self->system.values : self->system.own;
}

/* out += c w for a run, out being where it begins. */
static void add_run(const sparse_row *w, real c, real *restrict out)
{
    const size_t begin = after_odd(0, w->count);
    if (begin) out[0] += c * w->value[0];
    for (size_t e = begin; e < w->count; e += LANES)
        store_some(out + e, w->count - e, load_any(out + e) + c * load_any(w->value + e));
}

void NBT(sparse_add)(const nbt_learner *self, const real *restrict coefficient, real *restrict out)
{
    for (size_t i = 0; i < self->sizes.n; i++) {
        const sparse_row w = row_of(self, i);
        const real c = coefficient[i];
        if (!self->system.run[i]) {
            for (size_t e = 0; e < w.count; e++) out[w.index[e]] += c * w.value[e];
        } else if (w.count) {
            add_run(&w, c, out + w.index[0]);
        }
    }
}

void NBT(sparse_add_rows)(const nbt_learner *self, size_t ld, real *restrict out)
{
    for (size_t i = 0; i < self->sizes.n; i++, out += ld) {
        const sparse_row w = row_of(self, i);
        if (!self->system.run[i]) {
            for (size_t e = 0; e < w.count; e++) out[w.index[e]] += w.value[e];
        } else if (w.count) {
            add_run(&w, 1, out + w.index[0]);
        }
    }
}

void NBT(sparse_dot)(const nbt_learner *self, const real *restrict y, real *restrict out)
{
    for (size_t i = 0; i < self->sizes.n; i++) {
        const sparse_row w = row_of(self, i);
        real sum = 0;
        for (size_t e = 0; e < w.count; e++) sum += w.value[e] * y[w.index[e]];
        out[i] = sum;
    }
}

void NBT(sparse_norms)(const nbt_learner *self, real *restrict norm)
{
    for (size_t i = 0; i < self->sizes.n; i++) {
        const sparse_row w = row_of(self, i);
        vec sum[2] = {{0}};
        size_t e = 0;
        for (; e + 2 * LANES <= w.count; e += 2 * LANES)
            for (size_t k = 0; k < 2; k++) {
                const vec value = load_any(w.value + e + k * LANES);
                sum[k] += value * value;
            }
        if (e + LANES <= w.count) {
            const vec value = load_any(w.value + e);
            sum[0] += value * value;
            e += LANES;
        }
        real rest = 0;
        for (; e < w.count; e++) rest += w.value[e] * w.value[e];
        norm[i] = fold(sum[0] + sum[1]) + rest;
    }
}

void NBT(sparse_add_split)(const nbt_learner *self, const real *restrict coefficient,
                           real *restrict out)
{
    for (size_t i = 0; i < self->sizes.n; i++) {
        const sparse_row w = row_of(self, i);
        for (size_t e = 0; e < w.count; e++) {
            const int32_t j = w.index[e];
            out[j] +=
                coefficient[(size_t)self->estimator.pair[j] * self->sizes.ldn + i] * w.value[e];
        }
    }
}

void NBT(sparse_dot_split)(const nbt_learner *self, const real *restrict y, real *restrict out)
{
    memset(out, 0, self->sizes.K * self->sizes.ldn * sizeof *out);
    for (size_t i = 0; i < self->sizes.n; i++) {
        const sparse_row w = row_of(self, i);
        for (size_t e = 0; e < w.count; e++) {
            const int32_t j = w.index[e];
            out[(size_t)self->estimator.pair[j] * self->sizes.ldn + i] += w.value[e] * y[j];
        }
    }
}
