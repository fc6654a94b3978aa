/* metric_split.h: the metric of metric.h where each pair has a part of the parameters (split.h): a
 * vector's K parts are those that belong to the pairs, each being 0 elsewhere. */
#ifndef NBT_SYSTEMS_METRIC_SPLIT_H
#define NBT_SYSTEMS_METRIC_SPLIT_H

#include "learner.h"
#include "machine/real.h"

/* A metric of p parameters, its q and r, the first of each one's group, and the pair each belongs
 * to. plain: where nothing is measured (no Kalman, or plain norms) it is the identity: q = 0, r
 * = 1. */
typedef struct {
    size_t p, K;
    const real *q, *r;
    const int32_t *first, *pair;
    int plain;
} split_metric;

split_metric NBT(split_metric_of)(const nbt_learner *self);

/* ‖w‖² of the K parts of w, norm[k], and in y what (J + λ)⁻¹ makes of each part, at its own
 * entries. O(p) */
void NBT(metric_norm_split)(const split_metric *at, const real *restrict w, real *restrict norm);
void NBT(metric_raise_split)(const split_metric *at, const real *restrict w, real *restrict y);

/* norm[k ldn + i] = ‖w_i‖² of the part of the row w_i that belongs to pair k; lead (p) is 0 before
 * and after. O(entries + Kn) */
void NBT(metric_rows_split)(const split_metric *at, const nbt_system_part *rows, size_t ldn,
                            real *lead, real *restrict norm);

#endif
