#include "systems/metric_split.h"
#include "machine/lanes.h"
#include <string.h>

split_metric NBT(split_metric_of)(const nbt_learner *self)
{
    const nbt_norm norm = self->choices.norm;
    return (split_metric){
        .p = self->system.functions.p,
        .K = self->sizes.K,
        .q = self->optimizer.metric_q,
        .r = self->optimizer.metric_r,
        .first = self->optimizer.first,
        .pair = self->estimator.pair,
        .plain =
            self->choices.theta.kind != NBT_KALMAN || norm == NBT_EUCLIDEAN || norm == NBT_NO_NORM,
    };
}

/* What the bias w_0 of j's group takes from entry j: q_j w_0, if both belong to the same pair. */
static real shift(const split_metric *at, size_t j, const real *w)
{
    const size_t first = (size_t)at->first[j];
    return at->pair[first] == at->pair[j] ? w[first] * at->q[j] : 0;
}

void NBT(metric_norm_split)(const split_metric *at, const real *restrict w, real *restrict norm)
{
    memset(norm, 0, at->K * sizeof *norm);
    for (size_t j = 0; j < at->p; j++) {
        const size_t k = (size_t)at->pair[j], first = (size_t)at->first[j];
        if (at->plain) {
            norm[k] += w[j] * w[j];
        } else if (first == j) {
            norm[k] += w[j] * w[j] * at->r[j];
        } else {
            const real part = w[j] - shift(at, j, w);
            norm[k] += part * part * at->r[j];
            if (at->pair[first] == at->pair[j]) continue;
            const real left = w[first] * at->q[j]; /* the bias's pair has 0 here */
            norm[at->pair[first]] += left * left * at->r[j];
        }
    }
}

void NBT(metric_raise_split)(const split_metric *at, const real *restrict w, real *restrict y)
{
    for (size_t j = 0; j < at->p; j++) {
        const size_t first = (size_t)at->first[j];
        if (first == j) {
            y[j] = w[j] * at->r[j];
            continue;
        }
        const int same = at->pair[first] == at->pair[j];
        const real own = (w[j] - shift(at, j, w)) * at->r[j];
        y[j] = own;
        y[first] -= at->q[j] * (same ? own : -w[first] * at->q[j] * at->r[j]);
    }
}

void NBT(metric_rows_split)(const split_metric *at, const nbt_system_part *rows, size_t ldn,
                            real *lead, real *restrict norm)
{
    const real *value = rows->values;
    const int32_t *index = rows->indices;
    memset(norm, 0, at->K * ldn * sizeof *norm);
    for (size_t i = 0; i < rows->functions.n; i++) {
        const size_t begin = (size_t)rows->indptr[i], end = (size_t)rows->indptr[i + 1];
        for (size_t e = begin; e < end && !at->plain; e++) {
            const size_t j = (size_t)index[e];
            if ((size_t)at->first[j] != j) continue;
            lead[j] = value[e];
            norm[(size_t)at->pair[j] * ldn + i] += value[e] * value[e] * (at->r[j] + at->q[j]);
        }
        for (size_t e = begin; e < end; e++) {
            const size_t j = (size_t)index[e];
            real *sum = norm + (size_t)at->pair[j] * ldn + i;
            if (at->plain) {
                *sum += value[e] * value[e];
            } else if ((size_t)at->first[j] != j) {
                const real s = shift(at, j, lead), part = value[e] - s;
                *sum += (part * part - s * s) * at->r[j];
            }
        }
        for (size_t e = begin; e < end && !at->plain; e++) lead[at->first[index[e]]] = 0;
    }
    for (size_t e = 0; e < at->K * ldn; e++) norm[e] = norm[e] > 0 ? norm[e] : 0;
}
