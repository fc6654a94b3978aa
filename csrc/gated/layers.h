/* layers.h: a stack of layers with gates.
 *
 * A stack is a learner whose layers are learners: each has its θ, its window and what its rule
 * keeps of the past, as if it were alone. The first one sees the stack's input; each other one sees
 * the new y of the layer below. The stack has the readout, which sees y of all layers, the clock,
 * and the state (c, y) of all units, one layer after the other. A learner without layers is its
 * only layer, so that a rule is written once. */
#ifndef NBT_GATED_LAYERS_H
#define NBT_GATED_LAYERS_H

#include "learner.h"
#include "machine/real.h"

NBT_INLINE size_t layers_of(const nbt_learner *self)
{
    return self->sizes.layers ? self->sizes.layers : 1;
}

NBT_INLINE nbt_learner *layer_of(nbt_learner *self, size_t l)
{
    return self->sizes.layers ? self->layers[l] : self;
}

/* Tells the layers how far the window is, and what the optimizer must know. */
void NBT(layers_follow)(nbt_learner *self);

/* The state of a stack to its layers. */
void NBT(layers_take_state)(nbt_learner *self);

/* The state of all layers to that of the stack. */
void NBT(layers_give_state)(nbt_learner *self);

/* What they show next to what the stack does. */
void NBT(layers_give_next)(nbt_learner *self);

/* ∂ℓ/∂y of all units into step t of the layers' windows. */
void NBT(layers_take_H)(nbt_learner *self, size_t t);

#endif
