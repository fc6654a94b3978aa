#include "dense/fixed.h"
#include "dense/cell.h"
#include "shared/readout.h"

double NBT(fixed_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(readout_loss)(self, y, self->readout.delta);
    if (learn) NBT(readout_learn)(self);
    return loss;
}

void NBT(fixed_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(cell_advance)(self, symbol, vector);
}
