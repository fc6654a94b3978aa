#include "kernels.h"
#include "dense/bptt.h"
#include "dense/cell.h"
#include "dense/descent.h"
#include "dense/fixed.h"
#include "dense/lazy.h"
#include "dense/nobacktrack.h"
#include "dense/rtrl.h"
#include "gated/fixed.h"
#include "gated/rules.h"
#include "machine/lanes.h"
#include "shared/activation.h"
#include "shared/influence.h"
#include "shared/readout.h"
#include "shared/recursive.h"
#include "shared/scaler.h"
#include "shared/truncated.h"
#include "systems/bptt.h"
#include "systems/euler.h"
#include "systems/network.h"
#include "systems/nobacktrack.h"
#include "systems/rtrl.h"
#include "systems/step.h"
#include "systems/uoro.h"

static void nothing(nbt_learner *self) { (void)self; }

static void refresh(nbt_learner *self)
{
    if (!self->choices.windowed)
        NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                     self->network.slope);
    if (self->choices.phi.shared) NBT(recursive_refresh)(self);
}

static void predict(nbt_learner *self, const nbt_rule_row *rule, int has_x, int32_t symbol,
                    const double *vector, double *p)
{
    const int own = self->choices.readout == NBT_OWN_LOSS; /* then h is what is shown */
    const real *a = own ? self->network.h : self->network.a;
    nbt_view seen = NBT(readout_view)(self);
    if (has_x) {
        const void *read = vector ? NBT(scaler_input)(&self->scaler, &self->sizes, vector) : NULL;
        rule->look(self, symbol, read);
        if (self->choices.direct) seen.x = read;
        if (self->choices.direct && self->choices.one_hot) seen.symbol = &symbol;
        if (!self->choices.windowed) /* whose look makes what is shown */
            NBT(respond)(&self->sizes, &self->choices, self->scratch.h_next, self->scratch.a_next,
                         self->scratch.slope_next);
        a = own ? self->scratch.h_next : self->scratch.a_next;
    }
    nbt_counts *counts = self->readout.counts;
    const int ahead = has_x && counts && counts->of_inputs;
    const int32_t forgotten = ahead ? nbt_counts_follow(counts, symbol) : -1;
    seen.a = a;
    if (!own) NBT(readout_predict)(self, seen, self->readout.delta, p);
    if (ahead) nbt_counts_go_back(counts, forgotten);
    for (size_t i = 0; own && i < self->sizes.n; i++) p[i] = (double)a[i];
}

static void settle_rows(const nbt_learner *self, void *theta, void *w)
{
    const lazy_rows rows = lazy_rows_of(self);
    NBT(lazy_settle)(&rows, theta, w);
}

static int waiting_finite(const nbt_learner *self)
{
    const lazy_rows rows = lazy_rows_of(self);
    return NBT(lazy_finite)(&rows);
}

static void follow_target(nbt_learner *self, const double *target)
{
    const int with_inputs = self->choices.scale_x && !self->choices.keep_x;
    const int drifts_alone = !(self->choices.direct && with_inputs); /* recursive.h */
    if (self->choices.phi.shared && self->choices.scale_y && drifts_alone)
        NBT(recursive_follow)(self, target);
    else
        NBT(scaler_follow_target)(&self->scaler, self->sizes.Y, target);
}

static int finite(size_t count, const void *numbers) { return NBT(all_finite)(count, numbers); }

#define GATED                                                                                      \
    {NBT(gated_observe), NBT(gated_advance), NBT(gated_look), NBT(gated_flush), nothing,           \
     NBT(gated_refresh)}

const nbt_kernels NBT(nbt_kernels_of) = {
    .lanes = LANES,
    .rules =
        {
            [NBT_NOBACKTRACK] = {NBT(nobacktrack_observe), NBT(nobacktrack_advance), NBT(cell_look),
                                 nothing, NBT(nobacktrack_settle), NBT(nobacktrack_refresh)},
            [NBT_RTRL] = {NBT(rtrl_observe), NBT(rtrl_advance), NBT(cell_look), nothing,
                          NBT(influence_settle), nothing},
            [NBT_BPTT] = {NBT(bptt_observe), NBT(bptt_advance), NBT(cell_look), nothing, nothing,
                          NBT(truncated_refresh)},
            [NBT_FIXED] = {NBT(fixed_observe), NBT(fixed_advance), NBT(cell_look), nothing, nothing,
                           nothing},
        },
    .descent = {NBT(descent_observe), NBT(descent_advance), NBT(descent_look), nothing, nothing,
                NBT(descent_refresh)},
    .gated =
        {
            [NBT_NOBACKTRACK] = GATED,
            [NBT_RTRL] = GATED,
            [NBT_BPTT] = GATED,
            [NBT_FIXED] = {NBT(fixed_observe), NBT(gated_fixed_advance), NBT(gated_look), nothing,
                           nothing, NBT(gated_show)},
        },
    .systems =
        {
            [NBT_NOBACKTRACK] = {NBT(system_nobacktrack_observe), NBT(system_nobacktrack_advance),
                                 NBT(system_look), nothing, nothing, NBT(system_refresh)},
            [NBT_RTRL] = {NBT(system_rtrl_observe), NBT(system_rtrl_advance), NBT(system_look),
                          nothing, NBT(influence_settle), NBT(system_refresh)},
            [NBT_BPTT] = {NBT(system_bptt_observe), NBT(system_bptt_advance), NBT(system_look),
                          nothing, nothing, NBT(system_bptt_refresh)},
            [NBT_FIXED] = {NBT(system_loss), NBT(system_advance), NBT(system_look), nothing,
                           nothing, nothing},
            [NBT_UORO] = {NBT(system_uoro_observe), NBT(system_uoro_advance), NBT(system_look),
                          nothing, nothing, NBT(system_refresh)},
        },
    .refresh = refresh,
    .bring_up = settle_rows,
    .predict = predict,
    .sees = NBT(readout_sees),
    .settle_shared = NBT(recursive_settle),
    .finite = finite,
    .waiting_finite = waiting_finite,
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
    .keep_input = NBT(scaler_keep),
    .follow_input = NBT(scaler_follow_input),
    .follow_target = follow_target,
    .known = NBT(scaler_known),
};
