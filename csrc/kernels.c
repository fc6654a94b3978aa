/* kernels.c: the table of everything the facade calls, for one precision and instruction set. */
#include "bptt.h"
#include "cell.h"
#include "lanes.h"
#include "nobacktrack.h"
#include "readout.h"
#include "rtrl.h"
#include <math.h>

static void nothing(nbt_learner *self) { (void)self; }

static void refresh(nbt_learner *self)
{
    NBT(cell_activate)(self->ldn, self->activation, self->h, self->a, self->slope);
}

static void predict(nbt_learner *self, int has_x, int32_t symbol, const void *vector, double *p)
{
    const real *a = self->a;
    if (has_x) {
        NBT(cell_forward)(self, symbol, vector, self->h_next);
        NBT(cell_activate)(self->ldn, self->activation, self->h_next, self->a_next,
                           self->slope_next);
        a = self->a_next;
    }
    real *out = self->delta;
    NBT(readout_predict)(self, a, out);
    for (size_t z = 0; z < self->A; z++) p[z] = (double)out[z];
}

static int finite(const nbt_learner *self) { return NBT(all_finite)(self->ldn, self->h); }

const nbt_kernels NBT(nbt_kernels_of) = {
    .rules =
        {
            [NBT_NOBACKTRACK] = {NBT(nobacktrack_observe), NBT(nobacktrack_advance),
                                 NBT(nobacktrack_settle), NBT(nobacktrack_refresh)},
            [NBT_RTRL] = {NBT(rtrl_observe), NBT(rtrl_advance), NBT(rtrl_settle), nothing},
            [NBT_BPTT] = {NBT(bptt_observe), NBT(bptt_advance), nothing, NBT(bptt_refresh)},
        },
    .refresh = refresh,
    .predict = predict,
    .finite = finite,
};
