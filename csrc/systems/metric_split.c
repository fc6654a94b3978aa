#include "systems/metric_split.h"
#include "machine/lanes.h"
#include <string.h>

/* Where nothing is measured (SGD, or plain norms) the metric is the identity: q = 0, r = 1. */
typedef struct {
    const real *q, *r;
    const int32_t *first, *pair;
    int plain;
} split_metric;

static split_metric metric_of(const nbt_learner *self)
{
    const int plain = self->choices.theta.kind != NBT_KALMAN ||
                      self->choices.norm == NBT_EUCLIDEAN || self->choices.norm == NBT_NO_NORM;
    return (split_metric){self->optimizer.metric_q, self->optimizer.metric_r, self->optimizer.first,
                          self->estimator.pair, plain};
}

/* What the bias w_0 of j's group takes from entry j: q_j w_0, if both belong to the same pair. */
static real shift(const split_metric *m, size_t j, const real *w)
{
    const size_t first = (size_t)m->first[j];
    return m->pair[first] == m->pair[j] ? w[first] * m->q[j] : 0;
}

void NBT(metric_norm_split)(const nbt_learner *self, const real *restrict w, real *restrict norm)
{
    const split_metric m = metric_of(self);
    memset(norm, 0, self->sizes.K * sizeof *norm);
    for (size_t j = 0; j < self->system.functions.p; j++) {
        const size_t k = (size_t)m.pair[j], first = (size_t)m.first[j];
        if (m.plain) {
            norm[k] += w[j] * w[j];
        } else if (first == j) {
            norm[k] += w[j] * w[j] * m.r[j];
        } else {
            const real part = w[j] - shift(&m, j, w);
            norm[k] += part * part * m.r[j];
            if (m.pair[first] == m.pair[j]) continue;
            const real left = w[first] * m.q[j]; /* the bias's pair has 0 here */
            norm[m.pair[first]] += left * left * m.r[j];
        }
    }
}

void NBT(metric_raise_split)(nbt_learner *self, const real *restrict w, real *restrict y)
{
    const split_metric m = metric_of(self);
    for (size_t j = 0; j < self->system.functions.p; j++) {
        const size_t first = (size_t)m.first[j];
        if (first == j) {
            y[j] = w[j] * m.r[j];
            continue;
        }
        const int same = m.pair[first] == m.pair[j];
        const real own = (w[j] - shift(&m, j, w)) * m.r[j];
        y[j] = own;
        y[first] -= m.q[j] * (same ? own : -w[first] * m.q[j] * m.r[j]);
    }
}

void NBT(metric_rows_split)(nbt_learner *self, real *restrict norm)
{
    const split_metric m = metric_of(self);
    const real *value = self->system.values;
    const int32_t *index = self->system.indices;
    real *lead = self->optimizer.lead;
    memset(norm, 0, self->sizes.K * self->sizes.ldn * sizeof *norm);
    for (size_t i = 0; i < self->sizes.n; i++) {
        const size_t begin = (size_t)self->system.indptr[i],
                     end = (size_t)self->system.indptr[i + 1];
        for (size_t e = begin; e < end && !m.plain; e++) {
            const size_t j = (size_t)index[e];
            if ((size_t)m.first[j] != j) continue;
            lead[j] = value[e];
            norm[(size_t)m.pair[j] * self->sizes.ldn + i] +=
                value[e] * value[e] * (m.r[j] + m.q[j]);
        }
        for (size_t e = begin; e < end; e++) {
            const size_t j = (size_t)index[e];
            real *at = norm + (size_t)m.pair[j] * self->sizes.ldn + i;
            if (m.plain) {
                *at += value[e] * value[e];
            } else if ((size_t)m.first[j] != j) {
                const real s = shift(&m, j, lead), part = value[e] - s;
                *at += (part * part - s * s) * m.r[j];
            }
        }
        for (size_t e = begin; e < end && !m.plain; e++) lead[m.first[index[e]]] = 0;
    }
    for (size_t e = 0; e < self->sizes.K * self->sizes.ldn; e++)
        norm[e] = norm[e] > 0 ? norm[e] : 0;
}
