#include "shared/recursive.h"
#include "machine/panels.h"
#include "shared/scaler.h"
#include <math.h>
#include <string.h>

/* A register of doubles, whatever `real` is. */
typedef double wide __attribute__((vector_size(NBT_REGISTER)));
typedef wide wide_in_memory __attribute__((may_alias));
#define WIDE ((size_t)(NBT_REGISTER / sizeof(double)))

NBT_INLINE wide wide_load(const double *p) { return *(const wide_in_memory *)(const void *)p; }
NBT_INLINE void wide_store(double *p, wide x) { *(wide_in_memory *)(void *)p = x; }

NBT_INLINE double wide_fold(wide x)
{
    double part[NBT_REGISTER / sizeof(double)];
    memcpy(part, &x, sizeof x);
    for (size_t half = WIDE / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++) part[l] += part[l + half];
    return part[0];
}

/* Squares of what waits for the next pass: beyond, P might overflow there, in a later call. */
#define LARGEST_CHANGE 1e150

/* Rows that pass together, and entries of a block each way: as many doubles as NBT_ALIGN. */
enum { SHARED_ROWS = 4, SHARED_BLOCK = NBT_ALIGN / sizeof(double) };

/* P ← α P - w wᵀ - v vᵀ on the way to s = P f; below, `both`: there is a v. */
typedef struct {
    size_t ld;
    double *P, *s;
    const double *f, *w, *v;
    double alpha;
} covariance_pass;

/* A vec of one row, as it is from now on. */
NBT_INLINE wide passed(const covariance_pass *at, size_t row, size_t column, int both)
{
    double *place = at->P + row * at->ld + column;
    wide x = at->alpha * wide_load(place);
    x -= at->w[row] * wide_load(at->w + column);
    if (both) x -= at->v[row] * wide_load(at->v + column);
    wide_store(place, x);
    return x;
}

/* Some rows of a block on the diagonal, which begins at `first`, and of all right of it. */
NBT_INLINE void pass_rows(const covariance_pass *at, size_t first, size_t row, int both)
{
    wide sum[SHARED_ROWS] = {{0}};
    for (size_t c = first; c < first + SHARED_BLOCK; c += WIDE)
        for (size_t r = 0; r < SHARED_ROWS; r++)
            sum[r] += passed(at, row + r, c, both) * wide_load(at->f + c);
    for (size_t c = first + SHARED_BLOCK; c < at->ld; c += WIDE) {
        wide below = wide_load(at->s + c);
        const wide f = wide_load(at->f + c);
        for (size_t r = 0; r < SHARED_ROWS; r++) {
            const wide x = passed(at, row + r, c, both);
            sum[r] += x * f;
            below += x * at->f[row + r];
        }
        wide_store(at->s + c, below);
    }
    for (size_t r = 0; r < SHARED_ROWS; r++) at->s[row + r] += wide_fold(sum[r]);
}

NBT_INLINE void pass_all(const covariance_pass *at, int both)
{
    memset(at->s, 0, at->ld * sizeof *at->s);
    for (size_t first = 0; first < at->ld; first += SHARED_BLOCK)
        for (size_t row = first; row < first + SHARED_BLOCK; row += SHARED_ROWS)
            pass_rows(at, first, row, both);
}

/* What waits for the next pass: w; v; α, and beside it whether there is a v. */
static double *row_of_changes(const nbt_learner *self, size_t k)
{
    return self->optimizer.phi_waiting + k * self->sizes.ldshared;
}

static void make_pass(nbt_learner *self)
{
    double *alpha = row_of_changes(self, 2);
    const covariance_pass at = {self->sizes.ldshared,
                                self->optimizer.phi_P,
                                self->optimizer.phi_s,
                                self->optimizer.phi_f,
                                row_of_changes(self, 0),
                                row_of_changes(self, 1),
                                *alpha};
    if (alpha[1] != 0)
        pass_all(&at, 1);
    else
        pass_all(&at, 0);
    memset(self->optimizer.phi_waiting, 0, 3 * self->sizes.ldshared * sizeof(double));
    *alpha = 1;
}

/* Does P stay within the range of numbers when what waits is applied? */
static int stays_in_range(const nbt_learner *self)
{
    const double *w = row_of_changes(self, 0), *v = row_of_changes(self, 1);
    wide sum = {0};
    for (size_t p = 0; p < self->sizes.ldshared; p += WIDE)
        sum += wide_load(w + p) * wide_load(w + p) + wide_load(v + p) * wide_load(v + p);
    return wide_fold(sum) < LARGEST_CHANGE;
}

/* Entry (i, j) of what is kept. */
static double *covariance_entry(const nbt_learner *self, size_t i, size_t j)
{
    const size_t row = j / SHARED_BLOCK < i / SHARED_BLOCK ? j : i, column = row == i ? j : i;
    return self->optimizer.phi_P + row * self->sizes.ldshared + column;
}

/* f, in doubles. */
static void take_features(nbt_learner *self, const real *features, int32_t symbol)
{
    double *f = self->optimizer.phi_f;
    const size_t given = self->sizes.out.rows;
    f[0] = 1;
    for (size_t p = 0; p < given; p++) f[1 + p] = (double)features[p];
    memset(f + 1 + given, 0, (self->sizes.features - given) * sizeof *f);
    if (symbol >= 0) f[1 + self->sizes.n + (size_t)symbol] = 1;
}

/* φ ← φ - s (e / size)ᵀ. */
static void correct_means(nbt_learner *self, double size)
{
    const double *s = self->optimizer.phi_s, *e = self->optimizer.phi_e;
    real *step = self->readout.step, *turn = self->readout.turn, *phi = self->readout.phi;
    for (size_t p = 0; p < self->sizes.features; p++) step[p] = (real)s[1 + p];
    for (size_t d = 0; d < self->sizes.Y; d++) turn[d] = (real)(-e[d] / size);
    for (size_t z = 0; z < self->sizes.out.ld; z += LANES)
        store(phi + z, load(phi + z) + (real)s[0] * load(turn + z));
    NBT(panels_add_outer)(&self->sizes.out, 0, self->sizes.features, (nbt_ring){.count = 1}, step,
                          0, turn, 0, phi);
}

/* What is put back of the prior in direction i: v, from column i of P as it is after w. */
static void put_back(nbt_learner *self, double decay, double alpha)
{
    const size_t F = 1 + self->sizes.features, i = (size_t)(self->counters.step % F);
    const double *w = row_of_changes(self, 0);
    double *v = row_of_changes(self, 1);
    for (size_t p = 0; p < F; p++) v[p] = alpha * *covariance_entry(self, i, p) - w[i] * w[p];
    const double own = v[i] > 0 ? v[i] : 0;
    const double size = 1 / sqrt(1 / (self->choices.phi.prior * (double)F * decay) + own);
    for (size_t p = 0; p < F; p++) v[p] *= size;
}

void NBT(recursive_learn)(nbt_learner *self, const real *features, int32_t symbol)
{
    const size_t F = 1 + self->sizes.features;
    const double most = 1 / (double)F, rate = self->optimizer.phi_rate;
    const double decay = rate < most ? rate : most, keep = 1 - decay;
    const double *f = self->optimizer.phi_f, *s = self->optimizer.phi_s;
    double *w = row_of_changes(self, 0), *alpha = row_of_changes(self, 2), power = 0;
    take_features(self, features, symbol);
    make_pass(self);
    for (size_t p = 0; p < F; p++) power += f[p] * s[p];
    if (!(power >= 0)) power = power < 0 ? 0 : power; /* but for rounding; a NaN stays */
    power = self->readout.doubt * (keep + power);
    correct_means(self, power);
    const double size = sqrt(1 / (keep * power));
    for (size_t p = 0; p < F; p++) w[p] = size * s[p];
    *alpha = 1 / keep;
    if (decay > 0) {
        put_back(self, decay, *alpha);
        alpha[1] = 1;
    }
    if (!stays_in_range(self)) self->workers.noted = 1; /* so that it is looked at in this step */
}

void NBT(recursive_settle)(nbt_learner *self)
{
    const size_t ld = self->sizes.ldshared;
    double *f = self->optimizer.phi_f;
    memset(f, 0, ld * sizeof *f);
    make_pass(self);
    for (size_t i = 0; i < ld; i++)
        for (size_t j = 0; j < i / SHARED_BLOCK * SHARED_BLOCK; j++)
            self->optimizer.phi_P[i * ld + j] = self->optimizer.phi_P[j * ld + i];
}

void NBT(recursive_refresh)(nbt_learner *self)
{
    const size_t ld = self->sizes.ldshared;
    memset(self->optimizer.phi_waiting, 0, 3 * ld * sizeof(double));
    *row_of_changes(self, 2) = 1;
    for (size_t i = 0; i <= self->sizes.features; i++) {
        double *own = covariance_entry(self, i, i);
        if (*own == 0) *own = 1 / self->choices.phi.prior;
    }
}

/* Weights of number d in a new unit: they predict what they did, m + k ŷ. */
static void change_unit(nbt_learner *self, size_t d, double mean, double scale)
{
    const nbt_scale now = NBT(scaler_target)(&self->scaler, d);
    const double factor = scale / now.scale;
    real *phi = self->readout.phi;
    phi[d] = (real)(factor * (double)phi[d] + (mean - now.mean) / now.scale);
    for (size_t p = 0; p < self->sizes.features; p++) {
        real *weight = panel_entry(&self->sizes.out, phi, p, d);
        *weight = (real)(factor * (double)*weight);
    }
}

void NBT(recursive_follow)(nbt_learner *self, const double *target)
{
    const size_t Y = self->sizes.Y;
    double *mean = self->optimizer.phi_unit, *scale = mean + Y; /* 0: there was none */
    for (size_t d = 0; d < Y; d++) {
        const nbt_scale at = NBT(scaler_target)(&self->scaler, d);
        mean[d] = at.mean;
        scale[d] = at.known ? at.scale : 0;
    }
    NBT(scaler_follow_target)(&self->scaler, Y, target);
    for (size_t d = 0; d < Y; d++)
        if (scale[d] > 0) change_unit(self, d, mean[d], scale[d]);
}
