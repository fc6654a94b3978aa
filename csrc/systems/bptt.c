#include "systems/bptt.h"
#include "machine/lanes.h"
#include "shared/activation.h"
#include "shared/readout.h"
#include "shared/truncated.h"
#include "systems/fisher.h"
#include "systems/metric.h"
#include "systems/sparse.h"
#include "systems/step.h"
#include <string.h>

/* h before phase q of step t. */
static real *kept(const nbt_learner *self, size_t t, size_t q)
{
    return (real *)self->window_h + (t * self->phases + q) * self->ldn;
}

/* back ← Fᵀ back through phase q of step t, adding ∂f/∂θᵀ back to g_theta on the way. */
static void pull(nbt_learner *self, size_t t, size_t q, real *back)
{
    const nbt_point at = NBT(system_point)(self, kept(self, t, q), q);
    if (!NBT(system_rows)(self, &at)) return;
    NBT(sparse_add)(self, back, self->g_theta);
    NBT_ASK(self, vjp, &at, back, self->input);
    NBT(system_given)(self, self->ldn, self->input);
    lanes_copy(self->ldn, self->input, back);
}

static void backpropagate(nbt_learner *self)
{
    const size_t ldn = self->ldn;
    real *back = self->h_next;
    memset(back, 0, ldn * sizeof *back);
    for (size_t t = self->length; t-- > 0;) {
        lanes_add(ldn, (const real *)self->window_back + t * ldn, back);
        if (self->window_symbol[t] < 0) continue; /* h was the same before */
        NBT(system_input)(self, self->window_symbol[t],
                          (const real *)self->window_x + t * self->ldm);
        for (size_t q = self->phases; q-- > 0 && !self->failed;) pull(self, t, q, back);
    }
}

static double loss(nbt_learner *self, nbt_target y, real *delta)
{
    if (self->readout == NBT_OWN_LOSS) return NBT(system_own_loss)(self, y, delta);
    return NBT(readout_loss)(self, y, delta);
}

static void apply(nbt_learner *self)
{
    if (self->whole) {
        NBT(fisher_apply)(self);
        return;
    }
    NBT(metric_apply)(self, self->g_theta);
    NBT(truncated_apply_phi)(self);
}

static const nbt_truncated SYSTEM = {loss, backpropagate, apply};

double NBT(system_bptt_observe)(nbt_learner *self, nbt_target y, int learn)
{
    return NBT(truncated_observe)(self, &SYSTEM, y, learn);
}

void NBT(system_bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(truncated_enter)(self, &SYSTEM, symbol, vector);
    if (self->failed) return;
    NBT(system_input)(self, symbol, vector);
    for (size_t q = 0; q < self->phases; q++) {
        lanes_copy(self->ldn, self->h, kept(self, self->length, q));
        const nbt_point at = NBT(system_point)(self, self->h, q);
        if (!NBT(system_step)(self, &at)) return;
    }
    NBT(respond)(self, self->h, self->a, self->slope);
}

void NBT(system_bptt_refresh)(nbt_learner *self)
{
    NBT(metric_refresh)(self);
    NBT(truncated_refresh)(self);
}
