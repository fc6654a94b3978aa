/* sparse.h: the rows w_i of ∂f/∂θ, as the CSR arrays indptr, indices and values of a learner.
 *
 * An empty row costs nothing but a look at indptr. */
#ifndef NBT_SPARSE_H
#define NBT_SPARSE_H

#include "learner.h"
#include "real.h"

/* How many entries of row i, from its first on, are of columns that follow one another, so that
 * they need no indices: all but the last two at least, or it says none. */
NBT_INLINE size_t sparse_run(const nbt_learner *self, size_t i)
{
    const int32_t *index = self->indices + self->indptr[i];
    const size_t count = (size_t)(self->indptr[i + 1] - self->indptr[i]);
    if (!self->system.rising) return 0;
    for (size_t run = count; run > 1 && run + 2 >= count; run--)
        if (index[run - 1] - index[0] == (int32_t)(run - 1)) return run;
    return 0;
}

/* out += Σ_i coefficient[i] w_i, coefficient (n), out (p). O(entries) */
void NBT(sparse_add)(const nbt_learner *self, const real *restrict coefficient, real *restrict out);

/* out[i] = ⟨w_i, y⟩, y (p), out (n). O(entries) */
void NBT(sparse_dot)(const nbt_learner *self, const real *restrict y, real *restrict out);

/* norm[i] = ‖w_i‖², plain, norm (n). O(entries) */
void NBT(sparse_norms)(const nbt_learner *self, real *restrict norm);

/* There are none. O(n) */
void NBT(sparse_clear)(nbt_learner *self);

#endif
