#include "gated/network.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include <string.h>

void NBT(gated_pack)(const nbt_sizes *at, size_t count, const real *rows, real *flat)
{
    for (size_t g = 0; g < count; g++)
        memcpy(flat + g * at->n, rows + g * at->ldn, at->n * sizeof(real));
}

void NBT(gated_unpack)(const nbt_sizes *at, const real *flat, real *rows)
{
    for (size_t g = 0; g < at->gates; g++)
        memcpy(rows + g * at->ldn, flat + g * at->n, at->n * sizeof(real));
}

/* What every gate sums up: y, which meets W; the row of a symbol, -1: none; a vector, or NULL;
 * with or without the bias. */
typedef struct {
    const real *y, *vector;
    int32_t symbol;
    int bias;
    real *sums;
} sum_work;

NBT_INLINE void sum_panel(const nbt_learner *self, size_t i, size_t per_vec, const sum_work *work)
{
    const nbt_panels *at = &self->sizes.cell;
    const size_t W = rows_of_W(&self->sizes, &self->choices);
    const real *theta = self->network.theta, *panel = panel_of(at, theta, i);
    vec sum = panel_sum((vec){0}, panel, 0, W, work->y, per_vec);
    if (work->vector) sum = panel_sum(sum, panel, W, self->sizes.m, work->vector, per_vec);
    sum = lanes_gather(sum, per_vec);
    if (work->bias) sum += load(theta + i);
    if (work->symbol >= 0) sum += panel_row_of(panel, W + (size_t)work->symbol, per_vec);
    store(work->sums + i, sum);
}

static void sum_panels(nbt_learner *self, const void *what, size_t first, size_t last,
                       size_t thread)
{
    (void)thread;
#define PANEL(i, per_vec) sum_panel(self, i, per_vec, what)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}

static void sums(nbt_learner *self, const sum_work *work)
{
    const size_t rows =
        rows_of_W(&self->sizes, &self->choices) + (work->vector ? self->sizes.m : 1);
    nbt_parallel(&self->workers, self, self->sizes.cell.count, rows * self->sizes.cell.ld,
                 sum_panels, work);
    NBT(gated_unpack)(&self->sizes, work->sums, self->scratch.gates);
}

void NBT(gated_step)(nbt_learner *self, const real *c, const real *y, int32_t symbol,
                     const real *vector, nbt_unit_step out)
{
    const int one_hot = self->choices.one_hot;
    const sum_work work = {y, one_hot ? NULL : vector, one_hot ? symbol : -1, 1,
                           self->scratch.sums};
    sums(self, &work);
    NBT(unit_step)(self, self->scratch.gates, c, out);
}

void NBT(gated_back)(nbt_learner *self, const nbt_unit_step *step, real *c, real *y, real *flat)
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
    NBT(gated_pack)(at, at->gates, gates, flat);
    if (self->choices.recurrent)
        NBT(panels_dot)(&at->cell, at->n, 1, self->network.theta, flat, at->cell.ld, y, at->ldn);
    else
        memset(y, 0, at->ldn * sizeof(real));
}

void NBT(gated_push)(nbt_learner *self, const nbt_unit_step *step, real *c, real *y)
{
    const nbt_sizes *at = &self->sizes;
    const sum_work work = {y, NULL, -1, 0, self->scratch.sums};
    sums(self, &work);
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
