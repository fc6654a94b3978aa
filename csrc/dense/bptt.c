#include "dense/bptt.h"
#include "dense/cell.h"
#include "machine/panels.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include "shared/truncated.h"
#include <string.h>

/* window_back[t] = ∂L/∂h after step t's transition, from the last step to the first; 0 where a step
 * had none, since then h was the same before. O(T (n² + nA)) */
static void backpropagate(const dense_cell *cell, const nbt_past *past, real *back)
{
    const size_t n = cell->sizes->n, ldn = cell->sizes->ldn;
    memset(back, 0, ldn * sizeof(real));
    for (size_t t = past->length; t-- > 0;) {
        real *here = row_at(past->window_back, t, ldn);
        for (size_t i = 0; i < n; i++) back[i] += here[i];
        if (past->window_symbol[t] < 0) {
            memset(here, 0, ldn * sizeof(real));
            continue;
        }
        lanes_copy(ldn, back, here);
        NBT(cell_pull)(cell, row_at(past->window_slope, t, ldn), here, back);
    }
}

/* g_theta += the outer products of the window, all at once. O(T (n² + nm)) */
static void collect_theta(const nbt_sizes *at, int one_hot, const nbt_past *past)
{
    const size_t n = at->n, ldn = at->ldn, count = past->length;
    const nbt_ring all = {.count = count};
    const real *back = past->window_back, *a = past->window_a;
    real *g_theta = past->g_theta;
    for (size_t t = 0; t < count; t++) {
        lanes_add(ldn, back + t * ldn, g_theta);
        if (one_hot && past->window_symbol[t] >= 0)
            NBT(panels_add_row)(&at->cell, n + (size_t)past->window_symbol[t], back + t * ldn,
                                g_theta);
    }
    NBT(panels_add_outer)(&at->cell, 0, n, all, a, ldn, back, ldn, g_theta);
    if (!one_hot)
        NBT(panels_add_outer)(&at->cell, n, at->m, all, past->window_x, at->ldm, back, ldn,
                              g_theta);
}

static void collect(nbt_learner *self)
{
    const dense_cell cell = cell_of(self);
    backpropagate(&cell, &self->past, self->scratch.back);
    collect_theta(&self->sizes, self->choices.one_hot, &self->past);
}

static void apply(nbt_learner *self)
{
    NBT(optimizer_apply_theta)(self, self->past.g_theta);
    NBT(truncated_apply_phi)(self);
}

static const nbt_truncated DENSE = {NBT(readout_loss), collect, apply};

double NBT(bptt_observe)(nbt_learner *self, nbt_target y, int learn)
{
    return NBT(truncated_observe)(self, &DENSE, y, learn);
}

void NBT(bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(truncated_enter)(self, &DENSE, symbol, vector);
    lanes_copy(self->sizes.ldn, self->network.h,
               row_at(self->past.window_h, self->past.length, self->sizes.ldn));
    NBT(cell_advance)(self, symbol, vector);
}
