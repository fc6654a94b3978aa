#include "rtrl.h"
#include "cell.h"
#include "lanes.h"
#include "optimizer.h"
#include "readout.h"
#include <string.h>

static real *now(const nbt_learner *self) { return self->settled ? self->G : self->G_next; }
static real *next(const nbt_learner *self) { return self->settled ? self->G_next : self->G; }

/* g (P, ldn) = Σ_k H_k G[k]. O(n nP) */
static void gradient(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn, ldG = self->ldG;
    const real *G = now(self), *H = self->H;
    real *flat = self->g_flat, *g = self->g;
    for (size_t c = 0; c < ldG; c += LANES) {
        vec sum = {0}, other = {0};
        size_t k = 0;
        for (; k + 2 <= n; k += 2) {
            sum += H[k] * load(G + k * ldG + c);
            other += H[k + 1] * load(G + (k + 1) * ldG + c);
        }
        if (k < n) sum += H[k] * load(G + k * ldG + c);
        store(flat + c, sum + other);
    }
    for (size_t p = 0; p < self->P; p++) memcpy(g + p * ldn, flat + p * n, n * sizeof(real));
}

double NBT(rtrl_observe)(nbt_learner *self, size_t y, int learn)
{
    const double loss = NBT(readout_observe)(self, y, learn);
    if (!learn) return loss;
    gradient(self);
    if (!NBT(optimizer_apply)(self->optimizer, NBT(optimizer_step_size)(self), self->P, self->ldn,
                              self->g, self->theta_J, self->theta_J0, self->theta))
        self->diverged = 1;
    return loss;
}

/* A tile of `rows` states by `vecs` lane blocks of F G, all sums in registers. */
NBT_INLINE void product_tile(size_t n, size_t ldn, size_t ldG, size_t rows, size_t vecs,
                             const real *restrict F, const real *restrict G, real *restrict out)
{
    vec sum[4][4];
    for (size_t k = 0; k < rows; k++)
        for (size_t c = 0; c < vecs; c++) sum[k][c] = (vec){0};
    for (size_t j = 0; j < n; j++) {
        vec g[4];
        for (size_t c = 0; c < vecs; c++) g[c] = load(G + j * ldG + c * LANES);
        for (size_t k = 0; k < rows; k++)
            for (size_t c = 0; c < vecs; c++) sum[k][c] += F[k * ldn + j] * g[c];
    }
    for (size_t k = 0; k < rows; k++)
        for (size_t c = 0; c < vecs; c++) store(out + k * ldG + c * LANES, sum[k][c]);
}

/* out (n, ldG) = F G. */
static void product(size_t n, size_t ldn, size_t ldG, const real *restrict F,
                    const real *restrict G, real *restrict out)
{
    size_t c = 0;
    for (; c + 4 * LANES <= ldG; c += 4 * LANES) {
        size_t k = 0;
        for (; k + 4 <= n; k += 4)
            product_tile(n, ldn, ldG, 4, 4, F + k * ldn, G + c, out + k * ldG + c);
        for (; k < n; k++) product_tile(n, ldn, ldG, 1, 4, F + k * ldn, G + c, out + k * ldG + c);
    }
    for (; c < ldG; c += LANES) {
        size_t k = 0;
        for (; k + 4 <= n; k += 4)
            product_tile(n, ldn, ldG, 4, 1, F + k * ldn, G + c, out + k * ldG + c);
        for (; k < n; k++) product_tile(n, ldn, ldG, 1, 1, F + k * ldn, G + c, out + k * ldG + c);
    }
}

void NBT(rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const size_t n = self->n, ldn = self->ldn, ldG = self->ldG;
    real *out = next(self), *z = self->z;
    if (self->step % NBT_FLUSH_EVERY == 0) NBT(flush)(n * ldG, now(self));
    NBT(cell_jacobian)(n, ldn, (real *)self->theta + ldn, self->alpha, self->slope, self->F);
    product(n, ldn, ldG, self->F, now(self), out);
    NBT(cell_advance)(self, symbol, vector, z);
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < self->P; p++) out[i * ldG + p * n + i] += z[p];
    self->settled = !self->settled;
    if (!NBT(all_finite)(n * ldG, out)) self->diverged = 1;
}

void NBT(rtrl_settle)(nbt_learner *self)
{
    if (self->settled) return;
    memcpy(self->G, self->G_next, self->n * self->ldG * sizeof(real));
    self->settled = 1;
}
