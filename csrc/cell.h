/* cell.h: the recurrent cell h' = Σ_p z_p θ[p] + α h with z = (1, σ(h), x), equations (31) and
 * (37).
 *
 * θ is (P, ldn): row 0 the biases, rows 1…n W (W[j,i] from j to i), the rest r. Since z is the same
 * for every unit, w_i = ∂h'_i/∂θ_i = z. F = ∂h'/∂h has F[k,j] = W[j,k] σ'(h_j) + α_k δ_kj.
 * Vectors over units are (ldn), zero in the padding. */
#ifndef NBT_CELL_H
#define NBT_CELL_H

#include "learner.h"
#include "real.h"

/* a = σ(h), slope = σ'(h). O(n) */
void NBT(cell_activate)(size_t ldn, nbt_activation activation, const real *restrict h,
                        real *restrict a, real *restrict slope);

/* z (P) = (1, a, x): x one-hot at `symbol` if one_hot, else `vector` (m). `symbol_before` is the
 * entry set last time (-1: none; NBT_UNKNOWN_SYMBOL: clear them all). O(n + m), O(n) when one-hot.
 */
void NBT(cell_regress)(size_t n, size_t m, int one_hot, const real *restrict a,
                       int32_t symbol_before, int32_t symbol, const real *restrict vector,
                       real *restrict z);

/* h' (ldn) from θ, α, h, a and the input (symbol or vector). O(nP), O(n²) when one-hot. */
void NBT(cell_forward)(size_t n, size_t m, size_t ldn, int one_hot, const real *restrict theta,
                       const real *restrict alpha, const real *restrict h, const real *restrict a,
                       int32_t symbol, const real *restrict vector, real *restrict h_next);

/* The learner's own transition: z, h ← h', a and slope of h'. Input: symbol or vector (m). */
void NBT(cell_advance)(nbt_learner *self, int32_t symbol, const real *vector, real *z);

/* out[s] = F v[s] for S vectors (S, ldn), W = row 1 of θ. v must not alias out. O(S n²) */
void NBT(cell_push)(size_t n, size_t ldn, size_t S, const real *restrict W,
                    const real *restrict alpha, const real *restrict slope, const real *restrict v,
                    real *restrict out);

/* out = Fᵀ u. O(n²) */
void NBT(cell_pull)(size_t n, size_t ldn, const real *restrict W, const real *restrict alpha,
                    const real *restrict slope, const real *restrict u, real *restrict out);

/* F (n, ldn). O(n²) */
void NBT(cell_jacobian)(size_t n, size_t ldn, const real *restrict W, const real *restrict alpha,
                        const real *restrict slope, real *restrict F);

#endif
