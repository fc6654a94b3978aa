#include "cell.h"
#include "lanes.h"
#include "vmath.h"
#include <string.h>

void NBT(cell_activate)(size_t ldn, nbt_activation activation, const real *restrict h,
                        real *restrict a, real *restrict slope)
{
    if (activation == NBT_SIGMOID)
        for (size_t i = 0; i < ldn; i++) a[i] = vsigmoid(h[i], slope + i);
    else
        for (size_t i = 0; i < ldn; i++) a[i] = vtanh(h[i], slope + i);
}

void NBT(cell_regress)(size_t n, size_t m, int one_hot, const real *restrict a,
                       int32_t symbol_before, int32_t symbol, const real *restrict vector,
                       real *restrict z)
{
    z[0] = 1;
    for (size_t i = 0; i < n; i++) z[1 + i] = a[i];
    if (!one_hot) {
        memcpy(z + 1 + n, vector, m * sizeof *z);
        return;
    }
    if (symbol_before == NBT_UNKNOWN_SYMBOL) memset(z + 1 + n, 0, m * sizeof *z);
    if (symbol_before >= 0) z[1 + n + (size_t)symbol_before] = 0;
    z[1 + n + (size_t)symbol] = 1;
}

void NBT(cell_forward)(size_t n, size_t m, size_t ldn, int one_hot, const real *restrict theta,
                       const real *restrict alpha, const real *restrict h, const real *restrict a,
                       int32_t symbol, const real *restrict vector, real *restrict h_next)
{
    const real *W = theta + ldn, *r = W + n * ldn;
    for (size_t i = 0; i < ldn; i += LANES) {
        vec sum = load(theta + i) + load(alpha + i) * load(h + i), other = {0};
        size_t j = 0;
        for (; j + 2 <= n; j += 2) { /* two chains: the additions wait for each other */
            sum += a[j] * load(W + j * ldn + i);
            other += a[j + 1] * load(W + (j + 1) * ldn + i);
        }
        if (j < n) sum += a[j] * load(W + j * ldn + i);
        if (one_hot)
            sum += load(r + (size_t)symbol * ldn + i);
        else
            for (size_t l = 0; l < m; l++) sum += vector[l] * load(r + l * ldn + i);
        store(h_next + i, sum + other);
    }
}

void NBT(cell_advance)(nbt_learner *self, int32_t symbol, const real *vector, real *z)
{
    const size_t ldn = self->ldn;
    NBT(cell_regress)(self->n, self->m, self->one_hot, self->a, self->x_last, symbol, vector, z);
    self->x_last = symbol;
    NBT(cell_forward)(self->n, self->m, ldn, self->one_hot, self->theta, self->alpha, self->h,
                      self->a, symbol, vector, self->h_next);
    lanes_copy(ldn, self->h_next, self->h);
    NBT(cell_activate)(ldn, self->activation, self->h, self->a, self->slope);
}

/* A tile of vectors at once, so that a row of W is read once for all of them. */
#define TILE 8
NBT_INLINE void push_tile(size_t n, size_t ldn, size_t count, const real *restrict W,
                          const real *restrict alpha, const real *restrict slope,
                          const real *restrict v, real *restrict out)
{
    for (size_t i = 0; i < ldn; i += LANES) {
        vec sum[TILE];
        for (size_t s = 0; s < count; s++) sum[s] = load(alpha + i) * load(v + s * ldn + i);
        for (size_t j = 0; j < n; j++) {
            const vec row = slope[j] * load(W + j * ldn + i);
            for (size_t s = 0; s < count; s++) sum[s] += v[s * ldn + j] * row;
        }
        for (size_t s = 0; s < count; s++) store(out + s * ldn + i, sum[s]);
    }
}

void NBT(cell_push)(size_t n, size_t ldn, size_t S, const real *restrict W,
                    const real *restrict alpha, const real *restrict slope, const real *restrict v,
                    real *restrict out)
{
    size_t s = 0;
    for (; s + TILE <= S; s += TILE)
        push_tile(n, ldn, TILE, W, alpha, slope, v + s * ldn, out + s * ldn);
    for (; s + 2 <= S; s += 2) push_tile(n, ldn, 2, W, alpha, slope, v + s * ldn, out + s * ldn);
    if (s < S) push_tile(n, ldn, 1, W, alpha, slope, v + s * ldn, out + s * ldn);
}

void NBT(cell_pull)(size_t n, size_t ldn, const real *restrict W, const real *restrict alpha,
                    const real *restrict slope, const real *restrict u, real *restrict out)
{
    NBT(rows_dot)(n, ldn, W, u, out);
    for (size_t j = 0; j < n; j++) out[j] = slope[j] * out[j] + alpha[j] * u[j];
}

void NBT(cell_jacobian)(size_t n, size_t ldn, const real *restrict W, const real *restrict alpha,
                        const real *restrict slope, real *restrict F)
{
    for (size_t k = 0; k < n; k++) {
        for (size_t j = 0; j < n; j++) F[k * ldn + j] = W[j * ldn + k] * slope[j];
        F[k * ldn + k] += alpha[k];
    }
}
