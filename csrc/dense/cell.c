#include "dense/cell.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/activation.h"
#include <string.h>

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

void NBT(cell_input)(nbt_learner *self, int32_t symbol, const real *restrict vector)
{
    real *input = self->input;
    if (!self->one_hot) {
        memcpy(input, vector, self->m * sizeof *input);
        return;
    }
    for (size_t i = 0; i < self->ldn; i += LANES)
        store(input + i, panel_row(&self->cell, self->theta, self->n + (size_t)symbol, i));
}

/* One panel of h' = b + α h + Σ_j a_j W[j] + r[symbol], or Σ_l x_l r[l]. */
NBT_INLINE void forward_panel(const nbt_learner *self, size_t i, size_t group, const real *input,
                              real *h_next)
{
    const size_t n = self->n;
    const real *theta = self->theta, *alpha = self->alpha, *h = self->h;
    const real *panel = panel_of(&self->cell, theta, i);
    vec sum = panel_sum((vec){0}, panel, 0, n, self->a, group);
    if (!self->one_hot) sum = panel_sum(sum, panel, n, self->m, input, group);
    sum = lanes_gather(sum, group) + (load(theta + i) + load(alpha + i) * load(h + i));
    if (self->one_hot) sum += load(input + i);
    store(h_next + i, sum);
}

typedef struct {
    const real *input;
    real *h_next;
} forward_work;

static void forward_panels(nbt_learner *self, const void *what, size_t first, size_t last,
                           size_t thread)
{
    const forward_work *work = what;
    (void)thread;
#define PANEL(i, group) forward_panel(self, i, group, work->input, work->h_next)
    EACH_PANEL_OF(&self->cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_forward)(nbt_learner *self, const real *restrict input, real *restrict h_next)
{
    const size_t rows = self->n + (self->one_hot ? 1 : self->m);
    const forward_work work = {input, h_next};
    nbt_parallel(self, self->cell.count, rows * self->ldn, forward_panels, &work);
}

void NBT(cell_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(cell_input)(self, symbol, vector);
    NBT(cell_forward)(self, self->input, self->h_next);
}

void NBT(cell_advance)(nbt_learner *self, int32_t symbol, const real *vector)
{
    NBT(cell_look)(self, symbol, vector);
    NBT(cell_move)(self);
}

void NBT(cell_move)(nbt_learner *self)
{
    lanes_copy(self->ldn, self->h_next, self->h);
    NBT(respond)(self, self->h, self->a, self->slope);
}

/* Several vectors at once, so that a row of W is read once for all of them. */
enum { TILE = NBT_REGISTER == 64 ? 16 : 8 };
NBT_INLINE void push_panel(const nbt_learner *self, size_t i, size_t group, size_t count,
                           const real *v, real *out)
{
    const size_t n = self->n, ldn = self->ldn;
    const real *panel = panel_of(&self->cell, self->theta, i), *slope = self->slope;
    const vec alpha = load((const real *)self->alpha + i);
    vec sum[TILE];
    for (size_t s = 0; s < count; s++) sum[s] = (vec){0};
    const real *at[TILE / 4]; /* every fourth */
    for (size_t q = 0; 4 * q < count; q++) at[q] = v + 4 * q * ldn;
    for (size_t j = 0; j < n; j += group, panel += LANES) {
        const vec row = lanes_rows(slope + j, group) * load(panel);
        for (size_t s = 0; s < count; s++)
            sum[s] += lanes_rows(at[s / 4] + s % 4 * ldn, group) * row;
        for (size_t q = 0; 4 * q < count; q++) {
            at[q] += group;
            /* or gcc makes a pointer for each of 16 vectors: 1 to 4 % of the default's step */
            if (count > 8) __asm__("" : "+r"(at[q]));
        }
    }
    for (size_t s = 0; s < count; s++)
        store(out + s * ldn + i, lanes_gather(sum[s], group) + alpha * load(v + s * ldn + i));
}

NBT_INLINE void push_tiles(const nbt_learner *self, size_t i, size_t group, nbt_vectors from,
                           real *out)
{
    const size_t ldn = self->ldn, S = from.count;
    const real *v = from.v;
    size_t s = 0;
    for (; s + TILE <= S; s += TILE) push_panel(self, i, group, TILE, v + s * ldn, out + s * ldn);
    for (; s + 4 <= S; s += 4) push_panel(self, i, group, 4, v + s * ldn, out + s * ldn);
    for (; s < S; s++) push_panel(self, i, group, 1, v + s * ldn, out + s * ldn);
}

typedef struct {
    nbt_vectors some, more;
    real *out;
    int forward;
} push_work;

/* All vectors meet a panel before the next one is read, and so does the transition. */
NBT_INLINE void push_vectors(const nbt_learner *self, size_t i, size_t group, const push_work *work)
{
    push_tiles(self, i, group, work->some, work->out);
    push_tiles(self, i, group, work->more, work->out + work->some.count * self->ldn);
    if (work->forward) forward_panel(self, i, group, self->input, self->h_next);
}

static void push_panels(nbt_learner *self, const void *what, size_t first, size_t last,
                        size_t thread)
{
    (void)thread;
#define PANEL(i, group) push_vectors(self, i, group, what)
    EACH_PANEL_OF(&self->cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_push)(nbt_learner *self, nbt_vectors some, nbt_vectors more, real *restrict out,
                    int forward)
{
    const push_work work = {some, more, out, forward};
    const size_t tiles = (some.count + more.count + TILE - 1) / TILE + (forward ? 1 : 0);
    nbt_parallel(self, self->cell.count, tiles * self->n * self->ldn, push_panels, &work);
}

void NBT(cell_pull)(const nbt_learner *self, const real *restrict slope, const real *restrict u,
                    real *restrict out)
{
    const real *alpha = self->alpha;
    NBT(panels_dot)(&self->cell, self->n, 1, self->theta, u, self->ldn, out, self->ldn);
    for (size_t j = 0; j < self->n; j++) out[j] = slope[j] * out[j] + alpha[j] * u[j];
}

/* Rows first … first + count - 1 of Fᵀ, from a panel that begins at column i. */
NBT_INLINE void jacobian_panel(const nbt_learner *self, size_t i, size_t group, size_t first,
                               size_t count, real *F)
{
    const real *begin = panel_of(&self->cell, self->theta, i), *slope = self->slope;
    for (size_t j = first; j < first + count; j++)
        store(F + j * self->ldn + i, slope[j] * panel_row_of(begin, j, group));
}

/* Some rows at a time: those of a panel lie together. */
void NBT(cell_jacobian)(const nbt_learner *self, size_t first, size_t last, real *restrict F)
{
    enum { ROWS = 16 };
    const size_t ldn = self->ldn;
    const real *alpha = self->alpha;
    for (size_t row = first; row < last; row += ROWS) {
        const size_t count = last - row < ROWS ? last - row : ROWS;
#define PANEL(i, group) jacobian_panel(self, i, group, row, count, F)
        EACH_PANEL(&self->cell, PANEL);
#undef PANEL
    }
    for (size_t j = first; j < last; j++) F[j * ldn + j] += alpha[j];
}
