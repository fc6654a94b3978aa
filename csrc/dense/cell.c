#include "dense/cell.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/activation.h"
#include <string.h>

void NBT(cell_regress)(nbt_learner *self, int32_t symbol, const real *restrict vector)
{
    const size_t n = self->sizes.n, m = self->sizes.m;
    const real *a = self->network.a;
    real *z = self->estimator.z, *x = z + 1 + n;
    z[0] = 1;
    for (size_t i = 0; i < n; i++) z[1 + i] = a[i];
    if (!self->choices.one_hot) {
        memcpy(x, vector, m * sizeof *x);
        return;
    }
    if (self->network.x_last == NBT_UNKNOWN_SYMBOL) memset(x, 0, m * sizeof *x);
    if (self->network.x_last >= 0) x[self->network.x_last] = 0;
    x[symbol] = 1;
    self->network.x_last = symbol;
}

void NBT(cell_input)(nbt_learner *self, int32_t symbol, const real *restrict vector)
{
    real *input = self->scratch.input;
    if (!self->choices.one_hot) {
        memcpy(input, vector, self->sizes.m * sizeof *input);
        return;
    }
    for (size_t i = 0; i < self->sizes.ldn; i += LANES)
        store(input + i,
              panel_row(&self->sizes.cell, self->network.theta, self->sizes.n + (size_t)symbol, i));
}

/* One panel of h' = b + α h + Σ_j a_j W[j] + r[symbol], or Σ_l x_l r[l]. */
NBT_INLINE void forward_panel(const nbt_learner *self, size_t i, size_t per_vec, const real *input,
                              real *h_next)
{
    const size_t n = self->sizes.n;
    const real *theta = self->network.theta, *alpha = self->network.alpha, *h = self->network.h;
    const real *panel = panel_of(&self->sizes.cell, theta, i);
    vec sum = panel_sum((vec){0}, panel, 0, n, self->network.a, per_vec);
    if (!self->choices.one_hot) sum = panel_sum(sum, panel, n, self->sizes.m, input, per_vec);
    sum = lanes_gather(sum, per_vec) + (load(theta + i) + load(alpha + i) * load(h + i));
    if (self->choices.one_hot) sum += load(input + i);
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
#define PANEL(i, per_vec) forward_panel(self, i, per_vec, work->input, work->h_next)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_forward)(nbt_learner *self, const real *restrict input, real *restrict h_next)
{
    const size_t rows = self->sizes.n + (self->choices.one_hot ? 1 : self->sizes.m);
    const forward_work work = {input, h_next};
    nbt_parallel(&self->workers, self, self->sizes.cell.count, rows * self->sizes.ldn,
                 forward_panels, &work);
}

void NBT(cell_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(cell_input)(self, symbol, vector);
    NBT(cell_forward)(self, self->scratch.input, self->scratch.h_next);
}

void NBT(cell_advance)(nbt_learner *self, int32_t symbol, const real *vector)
{
    NBT(cell_look)(self, symbol, vector);
    NBT(cell_move)(self);
}

void NBT(cell_move)(nbt_learner *self)
{
    lanes_copy(self->sizes.ldn, self->scratch.h_next, self->network.h);
    NBT(respond)(self, self->network.h, self->network.a, self->network.slope);
}

/* Several vectors at once, so that a row of W is read once for all of them. */
enum { TILE = NBT_REGISTER == 64 ? 16 : 8 };
NBT_INLINE void push_panel(const nbt_learner *self, size_t i, size_t per_vec, size_t count,
                           const real *v, real *out)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn;
    const real *panel = panel_of(&self->sizes.cell, self->network.theta, i),
               *slope = self->network.slope;
    const vec alpha = load((const real *)self->network.alpha + i);
    vec sum[TILE];
    for (size_t s = 0; s < count; s++) sum[s] = (vec){0};
    const real *at[TILE / 4]; /* every fourth */
    for (size_t q = 0; 4 * q < count; q++) at[q] = v + 4 * q * ldn;
    for (size_t j = 0; j < n; j += per_vec, panel += LANES) {
        const vec row = lanes_rows(slope + j, per_vec) * load(panel);
        for (size_t s = 0; s < count; s++)
            sum[s] += lanes_rows(at[s / 4] + s % 4 * ldn, per_vec) * row;
        for (size_t q = 0; 4 * q < count; q++) {
            at[q] += per_vec;
            /* or gcc makes a pointer for each of 16 vectors: 1 to 4 % of the default's step */
            if (count > 8) __asm__("" : "+r"(at[q]));
        }
    }
    for (size_t s = 0; s < count; s++)
        store(out + s * ldn + i, lanes_gather(sum[s], per_vec) + alpha * load(v + s * ldn + i));
}

NBT_INLINE void push_tiles(const nbt_learner *self, size_t i, size_t per_vec, nbt_vectors from,
                           real *out)
{
    const size_t ldn = self->sizes.ldn, S = from.count;
    const real *v = from.v;
    size_t s = 0;
    for (; s + TILE <= S; s += TILE) push_panel(self, i, per_vec, TILE, v + s * ldn, out + s * ldn);
    for (; s + 4 <= S; s += 4) push_panel(self, i, per_vec, 4, v + s * ldn, out + s * ldn);
    for (; s < S; s++) push_panel(self, i, per_vec, 1, v + s * ldn, out + s * ldn);
}

typedef struct {
    nbt_vectors some, more;
    real *out;
    int forward;
} push_work;

/* All vectors meet a panel before the next one is read, and so does the transition. */
NBT_INLINE void push_vectors(const nbt_learner *self, size_t i, size_t per_vec,
                             const push_work *work)
{
    push_tiles(self, i, per_vec, work->some, work->out);
    push_tiles(self, i, per_vec, work->more, work->out + work->some.count * self->sizes.ldn);
    if (work->forward) forward_panel(self, i, per_vec, self->scratch.input, self->scratch.h_next);
}

static void push_panels(nbt_learner *self, const void *what, size_t first, size_t last,
                        size_t thread)
{
    (void)thread;
#define PANEL(i, per_vec) push_vectors(self, i, per_vec, what)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_push)(nbt_learner *self, nbt_vectors some, nbt_vectors more, real *restrict out,
                    int forward)
{
    const push_work work = {some, more, out, forward};
    const size_t tiles = (some.count + more.count + TILE - 1) / TILE + (forward ? 1 : 0);
    nbt_parallel(&self->workers, self, self->sizes.cell.count,
                 tiles * self->sizes.n * self->sizes.ldn, push_panels, &work);
}

void NBT(cell_pull)(const nbt_learner *self, const real *restrict slope, const real *restrict u,
                    real *restrict out)
{
    const real *alpha = self->network.alpha;
    NBT(panels_dot)(&self->sizes.cell, self->sizes.n, 1, self->network.theta, u, self->sizes.ldn,
                    out, self->sizes.ldn);
    for (size_t j = 0; j < self->sizes.n; j++) out[j] = slope[j] * out[j] + alpha[j] * u[j];
}

/* Rows first … first + count - 1 of Fᵀ, from a panel that begins at column i. */
NBT_INLINE void jacobian_panel(const nbt_learner *self, size_t i, size_t per_vec, size_t first,
                               size_t count, real *F)
{
    const real *begin = panel_of(&self->sizes.cell, self->network.theta, i),
               *slope = self->network.slope;
    for (size_t j = first; j < first + count; j++)
        store(F + j * self->sizes.ldn + i, slope[j] * panel_row_of(begin, j, per_vec));
}

/* Some rows at a time: those of a panel lie together. */
void NBT(cell_jacobian)(const nbt_learner *self, size_t first, size_t last, real *restrict F)
{
    enum { ROWS = 16 };
    const size_t ldn = self->sizes.ldn;
    const real *alpha = self->network.alpha;
    for (size_t row = first; row < last; row += ROWS) {
        const size_t count = last - row < ROWS ? last - row : ROWS;
#define PANEL(i, per_vec) jacobian_panel(self, i, per_vec, row, count, F)
        EACH_PANEL(&self->sizes.cell, PANEL);
#undef PANEL
    }
    for (size_t j = first; j < last; j++) F[j * ldn + j] += alpha[j];
}

void NBT(cell_diagonal)(const nbt_learner *self, real *restrict own)
{
    const real *theta = self->network.theta, *slope = self->network.slope;
    const real *alpha = self->network.alpha;
    for (size_t i = 0; i < self->sizes.n; i++)
        own[i] = *panel_entry(&self->sizes.cell, theta, i, i) * slope[i] + alpha[i];
}

typedef struct {
    const real *u;
    real *norm;
} norm_work;

/* Columns first … last - 1; four fold together. */
static void column_norms(nbt_learner *self, const void *what, size_t first, size_t last,
                         size_t thread)
{
    (void)thread;
    const norm_work *work = what;
    const nbt_panels *at = &self->sizes.cell;
    const real *slope = self->network.slope, *u = work->u;
    for (size_t i = first; i < last; i += 4) {
        vec sum[4] = {{0}};
        real sums[4];
#define PANEL(c, per_vec)                                                                          \
    add_others(panel_of(at, self->network.theta, c), LANES / (per_vec), per_vec, c, i, 4,          \
               load(u + (c)), sum)
        EACH_PANEL(at, PANEL);
#undef PANEL
        fold_each(sum, sums);
        for (size_t k = 0; k < 4 && i + k < last; k++)
            work->norm[i + k] = sums[k] * slope[i + k] * slope[i + k];
    }
}

void NBT(cell_column_norms)(nbt_learner *self, const real *u, real *norm)
{
    const size_t n = self->sizes.n;
    const norm_work work = {u, norm};
    nbt_parallel(&self->workers, self, n, n * self->sizes.ldn, column_norms, &work);
}

typedef struct {
    const real *scale, *pushed, *part;
    real *v;
} fold_work;

NBT_INLINE void fold_panel(const nbt_learner *self, size_t c, size_t per_vec, const fold_work *work)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, S = self->sizes.S;
    const size_t stride = LANES / per_vec;
    const real *scale = work->scale, *pushed = work->pushed + c, *part = work->part;
    const real *W = panel_of(&self->sizes.cell, self->network.theta, c);
    real *v = work->v + c;
    for (size_t s = 0; s < S; s++) {
        vec sum = scale[s] * load(pushed + s * ldn), other = {0};
        size_t i = s;
        for (; i + S < n; i += 2 * S) {
            sum += part[i] * others_of(W, stride, per_vec, c, i);
            other += part[i + S] * others_of(W, stride, per_vec, c, i + S);
        }
        if (i < n) sum += part[i] * others_of(W, stride, per_vec, c, i);
        store(v + s * ldn, sum + other);
    }
}

static void fold_panels(nbt_learner *self, const void *what, size_t first, size_t last,
                        size_t thread)
{
    (void)thread;
#define PANEL(c, per_vec) fold_panel(self, c, per_vec, what)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_fold)(nbt_learner *self, const real *scale, const real *pushed, real *part, real *v)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn;
    const fold_work work = {scale, pushed, part, v};
    lanes_multiply(ldn, self->network.slope, part);
    nbt_parallel(&self->workers, self, self->sizes.cell.count, n * ldn, fold_panels, &work);
}
