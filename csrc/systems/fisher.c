#include "systems/fisher.h"
#include "machine/lanes.h"
#include "machine/panels.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include "systems/whole.h"
#include <math.h>
#include <string.h>

/* φ between its panels and one run a column. */
static void phi_out(nbt_learner *self, const real *panels, real *flat)
{
    const size_t rows = 1 + self->n;
    for (size_t z = 0; z < self->A; z++) {
        flat[z * rows] = panels[z];
        for (size_t i = 0; i < self->n; i++)
            flat[z * rows + 1 + i] = *panel_entry(&self->out, panels, i, z);
    }
}

static void phi_back(nbt_learner *self, const real *flat, real *panels)
{
    const size_t rows = 1 + self->n;
    for (size_t z = 0; z < self->A; z++) {
        panels[z] = flat[z * rows];
        for (size_t i = 0; i < self->n; i++)
            *panel_entry(&self->out, panels, i, z) = flat[z * rows + 1 + i];
    }
}

/* g = ∂ŷᵀ/∂φ c: (1, a) c_z in column z. */
static void phi_gradient(const nbt_learner *self, const real *c, real *g)
{
    const real *a = self->a;
    for (size_t z = 0; z < self->A; z++) {
        *g++ = c[z];
        for (size_t i = 0; i < self->n; i++) *g++ = a[i] * c[z];
    }
}

/* Directions c_r with Σ c_r c_rᵀ the Fisher matrix I of what is predicted, p as readout_predict
 * gives it: softmax, √p_r (e_r - p); gaussian, e_r √information_r, diagonal as that is;
 * bernoulli, √(p (1 - p)) e_r. */
static void direction(const nbt_learner *self, size_t r, const double *p, real *c)
{
    if (self->readout == NBT_SOFTMAX) {
        const real size = root((real)p[r]);
        for (size_t z = 0; z < self->A; z++) c[z] = -size * (real)p[z];
        c[r] += size;
        return;
    }
    memset(c, 0, self->ldA * sizeof *c);
    const real one = (real)p[r];
    c[r] = root(self->information ? ((const real *)self->information)[r] : one * (1 - one));
}

static real decayed(const nbt_learner *self) { return NBT(optimizer_step_size)(self, 0).keep; }

/* J of θ and φ ← (1 - γ) J + the exact Fisher matrices, (24) and (26). */
static void add_exact(nbt_learner *self, const nbt_whole *theta, const nbt_whole *phi,
                      void (*gradient)(nbt_learner *self))
{
    double *p = self->predicted;
    real *c = self->direction;
    NBT(readout_predict)(self, self->a, c, p);
    for (size_t r = 0; r < self->A; r++) {
        const real keep = r ? 1 : decayed(self);
        direction(self, r, p, c);
        NBT(readout_pull)(self, 1, self->slope, c, self->H);
        gradient(self);
        NBT(whole_add)(theta, keep, self->g);
        phi_gradient(self, c, self->phi_g);
        NBT(whole_add)(phi, keep, self->phi_g);
    }
}

/* θ and φ from their gradients, g and phi_g, which they overwrite; J already has its part of them.
 */
static void step_both(nbt_learner *self, const nbt_whole *theta, const nbt_whole *phi, real *g)
{
    NBT(whole_factor)(theta, (real)self->lambda_theta);
    NBT(whole_factor)(phi, (real)self->lambda_phi);
    phi_out(self, self->phi, self->phi_flat);
    NBT(whole_step)(phi, self->phi_g);
    phi_back(self, self->phi_flat, self->phi);
    NBT(whole_step)(theta, g);
}

/* J of both ← (1 - γ) J + their gradients' outer products. */
static void add_outer(const nbt_learner *self, const nbt_whole *theta, const nbt_whole *phi,
                      const real *g)
{
    NBT(whole_add)(theta, decayed(self), g);
    NBT(whole_add)(phi, decayed(self), self->phi_g);
}

/* The same, but φ's is the readout's own information; overwrites phi_g. */
static void add_informed(nbt_learner *self, const nbt_whole *theta, const nbt_whole *phi)
{
    const real *information = self->information;
    real *c = self->direction;
    NBT(whole_add)(theta, decayed(self), self->g);
    for (size_t r = 0; r < self->A; r++) {
        memset(c, 0, self->ldA * sizeof *c);
        c[r] = root(information[r]);
        phi_gradient(self, c, self->phi_g);
        NBT(whole_add)(phi, r ? 1 : decayed(self), self->phi_g);
    }
}

void NBT(fisher_learn)(nbt_learner *self, void (*gradient)(nbt_learner *self))
{
    const nbt_whole theta = NBT(whole_theta)(self), phi = NBT(whole_phi)(self);
    if (self->exact_fisher) add_exact(self, &theta, &phi, gradient);
    NBT(readout_pull)(self, 1, self->slope, self->delta, self->H);
    gradient(self);
    const int informed = !self->exact_fisher && self->information;
    if (informed) add_informed(self, &theta, &phi);
    phi_gradient(self, self->delta, self->phi_g);
    if (!self->exact_fisher && !informed) add_outer(self, &theta, &phi, self->g);
    step_both(self, &theta, &phi, self->g);
}

void NBT(fisher_apply)(nbt_learner *self)
{
    const nbt_whole theta = NBT(whole_theta)(self), phi = NBT(whole_phi)(self);
    phi_out(self, self->g_phi, self->phi_g);
    add_outer(self, &theta, &phi, self->g_theta);
    step_both(self, &theta, &phi, self->g_theta);
}
