/* kernels.c: the table of everything the facade calls, for one precision and instruction set. */
#include "bptt.h"
#include "cell.h"
#include "descent.h"
#include "euler.h"
#include "general.h"
#include "lazy.h"
#include "network.h"
#include "nobacktrack.h"
#include "readout.h"
#include "rtrl.h"
#include "scaler.h"
#include <math.h>

static void nothing(nbt_learner *self) { (void)self; }

static void refresh(nbt_learner *self) { NBT(cell_respond)(self, self->h, self->a, self->slope); }

/* h_next: the state that input x leads to. */
static void look(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (self->general) {
        NBT(general_look)(self, symbol, vector);
        return;
    }
    if (self->lazy)
        NBT(lazy_row)(self, symbol, self->input);
    else
        NBT(cell_input)(self, symbol, vector);
    NBT(cell_forward)(self, self->input, self->h_next);
}

static void predict(nbt_learner *self, int has_x, int32_t symbol, const double *vector, double *p)
{
    const int own = self->readout == NBT_OWN_LOSS; /* then h is what is shown */
    const real *a = own ? self->h : self->a;
    if (has_x) {
        look(self, symbol, vector ? NBT(scaler_input)(self, vector) : NULL);
        NBT(cell_respond)(self, self->h_next, self->a_next, self->slope_next);
        a = own ? self->h_next : self->a_next;
    }
    if (!own) NBT(readout_predict)(self, a, self->delta, p);
    for (size_t i = 0; own && i < self->n; i++) p[i] = (double)a[i];
}

static void settle_rows(const nbt_learner *self, void *theta, void *w)
{
    NBT(lazy_settle)(self, theta, w);
}

static int finite(size_t count, const void *numbers) { return NBT(all_finite)(count, numbers); }

const nbt_kernels NBT(nbt_kernels_of) = {
    .lanes = LANES,
    .rules =
        {
            [NBT_NOBACKTRACK] = {NBT(nobacktrack_observe), NBT(nobacktrack_advance),
                                 NBT(nobacktrack_settle), NBT(nobacktrack_refresh)},
            [NBT_RTRL] = {NBT(rtrl_observe), NBT(rtrl_advance), NBT(rtrl_settle), nothing},
            [NBT_BPTT] = {NBT(bptt_observe), NBT(bptt_advance), nothing, NBT(bptt_refresh)},
        },
    .general =
        {
            [NBT_NOBACKTRACK] = {NBT(general_nobacktrack_observe), NBT(general_nobacktrack_advance),
                                 nothing, NBT(general_refresh)},
            [NBT_RTRL] = {NBT(general_rtrl_observe), NBT(general_rtrl_advance), NBT(rtrl_settle),
                          NBT(general_refresh)},
            [NBT_BPTT] = {NBT(bptt_observe), NBT(general_bptt_advance), nothing,
                          NBT(general_bptt_refresh)},
        },
    .descent = {NBT(descent_observe), NBT(descent_advance), nothing, NBT(descent_refresh)},
    .refresh = refresh,
    .bring_up = settle_rows,
    .predict = predict,
    .finite = finite,
    .waiting_finite = NBT(lazy_finite),
    .network = {.step = NBT(network_step),
                .jvp = NBT(network_jvp),
                .vjp = NBT(network_vjp),
                .rows = NBT(network_rows),
                .move = NBT(network_move)},
    .euler = {.step = NBT(euler_step),
              .jvp = NBT(euler_jvp),
              .vjp = NBT(euler_vjp),
              .rows = NBT(euler_rows)},
    .input = NBT(scaler_input),
    .follow = NBT(scaler_follow),
    .known = NBT(scaler_known),
};
