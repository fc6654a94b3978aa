#include "bptt.h"
#include "cell.h"
#include "general.h"
#include "metric.h"
#include "optimizer.h"
#include "panels.h"
#include "readout.h"
#include "whole.h"
#include <string.h>

/* Row t of a window's array with rows of ld numbers. */
static real *row(void *array, size_t t, size_t ld) { return (real *)array + t * ld; }

/* Activities after step t - 1, which are those before step t. */
static void remember_activities(nbt_learner *self, size_t t)
{
    lanes_copy(self->ldn, self->a, row(self->window_a, t, self->ldn));
    lanes_copy(self->ldn, self->slope, row(self->window_slope, t, self->ldn));
}

/* window_back[t] = ∂L/∂h after step t's transition, from the last step to the first; 0 where a step
 * had none, since then h was the same before. O(T (n² + nA)) */
static void backpropagate(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn;
    real *back = self->h_next;
    memset(back, 0, ldn * sizeof(real));
    for (size_t t = self->length; t-- > 0;) {
        real *here = row(self->window_back, t, ldn);
        for (size_t i = 0; i < n; i++) back[i] += here[i];
        if (self->window_symbol[t] < 0) {
            memset(here, 0, ldn * sizeof(real));
            continue;
        }
        lanes_copy(ldn, back, here);
        NBT(cell_pull)(self, row(self->window_slope, t, ldn), here, back);
    }
}

/* g_phi += the outer products of the window, all at once. O(T nA) */
static void collect_phi(nbt_learner *self)
{
    const size_t ldn = self->ldn, ldA = self->ldA, count = self->length;
    const nbt_ring all = {.count = count};
    const real *delta = self->window_delta, *a = self->window_a;
    for (size_t t = 0; t < count; t++) lanes_add(ldA, delta + t * ldA, self->g_phi);
    NBT(panels_add_outer)(&self->out, 0, self->n, all, a + ldn, ldn, delta, ldA, self->g_phi);
}

/* The same for g_theta. O(T (n² + nm)) */
static void collect_theta(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn, count = self->length;
    const nbt_ring all = {.count = count};
    const real *back = self->window_back, *a = self->window_a;
    real *g_theta = self->g_theta;
    for (size_t t = 0; t < count; t++) {
        lanes_add(ldn, back + t * ldn, g_theta);
        if (self->one_hot && self->window_symbol[t] >= 0)
            NBT(panels_add_row)(&self->cell, n + (size_t)self->window_symbol[t], back + t * ldn,
                                g_theta);
    }
    NBT(panels_add_outer)(&self->cell, 0, n, all, a, ldn, back, ldn, g_theta);
    if (!self->one_hot)
        NBT(panels_add_outer)(&self->cell, n, self->m, all, self->window_x, self->ldm, back, ldn,
                              g_theta);
}

/* Every slot is free again. */
static void clear_window(nbt_learner *self)
{
    self->length = 0;
    memset(self->window_h, 0, self->T * self->phases * self->ldn * sizeof(real));
    memset(self->window_delta, 0, self->T * self->ldA * sizeof(real));
    if (!self->one_hot) memset(self->window_x, 0, self->T * self->ldm * sizeof(real));
    for (size_t t = 0; t < self->T; t++) self->window_symbol[t] = -1;
    remember_activities(self, 0);
}

/* g_theta, g_phi += the gradients of the window's losses. Returns whether no function failed. */
static int differentiate(nbt_learner *self)
{
    const int own = self->readout == NBT_OWN_LOSS; /* δ is H, and there is no φ */
    if (self->scale_y && self->optimizer == NBT_SGD)
        NBT(readout_shorten)(self, self->length, row(self->window_a, 1, self->ldn),
                             self->window_delta);
    if (own)
        lanes_copy(self->length * self->ldn, self->window_delta, self->window_back);
    else
        NBT(readout_pull)(self, self->length, row(self->window_slope, 1, self->ldn),
                          self->window_delta, self->window_back);
    if (self->general) {
        NBT(general_backpropagate)(self);
    } else {
        backpropagate(self);
        collect_theta(self);
    }
    if (!own) collect_phi(self);
    return !self->failed;
}

/* θ and φ after the gradients that were collected. */
static void apply(nbt_learner *self)
{
    if (self->whole) {
        NBT(whole_apply)(self);
        return;
    }
    if (self->general)
        NBT(metric_apply)(self, self->g_theta);
    else
        NBT(optimizer_apply)(self, &self->cell, self->g_theta, self->theta_J, self->theta_J0,
                             self->theta);
    NBT(optimizer_apply)(self, &self->out, self->g_phi, self->phi_J, self->phi_J0, self->phi);
}

/* One step is complete; a full window is backpropagated, and learned from if `learn`. */
static void complete_step(nbt_learner *self, int learn)
{
    if (!self->entered) self->window_symbol[self->length] = -1;
    self->entered = 0;
    remember_activities(self, ++self->length);
    if (self->length < self->T) return;
    if (!differentiate(self)) return;
    clear_window(self);
    if (!learn) return;
    apply(self);
    memset(self->g_theta, 0, self->cell.size * sizeof(real));
    memset(self->g_phi, 0, self->out.size * sizeof(real));
}

double NBT(bptt_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = self->general ? NBT(general_window_loss)(self, y, self->delta)
                                      : NBT(readout_loss)(self, y, self->delta);
    if (self->failed) return loss;
    real *delta = row(self->window_delta, self->length, self->ldA);
    if (learn)
        lanes_copy(self->ldA, self->delta, delta);
    else
        memset(delta, 0, self->ldA * sizeof(real));
    complete_step(self, learn);
    return loss;
}

void NBT(bptt_enter)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (self->entered) { /* the last transition met no target */
        memset(row(self->window_delta, self->length, self->ldA), 0, self->ldA * sizeof(real));
        complete_step(self, 0);
    }
    self->window_symbol[self->length] = self->one_hot ? symbol : 0;
    if (!self->one_hot)
        memcpy(row(self->window_x, self->length, self->ldm), vector, self->m * sizeof(real));
    self->entered = 1;
}

void NBT(bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(bptt_enter)(self, symbol, vector);
    lanes_copy(self->ldn, self->h, row(self->window_h, self->length, self->ldn));
    NBT(cell_advance)(self, symbol, vector);
}

void NBT(bptt_refresh)(nbt_learner *self)
{
    const size_t ldn = self->ldn;
    real *a = self->a_next, *slope = self->slope_next;
    lanes_copy(ldn, self->a, a);
    lanes_copy(ldn, self->slope, slope);
    for (size_t t = self->length + (size_t)self->entered; t-- > 0;) {
        lanes_copy(ldn, a, row(self->window_a, t + 1, ldn));
        lanes_copy(ldn, slope, row(self->window_slope, t + 1, ldn));
        if (self->window_symbol[t] >= 0)
            NBT(cell_respond)(self, row(self->window_h, t * self->phases, ldn), a, slope);
    }
    lanes_copy(ldn, a, self->window_a);
    lanes_copy(ldn, slope, self->window_slope);
}
