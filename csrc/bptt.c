#include "bptt.h"
#include "cell.h"
#include "lanes.h"
#include "optimizer.h"
#include "readout.h"
#include <string.h>

/* G[p] += left[p] right, left (rows), right (ld). */
static void add_outer(size_t rows, size_t ld, const real *restrict left, const real *restrict right,
                      real *restrict G)
{
    for (size_t p = 0; p < rows; p++)
        for (size_t i = 0; i < ld; i += LANES)
            store(G + p * ld + i, load(G + p * ld + i) + left[p] * load(right + i));
}

/* g_theta, g_phi += gradient of the window's losses; back = ∂L/∂h walks from the last step to the
 * first. O(T (n² + nA + nm)), O(T (n² + nA)) when one-hot. */
static void backpropagate(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn, ldA = self->ldA;
    const real *W = (real *)self->theta + ldn;
    real *back = self->back, *a1 = self->a1, *a = self->a_next, *slope = self->slope_next;
    real *g_theta = self->g_theta, *pulled = self->h_next;
    memset(back, 0, ldn * sizeof(real));
    a1[0] = 1;
    memcpy(a, self->a, ldn * sizeof(real));
    memcpy(slope, self->slope, ldn * sizeof(real));
    for (size_t t = self->length; t-- > 0;) { /* a, slope: those after step t's transition */
        const real *delta = (real *)self->window_delta + t * ldA;
        NBT(readout_pull)(n, ldA, self->phi, slope, delta, self->H);
        for (size_t i = 0; i < ldn; i++) back[i] += ((real *)self->H)[i];
        memcpy(a1 + 1, a, n * sizeof(real));
        add_outer(1 + n, ldA, a1, delta, self->g_phi);

        const int32_t symbol = self->window_symbol[t];
        if (symbol < 0) continue; /* no transition: h was the same before */
        NBT(cell_activate)(ldn, self->activation, (real *)self->window_h + t * ldn, a, slope);
        memcpy(a1 + 1, a, n * sizeof(real));
        add_outer(1 + n, ldn, a1, back, g_theta);
        real *r = g_theta + (1 + n) * ldn;
        const real one = 1;
        if (self->one_hot)
            add_outer(1, ldn, &one, back, r + (size_t)symbol * ldn);
        else
            add_outer(self->m, ldn, (real *)self->window_x + t * self->ldm, back, r);
        NBT(cell_pull)(n, ldn, W, self->alpha, slope, back, pulled);
        memcpy(back, pulled, n * sizeof(real));
    }
}

/* Every slot is free again. */
static void clear_window(nbt_learner *self)
{
    self->length = 0;
    memset(self->window_h, 0, self->T * self->ldn * sizeof(real));
    memset(self->window_delta, 0, self->T * self->ldA * sizeof(real));
    if (!self->one_hot) memset(self->window_x, 0, self->T * self->ldm * sizeof(real));
    for (size_t t = 0; t < self->T; t++) self->window_symbol[t] = -1;
}

/* One step is complete; a full window is backpropagated, and learned from if `learn`. */
static void complete_step(nbt_learner *self, int learn)
{
    if (!self->entered) self->window_symbol[self->length] = -1;
    self->entered = 0;
    if (++self->length < self->T) return;
    backpropagate(self);
    clear_window(self);
    if (!NBT(all_finite)(self->P * self->ldn, self->g_theta)) self->diverged = 1;
    if (!learn) return;
    const size_t n = self->n, ldn = self->ldn, ldA = self->ldA;
    const step_size step = NBT(optimizer_step_size)(self);
    int finite = NBT(optimizer_apply)(self->optimizer, step, self->P, ldn, self->g_theta,
                                      self->theta_J, self->theta_J0, self->theta);
    finite &= NBT(optimizer_apply)(self->optimizer, step, 1 + n, ldA, self->g_phi, self->phi_J,
                                   self->phi_J0, self->phi);
    if (!finite) self->diverged = 1;
    memset(self->g_theta, 0, self->P * ldn * sizeof(real));
    memset(self->g_phi, 0, (1 + n) * ldA * sizeof(real));
}

double NBT(bptt_observe)(nbt_learner *self, size_t y, int learn)
{
    const double loss = NBT(readout_observe)(self, y, 0);
    real *delta = (real *)self->window_delta + self->length * self->ldA;
    if (learn)
        lanes_copy(self->ldA, self->delta, delta);
    else
        memset(delta, 0, self->ldA * sizeof(real));
    complete_step(self, learn);
    return loss;
}

void NBT(bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (self->entered) { /* the last transition met no target */
        memset((real *)self->window_delta + self->length * self->ldA, 0, self->ldA * sizeof(real));
        complete_step(self, 0);
    }
    lanes_copy(self->ldn, self->h, (real *)self->window_h + self->length * self->ldn);
    self->window_symbol[self->length] = self->one_hot ? symbol : 0;
    if (!self->one_hot)
        memcpy((real *)self->window_x + self->length * self->ldm, vector, self->m * sizeof(real));
    self->entered = 1;
    const size_t ldn = self->ldn;
    NBT(cell_forward)(self->n, self->m, ldn, self->one_hot, self->theta, self->alpha, self->h,
                      self->a, symbol, vector, self->h_next);
    lanes_copy(ldn, self->h_next, self->h);
    NBT(cell_activate)(ldn, self->activation, self->h, self->a, self->slope);
}

void NBT(bptt_settle)(nbt_learner *self) { (void)self; }
