/* sparse.h: the rows w_i of ∂f/∂θ, as the CSR arrays indptr, indices and values of a learner.
 *
 * An empty row costs nothing but a look at indptr. A row whose columns are neighbours, a "run", is
 * treated as the piece of a vector that it is. */
#ifndef NBT_SPARSE_H
#define NBT_SPARSE_H

#include "learner.h"
#include "real.h"

/* out += Σ_i coefficient[i] w_i, coefficient (n), out (p). O(entries) */
void NBT(sparse_add)(const nbt_learner *self, const real *restrict coefficient,
                     real *restrict out);

/* out[i] = ⟨w_i, y⟩, y (p), out (n). O(entries) */
void NBT(sparse_dot)(const nbt_learner *self, const real *restrict y, real *restrict out);

/* norm[i] = ‖w_i‖², plain, norm (n). O(entries) */
void NBT(sparse_norms)(const nbt_learner *self, real *restrict norm);

/* out[j] += coefficient[k ldn + i] w_ij, and out[k ldn + i] = ⟨w_i, y⟩ of the entries that belong to
 * pair k. O(entries + Kn) */
void NBT(sparse_add_split)(const nbt_learner *self, const real *restrict coefficient,
                           real *restrict out);
void NBT(sparse_dot_split)(const nbt_learner *self, const real *restrict y, real *restrict out);

/* Which rows are runs; after the arrays were set. O(entries) */
void NBT(sparse_find_runs)(nbt_learner *self);

#endif
