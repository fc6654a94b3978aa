#include "shared/scaler.h"
#include <math.h>
#include <string.h>

enum { HORIZON = 1 << 16, FIRST = 3, ROOM = 8 };
enum { SETTLED = 32, NEAR = 9 }; /* values after which scales are kept; a factor of variances */
#define LARGEST 1e153     /* numbers beyond it are read as it: their squares would be infinite */
#define WIDEST 10         /* deviations of an input that the network sees */
#define CONSTANT_JUMP 1e3 /* of its size that a constant may jump by */
#define ALIKE 1e-2        /* of the distance of the first two values */
#define ROUNDING 1e-9     /* of their size: nearer they are the same */

static int scaled(double seen, double variance) { return seen >= FIRST && variance > 0; }

static double within(double x, double bound) { return x > bound ? bound : x < -bound ? -bound : x; }

const void *NBT(scaler_input)(nbt_scaler *self, const nbt_sizes *at, const double *x)
{
    real *out = self->x_read;
    const double *seen = self->x_seen, *mean = self->x_mean, *variance = self->x_variance;
    if (self->x_kept_mean) mean = self->x_kept_mean, variance = self->x_kept_variance;
    const size_t given = at->given, before = at->m - given;
    if (before) memcpy(out + given, self->x_before, before * sizeof *out);
    for (size_t l = 0; l < given; l++) {
        const int present = x[l] == x[l];
        if (!seen)
            out[l] = present ? (real)x[l] : 0;
        else if (present && scaled(seen[l], variance[l]))
            out[l] = (real)within((x[l] - mean[l]) / sqrt(variance[l]), WIDEST);
        else
            out[l] = 0;
    }
    return out;
}

void NBT(scaler_keep)(nbt_scaler *self, const nbt_sizes *at)
{
    const size_t before = at->m - at->given;
    if (before) memcpy(self->x_before, self->x_read, before * sizeof(real));
}

/* The mean and variance of three values of which two are alike: x, and its distance to the nearer
 * of the first two, mean ± √variance. Returns whether they are. */
static int two_alike(double x, double *mean, double *variance)
{
    const double half = sqrt(*variance), gap = fabs(fabs(x - *mean) - half);
    if (!(gap < ALIKE * half)) return 0;
    const double rounding = ROUNDING * (fabs(*mean) + half);
    *mean = x;
    *variance = gap > rounding ? gap * gap : 0;
    return 1;
}

/* The most that the N-th value counts as being off. */
static double reach(double N, double mean, double variance)
{
    if (N < FIRST) return 2 * LARGEST;
    if (variance > 0) return sqrt((N + ROOM) * variance);
    return mean != 0 ? CONSTANT_JUMP * fabs(mean) : 2 * LARGEST;
}

static void follow(size_t count, const double *x, double *seen, double *mean, double *variance)
{
    for (size_t l = 0; l < count; l++) {
        if (x[l] != x[l]) continue;
        if (seen[l] < HORIZON) seen[l] += 1;
        const double N = seen[l], value = within(x[l], LARGEST);
        if (N == FIRST && variance[l] > 0 && two_alike(value, mean + l, variance + l)) continue;
        const double e = within(value - mean[l], reach(N, mean[l], variance[l]));
        mean[l] += e / N;
        variance[l] += (e * (e - e / N) - variance[l]) / N;
    }
}

/* R² ← R² + (e² - R²) / N, e² being at most (N + 8) R²; the same of what gradients see of e². */
static void follow_errors(nbt_scaler *self, size_t Y, const double *target)
{
    const double *square = self->y_square;
    double *error = self->y_error, *limited = self->y_limited;
    for (size_t d = 0; d < Y; d++) {
        const nbt_scale at = NBT(scaler_target)(self, d);
        if (target[d] != target[d] || !at.known) continue;
        if (!(error[d] > 0)) error[d] = at.error;
        const double N = self->y_seen[d] + 1, most = (N + ROOM) * error[d];
        const double whole = square[d] < most ? square[d] : most, part = square[Y + d];
        error[d] += (whole - error[d]) / N;
        limited[d] += ((part < whole ? part : whole) - limited[d]) / N;
    }
}

static void keep_scales(nbt_scaler *self, size_t given)
{
    for (size_t l = 0; l < given; l++) {
        const double mean = self->x_mean[l], variance = self->x_variance[l];
        double *kept_mean = self->x_kept_mean + l, *kept = self->x_kept_variance + l;
        if (self->x_seen[l] <= SETTLED || !(*kept > 0)) {
            *kept_mean = mean;
            *kept = variance;
            continue;
        }
        const double most = mean + sqrt(variance), least = mean - sqrt(variance);
        *kept_mean = *kept_mean > most ? most : *kept_mean < least ? least : *kept_mean;
        if (*kept > NEAR * variance) *kept = NEAR * variance;
        if (*kept < variance / NEAR) *kept = variance / NEAR;
    }
}

void NBT(scaler_follow_input)(nbt_scaler *self, size_t given, const double *input)
{
    if (self->x_seen) follow(given, input, self->x_seen, self->x_mean, self->x_variance);
    if (self->x_kept_mean) keep_scales(self, given);
}

void NBT(scaler_follow_target)(nbt_scaler *self, size_t Y, const double *target)
{
    if (!self->y_seen) return;
    follow_errors(self, Y, target);
    follow(Y, target, self->y_seen, self->y_mean, self->y_variance);
}

size_t NBT(scaler_known)(size_t count, const double *x)
{
    size_t known = 0;
    for (size_t l = 0; l < count; l++) known += x[l] == x[l];
    return known;
}

nbt_scale NBT(scaler_target)(const nbt_scaler *self, size_t d)
{
    const double N = self->y_seen[d], mean = self->y_mean[d], variance = self->y_variance[d];
    const double error = self->y_error[d];
    if (scaled(N, variance))
        return (nbt_scale){mean, sqrt(variance), error > 0 ? error : variance, 1};
    const double size = mean != 0 ? fabs(mean) : 1, apart = sqrt(variance);
    const double scale = apart > 0 ? apart : size / (N > 1 ? N : 1);
    return (nbt_scale){mean, scale, scale * scale, 0};
}
