#include "gated/steps.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/activation.h"
#include <string.h>

nbt_unit_step NBT(steps_step)(const nbt_learner *self, size_t t)
{
    const size_t ldn = self->sizes.ldn;
    return (nbt_unit_step){
        .local = row_at(self->past.local, t, self->sizes.gates * ldn),
        .keep = row_at(self->past.keep, t, ldn),
        .show = row_at(self->past.show, t, ldn),
    };
}

static nbt_flats flats_of(const nbt_learner *self, void *all, void *W, void *r)
{
    const nbt_gates gates = nbt_gates_of(self->choices.cell);
    return (nbt_flats){all, gates.blind_W < gates.count ? W : all,
                       gates.blind_r < gates.count ? r : all};
}

nbt_flats NBT(steps_back_flats)(const nbt_learner *self)
{
    return flats_of(self, self->past.back, self->past.back_W, self->past.back_r);
}

nbt_flats NBT(steps_own_flats)(const nbt_learner *self)
{
    return flats_of(self, self->past.own, self->past.own_W, self->past.own_r);
}

/* Row t of `to` from that of the bias; 0 for gate number `blind`. */
static void blind_row(const nbt_sizes *at, size_t blind, size_t t, const real *from, real *to)
{
    const size_t ld = at->cell.ld;
    if (from == to) return;
    lanes_copy(ld, from + t * ld, to + t * ld);
    memset(to + t * ld + blind * at->n, 0, at->n * sizeof(real));
}

static void blind_rows(const nbt_learner *self, size_t t, nbt_flats flats)
{
    const nbt_gates gates = nbt_gates_of(self->choices.cell);
    blind_row(&self->sizes, gates.blind_W, t, flats.bias, flats.W);
    blind_row(&self->sizes, gates.blind_r, t, flats.bias, flats.r);
}

void NBT(steps_backpropagate)(nbt_learner *self, const real *H, real *c, real *y)
{
    const size_t ldn = self->sizes.ldn, ld = self->sizes.cell.ld;
    const nbt_flats flats = NBT(steps_back_flats)(self);
    for (size_t t = self->past.length; t-- > 0;) {
        if (H) lanes_add(ldn, H + t * ldn, y);
        if (self->past.window_symbol[t] < 0)
            memset(flats.bias + t * ld, 0, ld * sizeof(real));
        else {
            const nbt_unit_step step = NBT(steps_step)(self, t);
            NBT(gated_back)(self, &step, c, y, flats.bias + t * ld);
        }
        blind_rows(self, t, flats);
    }
}

void NBT(steps_own_paths)(nbt_learner *self, real *stays)
{
    const nbt_sizes *at = &self->sizes;
    const size_t ldn = at->ldn, ld = at->cell.ld;
    const nbt_flats flats = NBT(steps_own_flats)(self);
    real *gates = self->scratch.gates, *later = self->scratch.h_next;
    for (size_t i = 0; i < ldn; i += LANES) store(later + i, lanes_only(spread(1), at->n - i));
    for (size_t t = self->past.length; t-- > 0;) {
        memset(flats.bias + t * ld, 0, ld * sizeof(real));
        if (self->past.window_symbol[t] >= 0) {
            const nbt_unit_step step = NBT(steps_step)(self, t);
            for (size_t g = 0; g < at->kept; g++)
                for (size_t i = 0; i < ldn; i += LANES)
                    store(gates + g * ldn + i, load(later + i) * load(step.local + g * ldn + i));
            NBT(gated_pack)(at, at->kept, gates, flats.bias + t * ld);
            lanes_multiply(ldn, step.keep, later);
        }
        blind_rows(self, t, flats);
    }
    for (size_t g = 0; g < at->kept; g++) memcpy(stays + g * at->n, later, at->n * sizeof(real));
}

typedef struct {
    nbt_flats flats;
    const real *factor, *E;
    real *out;
} outer_work;

NBT_INLINE void outer_panel(const nbt_learner *self, size_t i, size_t per_vec,
                            const outer_work *work)
{
    const nbt_sizes *at = &self->sizes;
    const size_t ld = at->cell.ld, W = rows_of_W(at, &self->choices), steps = self->past.length;
    const nbt_ring all = {.count = steps};
    real *panel = panel_of(&at->cell, work->out, i);
    const vec factor = work->E ? load(work->factor + i) : spread(0),
              tiled = lanes_tile(factor, per_vec);
    vec bias = work->E ? factor * load(work->E + i) : (vec){0};
    for (size_t t = 0; t < steps; t++) bias += load(work->flats.bias + t * ld + i);
    store(work->out + i, bias);
    const real *E = work->E ? panel_of(&at->cell, work->E, i) : NULL;
    for (size_t t = 0; t < (at->cell.rows + per_vec - 1) / per_vec; t++)
        store(panel + t * LANES, E ? tiled * load(E + t * LANES) : spread(0));
    panel_add_outer(W, &all, self->past.window_a, at->ldn, work->flats.W + i, ld, per_vec, panel);
    panel += W * (LANES / per_vec);
    if (!self->choices.one_hot)
        panel_add_outer(at->m, &all, self->past.window_x, at->ldm, work->flats.r + i, ld, per_vec,
                        panel);
    for (size_t t = 0; t < steps && self->choices.one_hot; t++) {
        if (self->past.window_symbol[t] < 0) continue;
        const size_t p = (size_t)self->past.window_symbol[t];
        panel_put(panel, p, per_vec,
                  panel_row_of(panel, p, per_vec) + load(work->flats.r + t * ld + i));
    }
}

static void outer_panels(nbt_learner *self, const void *what, size_t first, size_t last,
                         size_t thread)
{
    (void)thread;
#define PANEL(i, per_vec) outer_panel(self, i, per_vec, what)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}

void NBT(steps_outer)(nbt_learner *self, nbt_flats flats, const real *factor, const real *E,
                      real *out)
{
    const outer_work work = {flats, factor, E, out};
    nbt_parallel(&self->workers, self, self->sizes.cell.count,
                 self->past.length * self->sizes.cell.size, outer_panels, &work);
}

void NBT(steps_enter)(nbt_learner *self, int32_t symbol, const real *vector)
{
    const size_t ldn = self->sizes.ldn, t = self->past.length;
    self->past.window_symbol[t] = self->choices.one_hot ? symbol : 0;
    if (!self->choices.one_hot)
        memcpy(row_at(self->past.window_x, t, self->sizes.ldm), vector,
               self->sizes.m * sizeof(real));
    lanes_copy(ldn, self->network.h, row_at(self->past.window_h, t, ldn));
    lanes_copy(ldn, self->network.a, row_at(self->past.window_a, t, ldn));
    self->past.entered = 1;
}

void NBT(steps_refresh)(nbt_learner *self)
{
    const size_t ldn = self->sizes.ldn;
    const int one_gate = self->choices.cell == NBT_ONE_GATE;
    real *c = self->scratch.h_next, *y = self->scratch.a_next;
    for (size_t t = 0; t < self->past.length + (size_t)self->past.entered; t++) {
        if (self->past.window_symbol[t] < 0) continue;
        real *before = row_at(self->past.window_h, t, ldn),
             *shown = row_at(self->past.window_a, t, ldn);
        nbt_unit_step step = NBT(steps_step)(self, t);
        if (one_gate) NBT(respond)(self, before, shown, step.show);
        step.c = c, step.y = y;
        NBT(gated_step)(self, before, shown, self->past.window_symbol[t],
                        row_at(self->past.window_x, t, self->sizes.ldm), step);
    }
}
