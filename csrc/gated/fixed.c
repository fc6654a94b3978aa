#include "gated/fixed.h"
#include "gated/layers.h"
#include "gated/rules.h"
#include "machine/lanes.h"

void NBT(gated_fixed_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(layers_follow)(self);
    NBT(gated_look)(self, symbol, vector);
    for (size_t l = 0; l < layers_of(self); l++) {
        nbt_learner *layer = layer_of(self, l);
        lanes_copy(layer->sizes.ldn, layer->scratch.h_next, layer->network.h);
        lanes_copy(layer->sizes.ldn, layer->scratch.a_next, layer->network.a);
    }
    NBT(layers_give_state)(self);
}
