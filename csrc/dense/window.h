/* window.h: NoBackTrack that keeps the last T steps exactly; with exact self-influence.
 *
 * Let d(t) be the influence of each unit's parameters on it along its own path, F_t =
 * ∂h(t+1)/∂h(t), z(t) the regressors of the transition to h(t), F° = F - diag(κ),
 * κ = clip(diag(F), -1, 1) (reduction.h).
 * Exactly, ∂h(t)/∂θ_i = Σ_{l<T} (F_{t-1} … F_{t-l}) e_i z(t-l)ᵀ + (F_{t-1} … F_{t-T}) e_i d_i(t-T)ᵀ
 * + R_i, where R_i holds the paths that left their unit before step t - T, and only R is estimated.
 * With λ_0 = H, λ_l = F_{t-l}ᵀ λ_{l-1}, which is backpropagation over T steps, g_i = Σ_{l<T} λ_l,i
 * z(t-l) + λ_T,i d_i(t-T) + (1/K) Σ_k (H·v̄_ks) w̄_k,i. So `d` lags T steps behind, and a term of R
 * is drawn when it leaves its unit, u_s = Σ_{i in s} ε_i ρ_i F° e_i ("hop"), goes through F with v̄
 * for T steps, and then joins v̄_s as its d_i(t-T) joins w̄.
 *
 * The window is a ring of T slots: past_F (T n, ldn) holds F_{t-l}ᵀ, past_a (T, ldn), past_x (T,
 * ldm) and window_symbol z(t-l+1), hop (K T S, ldn) u and hop_right (K T, ldn) ε_i / ρ_i, for l = 1
 * … T from slot `head` on. */
#ifndef NBT_DENSE_WINDOW_H
#define NBT_DENSE_WINDOW_H

#include "dense/cell.h"

/* adjoint (T + 1, ldn): λ_T in its last row. O(T n²) */
void NBT(window_adjoints)(const nbt_sizes *at, const real *H, const nbt_past *past);

/* out (ldrecent): row 0, then the panel, at column i of Σ_{l<T} z(t-l) λ_lᵀ. Its rows of symbols
 * must be 0 before. Few of them are written, and window_clear makes those 0 again. A panel at a
 * time, just before it is used: then it is still in the nearest cache. O(T P) */
void NBT(window_gradient)(const nbt_sizes *at, int one_hot, const nbt_past *past, size_t i,
                          real *out);
void NBT(window_clear)(const nbt_sizes *at, int one_hot, const nbt_past *past, size_t i, real *out);

/* First half of a transition: keep_d from the oldest slot, which is free then. O(n) */
void NBT(window_turn)(const nbt_sizes *at, const nbt_past *past, const nbt_estimator *to);

/* Pair k: v (S, ldn) and hops through F; the oldest hop joins v; a new one in its place. Leaves
 * keep_w and add_w of the pair. Weights u, signs and norms are those of now. The first pair puts
 * F_t into the oldest slot. O(T S n²) */
void NBT(window_fold)(nbt_learner *self, size_t k, real *restrict v);

/* Second half: the oldest z is left for d, (1, a, x) in its place, which is now the newest. O(n +
 * m) */
void NBT(window_regress)(const dense_cell *cell, int32_t symbol, const real *restrict vector,
                         nbt_past *past, int32_t *x_last, real *restrict z);

/* window_symbol of a window of vectors, after its arrays were set from outside. */
void NBT(window_refresh)(const nbt_sizes *at, const nbt_past *past);

#endif
