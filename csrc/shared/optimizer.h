/* optimizer.h: what a gradient does to parameters; equations (10), (12) and (20)–(27).
 *
 * A group is one column: a unit's parameters (or a symbol's), its bias in row 0. Kalman keeps of
 * J = Σ g gᵀ the diagonal J_pp and the first row J_0p (quasi-diagonal outer product). With
 * D_p = J_pp + λ, q_p = J_0p / D_0, r_p = 1 / (D_p - J_0p q_p):
 *     x_p = (g_p - g_0 q_p) r_p,   x_0 = g_0 / D_0 - Σ_p q_p x_p,   θ ← θ - x,
 *     ‖w‖² = w_0² / D_0 + Σ_p (w_p - w_0 q_p)² r_p.
 * Before that, a gradient far beyond all that J knows is shrunk: g ← g / max(1, g_0² / (κ D_0))
 * with D_0 as it was before g. g_0²/D_0 does not depend on how activities are parametrised; κ = ∞:
 * never.
 *
 * Adam keeps running means of g and of g², m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g². After its
 * update u = 1, 2, … (an update, not a step: some rules make one in many steps) it takes off the
 * part that is still missing of both: θ ← θ - η m / (1 - β₁ᵘ) / √(v / (1 - β₂ᵘ) + 10⁻⁶),   η the
 * rate at the present step.
 *
 * θ and φ have a method each (choices.h). The inline functions below are of one vec; the sweeps
 * that use them own the loops. */
#ifndef NBT_SHARED_OPTIMIZER_H
#define NBT_SHARED_OPTIMIZER_H

#include "learner.h"
#include "machine/panels.h"
#include <math.h>

/* How a pass over parameters measures vectors, for ρ: not at all; as they are; by J, so that
 * ‖w‖² is the sum above; and their inner products, too. */
enum { NOTHING, PLAIN, METRIC, METRIC_INNER };

/* One step's numbers: SGD's rate, or Kalman's 1 - γ, λ and κ. */
typedef struct {
    real rate, keep, lambda, outlier;
} step_size;

/* rate: theta_rate or phi_rate of the learner, whichever method it is. */
step_size NBT(optimizer_step_size)(const nbt_method *method, double rate);

/* The numbers of one update of Adam: β and 1 - β of both means, η / (1 - β₁ᵘ), 4 / (1 - β₂ᵘ). */
typedef struct {
    real keep_m, add_m, keep_v, add_v, rate, complete;
} adam_step;

/* Counts an update, and returns its numbers. updates: theta_updates or phi_updates. */
adam_step NBT(optimizer_adam)(const nbt_method *method, double rate, uint64_t *updates);

/* θ after m and v. */
NBT_INLINE void adam_move(adam_step step, vec m, vec v, real *restrict theta)
{
    const vec four = step.complete * v + (real)4e-6; /* times what the root is of */
    store(theta, load(theta) - lanes_twice_per_root(step.rate * m, four));
}

/* m, v and θ after g. A caller that has g in registers needs no array of it. Where g = 0, as in the
 * padding, m and v may stay 0; then θ does not change. */
NBT_INLINE void adam_update(adam_step step, vec g, real *restrict m_at, real *restrict v_at,
                            real *restrict theta)
{
    const vec m = step.keep_m * load(m_at) + step.add_m * g;
    const vec v = step.keep_v * load(v_at) + step.add_v * (g * g);
    store(m_at, m);
    store(v_at, v);
    adam_move(step, m, v, theta);
}

/* The same, g = 0. */
NBT_INLINE void adam_rest(adam_step step, real *restrict m_at, real *restrict v_at,
                          real *restrict theta)
{
    const vec m = step.keep_m * load(m_at), v = step.keep_v * load(v_at);
    store(m_at, m);
    store(v_at, v);
    adam_move(step, m, v, theta);
}

/* The factor of a gradient whose bias has g0, J_00 being as it was before. */
NBT_INLINE vec qdop_trust(step_size step, vec g0, vec J00)
{
    if (step.outlier == (real)INFINITY) return spread(1);
    const vec most = step.outlier * (J00 + step.lambda);
    return most / lanes_max(g0 * g0, most);
}

/* 1 / r_p = D_p - J_0p q_p, where rounding may be off by a hundred roundings of D_p one way: no
 * less than that. J_0p² ≤ J_00 J_pp, so it is at least λ but for rounding. */
NBT_INLINE vec qdop_denominator(vec D, vec J0p, vec q)
{
    return lanes_at_least(D - J0p * q, D, NBT_PRECISION == 32 ? 17 : 46);
}

/* What rows p ≥ 1 need to know of row 0, and what they leave to it. */
typedef struct {
    vec g0, inverse0, sum; /* g_0, 1 / D_0, Σ q_p x_p so far */
} qdop;

/* Row 0: J_00 ← keep J_00 + g_0²; only read where nothing is learned. What it gives is laid out for
 * the turns of its panel. */
NBT_INLINE qdop qdop_first(step_size step, int learn, size_t per_vec, vec g0, real *restrict J)
{
    const vec J00 = learn ? step.keep * load(J) + g0 * g0 : load(J);
    if (learn) store(J, J00);
    const vec inverse0 = 1 / (J00 + step.lambda);
    return (qdop){lanes_tile(g0, per_vec), lanes_tile(inverse0, per_vec), (vec){0}};
}

/* The same where J is not a sum of products of g: J_00 ← keep J_00 + information. */
NBT_INLINE qdop qdop_first_informed(step_size step, size_t per_vec, vec g0, vec information,
                                    real *restrict J)
{
    store(J, step.keep * load(J) + information);
    return qdop_first(step, 0, per_vec, g0, J);
}

/* Row p ≥ 1, first half: J_pp, J_0p ← keep J + g g; returns q_p; 1 / r_p in *denominator. */
NBT_INLINE vec qdop_measure(step_size step, int learn, const qdop *first, vec g, real *restrict J,
                            real *restrict J0, vec *denominator)
{
    vec Jpp = load(J), J0p = load(J0);
    if (learn) {
        const vec square = g * g, cross = first->g0 * g;
        Jpp = square + step.keep * Jpp;
        J0p = cross + step.keep * J0p;
        store(J, Jpp);
        store(J0, J0p);
    }
    const vec q = J0p * first->inverse0;
    *denominator = qdop_denominator(Jpp + step.lambda, J0p, q);
    return q;
}

/* r_p of one or two rows from their denominators, by one division, which is what bounds the rows'
 * speed. */
NBT_INLINE void qdop_invert(size_t count, vec *x)
{
    if (count == 1) {
        x[0] = 1 / x[0];
        return;
    }
    const vec x0 = x[0], inverse = 1 / (x0 * x[1]);
    x[0] = inverse * x[1];
    x[1] = inverse * x0;
}

/* Row p ≥ 1, second half: θ_p ← θ_p - x_p. */
NBT_INLINE void qdop_update(qdop *first, vec g, vec q, vec r, real *restrict theta)
{
    const vec x = (g - first->g0 * q) * r;
    first->sum += q * x;
    store(theta, load(theta) - x);
}

/* After the last row: θ_0 ← θ_0 - x_0. */
NBT_INLINE void qdop_last(qdop first, size_t per_vec, real *restrict theta)
{
    const vec own = first.g0 * first.inverse0;
    const vec x0 = lanes_only(own, LANES / per_vec) - lanes_gather(first.sum, per_vec);
    store(theta, load(theta) - x0);
}

/* θ and what its method keeps of it after the gradient g, all in panels (sizes.cell). O(rows ld) */
void NBT(optimizer_apply_theta)(nbt_learner *self, const real *restrict g);

/* The same for φ (sizes.out). */
void NBT(optimizer_apply_phi)(nbt_learner *self, const real *restrict g);

/* φ after the outer product g[0] = right, g[1 + p] = left[p] right; left (rows), right (ld). With
 * `information` (ld), Kalman's alone, J is a sum of information[z] z zᵀ, z = (1, left), whatever
 * `right` is: (24) with a diagonal I_t. So no gradient makes J deaf, and one that is far beyond is
 * only limited, to g_0² = κ D_0: `right` is overwritten. NULL: J is made of g. O(rows ld) */
void NBT(optimizer_apply_outer)(nbt_learner *self, const real *restrict left, real *restrict right,
                                const real *restrict information);

/* Row p of φ below row 0, whose entries are groups of their own, right (ld) being its gradient;
 * with `information`, as above. Called before the functions above, which count the update. O(ld) */
void NBT(optimizer_apply_row)(nbt_learner *self, size_t p, const real *restrict right,
                              const real *restrict information);

/* The same for all rows from `first` on of which the gradient, g in panels, is not 0.
 * O(features ld) */
void NBT(optimizer_apply_rows)(nbt_learner *self, size_t first, const real *restrict g);

#endif
