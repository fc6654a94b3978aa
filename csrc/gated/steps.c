#include "gated/steps.h"
#include "gated/carried.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/activation.h"
#include <string.h>

nbt_unit_step NBT(steps_at)(const nbt_learner *self, size_t t)
{
    const size_t ldn = self->sizes.ldn;
    return (nbt_unit_step){
        .local = row_at(self->past.local, t, self->sizes.gates * ldn),
        .keep = row_at(self->past.keep, t, ldn),
        .show = row_at(self->past.show, t, ldn),
        .met = row_at(self->past.met, t, self->sizes.gates * ldn),
        .slant = row_at(self->past.slant, t, self->sizes.gates * ldn),
    };
}

/* Arrays for W and r are used where these meet something else than the bias does. */
static nbt_flats flats_of(const nbt_learner *self, void *bias, void *W, void *r, void *last)
{
    const nbt_gates gates = nbt_gates_of(self->choices.cell);
    const int all = gates.blind_W == gates.count;
    nbt_flats flats = {bias, bias, bias, NULL};
    if (!all || self->choices.rms) flats.W = flats.r = W;
    if (!all) flats.r = r;
    if (self->sizes.last_row) flats.last = last;
    return flats;
}

nbt_flats NBT(steps_way_flats)(const nbt_learner *self, size_t way)
{
    const nbt_past *past = &self->past;
    const nbt_flats first = flats_of(self, past->back, past->back_W, past->back_r, past->back_last);
    return flats_at(first, way * self->sizes.T, self->sizes.cell.ld);
}

nbt_flats NBT(steps_own_flats)(const nbt_learner *self)
{
    const nbt_past *past = &self->past;
    return flats_of(self, past->own, past->own_W, past->own_r, past->own_last);
}

/* A step without a transition adds nothing. */
static void clear_flats(size_t ld, nbt_flats at)
{
    real *const rows[] = {at.bias, at.W, at.r, at.last};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (rows[k]) memset(rows[k], 0, ld * sizeof(real));
}

void NBT(steps_backpropagate)(nbt_learner *self, size_t first, size_t count, const real *above)
{
    const size_t ldn = self->sizes.ldn, ldm = self->sizes.ldm, ld = self->sizes.cell.ld;
    const size_t T = self->sizes.T;
    nbt_ways ways = {.count = count, .ends = way_end(self, first), .apart = T * ld};
    ways.input_apart = T * ldm;
    for (size_t t = self->past.length; t-- > 0;) {
        const nbt_unit_step step = NBT(steps_at)(self, t);
        ways.flats = flats_at(NBT(steps_way_flats)(self, first), t, ld);
        ways.input = self->choices.upper ? row_at(self->past.below, first * T + t, ldm) : NULL;
        if (!first) lanes_add(ldn, row_at(self->past.window_H, t, ldn), ways.ends + ldn);
        for (size_t k = 0; above && k < count; k++)
            lanes_add(ldn, above + ((first + k) * T + t) * ldn, way_end(self, first + k) + ldn);
        if (self->past.window_symbol[t] >= 0) {
            NBT(gated_back)(self, &step, &ways);
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            clear_flats(ld, flats_at(ways.flats, k, ways.apart));
            if (ways.input) memset(ways.input + k * ways.input_apart, 0, ldm * sizeof(real));
        }
    }
}

void NBT(steps_own_paths)(nbt_learner *self, real *stays)
{
    const nbt_sizes *at = &self->sizes;
    const size_t ldn = at->ldn, ld = at->cell.ld;
    const nbt_flats flats = NBT(steps_own_flats)(self);
    real *later = self->scratch.h_next;
    const vec one = at->paired ? lanes_even_only(spread(1)) : spread(1);
    for (size_t i = 0; i < ldn; i += LANES) store(later + i, lanes_only(one, at->n - i));
    for (size_t t = self->past.length; t-- > 0;) {
        const nbt_flats here = flats_at(flats, t, ld);
        const nbt_unit_step step = NBT(steps_at)(self, t);
        if (self->past.window_symbol[t] < 0) {
            clear_flats(ld, here);
            continue;
        }
        NBT(gated_back_own)(self, &step, later, here);
        carried_multiply(at->paired, ldn, step.keep, later);
    }
    for (size_t g = 0; g < at->kept; g++) memcpy(stays + g * at->n, later, at->n * sizeof(real));
}

void NBT(steps_enter)(nbt_learner *self, int32_t symbol, const real *vector)
{
    const size_t ldn = self->sizes.ldn, t = self->past.length;
    self->past.window_symbol[t] = symbol; /* 0 with vectors */
    if (!self->choices.one_hot)
        memcpy(row_at(self->past.window_x, t, self->sizes.ldm), vector,
               self->sizes.m * sizeof(real));
    lanes_copy(ldn, self->network.h, row_at(self->past.window_h, t, ldn));
    lanes_copy(ldn, self->network.a, row_at(self->past.window_a, t, ldn));
    self->past.entered = 1;
}

void NBT(steps_move)(nbt_learner *self, size_t t, const nbt_learner *below)
{
    const size_t ldn = self->sizes.ldn;
    nbt_unit_step step = NBT(steps_at)(self, t);
    step.c = self->scratch.h_next, step.y = self->scratch.a_next;
    nbt_pushed pairs = {.v = self->past.pushed};
    if (self->choices.rule == NBT_NOBACKTRACK) pairs.count = self->sizes.K;
    if (below) {
        pairs.input = row_at(below->past.pushed, 1, below->sizes.ldn);
        pairs.apart = 2 * below->sizes.ldn;
    }
    NBT(gated_step)(self, row_at(self->past.window_h, t, ldn), row_at(self->past.window_a, t, ldn),
                    self->past.window_symbol[t], row_at(self->past.window_x, t, self->sizes.ldm),
                    step, &pairs);
}
