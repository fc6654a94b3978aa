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
static real *kept(const nbt_sizes *at, const nbt_past *past, size_t t, size_t q)
{
    return (real *)past->window_h + (t * at->phases + q) * at->ldn;
}

/* back ← Fᵀ back through phase q of step t, adding ∂f/∂θᵀ back to g_theta on the way. */
static void pull(nbt_learner *self, size_t t, size_t q, real *back)
{
    const nbt_point at = NBT(system_point)(self, kept(&self->sizes, &self->past, t, q), q);
    if (!NBT(system_rows)(self, &at)) return;
    NBT(sparse_add)(&self->system, back, self->past.g_theta);
    NBT_ASK(self, vjp, &at, back, self->scratch.pulled);
    NBT(system_given)(self, self->sizes.ldn, self->scratch.pulled);
    lanes_copy(self->sizes.ldn, self->scratch.pulled, back);
}

static void backpropagate(nbt_learner *self)
{
    const size_t ldn = self->sizes.ldn;
    real *back = self->scratch.back;
    memset(back, 0, ldn * sizeof *back);
    for (size_t t = self->past.length; t-- > 0;) {
        lanes_add(ldn, (const real *)self->past.window_back + t * ldn, back);
        if (self->past.window_symbol[t] < 0) continue; /* h was the same before */
        NBT(system_input)(self, self->past.window_symbol[t],
                          (const real *)self->past.window_x + t * self->sizes.ldm);
        for (size_t q = self->sizes.phases; q-- > 0 && !self->counters.failed;)
            pull(self, t, q, back);
    }
}

static double loss(nbt_learner *self, nbt_target y, real *delta)
{
    if (self->choices.readout == NBT_OWN_LOSS) return NBT(system_own_loss)(self, y, delta);
    return NBT(readout_loss)(self, y, delta);
}

static void apply(nbt_learner *self)
{
    if (self->choices.reference) {
        NBT(fisher_apply)(self);
        return;
    }
    NBT(metric_apply)(self, self->past.g_theta);
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
    if (self->counters.failed) return;
    NBT(system_input)(self, symbol, vector);
    for (size_t q = 0; q < self->sizes.phases; q++) {
        lanes_copy(self->sizes.ldn, self->network.h,
                   kept(&self->sizes, &self->past, self->past.length, q));
        const nbt_point at = NBT(system_point)(self, self->network.h, q);
        if (!NBT(system_step)(self, &at)) return;
    }
    NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                 self->network.slope);
}

void NBT(system_bptt_refresh)(nbt_learner *self)
{
    NBT(metric_refresh)(self);
    NBT(truncated_refresh)(self);
}
