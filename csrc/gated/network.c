#include "gated/network.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include <string.h>

#define SMALLEST ((real)1e-6) /* ε */

/* Rows of the first `count` gates (…, ldn) to flat; flat to rows of all gates. */
static void pack(const nbt_sizes *at, size_t count, const real *rows, real *flat)
{
    for (size_t g = 0; g < count; g++)
        memcpy(flat + g * at->n, rows + g * at->ldn, at->n * sizeof(real));
}

static void unpack(const nbt_sizes *at, const real *flat, real *rows)
{
    for (size_t g = 0; g < at->gates; g++)
        memcpy(rows + g * at->ldn, flat + g * at->n, at->n * sizeof(real));
}

/* What every gate sums up: y, which meets W; the row of a symbol, -1: none; a vector, or NULL;
 * with or without the bias. */
typedef struct {
    const nbt_learner *self;
    const real *y, *vector;
    int32_t symbol;
    int bias;
    real *sums;
} sum_work;

/* The vec at column i, of which `sum` has what y gave. */
NBT_INLINE void finish_sum(const nbt_learner *self, size_t i, size_t per_vec, vec sum,
                           const sum_work *work)
{
    const size_t W = rows_of_W(&self->sizes, &self->choices);
    const real *theta = self->network.theta, *panel = panel_of(&self->sizes.cell, theta, i);
    if (work->vector) sum = panel_sum(sum, panel, W, self->sizes.m, work->vector, per_vec);
    sum = lanes_gather(sum, per_vec);
    if (work->bias) sum += load(theta + i);
    if (work->symbol >= 0) sum += panel_row_of(panel, W + (size_t)work->symbol, per_vec);
    store(work->sums + i, sum);
}

NBT_INLINE void sum_panel(const nbt_learner *self, size_t i, size_t per_vec, const sum_work *work)
{
    const real *panel = panel_of(&self->sizes.cell, self->network.theta, i);
    const size_t W = rows_of_W(&self->sizes, &self->choices);
    finish_sum(self, i, per_vec, panel_sum((vec){0}, panel, 0, W, work->y, per_vec), work);
}

static void sum_panels(const void *what, size_t first, size_t last, size_t thread)
{
    (void)thread;
    const sum_work *work = what;
    const nbt_learner *self = work->self;
    const nbt_panels *at = &self->sizes.cell;
    const size_t W = rows_of_W(&self->sizes, &self->choices);
    size_t c = first;
    for (; c + SIDE_BY_SIDE <= last && (c + SIDE_BY_SIDE) * LANES <= at->full; c += SIDE_BY_SIDE) {
        vec sum[SIDE_BY_SIDE];
        panels_sum(at, panel_of(at, self->network.theta, c * LANES), W, work->y, sum);
        for (size_t k = 0; k < SIDE_BY_SIDE; k++)
            finish_sum(self, (c + k) * LANES, 1, sum[k], work);
    }
#define PANEL(i, per_vec) sum_panel(self, i, per_vec, work)
    EACH_PANEL_OF(at, c, last, PANEL);
#undef PANEL
}

static void sums(nbt_learner *self, const sum_work *work)
{
    const size_t rows =
        rows_of_W(&self->sizes, &self->choices) + (work->vector ? self->sizes.m : 1);
    nbt_parallel(&self->workers, self->sizes.cell.count, rows * self->sizes.cell.ld, sum_panels,
                 work);
    unpack(&self->sizes, work->sums, self->scratch.gates);
}

static real mean_product(const nbt_sizes *at, const real *x, const real *y)
{
    vec sum = {0};
    for (size_t i = 0; i < at->ldn; i += LANES) sum += load(x + i) * load(y + i);
    return fold(sum) / (real)at->n;
}

/* gates: sums, which become a. */
static void normalise(const nbt_learner *self, real *gates, nbt_unit_step out)
{
    const nbt_sizes *at = &self->sizes;
    for (size_t g = 0; g < at->gates; g++) {
        const size_t row = g * at->ldn;
        real *s = gates + row;
        const real scale = 1 / root(mean_product(at, s, s) + SMALLEST);
        const real *bias = (real *)self->past.bias + row, *gain = (real *)self->past.gain + row;
        for (size_t i = 0; i < at->ldn; i += LANES) {
            const vec normal = scale * load(s + i), slant = scale * load(gain + i);
            store(out.normal + row + i, normal);
            store(out.slant + row + i, slant);
            store(s + i, load(bias + i) + load(gain + i) * normal);
        }
    }
}

void NBT(gated_step)(nbt_learner *self, const real *c, const real *y, int32_t symbol,
                     const real *vector, nbt_unit_step out)
{
    const int one_hot = self->choices.one_hot, rms = self->choices.rms;
    const sum_work work = {
        self, y, one_hot ? NULL : vector, one_hot ? symbol : -1, !rms, self->scratch.sums};
    sums(self, &work);
    if (rms) normalise(self, self->scratch.gates, out);
    NBT(unit_step)(self, self->scratch.gates, c, out);
}

/* ∂L/∂s from δ = ∂L/∂a, in its place: (γ δ - x̂ mean γ δ x̂) / √…; `own`: of each unit by itself. */
static void pull_normal(const nbt_learner *self, const nbt_unit_step *step, size_t count, int own,
                        real *gates)
{
    const nbt_sizes *at = &self->sizes;
    for (size_t g = 0; g < count; g++) {
        const size_t row = g * at->ldn;
        real *delta = gates + row;
        const real *normal = step->normal + row, *slant = step->slant + row;
        lanes_multiply(at->ldn, slant, delta);
        const real all = own ? 0 : mean_product(at, delta, normal);
        for (size_t i = 0; i < at->ldn; i += LANES) {
            const vec x = load(normal + i), d = load(delta + i);
            const vec less = own ? x * x * d / (real)at->n : x * all;
            store(delta + i, d - less);
        }
    }
}

/* flats of `count` gates from ∂L/∂a, which is lost. */
static void spread_back(nbt_learner *self, const nbt_unit_step *step, size_t count, int own,
                        real *delta, nbt_flats flats)
{
    const nbt_sizes *at = &self->sizes;
    const nbt_gates gates = nbt_gates_of(self->choices.cell);
    pack(at, count, delta, flats.bias);
    if (self->choices.rms) {
        real *part = row_at(self->scratch.local_next, 2 + 2 * at->gates, at->ldn);
        for (size_t k = 0; k < count * at->ldn; k += LANES)
            store(part + k, load(delta + k) * load(step->normal + k));
        pack(at, count, part, flats.gain);
        pull_normal(self, step, count, own, delta);
    }
    if (flats.W != flats.bias) {
        pack(at, count, delta, flats.W);
        if (gates.blind_W < count) memset(flats.W + gates.blind_W * at->n, 0, at->n * sizeof(real));
    }
    if (flats.r != flats.bias && flats.r != flats.W) {
        pack(at, count, delta, flats.r);
        if (gates.blind_r < count) memset(flats.r + gates.blind_r * at->n, 0, at->n * sizeof(real));
    }
}

/* y = ∂L/∂y(t-1), and input = ∂L/∂x(t), if not NULL. */
static void through_weights(const nbt_learner *self, nbt_flats flats, real *y, real *input)
{
    const nbt_sizes *at = &self->sizes;
    const size_t W = rows_of_W(at, &self->choices), ld = at->cell.ld;
    const int at_once = input && flats.W == flats.r;
    real *all = self->scratch.pulled;
    if (input) {
        NBT(panels_dot)(&at->cell, W + at->m, 1, self->network.theta, flats.r, ld, all, 0);
        memcpy(input, all + W, at->m * sizeof(real));
    }
    if (!W)
        memset(y, 0, at->ldn * sizeof(real));
    else if (at_once)
        memcpy(y, all, at->n * sizeof(real));
    else
        NBT(panels_dot)(&at->cell, W, 1, self->network.theta, flats.W, ld, y, at->ldn);
}

void NBT(gated_back)(nbt_learner *self, const nbt_unit_step *step, real *c, real *y,
                     nbt_flats flats, real *input)
{
    const nbt_sizes *at = &self->sizes;
    real *gates = self->scratch.gates;
    for (size_t i = 0; i < at->ldn; i += LANES) {
        const vec shown = load(y + i), through = load(c + i) + shown * load(step->show + i);
        for (size_t g = 0; g < at->gates; g++) {
            const size_t k = g * at->ldn + i;
            store(gates + k, (g < at->kept ? through : shown) * load(step->local + k));
        }
        store(c + i, through * load(step->keep + i));
    }
    spread_back(self, step, at->gates, 0, gates, flats);
    through_weights(self, flats, y, input);
}

void NBT(gated_back_own)(nbt_learner *self, const nbt_unit_step *step, const real *through,
                         nbt_flats flats)
{
    const nbt_sizes *at = &self->sizes;
    real *gates = self->scratch.gates;
    for (size_t g = 0; g < at->kept; g++) {
        const size_t row = g * at->ldn;
        for (size_t i = 0; i < at->ldn; i += LANES)
            store(gates + row + i, load(through + i) * load(step->local + row + i));
    }
    spread_back(self, step, at->kept, 1, gates, flats);
}

/* What is normalised moves by γ (p - x̂ mean p x̂) / √… where sums move by p. */
static void push_normal(const nbt_learner *self, const nbt_unit_step *step, real *gates)
{
    const nbt_sizes *at = &self->sizes;
    for (size_t g = 0; g < at->gates; g++) {
        const size_t row = g * at->ldn;
        const real *normal = step->normal + row, *slant = step->slant + row;
        const real all = mean_product(at, gates + row, normal);
        for (size_t i = 0; i < at->ldn; i += LANES)
            store(gates + row + i,
                  load(slant + i) * (load(gates + row + i) - load(normal + i) * all));
    }
}

void NBT(gated_push)(nbt_learner *self, const nbt_unit_step *step, const real *input, real *c,
                     real *y)
{
    const nbt_sizes *at = &self->sizes;
    const sum_work work = {self, y, input, -1, 0, self->scratch.sums};
    sums(self, &work);
    if (self->choices.rms) push_normal(self, step, self->scratch.gates);
    const real *gates = self->scratch.gates;
    for (size_t i = 0; i < at->ldn; i += LANES) {
        vec now = load(c + i) * load(step->keep + i), shown = {0};
        for (size_t g = 0; g < at->gates; g++) {
            const size_t k = g * at->ldn + i;
            const vec part = load(gates + k) * load(step->local + k);
            if (g < at->kept)
                now += part;
            else
                shown += part;
        }
        store(c + i, now);
        store(y + i, shown + now * load(step->show + i));
    }
}

void NBT(gated_refresh_rows)(nbt_learner *self)
{
    const nbt_sizes *at = &self->sizes;
    if (!self->choices.rms) return;
    real *flat = self->scratch.sums;
    unpack(at, self->network.theta, self->past.bias);
    for (size_t i = 0; i < at->cell.full; i += LANES)
        store(flat + i, panel_row(&at->cell, self->network.theta, row_of_gains(at), i));
    if (at->cell.per_vec)
        store(flat + at->cell.full,
              panel_row(&at->cell, self->network.theta, row_of_gains(at), at->cell.full));
    unpack(at, flat, self->past.gain);
}
