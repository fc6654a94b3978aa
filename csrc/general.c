#include "general.h"
#include "cell.h"
#include "lanes.h"
#include "metric.h"
#include "sparse.h"
#include <string.h>

void NBT(general_input)(nbt_learner *self, int32_t symbol, const void *vector)
{
    real *x = self->x;
    if (!self->one_hot) {
        memcpy(x, vector, self->m * sizeof *x);
        return;
    }
    if (self->x_last >= 0)
        x[self->x_last] = 0;
    else
        memset(x, 0, self->m * sizeof *x);
    x[symbol] = 1;
    self->x_last = symbol;
}

nbt_point NBT(general_point)(const nbt_learner *self, const real *h, size_t phase)
{
    return (nbt_point){h, self->x, self->theta, self->one_hot ? self->x_last : -1, phase};
}

int NBT(general_rows)(nbt_learner *self, const nbt_point *at)
{
    const nbt_system *f = &self->system;
    if (self->patterned) {
        self->failed |= f->rows(f->self, at, NULL, NULL, self->values) != 0;
        return !self->failed;
    }
    self->failed |= f->rows(f->self, at, self->indptr, self->indices, self->values) != 0;
    if (!self->failed) NBT(sparse_find_runs)(self);
    self->patterned = f->fixed && f->phases == 1 && !self->one_hot && !self->failed;
    return !self->failed;
}

int NBT(general_step)(nbt_learner *self, const nbt_point *at)
{
    const nbt_system *f = &self->system;
    self->failed |= f->step(f->self, at, self->h_next) != 0;
    if (!self->failed) lanes_copy(self->ldn, self->h_next, self->h);
    return !self->failed;
}

void NBT(general_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const nbt_system *f = &self->system;
    real *h = self->input, *h_next = self->h_next;
    NBT(general_input)(self, symbol, vector);
    lanes_copy(self->ldn, self->h, h_next);
    for (size_t q = 0; q < f->phases && !self->failed; q++) {
        lanes_copy(self->ldn, h_next, h);
        const nbt_point at = NBT(general_point)(self, h, q);
        self->failed |= f->step(f->self, &at, h_next) != 0;
    }
}

void NBT(general_refresh)(nbt_learner *self)
{
    NBT(metric_refresh)(self);
    NBT(sparse_find_runs)(self);
    self->patterned = 0;
}
