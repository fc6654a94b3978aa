#include "systems/fisher.h"
#include "machine/lanes.h"
#include "machine/panels.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include "systems/reference.h"
#include <math.h>
#include <string.h>

/* φ between its panels and one run a column. */
static void phi_out(const nbt_sizes *at, const real *panels, real *flat)
{
    const size_t rows = 1 + at->features;
    for (size_t z = 0; z < at->A; z++) {
        flat[z * rows] = panels[z];
        for (size_t i = 0; i < at->features; i++)
            flat[z * rows + 1 + i] = *panel_entry(&at->out, panels, i, z);
    }
}

static void phi_back(const nbt_sizes *at, const real *flat, real *panels)
{
    const size_t rows = 1 + at->features;
    for (size_t z = 0; z < at->A; z++) {
        panels[z] = flat[z * rows];
        for (size_t i = 0; i < at->features; i++)
            *panel_entry(&at->out, panels, i, z) = flat[z * rows + 1 + i];
    }
}

/* g = ∂ŷᵀ/∂φ c: (1, a, x) c_z in column z. */
static void phi_gradient(const nbt_sizes *at, nbt_view seen, const real *c, real *g)
{
    const size_t inputs = at->features - at->n;
    for (size_t z = 0; z < at->A; z++) {
        *g++ = c[z];
        for (size_t i = 0; i < at->n; i++) *g++ = seen.a[i] * c[z];
        for (size_t l = 0; l < inputs; l++)
            *g++ = (seen.x ? seen.x[l] : (real)(*seen.symbol == (int32_t)l)) * c[z];
    }
}

/* Directions c_r with Σ c_r c_rᵀ the Fisher matrix I of what is predicted, p as readout_predict
 * gives it: softmax, √p_r (e_r - p); gaussian, e_r √information_r, diagonal as that is;
 * bernoulli, √(p (1 - p)) e_r. */
static void direction(const nbt_sizes *at, nbt_readout kind, const real *information, size_t r,
                      const double *p, real *c)
{
    if (kind == NBT_SOFTMAX) {
        const real size = root((real)p[r]);
        for (size_t z = 0; z < at->A; z++) c[z] = -size * (real)p[z];
        c[r] += size;
        return;
    }
    memset(c, 0, at->ldA * sizeof *c);
    const real one = (real)p[r];
    c[r] = root(information ? information[r] : one * (1 - one));
}

/* 1 - γ of θ, and of φ. */
static real theta_keeps(const nbt_learner *self)
{
    return NBT(optimizer_step_size)(&self->choices.theta, self->optimizer.theta_rate).keep;
}
static real phi_keeps(const nbt_learner *self)
{
    return NBT(optimizer_step_size)(&self->choices.phi, self->optimizer.phi_rate).keep;
}

/* J of θ and φ ← (1 - γ) J + the exact Fisher matrices, (24) and (26). */
static void add_exact(nbt_learner *self, const nbt_reference *theta, const nbt_reference *phi,
                      void (*gradient)(nbt_learner *self))
{
    double *p = self->optimizer.predicted;
    real *c = self->optimizer.direction;
    NBT(readout_predict)(self, NBT(readout_view)(self), c, p);
    for (size_t r = 0; r < self->sizes.A; r++) {
        direction(&self->sizes, self->choices.readout, self->readout.information, r, p, c);
        NBT(readout_pull)(self, 1, self->network.slope, c, self->readout.H);
        gradient(self);
        NBT(reference_add)(theta, r ? 1 : theta_keeps(self), self->scratch.g);
        phi_gradient(&self->sizes, NBT(readout_view)(self), c, self->optimizer.phi_g);
        NBT(reference_add)(phi, r ? 1 : phi_keeps(self), self->optimizer.phi_g);
    }
}

/* θ and φ from their gradients, g and phi_g, which they overwrite; J already has its part of them.
 */
static void step_both(nbt_learner *self, const nbt_reference *theta, const nbt_reference *phi,
                      real *g)
{
    NBT(reference_factor)(theta, (real)self->choices.theta.lambda);
    NBT(reference_factor)(phi, (real)self->choices.phi.lambda);
    phi_out(&self->sizes, self->readout.phi, self->optimizer.phi_flat);
    NBT(reference_step)(phi, self->optimizer.phi_g);
    phi_back(&self->sizes, self->optimizer.phi_flat, self->readout.phi);
    NBT(reference_step)(theta, g);
}

/* J of both ← (1 - γ) J + their gradients' outer products. */
static void add_outer(const nbt_learner *self, const nbt_reference *theta, const nbt_reference *phi,
                      const real *g)
{
    NBT(reference_add)(theta, theta_keeps(self), g);
    NBT(reference_add)(phi, phi_keeps(self), self->optimizer.phi_g);
}

/* The same, but φ's is the readout's own information; overwrites phi_g. */
static void add_informed(nbt_learner *self, const nbt_reference *theta, const nbt_reference *phi)
{
    const real *information = self->readout.information;
    real *c = self->optimizer.direction;
    NBT(reference_add)(theta, theta_keeps(self), self->scratch.g);
    for (size_t r = 0; r < self->sizes.A; r++) {
        memset(c, 0, self->sizes.ldA * sizeof *c);
        c[r] = root(information[r]);
        phi_gradient(&self->sizes, NBT(readout_view)(self), c, self->optimizer.phi_g);
        NBT(reference_add)(phi, r ? 1 : phi_keeps(self), self->optimizer.phi_g);
    }
}

void NBT(fisher_learn)(nbt_learner *self, void (*gradient)(nbt_learner *self))
{
    const nbt_reference theta = NBT(reference_theta)(self), phi = NBT(reference_phi)(self);
    if (self->choices.exact_fisher) add_exact(self, &theta, &phi, gradient);
    NBT(readout_pull)(self, 1, self->network.slope, self->readout.delta, self->readout.H);
    gradient(self);
    const int informed = !self->choices.exact_fisher && self->readout.information;
    if (informed) add_informed(self, &theta, &phi);
    phi_gradient(&self->sizes, NBT(readout_view)(self), self->readout.delta, self->optimizer.phi_g);
    if (!self->choices.exact_fisher && !informed) add_outer(self, &theta, &phi, self->scratch.g);
    step_both(self, &theta, &phi, self->scratch.g);
}

void NBT(fisher_apply)(nbt_learner *self)
{
    const nbt_reference theta = NBT(reference_theta)(self), phi = NBT(reference_phi)(self);
    phi_out(&self->sizes, self->past.g_phi, self->optimizer.phi_g);
    add_outer(self, &theta, &phi, self->past.g_theta);
    step_both(self, &theta, &phi, self->past.g_theta);
}
