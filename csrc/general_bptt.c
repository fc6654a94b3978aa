#include "bptt.h"
#include "cell.h"
#include "general.h"
#include "lanes.h"
#include "metric.h"
#include "sparse.h"
#include <string.h>

/* h before phase q of step t. */
static real *kept(const nbt_learner *self, size_t t, size_t q)
{
    return (real *)self->window_h + (t * self->phases + q) * self->ldn;
}

void NBT(general_bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(bptt_enter)(self, symbol, vector);
    if (self->failed) return;
    NBT(general_input)(self, symbol, vector);
    for (size_t q = 0; q < self->phases; q++) {
        lanes_copy(self->ldn, self->h, kept(self, self->length, q));
        const nbt_point at = NBT(general_point)(self, self->h, q);
        if (!NBT(general_step)(self, &at)) return;
    }
    NBT(cell_respond)(self, self->h, self->a, self->slope);
}

/* back ← Fᵀ back through phase q of step t, adding ∂f/∂θᵀ back to g_theta on the way. */
static void pull(nbt_learner *self, size_t t, size_t q, real *back)
{
    const nbt_point at = NBT(general_point)(self, kept(self, t, q), q);
    if (!NBT(general_rows)(self, &at)) return;
    NBT(sparse_add)(self, back, self->g_theta);
    NBT_ASK(self, vjp, &at, back, self->input);
    NBT(general_given)(self, self->ldn, self->input);
    lanes_copy(self->ldn, self->input, back);
}

void NBT(general_backpropagate)(nbt_learner *self)
{
    const size_t ldn = self->ldn;
    real *back = self->h_next;
    memset(back, 0, ldn * sizeof *back);
    for (size_t t = self->length; t-- > 0;) {
        lanes_add(ldn, (const real *)self->window_back + t * ldn, back);
        if (self->window_symbol[t] < 0) continue; /* h was the same before */
        NBT(general_input)(self, self->window_symbol[t],
                           (const real *)self->window_x + t * self->ldm);
        for (size_t q = self->phases; q-- > 0 && !self->failed;) pull(self, t, q, back);
    }
}

void NBT(general_bptt_refresh)(nbt_learner *self)
{
    NBT(metric_refresh)(self);
    NBT(bptt_refresh)(self);
}
