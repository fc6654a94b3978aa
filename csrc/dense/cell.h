/* cell.h: the recurrent cell h' = Σ_p z_p θ[p] + α h with z = (1, σ(h), x), equations (31) and
 * (37).
 *
 * θ has P rows (panels.h): row 0 the biases, rows 1…n W (W[j,i] from j to i), the rest r. Since z
 * is the same for every unit, w_i = ∂h'_i/∂θ_i = z. F = ∂h'/∂h has F[k,j] = W[j,k] σ'(h_j) + α_k
 * δ_kj. Vectors over units are (ldn), zero in the padding. */
#ifndef NBT_DENSE_CELL_H
#define NBT_DENSE_CELL_H

#include "learner.h"
#include "machine/real.h"

/* What the kernels below read: θ, α, h, a and slope; whether inputs are symbols. They write what is
 * last in their heads, and no more. Large work is shared by `workers`. */
typedef struct {
    const nbt_sizes *sizes;
    const nbt_network_part *network;
    int one_hot;
    nbt_workers *workers;
} dense_cell;

NBT_INLINE dense_cell cell_of(nbt_learner *self)
{
    return (dense_cell){&self->sizes, &self->network, self->choices.one_hot, &self->workers};
}

/* z (P) = (1, a, x): x one-hot at `symbol`, or `vector` (m). *x_last: the entry of x that is set,
 * before and after. O(n + m), O(n) when one-hot. */
void NBT(cell_regress)(const dense_cell *cell, int32_t symbol, const real *restrict vector,
                       int32_t *x_last, real *restrict z);

/* input: r[symbol] (ldn), or the vector (ldm), zero in the padding. O(n + m) */
void NBT(cell_input)(const dense_cell *cell, int32_t symbol, const real *restrict vector,
                     real *restrict input);

/* h' (ldn) from θ, α, h, a and the input as above. O(nP), O(n²) when one-hot. */
void NBT(cell_forward)(const dense_cell *cell, const real *restrict input, real *restrict h_next);

/* h ← h_next, and its a and slope. O(n) */
void NBT(cell_move)(const nbt_sizes *at, const nbt_choices *of, const real *h_next,
                    nbt_network_part *network);

/* What a rule calls. h_next of the scratch from h and an input, symbol or vector (m); nothing else
 * but scratch changes. */
void NBT(cell_look)(nbt_learner *self, int32_t symbol, const void *vector);

/* The whole transition: h ← h', a and slope of h'. Input: symbol or vector (m). */
void NBT(cell_advance)(nbt_learner *self, int32_t symbol, const real *vector);

/* Vectors (count, ldn), one after another. */
typedef struct {
    size_t count;
    const real *v;
} nbt_vectors;

/* out[s] = F v[s] for all of `some`, then all of `more`, which must not alias out (…, ldn). Unless
 * h_next is NULL, also what cell_forward() does. θ is read once for everything. O(count n²) */
void NBT(cell_push)(const dense_cell *cell, nbt_vectors some, nbt_vectors more, real *restrict out,
                    const real *input, real *h_next);

/* out = Fᵀ u, F at the given slopes. O(n²) */
void NBT(cell_pull)(const dense_cell *cell, const real *restrict slope, const real *restrict u,
                    real *restrict out);

/* Rows first … last - 1 of Fᵀ (n, ldn). O(n) each; 16 at a time are read as they lie in θ. */
void NBT(cell_jacobian)(const dense_cell *cell, size_t first, size_t last, real *restrict F);

/* own[i] = F_ii. O(n) */
void NBT(cell_diagonal)(const dense_cell *cell, real *restrict own);

/* norm[i] = Σ_c u_c F_ci² over c ≠ i. O(n²) */
void NBT(cell_column_norms)(const dense_cell *cell, const real *u, real *norm);

/* v_s = scale_s pushed_s + Σ_i part_i (column i of F, entry i 0) over the units i of block s; v,
 * pushed (S, ldn); part (ldn) is overwritten. O(n²) */
void NBT(cell_fold)(const dense_cell *cell, const real *scale, const real *pushed, real *part,
                    real *v);

#endif
