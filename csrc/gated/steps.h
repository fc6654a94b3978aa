/* steps.h: the steps that are kept until θ is learned, once in T of them.
 *
 * Inside the window the gradient is exact: backpropagation from the last step to the first. What is
 * older is the matter of each rule (rules.c), from ∂L/∂s where the window begins. A step is a
 * transition, then a target, as in truncated.h; one without a transition leaves the state as it is
 * (`window_symbol` is -1). */
#ifndef NBT_GATED_STEPS_H
#define NBT_GATED_STEPS_H

#include "gated/network.h"

/* What step t of the window made; no c or y. */
nbt_unit_step NBT(steps_at)(const nbt_learner *self, size_t t);

/* Ways back through the window: number 0 is that of the loss; the others, of vectors ν, are those
 * of the pairs, or with RTRL one. */
NBT_INLINE size_t ways_of(const nbt_learner *self)
{
    const nbt_rule rule = self->choices.rule;
    return 1 + (rule == NBT_RTRL ? 1 : rule == NBT_NOBACKTRACK ? self->sizes.K : 0);
}

/* ∂L/∂c of a way (ldn), on it or where the window begins; ∂L/∂y follows it. */
NBT_INLINE real *way_end(const nbt_learner *self, size_t way)
{
    return (real *)self->scratch.ends + 2 * way * self->sizes.ldn;
}

/* Room for the flats of each step, (T, cell.ld) each: of a way back; of own paths. */
nbt_flats NBT(steps_way_flats)(const nbt_learner *self, size_t way);
nbt_flats NBT(steps_own_flats)(const nbt_learner *self);

/* Backpropagation through the window, on `count` ways from `first` on. Their ends are ∂L/∂s after
 * it, and become ∂L/∂s before. That of the loss meets ∂ℓ/∂y after each step, too; `above` (ways, T,
 * ldn), NULL: nothing, is added to ∂L/∂y. Leaves what θ's rows meet in every step (network.h) in
 * steps_way_flats, and of an upper layer ∂L/∂x in past.below (ways, T, ldm). O(T gates n²) each */
void NBT(steps_backpropagate)(nbt_learner *self, size_t first, size_t count, const real *above);

/* Leaves in steps_own_flats what each step adds to E, (Π_{r>t} keep(r)) ∂c(t)/∂a(t), and in
 * `stays` (flat) what of E stays, Π keep. O(T gates n) */
void NBT(steps_own_paths)(nbt_learner *self, real *stays);

/* Puts a step that begins with a transition into the window. */
void NBT(steps_enter)(nbt_learner *self, int32_t symbol, const real *vector);

/* Step t of the window, from what it holds: leaves the state after it in scratch.h_next and a_next,
 * and its derivatives. v̄ of the pairs goes along (past.pushed), on what the layer below gives it:
 * `below`, its pairs, or NULL. */
void NBT(steps_move)(nbt_learner *self, size_t t, const nbt_learner *below);

#endif
