#include "systems/reference.h"
#include "machine/lanes.h"
#include "machine/panels.h"
#include "shared/optimizer.h"
#include <math.h>
#include <string.h>

nbt_reference NBT(reference_theta)(const nbt_learner *self)
{
    return (nbt_reference){
        self->system.functions.p, self->optimizer.groups,   self->optimizer.group_start,
        self->choices.dense,      self->network.theta,      self->optimizer.theta_J,
        self->optimizer.theta_J0, self->optimizer.metric_q, self->optimizer.metric_r};
}

nbt_reference NBT(reference_phi)(const nbt_learner *self)
{
    return (nbt_reference){(1 + self->sizes.features) * self->sizes.A,
                           self->optimizer.phi_groups,
                           self->optimizer.phi_group_start,
                           self->choices.dense,
                           self->optimizer.phi_flat,
                           self->optimizer.phi_J,
                           self->optimizer.phi_J0,
                           self->optimizer.phi_q,
                           self->optimizer.phi_r};
}

/* One group: its size, where it begins among the parameters and, dense, among the numbers of J. */
typedef struct {
    size_t size, first, at;
} metric_group;

static metric_group next_group(const nbt_reference *at, size_t b, const metric_group *last)
{
    const size_t first = (size_t)at->group_start[b], size = (size_t)at->group_start[b + 1] - first;
    return (metric_group){size, first, last ? last->at + last->size * last->size : 0};
}

/* EACH_PIECE(at) { … here … } */
#define EACH_PIECE(target)                                                                         \
    for (metric_group here = next_group(target, 0, NULL), *once = &here; once; once = NULL)        \
        for (size_t b_ = 0; b_ < (target)->groups;                                                 \
             b_++, here = b_ < (target)->groups ? next_group(target, b_, &here) : here)

void NBT(reference_add)(const nbt_reference *at, real keep, const real *restrict g)
{
    EACH_PIECE(at)
    {
        const real *v = g + here.first;
        const size_t f = here.first, size = here.size;
        if (!at->dense) {
            for (size_t i = 0; i < size; i++) {
                at->J[f + i] = keep * at->J[f + i] + v[i] * v[i];
                if (i) at->J0[f + i] = keep * at->J0[f + i] + v[0] * v[i];
            }
            continue;
        }
        real *J = at->J + here.at;
        for (size_t i = 0; i < size; i++)
            for (size_t j = 0; j < size; j++)
                J[i * size + j] = keep * J[i * size + j] + v[i] * v[j];
    }
}

/* L Lᵀ = J + λ. In exact arithmetic no pivot is below λ; rounding must not take one there. */
static void cholesky(size_t size, const real *restrict J, real lambda, real *restrict L)
{
    for (size_t j = 0; j < size; j++) {
        real pivot = J[j * size + j] + lambda;
        for (size_t k = 0; k < j; k++) pivot -= L[j * size + k] * L[j * size + k];
        const real d = root(pivot < lambda ? lambda : pivot);
        L[j * size + j] = d;
        for (size_t i = j + 1; i < size; i++) {
            real sum = J[i * size + j];
            for (size_t k = 0; k < j; k++) sum -= L[i * size + k] * L[j * size + k];
            L[i * size + j] = sum / d;
        }
    }
}

void NBT(reference_factor)(const nbt_reference *at, real lambda)
{
    EACH_PIECE(at)
    {
        const size_t f = here.first;
        if (at->dense) {
            cholesky(here.size, at->J + here.at, lambda, at->q + here.at);
            continue;
        }
        real Q = 0;
        at->r[f] = 1 / (at->J[f] + lambda);
        for (size_t i = 1; i < here.size; i++) {
            const real q = at->J0[f + i] * at->r[f];
            const real denominator = at->J[f + i] + lambda - at->J0[f + i] * q;
            at->q[f + i] = q;
            at->r[f + i] = 1 / (denominator > lambda ? denominator : lambda);
            Q += q * q * at->r[f + i];
        }
        at->q[f] = Q;
    }
}

/* y = L⁻¹ w, then, if `back`, y = L⁻ᵀ y. */
static void substitute(size_t size, const real *L, const real *w, real *y, int back)
{
    for (size_t i = 0; i < size; i++) {
        real sum = w[i];
        for (size_t k = 0; k < i; k++) sum -= L[i * size + k] * y[k];
        y[i] = sum / L[i * size + i];
    }
    for (size_t i = size; back && i-- > 0;) {
        real sum = y[i];
        for (size_t k = i + 1; k < size; k++) sum -= L[k * size + i] * y[k];
        y[i] = sum / L[i * size + i];
    }
}

void NBT(reference_solve)(const nbt_reference *at, const real *w, real *y)
{
    EACH_PIECE(at)
    {
        const size_t f = here.first;
        if (at->dense) {
            substitute(here.size, at->q + here.at, w + f, y + f, 1);
            continue;
        }
        const real w0 = w[f];
        real sum = 0;
        for (size_t i = 1; i < here.size; i++) {
            y[f + i] = (w[f + i] - w0 * at->q[f + i]) * at->r[f + i];
            sum += at->q[f + i] * y[f + i];
        }
        y[f] = w0 * at->r[f] - sum;
    }
}

void NBT(reference_step)(const nbt_reference *at, real *g)
{
    NBT(reference_solve)(at, g, g);
    for (size_t j = 0; j < at->p; j++) at->x[j] -= g[j];
}

real NBT(reference_norm)(const nbt_reference *at, const real *restrict w, real *restrict y)
{
    real sum = 0;
    NBT(reference_solve)(at, w, y);
    for (size_t j = 0; j < at->p; j++) sum += w[j] * y[j];
    return sum > 0 ? sum : 0;
}

void NBT(reference_rows)(const nbt_reference *at, const nbt_system_part *rows, real *lead, real *y,
                         real *restrict norm)
{
    const real *value = rows->values;
    for (size_t i = 0; i < rows->functions.n; i++) {
        const size_t begin = (size_t)rows->indptr[i], end = (size_t)rows->indptr[i + 1];
        for (size_t e = begin; e < end; e++) lead[rows->indices[e]] = value[e];
        norm[i] = begin < end ? NBT(reference_norm)(at, lead, y) : 0;
        for (size_t e = begin; e < end; e++) lead[rows->indices[e]] = 0;
    }
}

void NBT(reference_refresh)(nbt_learner *self)
{
    const nbt_reference theta = NBT(reference_theta)(self), phi = NBT(reference_phi)(self);
    NBT(reference_factor)(&theta, (real)self->choices.theta.lambda);
    if (phi.p) NBT(reference_factor)(&phi, (real)self->choices.phi.lambda);
}
