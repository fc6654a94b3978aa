/* metric.h: what a gradient does to the parameters of a system, flat in memory; (12), (20)–(27).
 *
 * The p parameters are dealt into groups of neighbours, the first of each being its bias. Kalman
 * keeps of J the diagonal J_pp and, of each group, its row J_0p, as optimizer.h does for the
 * columns of a matrix, with the same formulas. Groups of one parameter each are the diagonal
 * reduction. So that norms need no division, there are for each parameter q_p = J_0p / D_0 and r_p
 * = 1 / (D_p - J_0p q_p); for a group's first, Q = Σ_p q_p² r_p and 1 / D_0. They follow J.
 *
 * Arrays are (p), padded to whole vecs. A metric uses five parts of a learner (sizes, choices, θ,
 * the optimizer, the system), so that its functions get all of it. */
#ifndef NBT_SYSTEMS_METRIC_H
#define NBT_SYSTEMS_METRIC_H

#include "learner.h"
#include "machine/real.h"

/* θ ← θ - x for the step x that the optimizer makes of g; J and what follows it. O(p) */
void NBT(metric_apply)(nbt_learner *self, const real *restrict g);

/* q and r from J, after a state was loaded; `measuring`: they are those of J. O(p) */
void NBT(metric_refresh)(nbt_learner *self);

/* The same step for g = c w̄ + Σ_i H_i w_i where each parameter acts on one state alone
 * (sparse.h) and there is one pair, the w_i being z (p): the gradient, the step and the norms
 * for ρ in one pass, ‖w_i‖² in norm_d (n), ‖w̄‖² in block_w[0], and for norm `kalman` ⟨w̄, w_i⟩ in
 * inner (n). Not for groups of one parameter each. q and r are left behind. `learn` = 0: the norms
 * alone, to the same bits. O(p) */
void NBT(metric_sweep)(nbt_learner *self, int learn, real c, const real *z);

/* ‖w‖² = wᵀ (J + λ)⁻¹ w, (59). O(p) */
real NBT(metric_norm)(nbt_learner *self, const real *restrict w);

/* y = (J + λ)⁻¹ w. O(p) */
void NBT(metric_raise)(const nbt_learner *self, const real *restrict w, real *restrict y);

/* norm[i] = ‖w_i‖² for the rows w_i of ∂f/∂θ, norm (n). O(entries) */
void NBT(metric_rows)(nbt_learner *self, real *restrict norm);

#endif
