#include "shared/truncated.h"
#include "machine/panels.h"
#include "shared/activation.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include <string.h>

/* Activities after step t - 1, which are those before step t. */
static void remember_activities(nbt_learner *self, size_t t)
{
    lanes_copy(self->ldn, self->a, row_at(self->window_a, t, self->ldn));
    lanes_copy(self->ldn, self->slope, row_at(self->window_slope, t, self->ldn));
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
static int differentiate(nbt_learner *self, const nbt_truncated *form)
{
    const int own = self->readout == NBT_OWN_LOSS; /* δ is H, and there is no φ */
    if (self->scale_y && self->optimizer == NBT_SGD)
        NBT(readout_shorten)(self, self->length, row_at(self->window_a, 1, self->ldn),
                             self->window_delta);
    if (own)
        lanes_copy(self->length * self->ldn, self->window_delta, self->window_back);
    else
        NBT(readout_pull)(self, self->length, row_at(self->window_slope, 1, self->ldn),
                          self->window_delta, self->window_back);
    form->backpropagate(self);
    if (!own) collect_phi(self);
    return !self->failed;
}

void NBT(truncated_apply_phi)(nbt_learner *self)
{
    NBT(optimizer_apply)(self, &self->out, self->g_phi, self->phi_J, self->phi_J0, self->phi);
}

/* One step is complete; a full window is backpropagated, and learned from if `learn`. */
static void complete_step(nbt_learner *self, const nbt_truncated *form, int learn)
{
    if (!self->entered) self->window_symbol[self->length] = -1;
    self->entered = 0;
    remember_activities(self, ++self->length);
    if (self->length < self->T) return;
    if (!differentiate(self, form)) return;
    clear_window(self);
    if (!learn) return;
    form->apply(self);
    memset(self->g_theta, 0, self->cell.size * sizeof(real));
    memset(self->g_phi, 0, self->out.size * sizeof(real));
}

double NBT(truncated_observe)(nbt_learner *self, const nbt_truncated *form, nbt_target y, int learn)
{
    const double loss = form->loss(self, y, self->delta);
    if (self->failed) return loss;
    real *delta = row_at(self->window_delta, self->length, self->ldA);
    if (learn)
        lanes_copy(self->ldA, self->delta, delta);
    else
        memset(delta, 0, self->ldA * sizeof(real));
    complete_step(self, form, learn);
    return loss;
}

void NBT(truncated_enter)(nbt_learner *self, const nbt_truncated *form, int32_t symbol,
                          const void *vector)
{
    if (self->entered) { /* the last transition met no target */
        memset(row_at(self->window_delta, self->length, self->ldA), 0, self->ldA * sizeof(real));
        complete_step(self, form, 0);
    }
    self->window_symbol[self->length] = self->one_hot ? symbol : 0;
    if (!self->one_hot)
        memcpy(row_at(self->window_x, self->length, self->ldm), vector, self->m * sizeof(real));
    self->entered = 1;
}

void NBT(truncated_refresh)(nbt_learner *self)
{
    const size_t ldn = self->ldn;
    real *a = self->a_next, *slope = self->slope_next;
    lanes_copy(ldn, self->a, a);
    lanes_copy(ldn, self->slope, slope);
    for (size_t t = self->length + (size_t)self->entered; t-- > 0;) {
        lanes_copy(ldn, a, row_at(self->window_a, t + 1, ldn));
        lanes_copy(ldn, slope, row_at(self->window_slope, t + 1, ldn));
        if (self->window_symbol[t] >= 0)
            NBT(respond)(self, row_at(self->window_h, t * self->phases, ldn), a, slope);
    }
    lanes_copy(ldn, a, self->window_a);
    lanes_copy(ldn, slope, self->window_slope);
}
