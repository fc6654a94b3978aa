#include "systems/sparse.h"
#include "machine/flat.h"
#include <string.h>

/* One row: how many entries, their columns and values. */
typedef struct {
    size_t count;
    const int32_t *index;
    const real *value;
} sparse_row;

static sparse_row row_of(const nbt_system_part *of, size_t i)
{
    const size_t begin = (size_t)of->indptr[i], end = (size_t)of->indptr[i + 1];
    return (sparse_row){end - begin, of->indices + begin, (const real *)of->values + begin};
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

/* Begins the span of row i, whose columns lie in `at`. Returns whether it can have one. metric:
 * NULL without Kalman, as there are no groups then. */
static int begin_span(const nbt_optimizer_part *metric, int32_t i, extent at, nbt_system_part *to)
{
    const size_t s = to->spans;
    if (!metric) {
        to->span[s] = s ? at.first : 0;
        to->owner[to->spans++] = i;
        return 1;
    }
    while (to->spans < metric->groups && metric->group_start[to->spans + 1] <= at.first)
        to->owner[to->spans++] = -1;
    if (to->spans == metric->groups || at.first < metric->group_start[to->spans] ||
        at.last >= metric->group_start[to->spans + 1])
        return 0;
    to->owner[to->spans++] = i;
    return 1;
}

static void end_spans(const nbt_optimizer_part *metric, nbt_system_part *to)
{
    if (metric) {
        while (to->spans < metric->groups) to->owner[to->spans++] = -1;
        memcpy(to->span, metric->group_start, (metric->groups + 1) * sizeof *to->span);
        return;
    }
    if (!to->spans) {
        to->span[0] = 0;
        to->owner[to->spans++] = -1;
    }
    to->span[to->spans] = (int64_t)to->functions.p;
}

void NBT(sparse_survey)(const nbt_optimizer_part *metric, nbt_system_part *to)
{
    int64_t end = 0; /* of the rows so far */
    int runs = 1;
    to->spans = 0;
    to->owned = 1;
    for (size_t i = 0; i < to->functions.n; i++) {
        const sparse_row w = row_of(to, i);
        int gaps = 0;
        for (size_t e = 1; e < w.count; e++) gaps |= w.index[e] - w.index[e - 1] - 1;
        to->run[i] = gaps == 0;
        runs &= gaps == 0;
        if (!w.count || !to->owned) continue;
        const extent at = extent_of(&w, to->run[i]);
        to->owned = at.first >= end && begin_span(metric, (int32_t)i, at, to);
        end = (int64_t)at.last + 1;
    }
    to->complete = to->owned && runs && (size_t)to->indptr[to->functions.n] == to->functions.p;
    if (to->owned) end_spans(metric, to);
    to->surveyed = 1;
}

void NBT(sparse_spread)(nbt_system_part *of)
{
    if (!of->owned || of->complete) return;
    real *z = of->own;
    memset(z + of->own_begin, 0, (of->own_end - of->own_begin) * sizeof *z);
    size_t begin = of->functions.p, end = 0;
    for (size_t i = 0; i < of->functions.n; i++) {
        const sparse_row w = row_of(of, i);
        if (!w.count) continue;
        const extent at = extent_of(&w, of->run[i]);
        if (end == 0) begin = (size_t)at.first;
        end = (size_t)at.last + 1;
        for (size_t e = 0; e < w.count && !of->run[i]; e++) z[w.index[e]] = w.value[e];
        if (of->run[i]) memcpy(z + at.first, w.value, w.count * sizeof *z);
    }
    of->own_begin = end ? begin : 0;
    of->own_end = end;
}

const void *NBT(sparse_own)(const nbt_system_part *of)
{
    return of->complete ? of->values : of->own;
}

/* out += c w for a run, out being where it begins. */
static void add_run(const sparse_row *w, real c, real *restrict out)
{
    const size_t begin = after_odd(0, w->count);
    if (begin) out[0] += c * w->value[0];
    for (size_t e = begin; e < w->count; e += LANES)
        store_some(out + e, w->count - e, load_any(out + e) + c * load_any(w->value + e));
}

void NBT(sparse_add)(const nbt_system_part *of, const real *restrict coefficient,
                     real *restrict out)
{
    for (size_t i = 0; i < of->functions.n; i++) {
        const sparse_row w = row_of(of, i);
        const real c = coefficient[i];
        if (!of->run[i]) {
            for (size_t e = 0; e < w.count; e++) out[w.index[e]] += c * w.value[e];
        } else if (w.count) {
            add_run(&w, c, out + w.index[0]);
        }
    }
}

void NBT(sparse_add_rows)(const nbt_system_part *of, size_t ld, real *restrict out)
{
    for (size_t i = 0; i < of->functions.n; i++, out += ld) {
        const sparse_row w = row_of(of, i);
        if (!of->run[i]) {
            for (size_t e = 0; e < w.count; e++) out[w.index[e]] += w.value[e];
        } else if (w.count) {
            add_run(&w, 1, out + w.index[0]);
        }
    }
}

void NBT(sparse_dot)(const nbt_system_part *of, const real *restrict y, real *restrict out)
{
    for (size_t i = 0; i < of->functions.n; i++) {
        const sparse_row w = row_of(of, i);
        real sum = 0;
        for (size_t e = 0; e < w.count; e++) sum += w.value[e] * y[w.index[e]];
        out[i] = sum;
    }
}

void NBT(sparse_norms)(const nbt_system_part *of, real *restrict norm)
{
    for (size_t i = 0; i < of->functions.n; i++) {
        const sparse_row w = row_of(of, i);
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

void NBT(sparse_add_split)(const nbt_system_part *of, const int32_t *pair, size_t ldn,
                           const real *restrict coefficient, real *restrict out)
{
    for (size_t i = 0; i < of->functions.n; i++) {
        const sparse_row w = row_of(of, i);
        for (size_t e = 0; e < w.count; e++) {
            const int32_t j = w.index[e];
            out[j] += coefficient[(size_t)pair[j] * ldn + i] * w.value[e];
        }
    }
}

void NBT(sparse_dot_split)(const nbt_system_part *of, const int32_t *pair, const nbt_sizes *at,
                           const real *restrict y, real *restrict out)
{
    memset(out, 0, at->K * at->ldn * sizeof *out);
    for (size_t i = 0; i < at->n; i++) {
        const sparse_row w = row_of(of, i);
        for (size_t e = 0; e < w.count; e++) {
            const int32_t j = w.index[e];
            out[(size_t)pair[j] * at->ldn + i] += w.value[e] * y[j];
        }
    }
}
