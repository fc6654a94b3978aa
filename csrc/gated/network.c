#include "gated/network.h"
#include "gated/carried.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include <string.h>

#define SMALLEST ((real)1e-6) /* ε */

/* Rows of the first `count` gates (…, ldn) to flat; flat to rows of all gates. */
static void pack(const nbt_sizes *at, size_t count, const real *rows, real *flat)
{
    if (at->gates == 1) { /* too short to call memcpy for */
        lanes_copy(at->ldn, rows, flat);
        return;
    }
    for (size_t g = 0; g < count; g++)
        memcpy(flat + g * at->n, rows + g * at->ldn, at->n * sizeof(real));
}

static void unpack(const nbt_sizes *at, const real *flat, real *rows)
{
    if (at->gates == 1) {
        lanes_copy(at->ldn, flat, rows);
        return;
    }
    for (size_t g = 0; g < at->gates; g++)
        memcpy(rows + g * at->ldn, flat + g * at->n, at->n * sizeof(real));
}

/* What every gate sums up: y, which meets W; the row of a symbol, -1: none; a vector, or NULL;
 * with or without the bias. Of one or two at once. */
typedef struct {
    const real *y, *vector;
    int32_t symbol;
    int bias;
    real *sums;
} summed;

typedef struct {
    const nbt_learner *self;
    size_t count;
    summed of[2];
} sum_work;

/* The vec at column i, of which `sum` has what y gave. */
NBT_INLINE void finish_sum(const nbt_learner *self, size_t i, size_t per_vec, vec sum,
                           const summed *of)
{
    const size_t W = rows_of_W(&self->sizes, &self->choices);
    const real *theta = self->network.theta, *panel = panel_of(&self->sizes.cell, theta, i);
    if (of->vector) sum = panel_sum(sum, panel, W, self->sizes.m, of->vector, per_vec);
    sum = lanes_gather(sum, per_vec);
    if (of->bias) sum += load(theta + i);
    if (of->symbol >= 0) sum += panel_row_of(panel, W + (size_t)of->symbol, per_vec);
    store(of->sums + i, sum);
}

NBT_INLINE void sum_panel(const nbt_learner *self, size_t i, size_t per_vec, const sum_work *work)
{
    const real *panel = panel_of(&self->sizes.cell, self->network.theta, i);
    const size_t W = rows_of_W(&self->sizes, &self->choices);
    for (size_t j = 0; j < work->count; j++) {
        const summed *of = work->of + j;
        finish_sum(self, i, per_vec, panel_sum((vec){0}, panel, 0, W, of->y, per_vec), of);
    }
}

/* Whole panels from c on, as many as lie side by side; returns how many. */
NBT_INLINE size_t sum_side_by_side(const nbt_learner *self, size_t c, const sum_work *work)
{
    const nbt_panels *at = &self->sizes.cell;
    const size_t W = rows_of_W(&self->sizes, &self->choices);
    const real *panel = panel_of(at, self->network.theta, c * LANES);
    const summed *of = work->of;
    if (work->count == 1) {
        vec sum[SIDE_BY_SIDE];
        panels_sum(at, panel, W, of->y, sum);
        for (size_t k = 0; k < SIDE_BY_SIDE; k++) finish_sum(self, (c + k) * LANES, 1, sum[k], of);
        return SIDE_BY_SIDE;
    }
    vec sum[2][PAIRED];
    panels_sum_two(at, panel, W, of[0].y, of[1].y, sum);
    for (size_t k = 0; k < PAIRED; k++)
        for (size_t j = 0; j < 2; j++) finish_sum(self, (c + k) * LANES, 1, sum[j][k], of + j);
    return PAIRED;
}

static void sum_panels(const void *what, size_t first, size_t last, size_t thread)
{
    (void)thread;
    const sum_work *work = what;
    const nbt_learner *self = work->self;
    const nbt_panels *at = &self->sizes.cell;
    const size_t width = work->count == 1 ? SIDE_BY_SIDE : PAIRED;
    size_t c = first;
    while (c + width <= last && (c + width) * LANES <= at->full)
        c += sum_side_by_side(self, c, work);
#define PANEL(i, per_vec) sum_panel(self, i, per_vec, work)
    EACH_PANEL_OF(at, c, last, PANEL);
#undef PANEL
}

static void sums(nbt_learner *self, const sum_work *work)
{
    const size_t rows =
        rows_of_W(&self->sizes, &self->choices) + (work->of[0].vector ? self->sizes.m : 1);
    nbt_parallel(&self->workers, self->sizes.cell.count, rows * self->sizes.cell.ld, sum_panels,
                 work);
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
        const real *bias = (real *)self->past.bias + row, *gain = (real *)self->past.last + row;
        for (size_t i = 0; i < at->ldn; i += LANES) {
            const vec normal = scale * load(s + i), slant = scale * load(gain + i);
            store(out.met + row + i, normal);
            store(out.slant + row + i, slant);
            store(s + i, load(bias + i) + load(gain + i) * normal);
        }
    }
}

/* What is normalised moves by γ (p - x̂ mean p x̂) / √… where sums move by p. */
static void push_normal(const nbt_learner *self, const nbt_unit_step *step, real *gates)
{
    const nbt_sizes *at = &self->sizes;
    for (size_t g = 0; g < at->gates; g++) {
        const size_t row = g * at->ldn;
        const real *normal = step->met + row, *slant = step->slant + row;
        const real all = mean_product(at, gates + row, normal);
        for (size_t i = 0; i < at->ldn; i += LANES)
            store(gates + row + i,
                  load(slant + i) * (load(gates + row + i) - load(normal + i) * all));
    }
}

/* v = (c, y) of one vector that is pushed; gates: sums of what it gave to each. */
static void push(const nbt_learner *self, const nbt_unit_step *step, real *gates, real *v)
{
    const nbt_sizes *at = &self->sizes;
    real *c = v, *y = v + at->ldn;
    if (self->choices.rms) push_normal(self, step, gates);
    for (size_t i = 0; i < at->ldn; i += LANES) {
        vec now = carried_times(at->paired, load(step->keep + i), load(c + i)), shown = {0};
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

void NBT(gated_step)(nbt_learner *self, const real *c, const real *y, int32_t symbol,
                     const real *vector, nbt_unit_step out, const nbt_pushed *pushed)
{
    const int one_hot = self->choices.one_hot, rms = self->choices.rms;
    const size_t ldn = self->sizes.ldn, count = 1 + (pushed ? pushed->count : 0);
    real *gates = self->scratch.gates, *room = self->scratch.sums;
    for (size_t first = 0; first < count; first += 2) {
        sum_work work = {.self = self, .count = count - first < 2 ? 1 : 2};
        for (size_t j = 0; j < work.count; j++) {
            const size_t k = first + j - 1; /* of what is pushed */
            real *to = room + j * self->sizes.cell.ld;
            work.of[j] =
                first + j
                    ? (summed){pushed->v + 2 * k * ldn + ldn,
                               pushed->input ? pushed->input + k * pushed->apart : NULL, -1, 0, to}
                    : (summed){y, one_hot ? NULL : vector, one_hot ? symbol : -1, !rms, to};
        }
        sums(self, &work);
        for (size_t j = 0; j < work.count; j++) {
            unpack(&self->sizes, work.of[j].sums, gates);
            if (first + j) {
                push(self, &out, gates, pushed->v + 2 * (first + j - 1) * ldn);
                continue;
            }
            if (rms) normalise(self, gates, out);
            NBT(unit_step)(self, gates, c, out);
        }
    }
}

/* ∂L/∂s from δ = ∂L/∂a, in its place: (γ δ - x̂ mean γ δ x̂) / √…; `own`: of each unit by itself. */
static void pull_normal(const nbt_learner *self, const nbt_unit_step *step, size_t count, int own,
                        real *gates)
{
    const nbt_sizes *at = &self->sizes;
    for (size_t g = 0; g < count; g++) {
        const size_t row = g * at->ldn;
        real *delta = gates + row;
        const real *normal = step->met + row, *slant = step->slant + row;
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
            store(part + k, load(delta + k) * load(step->met + k));
        pack(at, count, part, flats.last);
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

/* ∂L/∂y(t-1) of each way, and ∂L/∂x(t), if wanted. */
static void through_weights(const nbt_learner *self, const nbt_ways *ways)
{
    const nbt_sizes *at = &self->sizes;
    const size_t W = rows_of_W(at, &self->choices), ld = ways->apart, ldn = at->ldn;
    const nbt_flats flats = ways->flats;
    const int at_once = ways->input && flats.W == flats.r;
    real *all = self->scratch.pulled, *y = ways->ends + ldn;
    if (ways->input)
        NBT(panels_dot)(&at->cell, W + at->m, ways->count, self->network.theta, flats.r, ld, all,
                        at->ldinput);
    if (W && !at_once)
        NBT(panels_dot)(&at->cell, W, ways->count, self->network.theta, flats.W, ld, y, 2 * ldn);
    for (size_t k = 0; k < ways->count; k++, y += 2 * ldn) {
        const real *pulled = all + k * at->ldinput;
        if (ways->input)
            memcpy(ways->input + k * ways->input_apart, pulled + W, at->m * sizeof(real));
        if (!W)
            memset(y, 0, ldn * sizeof(real));
        else if (at_once)
            memcpy(y, pulled, at->n * sizeof(real));
    }
}

/* ∂L/∂ ln λ of complex units, from ∂L/∂c and ∂L/∂y. */
static void polar_back(const nbt_learner *self, const nbt_unit_step *step, const real *c,
                       const real *y, real *flat)
{
    const nbt_sizes *at = &self->sizes;
    real *part = row_at(self->scratch.local_next, 2 + 2 * at->gates, at->ldn);
    for (size_t i = 0; i < at->ldn; i += LANES) {
        const vec by_gamma = load(y + i) * load(step->slant + i);
        const vec by_log = carried_against(1, load(c + i), load(step->met + i));
        store(part + i, by_log + lanes_even_only(by_gamma + lanes_neighbours(by_gamma)));
    }
    pack(at, 1, part, flat);
}

/* ∂c by ln λ, times the factor of ∂c in a later ∂c. */
static void polar_own(const nbt_learner *self, const nbt_unit_step *step, const real *factor,
                      real *flat)
{
    real *part = row_at(self->scratch.local_next, 2 + 2 * self->sizes.gates, self->sizes.ldn);
    lanes_copy(self->sizes.ldn, step->met, part);
    carried_multiply(1, self->sizes.ldn, factor, part);
    pack(&self->sizes, 1, part, flat);
}

void NBT(gated_back)(nbt_learner *self, const nbt_unit_step *step, const nbt_ways *ways)
{
    const nbt_sizes *at = &self->sizes;
    real *gates = self->scratch.gates;
    for (size_t way = 0; way < ways->count; way++) {
        real *c = ways->ends + 2 * way * at->ldn;
        const real *y = c + at->ldn;
        for (size_t i = 0; i < at->ldn; i += LANES) {
            const vec shown = load(y + i), through = load(c + i) + shown * load(step->show + i);
            for (size_t g = 0; g < at->gates; g++) {
                const size_t k = g * at->ldn + i;
                store(gates + k, (g < at->kept ? through : shown) * load(step->local + k));
            }
            store(c + i, carried_against(at->paired, through, load(step->keep + i)));
        }
        const nbt_flats flats = flats_at(ways->flats, way, ways->apart);
        if (at->paired) polar_back(self, step, gates, y, flats.last);
        spread_back(self, step, at->gates, 0, gates, flats);
    }
    through_weights(self, ways);
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
    if (at->paired) polar_own(self, step, through, flats.last);
    spread_back(self, step, at->kept, 1, gates, flats);
}

void NBT(gated_chain)(const nbt_learner *self, real *g)
{
    const nbt_panels *at = &self->sizes.cell;
    const real *slopes = polar_of(self, POLAR_SLOPES);
    if (!self->sizes.paired) return;
    for (size_t i = 0; i < self->sizes.n; i++)
        *panel_entry(at, g, row_of_last(&self->sizes), i) *= slopes[i];
}

void NBT(gated_refresh_rows)(nbt_learner *self)
{
    const nbt_sizes *at = &self->sizes;
    if (!at->last_row) return;
    real *flat = self->scratch.sums;
    if (self->choices.rms) unpack(at, self->network.theta, self->past.bias);
    for (size_t i = 0; i < at->cell.full; i += LANES)
        store(flat + i, panel_row(&at->cell, self->network.theta, row_of_last(at), i));
    if (at->cell.per_vec)
        store(flat + at->cell.full,
              panel_row(&at->cell, self->network.theta, row_of_last(at), at->cell.full));
    unpack(at, flat, self->past.last);
    if (at->paired) NBT(unit_refresh)(self);
}
