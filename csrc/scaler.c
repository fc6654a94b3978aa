#include "scaler.h"
#include <math.h>

#if NBT_PRECISION == 32
#define deviation sqrtf
#else
#define deviation sqrt
#endif

enum { HORIZON = 1 << 16 };

const void *NBT(scaler_input)(nbt_learner *self, const void *vector)
{
    if (!self->scale_x && self->missing == NBT_NEVER_MISSING) return vector;
    const real *x = vector, *mean = self->x_mean, *variance = self->x_variance;
    real *out = self->x_read;
    for (size_t l = 0; l < self->m; l++) {
        const real value = x[l] == x[l] ? x[l] : 0;
        out[l] = value;
        if (!self->scale_x) continue;
        const int known = x[l] == x[l] && variance[l] > 0;
        out[l] = known ? (value - mean[l]) / deviation(variance[l]) : 0;
    }
    return out;
}

static void follow(size_t count, const real *x, real *seen, real *mean, real *variance)
{
    for (size_t l = 0; l < count; l++) {
        if (x[l] != x[l]) continue;
        if (seen[l] < (real)HORIZON) seen[l] += 1;
        const real before = x[l] - mean[l];
        mean[l] += before / seen[l];
        const double square = (double)before * (double)(x[l] - mean[l]), s2 = (double)variance[l];
        variance[l] = (real)(s2 + (square - s2) / (double)seen[l]); /* its terms may be denormal */
        if (variance[l] < 0) variance[l] = 0;                       /* rounding */
    }
}

void NBT(scaler_follow)(nbt_learner *self, const void *input, const void *target)
{
    if (input && self->scale_x)
        follow(self->m, input, self->x_seen, self->x_mean, self->x_variance);
    if (target && self->scale_y)
        follow(self->Y, target, self->y_seen, self->y_mean, self->y_variance);
}

size_t NBT(scaler_known)(size_t count, const void *vector)
{
    const real *x = vector;
    size_t known = 0;
    for (size_t l = 0; l < count; l++) known += x[l] == x[l];
    return known;
}

int NBT(scaler_target)(const nbt_learner *self, size_t d, real *mean, real *scale)
{
    *mean = 0, *scale = 1;
    if (!self->scale_y) return 1;
    const real variance = ((const real *)self->y_variance)[d];
    *mean = ((const real *)self->y_mean)[d];
    if (!(variance > 0)) return 0;
    *scale = deviation(variance);
    return 1;
}
