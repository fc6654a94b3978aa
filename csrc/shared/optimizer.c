#include "shared/optimizer.h"

step_size NBT(optimizer_step_size)(const nbt_method *method, double rate)
{
    const double decay = rate < 1 ? rate : 1;
    return (step_size){(real)rate, (real)(1 - decay), (real)method->lambda, (real)method->outlier};
}

adam_step NBT(optimizer_adam)(const nbt_method *method, double rate, uint64_t *updates)
{
    const double b1 = method->b1, b2 = method->b2, u = (double)++*updates;
    return (adam_step){(real)b1,
                       (real)(1 - b1),
                       (real)b2,
                       (real)(1 - b2),
                       (real)(rate / (1 - pow(b1, u))),
                       (real)(4 / (1 - pow(b2, u)))};
}

/* θ or φ: where it lies, its method, and what that keeps of it. */
typedef struct {
    const nbt_panels *at;
    const nbt_method *method;
    double rate;
    uint64_t *updates;
    real *theta, *J, *J0, *m, *v;
} parameters;

NBT_INLINE parameters theta_of(nbt_learner *self)
{
    nbt_optimizer_part *of = &self->optimizer;
    return (parameters){&self->sizes.cell,  &self->choices.theta, of->theta_rate,
                        &of->theta_updates, self->network.theta,  of->theta_J,
                        of->theta_J0,       of->theta_m,          of->theta_v};
}

NBT_INLINE parameters phi_of(nbt_learner *self)
{
    nbt_optimizer_part *of = &self->optimizer;
    return (parameters){&self->sizes.out, &self->choices.phi, of->phi_rate,
                        &of->phi_updates, self->readout.phi,  of->phi_J,
                        of->phi_J0,       of->phi_m,          of->phi_v};
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

NBT_INLINE void adam_panel(adam_step step, size_t turns, size_t per_vec,
                           const gradient_source *from, real *m, real *v, real *theta)
{
    for (size_t t = 0; t < turns; t++)
        adam_update(step, gradient_turn(from, t, per_vec), m + t * LANES, v + t * LANES,
                    theta + t * LANES);
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

/* What all panels of an update share. */
typedef struct {
    step_size step;
    adam_step adam;
} update;

static update update_of(const parameters *x)
{
    update all = {.step = NBT(optimizer_step_size)(x->method, x->rate)};
    if (x->method->kind == NBT_ADAM) all.adam = NBT(optimizer_adam)(x->method, x->rate, x->updates);
    return all;
}

NBT_INLINE void apply_panel(const parameters *x, const update *all, size_t i, size_t per_vec,
                            vec g0, int outer, const real *left, const real *g,
                            const real *information)
{
    const nbt_panels *at = x->at;
    const step_size step = all->step;
    const size_t turns = (at->rows + per_vec - 1) / per_vec;
    const int kalman = x->method->kind == NBT_KALMAN;
    const vec trust = kalman && !information ? qdop_trust(step, g0, load(x->J + i)) : spread(1);
    const vec right = lanes_tile(outer ? trust * g0 : trust, per_vec);
    const vec square = information ? lanes_tile(load(information + i), per_vec) : right * right;
    const gradient_source from = {outer, left, right, square, outer ? NULL : panel_of(at, g, i)};
    real *theta = panel_of(at, x->theta, i);
    if (x->method->kind == NBT_SGD) {
        store(x->theta + i, load(x->theta + i) - step.rate * g0);
        descend_panel(step, turns, per_vec, &from, theta);
        return;
    }
    if (!kalman) {
        adam_update(all->adam, g0, x->m + i, x->v + i, x->theta + i);
        adam_panel(all->adam, turns, per_vec, &from, panel_of(at, x->m, i), panel_of(at, x->v, i),
                   theta);
        return;
    }
    qdop first = information ? qdop_first_informed(step, per_vec, trust * g0, load(information + i),
                                                   x->J + i)
                             : qdop_first(step, 1, per_vec, trust * g0, x->J + i);
    kalman_panel(step, &first, turns, per_vec, &from, panel_of(at, x->J, i), panel_of(at, x->J0, i),
                 theta, x->theta + i);
}

static void apply_gradient(const parameters *x, const real *restrict g)
{
    const update all = update_of(x);
#define PANEL(i, per_vec) apply_panel(x, &all, i, per_vec, load(g + i), 0, NULL, g, NULL)
    EACH_PANEL(x->at, PANEL);
#undef PANEL
}

void NBT(optimizer_apply_theta)(nbt_learner *self, const real *restrict g)
{
    const parameters theta = theta_of(self);
    apply_gradient(&theta, g);
}

void NBT(optimizer_apply_phi)(nbt_learner *self, const real *restrict g)
{
    const parameters phi = phi_of(self);
    apply_gradient(&phi, g);
}

/* g_0 is limited to g_0² = κ D_0. */
static void limit(const parameters *x, real *g0)
{
    const real outlier = (real)x->method->outlier, lambda = (real)x->method->lambda;
    for (size_t z = 0; z < x->at->ld; z++) {
        const real most = outlier * (x->J[z] + lambda);
        const real square = g0[z] * g0[z];
        g0[z] *= root(most / (square > most ? square : most));
    }
}

void NBT(optimizer_apply_outer)(nbt_learner *self, const real *restrict left, real *restrict right,
                                const real *restrict information)
{
    const parameters phi = phi_of(self);
    const update all = update_of(&phi);
    if (information && phi.method->outlier < (double)INFINITY) limit(&phi, right);
#define PANEL(i, per_vec)                                                                          \
    apply_panel(&phi, &all, i, per_vec, load(right + i), 1, left, NULL, information)
    EACH_PANEL(phi.at, PANEL);
#undef PANEL
}

/* The factor by which `limit` shortens. */
NBT_INLINE vec limited_to(step_size step, vec g, vec J)
{
    if (step.outlier == (real)INFINITY) return spread(1);
    const vec most = step.outlier * (J + step.lambda);
    return lanes_root(most / lanes_max(g * g, most));
}

/* One vec of a row of φ, each entry being a group of its own: θ ← θ - g / (J + λ) with Kalman. */
NBT_INLINE void apply_entries(const parameters *x, const update *all, size_t p, size_t i, vec g,
                              const real *information)
{
    const nbt_panels *at = x->at;
    const step_size step = all->step;
    vec theta = panel_row(at, x->theta, p, i), change = step.rate * g;
    if (x->method->kind == NBT_ADAM) {
        vec m = panel_row(at, x->m, p, i), v = panel_row(at, x->v, p, i);
        adam_update(all->adam, g, (real *)&m, (real *)&v, (real *)&theta);
        panel_set_row(at, x->m, p, i, m);
        panel_set_row(at, x->v, p, i, v);
        change = (vec){0};
    } else if (x->method->kind == NBT_KALMAN) {
        const vec before = panel_row(at, x->J, p, i);
        g *= information ? limited_to(step, g, before) : qdop_trust(step, g, before);
        const vec J = step.keep * before + (information ? load(information + i) : g * g);
        panel_set_row(at, x->J, p, i, J);
        change = g / (J + step.lambda);
    }
    panel_set_row(at, x->theta, p, i, theta - change);
}

/* Of some rows, the rest being still to come. */
static update update_of_rows(parameters x)
{
    uint64_t updates = *x.updates;
    x.updates = &updates;
    return update_of(&x);
}

void NBT(optimizer_apply_row)(nbt_learner *self, size_t p, const real *restrict right,
                              const real *restrict information)
{
    const parameters phi = phi_of(self);
    const update all = update_of_rows(phi);
    for (size_t i = 0; i < phi.at->ld; i += LANES)
        apply_entries(&phi, &all, p, i, load(right + i), information);
}

void NBT(optimizer_apply_rows)(nbt_learner *self, size_t first, const real *restrict g)
{
    const parameters phi = phi_of(self);
    const update all = update_of_rows(phi);
    const nbt_panels *at = phi.at;
    for (size_t p = first; p < self->sizes.features; p++) {
        vec most = {0};
        for (size_t i = 0; i < at->ld; i += LANES) {
            const vec x = panel_row(at, g, p, i);
            most = lanes_max(lanes_max(x, -x), most);
        }
        if (!(fold_max(most) > 0)) continue;
        for (size_t i = 0; i < at->ld; i += LANES)
            apply_entries(&phi, &all, p, i, panel_row(at, g, p, i), NULL);
    }
}
