#include "dense/cell.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/activation.h"
#include <string.h>

void NBT(cell_regress)(const dense_cell *cell, int32_t symbol, const real *restrict vector,
                       int32_t *x_last, real *restrict z)
{
    const size_t n = cell->sizes->n, m = cell->sizes->m;
    const real *a = cell->network->a;
    real *x = z + 1 + n;
    z[0] = 1;
    for (size_t i = 0; i < n; i++) z[1 + i] = a[i];
    if (!cell->one_hot) {
        memcpy(x, vector, m * sizeof *x);
        return;
    }
    if (*x_last == NBT_UNKNOWN_SYMBOL) memset(x, 0, m * sizeof *x);
    if (*x_last >= 0) x[*x_last] = 0;
    x[symbol] = 1;
    *x_last = symbol;
}

void NBT(cell_input)(const dense_cell *cell, int32_t symbol, const real *restrict vector,
                     real *restrict input)
{
    const nbt_panels *at = &cell->sizes->cell;
    const size_t n = cell->sizes->n, m = cell->sizes->m;
    const real *theta = cell->network->theta;
    if (!cell->one_hot) {
        memcpy(input, vector, m * sizeof *input);
        return;
    }
#define PANEL(i, per_vec)                                                                          \
    store(input + (i), panel_row_of(panel_of(at, theta, i), n + (size_t)symbol, per_vec))
    EACH_PANEL(at, PANEL);
#undef PANEL
}

/* One panel of h' = b + α h + Σ_j a_j W[j] + r[symbol], or Σ_l x_l r[l]. */
NBT_INLINE void forward_panel(const dense_cell *cell, size_t i, size_t per_vec, const real *input,
                              real *h_next)
{
    const size_t n = cell->sizes->n;
    const real *theta = cell->network->theta, *alpha = cell->network->alpha, *h = cell->network->h;
    const real *panel = panel_of(&cell->sizes->cell, theta, i);
    vec sum = panel_sum((vec){0}, panel, 0, n, cell->network->a, per_vec);
    if (!cell->one_hot) sum = panel_sum(sum, panel, n, cell->sizes->m, input, per_vec);
    sum = lanes_gather(sum, per_vec) + (load(theta + i) + load(alpha + i) * load(h + i));
    if (cell->one_hot) sum += load(input + i);
    store(h_next + i, sum);
}

typedef struct {
    const dense_cell *cell;
    const real *input;
    real *h_next;
} forward_work;

static void forward_panels(const void *what, size_t first, size_t last, size_t thread)
{
    const forward_work work = *(const forward_work *)what; /* a copy stays in registers */
    const dense_cell cell = *work.cell;
    (void)thread;
#define PANEL(i, per_vec) forward_panel(&cell, i, per_vec, work.input, work.h_next)
    EACH_PANEL_OF(&cell.sizes->cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_forward)(const dense_cell *cell, const real *restrict input, real *restrict h_next)
{
    const size_t rows = cell->sizes->n + (cell->one_hot ? 1 : cell->sizes->m);
    const forward_work work = {cell, input, h_next};
    nbt_parallel(cell->workers, cell->sizes->cell.count, rows * cell->sizes->ldn, forward_panels,
                 &work);
}

void NBT(cell_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const dense_cell cell = cell_of(self);
    NBT(cell_input)(&cell, symbol, vector, self->scratch.input);
    NBT(cell_forward)(&cell, self->scratch.input, self->scratch.h_next);
}

void NBT(cell_advance)(nbt_learner *self, int32_t symbol, const real *vector)
{
    NBT(cell_look)(self, symbol, vector);
    NBT(cell_move)(&self->sizes, &self->choices, self->scratch.h_next, &self->network);
}

void NBT(cell_move)(const nbt_sizes *at, const nbt_choices *of, const real *h_next,
                    nbt_network_part *network)
{
    lanes_copy(at->ldn, h_next, network->h);
    NBT(respond)(at, of, network->h, network->a, network->slope);
}

/* Several vectors at once, so that a row of W is read once for all of them. */
enum { TILE = NBT_REGISTER == 64 ? 16 : 8 };
NBT_INLINE void push_panel(const dense_cell *cell, size_t i, size_t per_vec, size_t count,
                           const real *v, real *out)
{
    const size_t n = cell->sizes->n, ldn = cell->sizes->ldn;
    const real *panel = panel_of(&cell->sizes->cell, cell->network->theta, i),
               *slope = cell->network->slope;
    const vec alpha = load((const real *)cell->network->alpha + i);
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

NBT_INLINE void push_tiles(const dense_cell *cell, size_t i, size_t per_vec, nbt_vectors from,
                           real *out)
{
    const size_t ldn = cell->sizes->ldn, S = from.count;
    const real *v = from.v;
    size_t s = 0;
    for (; s + TILE <= S; s += TILE) push_panel(cell, i, per_vec, TILE, v + s * ldn, out + s * ldn);
    for (; s + 4 <= S; s += 4) push_panel(cell, i, per_vec, 4, v + s * ldn, out + s * ldn);
    for (; s < S; s++) push_panel(cell, i, per_vec, 1, v + s * ldn, out + s * ldn);
}

typedef struct {
    const dense_cell *cell;
    nbt_vectors some, more;
    real *out;
    const real *input;
    real *h_next;
} push_work;

/* All vectors meet a panel before the next one is read, and so does the transition. */
NBT_INLINE void push_vectors(const push_work *work, size_t i, size_t per_vec)
{
    const dense_cell *cell = work->cell;
    push_tiles(cell, i, per_vec, work->some, work->out);
    push_tiles(cell, i, per_vec, work->more, work->out + work->some.count * cell->sizes->ldn);
    if (work->h_next) forward_panel(cell, i, per_vec, work->input, work->h_next);
}

static void push_panels(const void *what, size_t first, size_t last, size_t thread)
{
    const push_work *work = what;
    (void)thread;
#define PANEL(i, per_vec) push_vectors(work, i, per_vec)
    EACH_PANEL_OF(&work->cell->sizes->cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_push)(const dense_cell *cell, nbt_vectors some, nbt_vectors more, real *restrict out,
                    const real *input, real *h_next)
{
    const push_work work = {cell, some, more, out, input, h_next};
    const size_t tiles = (some.count + more.count + TILE - 1) / TILE + (h_next ? 1 : 0);
    nbt_parallel(cell->workers, cell->sizes->cell.count, tiles * cell->sizes->n * cell->sizes->ldn,
                 push_panels, &work);
}

void NBT(cell_pull)(const dense_cell *cell, const real *restrict slope, const real *restrict u,
                    real *restrict out)
{
    const real *alpha = cell->network->alpha;
    NBT(panels_dot)(&cell->sizes->cell, cell->sizes->n, 1, cell->network->theta, u,
                    cell->sizes->ldn, out, cell->sizes->ldn);
    for (size_t j = 0; j < cell->sizes->n; j++) out[j] = slope[j] * out[j] + alpha[j] * u[j];
}

/* Rows first … first + count - 1 of Fᵀ, from a panel that begins at column i. */
NBT_INLINE void jacobian_panel(const dense_cell *cell, size_t i, size_t per_vec, size_t first,
                               size_t count, real *F)
{
    const real *begin = panel_of(&cell->sizes->cell, cell->network->theta, i),
               *slope = cell->network->slope;
    for (size_t j = first; j < first + count; j++)
        store(F + j * cell->sizes->ldn + i, slope[j] * panel_row_of(begin, j, per_vec));
}

/* Some rows at a time: those of a panel lie together. */
void NBT(cell_jacobian)(const dense_cell *cell, size_t first, size_t last, real *restrict F)
{
    enum { ROWS = 16 };
    const size_t ldn = cell->sizes->ldn;
    const real *alpha = cell->network->alpha;
    for (size_t row = first; row < last; row += ROWS) {
        const size_t count = last - row < ROWS ? last - row : ROWS;
#define PANEL(i, per_vec) jacobian_panel(cell, i, per_vec, row, count, F)
        EACH_PANEL(&cell->sizes->cell, PANEL);
#undef PANEL
    }
    for (size_t j = first; j < last; j++) F[j * ldn + j] += alpha[j];
}

void NBT(cell_diagonal)(const dense_cell *cell, real *restrict own)
{
    const real *theta = cell->network->theta, *slope = cell->network->slope;
    const real *alpha = cell->network->alpha;
    for (size_t i = 0; i < cell->sizes->n; i++)
        own[i] = *panel_entry(&cell->sizes->cell, theta, i, i) * slope[i] + alpha[i];
}

typedef struct {
    const dense_cell *cell;
    const real *u;
    real *norm;
} norm_work;

/* Columns first … last - 1; four fold together. */
static void column_norms(const void *what, size_t first, size_t last, size_t thread)
{
    (void)thread;
    const norm_work *work = what;
    const dense_cell *cell = work->cell;
    const nbt_panels *at = &cell->sizes->cell;
    const real *slope = cell->network->slope, *u = work->u;
    for (size_t i = first; i < last; i += 4) {
        vec sum[4] = {{0}};
        real sums[4];
#define PANEL(c, per_vec)                                                                          \
    add_others(panel_of(at, cell->network->theta, c), LANES / (per_vec), per_vec, c, i, 4,         \
               load(u + (c)), sum)
        EACH_PANEL(at, PANEL);
#undef PANEL
        fold_each(sum, sums);
        for (size_t k = 0; k < 4 && i + k < last; k++)
            work->norm[i + k] = sums[k] * slope[i + k] * slope[i + k];
    }
}

void NBT(cell_column_norms)(const dense_cell *cell, const real *u, real *norm)
{
    const size_t n = cell->sizes->n;
    const norm_work work = {cell, u, norm};
    nbt_parallel(cell->workers, n, n * cell->sizes->ldn, column_norms, &work);
}

typedef struct {
    const dense_cell *cell;
    const real *scale, *pushed, *part;
    real *v;
} fold_work;

NBT_INLINE void fold_panel(const fold_work *work, size_t c, size_t per_vec)
{
    const dense_cell *cell = work->cell;
    const size_t n = cell->sizes->n, ldn = cell->sizes->ldn, S = cell->sizes->S;
    const size_t stride = LANES / per_vec;
    const real *scale = work->scale, *pushed = work->pushed + c, *part = work->part;
    const real *W = panel_of(&cell->sizes->cell, cell->network->theta, c);
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

static void fold_panels(const void *what, size_t first, size_t last, size_t thread)
{
    const fold_work *work = what;
    (void)thread;
#define PANEL(c, per_vec) fold_panel(work, c, per_vec)
    EACH_PANEL_OF(&work->cell->sizes->cell, first, last, PANEL);
#undef PANEL
}

void NBT(cell_fold)(const dense_cell *cell, const real *scale, const real *pushed, real *part,
                    real *v)
{
    const size_t n = cell->sizes->n, ldn = cell->sizes->ldn;
    const fold_work work = {cell, scale, pushed, part, v};
    lanes_multiply(ldn, cell->network->slope, part);
    nbt_parallel(cell->workers, cell->sizes->cell.count, n * ldn, fold_panels, &work);
}
