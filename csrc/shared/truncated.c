#include "shared/truncated.h"
#include "machine/panels.h"
#include "shared/activation.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include <string.h>

/* Activities after step t - 1, which are those before step t. */
static void remember_activities(nbt_learner *self, size_t t)
{
    lanes_copy(self->sizes.ldn, self->network.a, row_at(self->past.window_a, t, self->sizes.ldn));
    lanes_copy(self->sizes.ldn, self->network.slope,
               row_at(self->past.window_slope, t, self->sizes.ldn));
}

/* What the readout saw in the window. */
static nbt_view seen_in_window(const nbt_learner *self)
{
    return (nbt_view){
        self->past.length, row_at(self->past.window_a, 1, self->sizes.ldn), self->past.window_x,
        self->choices.direct && self->choices.one_hot ? self->past.window_symbol : NULL};
}

/* Every slot is free again. */
static void clear_window(nbt_learner *self)
{
    self->past.length = 0;
    memset(self->past.window_h, 0,
           self->sizes.T * self->sizes.phases * self->sizes.ldn * sizeof(real));
    memset(self->past.window_delta, 0, self->sizes.T * self->sizes.ldA * sizeof(real));
    if (!self->choices.one_hot)
        memset(self->past.window_x, 0, self->sizes.T * self->sizes.ldm * sizeof(real));
    for (size_t t = 0; t < self->sizes.T; t++) self->past.window_symbol[t] = -1;
    remember_activities(self, 0);
}

/* g_theta, g_phi += the gradients of the window's losses. Returns whether no function failed. */
static int differentiate(nbt_learner *self, const nbt_truncated *form)
{
    const int own = self->choices.readout == NBT_OWN_LOSS; /* δ is H, and there is no φ */
    if (self->choices.scale_y && self->choices.phi.kind == NBT_SGD)
        NBT(readout_shorten)(self, seen_in_window(self), self->past.window_delta);
    if (own)
        lanes_copy(self->past.length * self->sizes.ldn, self->past.window_delta,
                   self->past.window_back);
    else
        NBT(readout_pull)(self, self->past.length,
                          row_at(self->past.window_slope, 1, self->sizes.ldn),
                          self->past.window_delta, self->past.window_back);
    form->backpropagate(self);
    if (!own)
        NBT(readout_collect)(self, seen_in_window(self), self->past.window_delta, self->past.g_phi);
    return !self->counters.failed;
}

void NBT(truncated_apply_phi)(nbt_learner *self)
{
    if (self->choices.direct && self->choices.one_hot)
        NBT(optimizer_apply_rows)(self, self->sizes.n, self->past.g_phi);
    NBT(optimizer_apply_phi)(self, self->past.g_phi);
}

/* The step had no transition: what the readout sees is the input before. */
static void note_no_transition(nbt_learner *self)
{
    self->past.window_symbol[self->past.length] = -2 - self->readout.symbol;
    if (self->readout.last_x)
        lanes_copy(self->sizes.ldm, self->readout.last_x,
                   row_at(self->past.window_x, self->past.length, self->sizes.ldm));
}

/* One step is complete; a full window is backpropagated, and learned from if `learn`. */
static void complete_step(nbt_learner *self, const nbt_truncated *form, int learn)
{
    if (!self->past.entered) note_no_transition(self);
    self->past.entered = 0;
    remember_activities(self, ++self->past.length);
    if (self->past.length < self->sizes.T) return;
    if (!differentiate(self, form)) return;
    clear_window(self);
    if (!learn) return;
    form->apply(self);
    memset(self->past.g_theta, 0, self->sizes.cell.size * sizeof(real));
    memset(self->past.g_phi, 0, self->sizes.out.size * sizeof(real));
}

double NBT(truncated_observe)(nbt_learner *self, const nbt_truncated *form, nbt_target y, int learn)
{
    const double loss = form->loss(self, y, self->readout.delta);
    if (self->counters.failed) return loss;
    real *delta = row_at(self->past.window_delta, self->past.length, self->sizes.ldA);
    if (learn)
        lanes_copy(self->sizes.ldA, self->readout.delta, delta);
    else
        memset(delta, 0, self->sizes.ldA * sizeof(real));
    complete_step(self, form, learn);
    return loss;
}

void NBT(truncated_enter)(nbt_learner *self, const nbt_truncated *form, int32_t symbol,
                          const void *vector)
{
    if (self->past.entered) { /* the last transition met no target */
        memset(row_at(self->past.window_delta, self->past.length, self->sizes.ldA), 0,
               self->sizes.ldA * sizeof(real));
        complete_step(self, form, 0);
    }
    self->past.window_symbol[self->past.length] = self->choices.one_hot ? symbol : 0;
    if (!self->choices.one_hot)
        memcpy(row_at(self->past.window_x, self->past.length, self->sizes.ldm), vector,
               self->sizes.m * sizeof(real));
    self->past.entered = 1;
}

void NBT(truncated_refresh)(nbt_learner *self)
{
    const size_t ldn = self->sizes.ldn;
    real *a = self->scratch.a_next, *slope = self->scratch.slope_next;
    lanes_copy(ldn, self->network.a, a);
    lanes_copy(ldn, self->network.slope, slope);
    for (size_t t = self->past.length + (size_t)self->past.entered; t-- > 0;) {
        lanes_copy(ldn, a, row_at(self->past.window_a, t + 1, ldn));
        lanes_copy(ldn, slope, row_at(self->past.window_slope, t + 1, ldn));
        if (self->past.window_symbol[t] >= 0)
            NBT(respond)(&self->sizes, &self->choices,
                         row_at(self->past.window_h, t * self->sizes.phases, ldn), a, slope);
    }
    lanes_copy(ldn, a, self->past.window_a);
    lanes_copy(ldn, slope, self->past.window_slope);
}
