#include "gated/unit.h"
#include "gated/carried.h"
#include "machine/lanes.h"
#include "machine/vmath.h"
#include "shared/activation.h"
#include <string.h>

/* The least 1 - |λ|, so that powers of λ fall, however it is rounded. */
#define LEAST_REST ((real)(NBT_PRECISION == 32 ? 0x1p-21 : 0x1p-50))

/* c = a + α c(t-1), y = σ(c). */
static void one_gate(const nbt_learner *self, const real *restrict a, const real *restrict before,
                     nbt_unit_step s)
{
    const size_t ldn = self->sizes.ldn;
    const real *restrict alpha = self->network.alpha;
    for (size_t i = 0; i < ldn; i++) {
        s.c[i] = a[i] + alpha[i] * before[i];
        s.local[i] = 1;
        s.keep[i] = alpha[i];
    }
    NBT(respond)(&self->sizes, &self->choices, s.c, s.y, s.show);
}

/* c = f c(t-1) + i z, y = o tanh c. */
static void lstm(size_t ldn, const real *restrict a, const real *restrict before, real *restrict c,
                 real *restrict y, real *restrict local, real *restrict keep, real *restrict show)
{
    for (size_t k = 0; k < ldn; k++) {
        real f_slope, i_slope, z_slope, o_slope, slope;
        const real f = vsigmoid(a[k], &f_slope), i = vsigmoid(a[ldn + k], &i_slope);
        const real z = vtanh(a[2 * ldn + k], &z_slope), o = vsigmoid(a[3 * ldn + k], &o_slope);
        const real now = f * before[k] + i * z, squashed = vtanh(now, &slope);
        c[k] = now;
        y[k] = o * squashed;
        local[k] = before[k] * f_slope;
        local[ldn + k] = z * i_slope;
        local[2 * ldn + k] = i * z_slope;
        local[3 * ldn + k] = squashed * o_slope;
        keep[k] = f;
        show[k] = o * slope;
    }
}

/* The same with i = 1 - f. */
static void coupled_lstm(size_t ldn, const real *restrict a, const real *restrict before,
                         real *restrict c, real *restrict y, real *restrict local,
                         real *restrict keep, real *restrict show)
{
    for (size_t k = 0; k < ldn; k++) {
        real f_slope, z_slope, o_slope, slope;
        const real f = vsigmoid(a[k], &f_slope), z = vtanh(a[ldn + k], &z_slope);
        const real o = vsigmoid(a[2 * ldn + k], &o_slope);
        const real now = f * before[k] + (1 - f) * z, squashed = vtanh(now, &slope);
        c[k] = now;
        y[k] = o * squashed;
        local[k] = (before[k] - z) * f_slope;
        local[ldn + k] = (1 - f) * z_slope;
        local[2 * ldn + k] = squashed * o_slope;
        keep[k] = f;
        show[k] = o * slope;
    }
}

/* y = c = (1 - z) q + z c(t-1), q = tanh(a_x + r a_y). */
static void gru(size_t ldn, const real *restrict a, const real *restrict before, real *restrict c,
                real *restrict y, real *restrict local, real *restrict keep, real *restrict show)
{
    for (size_t k = 0; k < ldn; k++) {
        real r_slope, z_slope, q_slope;
        const real r = vsigmoid(a[k], &r_slope), z = vsigmoid(a[ldn + k], &z_slope);
        const real a_y = a[3 * ldn + k], q = vtanh(a[2 * ldn + k] + r * a_y, &q_slope);
        const real inner = (1 - z) * q_slope;
        y[k] = c[k] = (1 - z) * q + z * before[k];
        local[k] = inner * a_y * r_slope;
        local[ldn + k] = (before[k] - q) * z_slope;
        local[2 * ldn + k] = inner;
        local[3 * ldn + k] = inner * r;
        keep[k] = z;
        show[k] = 1;
    }
}

/* y = c = (1 - f) c(t-1) + f q, q = tanh(a_x + f a_y). */
static void mgu(size_t ldn, const real *restrict a, const real *restrict before, real *restrict c,
                real *restrict y, real *restrict local, real *restrict keep, real *restrict show)
{
    for (size_t k = 0; k < ldn; k++) {
        real f_slope, q_slope;
        const real f = vsigmoid(a[k], &f_slope), a_y = a[2 * ldn + k];
        const real q = vtanh(a[ldn + k] + f * a_y, &q_slope), inner = f * q_slope;
        y[k] = c[k] = (1 - f) * before[k] + f * q;
        local[k] = (q - before[k] + inner * a_y) * f_slope;
        local[ldn + k] = inner;
        local[2 * ldn + k] = inner * f;
        keep[k] = 1 - f;
        show[k] = 1;
    }
}

/* c = λ c(t-1) + a, complex; y = tanh(γ c), of each part. */
static void lru(const nbt_learner *self, const real *restrict a, const real *restrict before,
                nbt_unit_step s)
{
    const size_t ldn = self->sizes.ldn;
    const real *lambda = polar_of(self, LAMBDA), *gamma = polar_of(self, GAMMA),
               *gamma_slope = polar_of(self, GAMMA_SLOPE);
    for (size_t i = 0; i < ldn; i += LANES) {
        const vec turned = carried_times(1, load(lambda + i), load(before + i));
        store(s.met + i, turned);
        store(s.keep + i, load(lambda + i));
        store(s.c + i, turned + load(a + i));
    }
    for (size_t i = 0; i < ldn; i++) {
        real slope;
        s.y[i] = vtanh(gamma[i] * s.c[i], &slope);
        s.show[i] = slope * gamma[i];
        s.slant[i] = slope * s.c[i] * gamma_slope[i];
        s.local[i] = 1;
    }
}

/* |λ| = σ(ν); arg λ = 2 arctan e^η in (0, π),
 * so that λ / |λ| = -tanh η + i / cosh η; γ = √(1 - |λ|²), without a difference. */
void NBT(unit_refresh)(nbt_learner *self)
{
    real *lambda = polar_of(self, LAMBDA), *gamma = polar_of(self, GAMMA),
         *gamma_slope = polar_of(self, GAMMA_SLOPE), *slopes = polar_of(self, POLAR_SLOPES);
    const real *polar = self->past.last;
    for (size_t i = 0; i + 1 < self->sizes.n; i += 2) {
        real unused, sine;
        const real whole = vsigmoid(polar[i], &unused), left = vsigmoid(-polar[i], &unused);
        const real rest = left > LEAST_REST ? left : LEAST_REST;
        const real size = whole < 1 - LEAST_REST ? whole : 1 - LEAST_REST;
        const real cosine = -vtanh(polar[i + 1], &sine);
        sine = root(sine);
        lambda[i] = size * cosine;
        lambda[i + 1] = size * sine;
        gamma[i] = gamma[i + 1] = root(rest * (1 + size));
        gamma_slope[i] = gamma_slope[i + 1] = -size * size / gamma[i];
        slopes[i] = rest;
        slopes[i + 1] = sine;
    }
}

void NBT(unit_step)(const nbt_learner *self, const real *a, const real *before, nbt_unit_step s)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn;
    switch (self->choices.cell) {
    case NBT_ONE_GATE: one_gate(self, a, before, s); break;
    case NBT_LSTM: lstm(ldn, a, before, s.c, s.y, s.local, s.keep, s.show); break;
    case NBT_COUPLED_LSTM: coupled_lstm(ldn, a, before, s.c, s.y, s.local, s.keep, s.show); break;
    case NBT_GRU: gru(ldn, a, before, s.c, s.y, s.local, s.keep, s.show); break;
    case NBT_MGU: mgu(ldn, a, before, s.c, s.y, s.local, s.keep, s.show); break;
    case NBT_LRU: lru(self, a, before, s); break;
    }
    if (n == ldn) return;
    const size_t left = (ldn - n) * sizeof(real);
    real *const rows[] = {s.c, s.y, s.keep, s.show};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) memset(rows[k] + n, 0, left);
    for (size_t g = 0; g < self->sizes.gates; g++) memset(s.local + g * ldn + n, 0, left);
}
