#include "gated/layers.h"
#include "machine/lanes.h"
#include <string.h>

void NBT(layers_follow)(nbt_learner *self)
{
    for (size_t l = 0; l < self->sizes.layers; l++) {
        nbt_learner *layer = self->layers[l];
        layer->past.length = self->past.length;
        layer->past.entered = self->past.entered;
        layer->past.pending = self->past.pending;
        layer->past.learned = self->past.learned;
        layer->optimizer.theta_rate = self->optimizer.theta_rate;
        layer->optimizer.theta_updates = self->optimizer.theta_updates;
        layer->workers.float_mode = self->workers.float_mode;
    }
}

void NBT(layers_take_state)(nbt_learner *self)
{
    const real *h = self->network.h, *a = self->network.a;
    for (size_t l = 0; l < self->sizes.layers; l++) {
        nbt_learner *layer = self->layers[l];
        const size_t n = layer->sizes.n;
        memcpy(layer->network.h, h, n * sizeof(real));
        memcpy(layer->network.a, a, n * sizeof(real));
        h += n, a += n;
    }
}

void NBT(layers_give_state)(nbt_learner *self)
{
    real *h = self->network.h, *a = self->network.a;
    for (size_t l = 0; l < self->sizes.layers; l++) {
        const nbt_learner *layer = self->layers[l];
        const size_t n = layer->sizes.n;
        memcpy(h, layer->network.h, n * sizeof(real));
        memcpy(a, layer->network.a, n * sizeof(real));
        h += n, a += n;
    }
}

void NBT(layers_give_next)(nbt_learner *self)
{
    real *a = self->scratch.a_next;
    for (size_t l = 0; l < self->sizes.layers; l++) {
        const nbt_learner *layer = self->layers[l];
        memcpy(a, layer->scratch.a_next, layer->sizes.n * sizeof(real));
        a += layer->sizes.n;
    }
}

void NBT(layers_take_H)(nbt_learner *self, size_t t)
{
    const real *H = self->readout.H;
    for (size_t l = 0; l < layers_of(self); l++) {
        const nbt_learner *layer = layer_of(self, l);
        const size_t n = layer->sizes.n;
        memcpy(row_at(layer->past.window_H, t, layer->sizes.ldn), H, n * sizeof(real));
        H += n;
    }
}
