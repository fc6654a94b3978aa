#include "gated/rules.h"
#include "gated/older.h"
#include "gated/sweep.h"
#include "gated/turns.h"
#include "machine/panels.h"
#include "shared/activation.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include <string.h>

static int any(size_t count, const real *x)
{
    size_t i = 0;
    while (i < count && x[i] == 0) i++;
    return i < count;
}

/* ---- a window's end -------------------------------------------------------------------------- */

static void clear_window(nbt_learner *self)
{
    const nbt_sizes *at = &self->sizes;
    const size_t states = at->T * at->ldn * sizeof(real);
    lanes_copy(at->ldn, NBT(older_slope)(self), self->past.first_slope);
    memset(self->past.window_h, 0, states);
    memset(self->past.window_a, 0, states);
    memset(self->past.window_H, 0, states);
    if (!self->choices.one_hot) memset(self->past.window_x, 0, at->T * at->ldm * sizeof(real));
}

/* θ of a layer learns from the window, or the gradient is left to the next one. `begun`: scratch.g
 * has a part of it already. */
static void finish_layer(nbt_learner *self, int begun, int learn)
{
    const size_t size = self->sizes.cell.size;
    const int kalman = self->choices.theta.kind == NBT_KALMAN; /* that needs all of g */
    real *g = self->scratch.g, *left = self->past.g_theta;
    nbt_gated_pass pass = {.back = NBT(steps_way_flats)(self, 0),
                           .K = self->choices.rule == NBT_NOBACKTRACK ? self->sizes.K : 0,
                           .begun = begun};
    if (self->choices.exact_self) {
        pass.own = NBT(steps_own_flats)(self);
        pass.factor = self->scratch.factors;
        pass.stays = stays_of(self);
    }
    if (learn && !kalman)
        NBT(gated_collect_and_learn)(self, &pass);
    else
        NBT(gated_collect)(self, &pass);
    if (learn && kalman) {
        NBT(gated_chain)(self, g);
        NBT(optimizer_apply_theta)(self, g);
    }
    if (learn && self->past.pending) memset(left, 0, size * sizeof(real));
    if (!learn) lanes_copy(size, g, left);
    if (learn) NBT(gated_refresh_rows)(self);
    clear_window(self);
}

/* g of the window, and of those before that left theirs; θ learns from it, or it is left to the
 * next one. */
static void close_window(nbt_learner *self, nbt_closing by, int learn)
{
    const int influence = self->choices.rule == NBT_RTRL, pending = self->past.pending;
    NBT(layers_follow)(self);
    for (size_t l = 0; l < layers_of(self); l++) {
        nbt_learner *layer = layer_of(self, l);
        if (pending) lanes_copy(layer->sizes.cell.size, layer->past.g_theta, layer->scratch.g);
    }
    order_symbols(layer_of(self, 0));
    if (influence)
        NBT(older_influence)(self);
    else
        NBT(older_paths)(self, by);
    for (size_t l = 0; l < layers_of(self); l++)
        finish_layer(layer_of(self, l), pending || influence, learn);
    for (size_t t = 0; t < self->sizes.T; t++) self->past.window_symbol[t] = -1;
    self->optimizer.theta_updates = layer_of(self, 0)->optimizer.theta_updates;
    self->past.pending = !learn && (pending || self->past.learned);
    self->past.length = 0;
    self->past.learned = 0;
}

static void complete_step(nbt_learner *self, nbt_closing by, int learn)
{
    if (!self->past.entered) self->past.window_symbol[self->past.length] = -1;
    self->past.entered = 0;
    if (++self->past.length == self->sizes.T) close_window(self, by, learn);
}

/* ---- the rows of the table ------------------------------------------------------------------- */

double NBT(gated_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(readout_loss)(self, y, self->readout.delta);
    if (learn) {
        NBT(readout_learn)(self);
        NBT(layers_take_H)(self, self->past.length);
        self->past.learned = 1;
    }
    complete_step(self, BY_TARGET, learn);
    return loss;
}

void NBT(gated_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (self->past.entered)
        complete_step(self, BY_TRANSITION, 0); /* the last transition met no target */
    NBT(layers_follow)(self);
    NBT(layers_take_state)(self);
    for (size_t l = 0; l < layers_of(self); l++) {
        nbt_learner *layer = layer_of(self, l);
        NBT(steps_enter)(layer, symbol, vector);
        NBT(steps_move)(layer, self->past.length, l ? layer_of(self, l - 1) : NULL);
        lanes_copy(layer->sizes.ldn, layer->scratch.h_next, layer->network.h);
        lanes_copy(layer->sizes.ldn, layer->scratch.a_next, layer->network.a);
        vector = layer->network.a; /* of the layer above */
    }
    self->past.entered = 1;
    NBT(layers_give_state)(self);
}

void NBT(gated_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    NBT(layers_take_state)(self);
    for (size_t l = 0; l < layers_of(self); l++) {
        nbt_learner *layer = layer_of(self, l);
        const size_t ldn = layer->sizes.ldn, gates = layer->sizes.gates * ldn;
        real *local = layer->scratch.local_next;
        const nbt_unit_step step = {.c = layer->scratch.h_next,
                                    .y = layer->scratch.a_next,
                                    .keep = local,
                                    .show = local + ldn,
                                    .local = local + 2 * ldn,
                                    .met = local + 2 * ldn + gates,
                                    .slant = local + 2 * ldn + 2 * gates};
        NBT(gated_step)(layer, layer->network.h, layer->network.a, symbol, vector, step, NULL);
        vector = step.y;
    }
    NBT(layers_give_next)(self);
}

/* ∂y/∂c where the window begins follows from c if y does. */
static void refresh_first_slope(nbt_learner *self)
{
    const size_t ldn = self->sizes.ldn;
    const real *c = self->network.h;
    for (size_t t = self->past.length + (size_t)self->past.entered; t-- > 0;)
        if (self->past.window_symbol[t] >= 0) c = row_at(self->past.window_h, t, ldn);
    NBT(respond)(&self->sizes, &self->choices, c, self->scratch.a_next, self->past.first_slope);
}

/* y before a step, too. */
static void refresh_shown(nbt_learner *self, size_t t)
{
    const size_t ldn = self->sizes.ldn;
    if (self->choices.cell != NBT_ONE_GATE) return;
    NBT(respond)(&self->sizes, &self->choices, row_at(self->past.window_h, t, ldn),
                 row_at(self->past.window_a, t, ldn), self->scratch.slope_next);
}

/* What follows from the window's states and from v̄, after they were set from outside. */
static void refresh_steps(nbt_learner *self)
{
    for (size_t l = 0; l < layers_of(self); l++) {
        const nbt_learner *layer = layer_of(self, l);
        const size_t K = ways_of(layer) - 1;
        if (layer->choices.rule == NBT_NOBACKTRACK)
            lanes_copy(K * 2 * layer->sizes.ldn, layer->estimator.v, layer->past.pushed);
    }
    for (size_t t = 0; t < self->past.length + (size_t)self->past.entered; t++)
        for (size_t l = 0; l < layers_of(self) && self->past.window_symbol[t] >= 0; l++) {
            nbt_learner *layer = layer_of(self, l);
            const nbt_learner *below = l ? layer_of(self, l - 1) : NULL;
            if (below)
                lanes_copy(layer->sizes.ldm, below->scratch.a_next,
                           row_at(layer->past.window_x, t, layer->sizes.ldm));
            refresh_shown(layer, t);
            NBT(steps_move)(layer, t, below);
        }
}

static void note_what_is_to_learn(nbt_learner *self)
{
    self->past.pending = self->past.learned = 0;
    for (size_t l = 0; l < layers_of(self); l++) {
        const nbt_learner *layer = layer_of(self, l);
        const real *left = layer->past.g_theta, *H = layer->past.window_H;
        self->past.pending |= any(layer->sizes.cell.size, left);
        self->past.learned |= any(layer->sizes.T * layer->sizes.ldn, H);
    }
}

void NBT(gated_show)(nbt_learner *self)
{
    const nbt_sizes *at = &self->sizes;
    real *one = self->network.slope; /* H is ∂ℓ/∂y */
    for (size_t i = 0; i < at->ldn; i += LANES) store(one + i, lanes_only(spread(1), at->n - i));
    NBT(layers_follow)(self);
    for (size_t l = 0; l < layers_of(self); l++) NBT(gated_refresh_rows)(layer_of(self, l));
}

void NBT(gated_refresh)(nbt_learner *self)
{
    NBT(gated_show)(self);
    if (self->choices.cell == NBT_ONE_GATE) {
        NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                     self->scratch.slope_next);
        refresh_first_slope(self);
    }
    refresh_steps(self);
    note_what_is_to_learn(self);
}

void NBT(gated_flush)(nbt_learner *self)
{
    note_what_is_to_learn(self);
    const int learn = self->past.pending || self->past.learned;
    if (self->past.entered) { /* the last transition met no target, and ends the window */
        self->past.entered = 0;
        self->past.length++;
    }
    if (self->past.length || learn) close_window(self, BY_FLUSH, learn);
}
