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

/* Room for the flats of each step, (T, cell.ld) each: of the loss, of own paths, of a vector ν. */
nbt_flats NBT(steps_back_flats)(const nbt_learner *self);
nbt_flats NBT(steps_own_flats)(const nbt_learner *self);
nbt_flats NBT(steps_nu_flats)(const nbt_learner *self);

/* Backpropagation through the window. c and y are ∂L/∂s after it, and become ∂L/∂s before; H (T,
 * ldn) and `above` (T, ldn) are added to ∂L/∂y after each step, NULL: nothing. Leaves what θ's rows
 * meet in every step (network.h) in `flats`, and of an upper layer ∂L/∂x in past.below (T, ldm).
 * O(T gates n²) */
void NBT(steps_backpropagate)(nbt_learner *self, nbt_flats flats, const real *H, const real *above,
                              real *c, real *y);

/* Leaves in steps_own_flats what each step adds to E, (Π_{r>t} keep(r)) ∂c(t)/∂a(t), and in
 * `stays` (flat) what of E stays, Π keep. O(T gates n) */
void NBT(steps_own_paths)(nbt_learner *self, real *stays);

/* out = Σ_t u(t) flats(t)ᵀ + factor E, of θ's shape; E may be NULL, or be `out`.
 * O(T gates n (n + m)) */
void NBT(steps_outer)(nbt_learner *self, nbt_flats flats, const real *factor, const real *E,
                      real *out);

/* Puts a step that begins with a transition into the window. */
void NBT(steps_enter)(nbt_learner *self, int32_t symbol, const real *vector);

/* Derivatives of the window's steps, after its states were set from outside; what the layer above
 * sees, (T, ldn), if that is not NULL. */
void NBT(steps_refresh)(nbt_learner *self, real *above);

#endif
