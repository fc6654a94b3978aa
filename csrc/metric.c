#include "metric.h"
#include "optimizer.h"
#include "some.h"
#include "whole.h"

/* ---- the step ------------------------------------------------------------------------------ */

static vec descend(nbt_learner *self, real rate, const real *g)
{
    vec check[2] = {{0}};
    real *theta = self->theta;
    for (size_t j = 0; j < self->cell.size; j += LANES) {
        const vec updated = load(theta + j) - rate * load(g + j);
        store(theta + j, updated);
        check[j / LANES % 2] += updated * 0;
    }
    return check[0] + check[1];
}

/* J ← keep J + g gᵀ, q, r and θ where every block is one parameter. */
static vec diagonal(nbt_learner *self, step_size step, const real *g)
{
    vec check = {0};
    real *theta = self->theta, *J = self->theta_J, *r = self->metric_r;
    for (size_t j = 0; j < self->cell.size; j += LANES) {
        const vec gj = load(g + j), Jjj = step.keep * load(J + j) + gj * gj;
        const vec inverse = 1 / (Jjj + step.lambda), updated = load(theta + j) - gj * inverse;
        store(J + j, Jjj);
        store(r + j, inverse);
        store(theta + j, updated);
        check += updated * 0 + Jjj * 0;
    }
    return check;
}

/* The same for the block first … last - 1. g = NULL: J stays, only q and r are made. */
static real arrow(nbt_learner *self, step_size step, size_t first, size_t last, const real *g)
{
    real *theta = self->theta, *J = self->theta_J, *J0 = self->theta_J0;
    real *q = self->metric_q, *r = self->metric_r;
    const real keep = g ? step.keep : 1, g0 = g ? g[first] : 0;
    J[first] = keep * J[first] + g0 * g0;
    const real inverse0 = 1 / (J[first] + step.lambda);
    vec sum = {0}, Q = {0};
    for (size_t j = first + 1; j < last; j += LANES) {
        const size_t count = last - j;
        const vec gj = g ? load_some(g + j, count) : (vec){0};
        const vec Jjj = gj * gj + keep * load_some(J + j, count);
        const vec J0j = g0 * gj + keep * load_some(J0 + j, count);
        const vec qj = J0j * inverse0;
        const vec denominator = lanes_max(Jjj + step.lambda - J0j * qj, spread(step.lambda));
        const vec rj = 1 / denominator, x = (gj - g0 * qj) * rj;
        store_some(J + j, count, Jjj);
        store_some(J0 + j, count, J0j);
        store_some(q + j, count, qj);
        store_some(r + j, count, rj);
        store_some(theta + j, count, load_some(theta + j, count) - x);
        sum += qj * x + denominator * 0; /* an infinite one reaches θ_0, and is noticed */
        Q += qj * qj * rj;
    }
    q[first] = fold(Q);
    r[first] = inverse0;
    theta[first] -= g0 * inverse0 - fold(sum);
    return theta[first] * 0;
}

int NBT(metric_apply)(nbt_learner *self, const real *restrict g)
{
    const step_size step = NBT(optimizer_step_size)(self, self->lambda_theta);
    if (self->optimizer == NBT_SGD) return fold(descend(self, step.rate, g)) == 0;
    if (self->blocks == self->system.p) return fold(diagonal(self, step, g)) == 0;
    real check = 0;
    for (size_t b = 0; b < self->blocks; b++)
        check += arrow(self, step, (size_t)self->block[b], (size_t)self->block[b + 1], g);
    return check == 0;
}

void NBT(metric_refresh)(nbt_learner *self)
{
    if (self->optimizer == NBT_SGD) return;
    if (self->whole) {
        NBT(whole_refresh)(self);
        return;
    }
    const step_size step = NBT(optimizer_step_size)(self, self->lambda_theta);
    for (size_t b = 0; b < self->blocks; b++)
        arrow(self, step, (size_t)self->block[b], (size_t)self->block[b + 1], NULL);
}

/* ---- norms --------------------------------------------------------------------------------- */

real NBT(metric_norm)(nbt_learner *self, const real *restrict w)
{
    if (self->dense) return NBT(whole_norm)(self, w);
    const real *q = self->metric_q, *r = self->metric_r;
    vec sum = {0};
    if (self->blocks == self->system.p) {
        for (size_t j = 0; j < self->cell.size; j += LANES)
            sum += load(w + j) * load(w + j) * load(r + j);
        return fold(sum);
    }
    real firsts = 0;
    for (size_t b = 0; b < self->blocks; b++) {
        const size_t first = (size_t)self->block[b], last = (size_t)self->block[b + 1];
        const real w0 = w[first];
        firsts += w0 * w0 * r[first];
        for (size_t j = first + 1; j < last; j += LANES) {
            const size_t count = last - j;
            const vec part = load_some(w + j, count) - w0 * load_some(q + j, count);
            sum += part * part * load_some(r + j, count);
        }
    }
    return firsts + fold(sum);
}

void NBT(metric_raise)(const nbt_learner *self, const real *restrict w, real *restrict y)
{
    if (self->dense) {
        const nbt_whole at = NBT(whole_theta)(self);
        NBT(whole_solve)(&at, w, y);
        return;
    }
    const real *q = self->metric_q, *r = self->metric_r;
    for (size_t b = 0; b < self->blocks; b++) {
        const size_t first = (size_t)self->block[b], last = (size_t)self->block[b + 1];
        const real w0 = w[first];
        vec sum = {0};
        for (size_t j = first + 1; j < last; j += LANES) {
            const size_t count = last - j;
            const vec qj = load_some(q + j, count);
            const vec x = (load_some(w + j, count) - w0 * qj) * load_some(r + j, count);
            store_some(y + j, count, x);
            sum += qj * x;
        }
        y[first] = w0 * r[first] - fold(sum);
    }
}

/* What a bias w_0 leaves on the parameters of its block that a row does not have is w_0² (Q - Σ q²
 * r), the sum being over those it has. */
static real left_over(real w0, real Q, real covered)
{
    return Q > covered ? w0 * w0 * (Q - covered) : 0;
}

/* ‖w_i‖² of a run within the block that begins at `first` (or where there are no biases, SIZE_MAX),
 * its columns from j on. */
static real run_norm(const real *q, const real *r, size_t first, size_t j, size_t count,
                     const real *value)
{
    const int biased = j == first;
    const real w0 = biased ? value[0] : 0;
    vec own = {0}, covered = {0};
    for (size_t e = (size_t)biased; e < count; e += LANES) {
        const size_t left = count - e;
        const vec qj = load_some(q + j + e, left), rj = load_some(r + j + e, left);
        const vec part = load_some(value + e, left) - w0 * qj;
        own += part * part * rj;
        covered += qj * qj * rj;
    }
    const real rest = biased ? w0 * w0 * r[first] + left_over(w0, q[first], fold(covered)) : 0;
    return rest + fold(own);
}

/* Of any row, `lead` being 0 before and after. */
static real row_norm(const real *q, const real *r, const int32_t *first, size_t count,
                     const int32_t *index, const real *value, real *lead)
{
    real own = 0, rest = 0;
    for (size_t e = 0; e < count; e++) {
        const int32_t j = index[e];
        if (first[j] != j) continue;
        lead[j] = value[e];
        own += value[e] * value[e] * r[j];
        rest += value[e] * value[e] * q[j];
    }
    for (size_t e = 0; e < count; e++) {
        const int32_t j = index[e];
        if (first[j] == j) continue;
        const real shift = lead[first[j]] * q[j], part = value[e] - shift;
        own += part * part * r[j];
        rest -= shift * shift * r[j];
    }
    for (size_t e = 0; e < count; e++) lead[first[index[e]]] = 0;
    return own + (rest > 0 ? rest : 0);
}

void NBT(metric_rows)(nbt_learner *self, real *restrict norm)
{
    if (self->dense) {
        NBT(whole_rows)(self, norm);
        return;
    }
    const real *q = self->metric_q, *r = self->metric_r, *value = self->values;
    const int32_t *index = self->indices, *first = self->first;
    const int diagonal = self->blocks == self->system.p; /* as if every row were within one block */
    for (size_t i = 0; i < self->n; i++) {
        const size_t at = (size_t)self->indptr[i], count = (size_t)self->indptr[i + 1] - at;
        const size_t j = count ? (size_t)index[at] : 0;
        norm[i] = 0;
        if (count && self->run[i] && (diagonal || first[j] == first[j + count - 1]))
            norm[i] = run_norm(q, r, diagonal ? SIZE_MAX : (size_t)first[j], j, count, value + at);
        else if (count)
            norm[i] = row_norm(q, r, first, count, index + at, value + at, self->lead);
    }
}
