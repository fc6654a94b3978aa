/* metric_split.h: the metric of metric.h where each pair has a part of the parameters (split.h): a
 * vector's K parts are those that belong to the pairs, each being 0 elsewhere. Like those of
 * metric.h, these functions use five parts of a learner. */
#ifndef NBT_SYSTEMS_METRIC_SPLIT_H
#define NBT_SYSTEMS_METRIC_SPLIT_H

#include "learner.h"
#include "machine/real.h"

/* ‖w‖² of the K parts of w, norm[k], and in y what (J + λ)⁻¹ makes of each part, at its own
 * entries. O(p) */
void NBT(metric_norm_split)(const nbt_learner *self, const real *restrict w, real *restrict norm);
void NBT(metric_raise_split)(nbt_learner *self, const real *restrict w, real *restrict y);

/* norm[k ldn + i] = ‖w_i‖² of the part of the row w_i that belongs to pair k. O(entries + Kn) */
void NBT(metric_rows_split)(nbt_learner *self, real *restrict norm);

#endif
