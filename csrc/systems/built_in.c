#include "systems/built_in.h"
#include "isa.h"

static size_t layer_parameters(const nbt_layer *layer)
{
    const size_t edges =
        layer->indptr ? (size_t)layer->indptr[layer->units] : layer->units * layer->units;
    return edges + layer->units * (1 + layer->inputs + layer->below + (layer->leak != NBT_NO_LEAK));
}

nbt_system nbt_network_system(nbt_network *self, size_t m, nbt_dtype dtype, int isa)
{
    nbt_system system = nbt_kernels_for(dtype, isa)->network;
    const nbt_layer *last = self->layer + self->layers - 1;
    self->units = last->first + last->units;
    system.n = self->units;
    system.m = m;
    system.p = last->start + layer_parameters(last);
    system.phases = self->layers;
    system.by_symbol = system.fixed = 1;
    system.self = self;
    for (size_t l = 0; l < self->layers; l++) {
        const size_t entries = layer_parameters(self->layer + l);
        if (entries > system.entries) system.entries = entries;
    }
    return system;
}

nbt_system nbt_euler_system(nbt_euler *self, nbt_dtype dtype, int isa)
{
    nbt_system system = self->field;
    const nbt_system *euler = &nbt_kernels_for(dtype, isa)->euler;
    system.step = euler->step;
    system.jvp = euler->jvp;
    system.vjp = self->field.vjp ? euler->vjp : NULL;
    system.fixed = 0;
    system.rows = euler->rows;
    system.move = NULL;
    system.self = self;
    return system;
}
