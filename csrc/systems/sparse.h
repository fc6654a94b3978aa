/* sparse.h: the rows w_i of ∂f/∂θ, as the CSR arrays indptr, indices and values of a system `of`.
 *
 * An empty row costs nothing but a look at indptr. A row whose columns are neighbours, a "run", is
 * treated as the part of a vector that it is. */
#ifndef NBT_SYSTEMS_SPARSE_H
#define NBT_SYSTEMS_SPARSE_H

#include "learner.h"
#include "machine/real.h"

/* out += Σ_i coefficient[i] w_i, coefficient (n), out (p). O(entries) */
void NBT(sparse_add)(const nbt_system_part *of, const real *restrict coefficient,
                     real *restrict out);

/* out[i ld + j] += w_ij, out (n, ld). O(entries) */
void NBT(sparse_add_rows)(const nbt_system_part *of, size_t ld, real *restrict out);

/* out[i] = ⟨w_i, y⟩, y (p), out (n). O(entries) */
void NBT(sparse_dot)(const nbt_system_part *of, const real *restrict y, real *restrict out);

/* norm[i] = ‖w_i‖², plain, norm (n). O(entries) */
void NBT(sparse_norms)(const nbt_system_part *of, real *restrict norm);

/* out[j] += coefficient[k ldn + i] w_ij, and out[k ldn + i] = ⟨w_i, y⟩ of the entries that belong
 * to pair k = pair[j]. O(entries + Kn) */
void NBT(sparse_add_split)(const nbt_system_part *of, const int32_t *pair, size_t ldn,
                           const real *restrict coefficient, real *restrict out);
void NBT(sparse_dot_split)(const nbt_system_part *of, const int32_t *pair, const nbt_sizes *at,
                           const real *restrict y, real *restrict out);

/* After the pattern was set: which rows are runs, and whether the rows are `owned`: each parameter
 * acts on one state at most, rising as the states do, and each group on one. Then the p parameters
 * are cut into spans: span s holds the parameters span[s] … span[s + 1] - 1, which act on the state
 * owner[s], or on none (-1). With Kalman the spans are its groups; metric is NULL without.
 * O(entries) */
void NBT(sparse_survey)(const nbt_optimizer_part *metric, nbt_system_part *to);

/* After values were set, where rows are owned: z (p), the entry of each parameter, 0 where there is
 * none; the array `values` itself if every parameter has one. O(p), or nothing */
void NBT(sparse_spread)(nbt_system_part *of);
const void *NBT(sparse_own)(const nbt_system_part *of);

#endif
