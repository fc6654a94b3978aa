#include "shared/influence.h"
#include <string.h>

void NBT(influence_settle)(nbt_learner *self)
{
    if (self->estimator.settled) return;
    memcpy(self->estimator.G, self->estimator.G_next,
           self->sizes.n * self->sizes.ldG * sizeof(real));
    self->estimator.settled = 1;
}
