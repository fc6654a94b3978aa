#include "shared/optimizer.h"

step_size NBT(optimizer_step_size)(const nbt_learner *self, double lambda)
{
    const double decay = self->optimizer.rate < 1 ? self->optimizer.rate : 1;
    return (step_size){(real)self->optimizer.rate, (real)(1 - decay), (real)lambda,
                       (real)self->choices.outlier};
}

/* What a panel's turns are taken from: an outer product, or a gradient in panels. */
typedef struct {
    int outer; /* constant wherever it is compiled */
    const real *left;
    vec right;  /* of a gradient in panels: what it is multiplied with */
    vec square; /* right², or the information */
    const real *g;
} gradient_source;

NBT_INLINE vec gradient_turn(const gradient_source *from, size_t t, size_t per_vec)
{
    if (!from->outer) return from->right * load(from->g + t * LANES);
    return lanes_rows(from->left + t * per_vec, per_vec) * from->right;
}

/* θ ← θ - η g in one panel. */
NBT_INLINE void descend_panel(step_size step, size_t turns, size_t per_vec,
                              const gradient_source *from, real *theta)
{
    for (size_t t = 0; t < turns; t++, theta += LANES)
        store(theta, load(theta) - step.rate * gradient_turn(from, t, per_vec));
}

/* Turns t … t + count - 1; count is 1 or 2. */
NBT_INLINE void kalman_turns(step_size step, qdop *first, size_t count, size_t t, size_t per_vec,
                             const gradient_source *from, real *J, real *J0, real *theta)
{
    vec g[2], q[2], r[2];
    for (size_t c = 0; c < count; c++) {
        const size_t at = (t + c) * LANES;
        g[c] = gradient_turn(from, t + c, per_vec);
        q[c] = qdop_measure(step, 1, first, g[c], J + at, J0 + at, r + c);
    }
    qdop_invert(count, r);
    for (size_t c = 0; c < count; c++)
        qdop_update(first, g[c], q[c], r[c], theta + (t + c) * LANES);
}

/* The same for an outer product, g_p = a_p g_0: J_0p takes a_p g_0² (in its place, a_p times the
 * information), J_pp a_p times that, and x_p = g_0 (a_p - q_p) r_p, whose factor Σ q x gets at the
 * end. */
NBT_INLINE void outer_turns(step_size step, qdop *first, size_t count, size_t t, size_t per_vec,
                            const gradient_source *from, real *J, real *J0, real *theta)
{
    vec a[2], q[2], r[2];
    for (size_t c = 0; c < count; c++) {
        const size_t at = (t + c) * LANES;
        a[c] = lanes_rows(from->left + (t + c) * per_vec, per_vec);
        const vec cross = a[c] * from->square, J0p = cross + step.keep * load(J0 + at);
        const vec Jpp = a[c] * cross + step.keep * load(J + at);
        store(J + at, Jpp);
        store(J0 + at, J0p);
        q[c] = J0p * first->inverse0;
        r[c] = qdop_denominator(Jpp + step.lambda, J0p, q[c]);
    }
    qdop_invert(count, r);
    for (size_t c = 0; c < count; c++) {
        const vec x = (a[c] - q[c]) * r[c];
        real *at = theta + (t + c) * LANES;
        first->sum += q[c] * x;
        store(at, load(at) - from->right * x);
    }
}

NBT_INLINE void kalman_panel(step_size step, qdop *first, size_t turns, size_t per_vec,
                             const gradient_source *from, real *J, real *J0, real *theta,
                             real *theta0)
{
#define TURNS(count)                                                                               \
    do {                                                                                           \
        if (from->outer)                                                                           \
            outer_turns(step, first, count, t, per_vec, from, J, J0, theta);                       \
        else                                                                                       \
            kalman_turns(step, first, count, t, per_vec, from, J, J0, theta);                      \
    } while (0)
    size_t t = 0;
    for (; t + 2 <= turns; t += 2) TURNS(2);
    if (t < turns) TURNS(1);
#undef TURNS
    if (from->outer) first->sum *= from->right;
    qdop_last(*first, per_vec, theta0);
}

NBT_INLINE void apply_panel(const nbt_learner *self, const nbt_panels *at, size_t i, size_t per_vec,
                            vec g0, int outer, const real *left, const real *g,
                            const real *information, real *J, real *J0, real *theta)
{
    const double lambda =
        at == &self->sizes.out ? self->choices.lambda_phi : self->choices.lambda_theta;
    const step_size step = NBT(optimizer_step_size)(self, lambda);
    const size_t turns = (at->rows + per_vec - 1) / per_vec;
    const int kalman = self->choices.optimizer == NBT_KALMAN;
    const vec trust = kalman && !information ? qdop_trust(step, g0, load(J + i)) : spread(1);
    const vec right = lanes_tile(outer ? trust * g0 : trust, per_vec);
    const vec square = information ? lanes_tile(load(information + i), per_vec) : right * right;
    const gradient_source from = {outer, left, right, square, outer ? NULL : panel_of(at, g, i)};
    if (!kalman) {
        store(theta + i, load(theta + i) - step.rate * g0);
        descend_panel(step, turns, per_vec, &from, panel_of(at, theta, i));
        return;
    }
    qdop first = information
                     ? qdop_first_informed(step, per_vec, trust * g0, load(information + i), J + i)
                     : qdop_first(step, 1, per_vec, trust * g0, J + i);
    kalman_panel(step, &first, turns, per_vec, &from, panel_of(at, J, i), panel_of(at, J0, i),
                 panel_of(at, theta, i), theta + i);
}

void NBT(optimizer_apply)(const nbt_learner *self, const nbt_panels *at, const real *restrict g,
                          real *restrict J, real *restrict J0, real *restrict theta)
{
#define PANEL(i, per_vec)                                                                          \
    apply_panel(self, at, i, per_vec, load(g + i), 0, NULL, g, NULL, J, J0, theta)
    EACH_PANEL(at, PANEL);
#undef PANEL
}

/* g_0 is limited to g_0² = κ D_0. */
static void limit(const nbt_learner *self, const nbt_panels *at, const real *J, real *g0)
{
    for (size_t z = 0; z < at->ld; z++) {
        const real most = (real)self->choices.outlier * (J[z] + (real)self->choices.lambda_phi);
        const real square = g0[z] * g0[z];
        g0[z] *= root(most / (square > most ? square : most));
    }
}

void NBT(optimizer_apply_outer)(const nbt_learner *self, const nbt_panels *at,
                                const real *restrict left, real *restrict right,
                                const real *restrict information, real *restrict J,
                                real *restrict J0, real *restrict theta)
{
    if (information && self->choices.outlier < (double)INFINITY) limit(self, at, J, right);
#define PANEL(i, per_vec)                                                                          \
    apply_panel(self, at, i, per_vec, load(right + i), 1, left, NULL, information, J, J0, theta)
    EACH_PANEL(at, PANEL);
#undef PANEL
}
