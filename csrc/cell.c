#include "cell.h"
#include "panels.h"
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

void NBT(cell_regress)(nbt_learner *self, int32_t symbol, const real *restrict vector)
{
    const size_t n = self->n, m = self->m;
    const real *a = self->a;
    real *z = self->z, *x = z + 1 + n;
    z[0] = 1;
    for (size_t i = 0; i < n; i++) z[1 + i] = a[i];
    if (!self->one_hot) {
        memcpy(x, vector, m * sizeof *x);
        return;
    }
    if (self->x_last == NBT_UNKNOWN_SYMBOL) memset(x, 0, m * sizeof *x);
    if (self->x_last >= 0) x[self->x_last] = 0;
    x[symbol] = 1;
    self->x_last = symbol;
}

/* One panel of h' = b + α h + Σ_j a_j W[j] + r[symbol], or Σ_l x_l r[l]. */
NBT_INLINE void forward_panel(const nbt_learner *self, size_t i, size_t group, int32_t symbol,
                              const real *vector, real *h_next)
{
    const size_t n = self->n;
    const nbt_panels *at = &self->cell;
    const real *theta = self->theta, *alpha = self->alpha, *h = self->h, *a = self->a;
    const real *panel = panel_of(at, theta, i);
    vec sum = panel_sum((vec){0}, panel, 0, n, a, group);
    if (!self->one_hot) sum = panel_sum(sum, panel, n, self->m, vector, group);
    sum = lanes_gather(sum, group) + (load(theta + i) + load(alpha + i) * load(h + i));
    if (self->one_hot) sum += panel_row(at, theta, n + (size_t)symbol, i);
    store(h_next + i, sum);
}

void NBT(cell_forward)(const nbt_learner *self, int32_t symbol, const real *restrict vector,
                       real *restrict h_next)
{
#define PANEL(i, group) forward_panel(self, i, group, symbol, vector, h_next)
    EACH_PANEL(&self->cell, PANEL);
#undef PANEL
}

void NBT(cell_advance)(nbt_learner *self, int32_t symbol, const real *vector)
{
    NBT(cell_forward)(self, symbol, vector, self->h_next);
    lanes_copy(self->ldn, self->h_next, self->h);
    NBT(cell_activate)(self->ldn, self->activation, self->h, self->a, self->slope);
}

/* Several vectors at once, so that a row of W is read once for all of them. */
#define TILE 8
NBT_INLINE void push_panel(const nbt_learner *self, size_t i, size_t group, size_t count,
                           const real *v, real *out)
{
    const size_t n = self->n, ldn = self->ldn;
    const real *panel = panel_of(&self->cell, self->theta, i), *slope = self->slope;
    const vec alpha = load((const real *)self->alpha + i);
    vec sum[TILE];
    for (size_t s = 0; s < count; s++) sum[s] = (vec){0};
    for (size_t j = 0; j < n; j += group, panel += LANES) {
        const vec row = lanes_some_rows(slope + j, n - j, group) * load(panel);
        for (size_t s = 0; s < count; s++) sum[s] += lanes_rows(v + s * ldn + j, group) * row;
    }
    for (size_t s = 0; s < count; s++)
        store(out + s * ldn + i, lanes_gather(sum[s], group) + alpha * load(v + s * ldn + i));
}

NBT_INLINE void push_tile(const nbt_learner *self, size_t count, const real *v, real *out)
{
#define PANEL(i, group) push_panel(self, i, group, count, v, out)
    EACH_PANEL(&self->cell, PANEL);
#undef PANEL
}

void NBT(cell_push)(const nbt_learner *self, size_t S, const real *restrict v, real *restrict out)
{
    const size_t ldn = self->ldn;
    size_t s = 0;
    for (; s + TILE <= S; s += TILE) push_tile(self, TILE, v + s * ldn, out + s * ldn);
    for (; s + 2 <= S; s += 2) push_tile(self, 2, v + s * ldn, out + s * ldn);
    if (s < S) push_tile(self, 1, v + s * ldn, out + s * ldn);
}

void NBT(cell_pull)(const nbt_learner *self, const real *restrict slope, const real *restrict u,
                    real *restrict out)
{
    const real *alpha = self->alpha;
    NBT(panels_dot)(&self->cell, self->n, 1, self->theta, u, self->ldn, out, self->ldn);
    for (size_t j = 0; j < self->n; j++) out[j] = slope[j] * out[j] + alpha[j] * u[j];
}

void NBT(cell_jacobian)(const nbt_learner *self, real *restrict F)
{
    const size_t n = self->n, ldn = self->ldn;
    const real *slope = self->slope, *alpha = self->alpha;
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i < ldn; i += LANES)
            store(F + j * ldn + i, slope[j] * panel_row(&self->cell, self->theta, j, i));
        F[j * ldn + j] += alpha[j];
    }
}
