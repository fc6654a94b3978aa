#include "gated/rules.h"
#include "gated/sweep.h"
#include "machine/panels.h"
#include "shared/activation.h"
#include "shared/influence.h"
#include "shared/optimizer.h"
#include "shared/readout.h"
#include "shared/reduction.h"
#include "shared/signs.h"
#include <string.h>

/* Rows of scratch.ends. */
enum { BACK_C, BACK_Y, NU_C, NU_Y, OWN };

static real *end_of(const nbt_learner *self, size_t k)
{
    return row_at(self->scratch.ends, k, self->sizes.ldn);
}

static real dot(size_t count, const real *x, const real *y)
{
    vec sum = {0};
    for (size_t i = 0; i < count; i += LANES) sum += load(x + i) * load(y + i);
    return fold(sum);
}

static int any(size_t count, const real *x)
{
    size_t i = 0;
    while (i < count && x[i] == 0) i++;
    return i < count;
}

/* ---- what is older than the window ----------------------------------------------------------- */

/* x (ldn) for each gate that c depends on, flat: a factor of E. */
static void tile_units(const nbt_sizes *at, const real *x, real *flat)
{
    for (size_t g = 0; g < at->kept; g++) memcpy(flat + g * at->n, x, at->n * sizeof(real));
}

/* own = c + y slope: what ∂L/∂s gives to a unit's own path. */
static void own_part(const nbt_learner *self, const real *c, const real *y, const real *slope)
{
    real *own = end_of(self, OWN);
    for (size_t i = 0; i < self->sizes.ldn; i += LANES)
        store(own + i, load(c + i) + load(y + i) * load(slope + i));
}

/* ∂y/∂c after the window. */
static const real *last_slope(const nbt_learner *self)
{
    for (size_t t = self->past.length; t-- > 0;)
        if (self->past.window_symbol[t] >= 0) return row_at(self->past.show, t, self->sizes.ldn);
    return self->past.first_slope;
}

/* What closes a window. Several windows may end within one step, by one of each at most, and have
 * signs of their own. */
typedef enum { BY_TARGET, BY_TRANSITION, BY_FLUSH } closing;

/* ν (2n): signs of all c, then of all y. */
static void draw_signs(const nbt_learner *self, closing by, size_t pair, real *c, real *y)
{
    const size_t n = self->sizes.n;
    uint32_t words[4] = {0};
    for (size_t k = 0; k < 2 * n; k++) {
        if (k % 128 == 0)
            nbt_sign_bits(self->choices.seed, (uint32_t)(by * self->sizes.K + pair),
                          self->counters.step, (uint32_t)(k / 128), words);
        const real sign = words[k % 128 / 32] >> k % 32 & 1 ? 1 : -1;
        if (k < n)
            c[k] = sign;
        else
            y[k - n] = sign;
    }
}

/* v̄ of a pair through the window. */
static void push(nbt_learner *self, real *v)
{
    for (size_t t = 0; t < self->past.length; t++) {
        if (self->past.window_symbol[t] < 0) continue;
        const nbt_unit_step step = NBT(steps_at)(self, t);
        NBT(gated_push)(self, &step, v, v + self->sizes.ldn);
    }
}

/* w_new = what the window adds to νᵀ ∂s/∂θ but to E: νᵀ of all that is exact, as it is now, less
 * that of E as it will be. With E' = stays E + Σ own u, all is one sum of outer products. */
static void add_of_window(nbt_learner *self, const real *stays)
{
    const nbt_sizes *at = &self->sizes;
    const size_t ld = at->cell.ld, count = self->past.length * ld;
    real *c = end_of(self, NU_C), *y = end_of(self, NU_Y), *factor = self->scratch.factors;
    real *later = self->scratch.sums; /* flat: what ν gives to E after the window */
    const nbt_flats back = NBT(steps_nu_flats)(self), own = NBT(steps_own_flats)(self);
    if (self->choices.exact_self) {
        memset(later, 0, ld * sizeof(real));
        own_part(self, c, y, last_slope(self));
        tile_units(at, end_of(self, OWN), later);
    }
    NBT(steps_backpropagate)(self, back, NULL, c, y);
    if (!self->choices.exact_self) {
        NBT(steps_outer)(self, back, NULL, NULL, self->scratch.w_new);
        return;
    }
    own_part(self, c, y, self->past.first_slope);
    tile_units(at, end_of(self, OWN), factor);
    for (size_t i = 0; i < ld; i += LANES)
        store(factor + i, load(factor + i) - load(later + i) * load(stays + i));
    real *const to[] = {back.bias, back.W, back.r, back.gain}, *const from[] = {own.bias, own.W,
                                                                                own.r, own.gain};
    for (size_t k = 0; k < 4; k++) {
        if (!to[k] || (k && to[k] == to[k - 1])) continue;
        for (size_t i = 0; i < count; i += LANES)
            store(to[k] + i, load(to[k] + i) - load(later + i % ld) * load(from[k] + i));
    }
    NBT(steps_outer)(self, back, factor, self->estimator.d, self->scratch.w_new);
}

/* Pair k: its part of the gradient, g += (∂L/∂s · v̄) w̄ / K; then v̄ ← ρ̄ F v̄ + ρ ν, w̄ ← w̄ / ρ̄ +
 * w_new / ρ, F the whole window's. */
static void follow_pair(nbt_learner *self, closing by, size_t k, const real *stays, real *g)
{
    const nbt_sizes *at = &self->sizes;
    const size_t ldn = at->ldn, size = at->cell.size;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    real *v = row_at(self->estimator.v, 2 * k, ldn), *w = row_at(self->estimator.w, k, size);
    const real *added = self->scratch.w_new;
    const real part = dot(2 * ldn, end_of(self, BACK_C), v) / (real)at->K;
    draw_signs(self, by, k, end_of(self, NU_C), end_of(self, NU_Y));
    add_of_window(self, stays);
    push(self, v);
    draw_signs(self, by, k, end_of(self, NU_C), end_of(self, NU_Y)); /* the way back overwrote ν */
    const nbt_balance old = balance_of(balanced, dot(size, w, w), dot(2 * ldn, v, v));
    const nbt_balance now = balance_of(balanced, dot(size, added, added), (real)(2 * at->n));
    const real *nu = end_of(self, NU_C);
    for (size_t i = 0; i < 2 * ldn; i += LANES)
        store(v + i, old.rho * load(v + i) + now.rho * load(nu + i));
    for (size_t i = 0; i < size; i += LANES) {
        const vec before = load(w + i);
        store(g + i, load(g + i) + part * before);
        store(w + i, old.inverse * before + now.inverse * load(added + i));
    }
}

/* NoBackTrack: g += the pairs' part, and the pairs go through the window. Leaves what a pass needs
 * to know of E. Without pairs and E this is truncated BPTT. */
static void follow_paths(nbt_learner *self, closing by, nbt_gated_pass *pass, real *g)
{
    const nbt_sizes *at = &self->sizes;
    real *factor = self->scratch.factors, *stays = factor + at->cell.ld;
    if (self->choices.exact_self) {
        NBT(steps_own_paths)(self, stays);
        pass->own = NBT(steps_own_flats)(self);
        pass->stays = stays;
    }
    if (at->K && !pass->begun) memset(g, 0, at->cell.size * sizeof(real));
    pass->begun |= at->K > 0;
    for (size_t k = 0; k < at->K; k++) follow_pair(self, by, k, stays, g);
    if (self->choices.exact_self) {
        own_part(self, end_of(self, BACK_C), end_of(self, BACK_Y), self->past.first_slope);
        tile_units(at, end_of(self, OWN), factor);
        pass->factor = factor;
    }
}

/* out (rows, cell.size) = Fᵀ G, F (2n, ldF). */
static void through_influence(const nbt_learner *self, size_t rows, const real *F, size_t ldF,
                              real *out)
{
    const size_t states = 2 * self->sizes.n, size = self->sizes.cell.size;
    const real *G = self->estimator.G;
    for (size_t i = 0; i < size; i += LANES)
        influence_strip(states, ldF, size, rows, rows < INFLUENCE_ROWS ? 1 : INFLUENCE_ROWS, 1, 0,
                        F, G + i, out + i);
}

/* RTRL: g += ∂L/∂s · G; then G ← F G + what the window adds, F the whole window's. A way back from
 * each number of s gives a row of F, and again, when F G is known, a row of what is added. */
static void follow_influence(nbt_learner *self, nbt_gated_pass *pass, real *g)
{
    const nbt_sizes *at = &self->sizes;
    const size_t n = at->n, size = at->cell.size, ldF = nbt_padded(2 * n, LANES);
    const nbt_flats back = NBT(steps_nu_flats)(self);
    real *F = self->scratch.F, *one = self->scratch.factors, *next = self->estimator.G_next;
    real *c = end_of(self, NU_C), *y = end_of(self, NU_Y);
    for (size_t i = 0; i < at->cell.ld; i += LANES) store(one + i, spread(1));
    for (size_t j = 0; j < n; j++)
        F[j * ldF] = end_of(self, BACK_C)[j], F[(n + j) * ldF] = end_of(self, BACK_Y)[j];
    through_influence(self, 1, F, ldF, next);
    if (pass->begun)
        lanes_add(size, next, g);
    else
        lanes_copy(size, next, g);
    pass->begun = 1;
    for (size_t round = 0; round < 2; round++) {
        for (size_t k = 0; k < 2 * n; k++) {
            memset(c, 0, 2 * at->ldn * sizeof(real));
            (k < n ? c : y)[k % n] = 1;
            NBT(steps_backpropagate)(self, back, NULL, c, y);
            for (size_t j = 0; j < n && !round; j++)
                F[j * ldF + k] = c[j], F[(n + j) * ldF + k] = y[j];
            real *row = row_at(next, k, size);
            if (round) NBT(steps_outer)(self, back, one, row, row);
        }
        if (!round) through_influence(self, 2 * n, F, ldF, next);
    }
    memcpy(self->estimator.G, next, 2 * n * size * sizeof(real));
}

/* ---- a window's end -------------------------------------------------------------------------- */

static void clear_window(nbt_learner *self)
{
    const nbt_sizes *at = &self->sizes;
    const size_t states = at->T * at->ldn * sizeof(real);
    lanes_copy(at->ldn, last_slope(self), self->past.first_slope);
    self->past.length = 0;
    self->past.learned = 0;
    memset(self->past.window_h, 0, states);
    memset(self->past.window_a, 0, states);
    memset(self->past.window_H, 0, states);
    if (!self->choices.one_hot) memset(self->past.window_x, 0, at->T * at->ldm * sizeof(real));
    for (size_t t = 0; t < at->T; t++) self->past.window_symbol[t] = -1;
}

/* g of the window, and of those before that left theirs; θ learns from it, or it is left to the
 * next one. */
static void close_window(nbt_learner *self, closing by, int learn)
{
    const size_t size = self->sizes.cell.size;
    const int influence = self->choices.rule == NBT_RTRL,
              adam = self->choices.theta.kind == NBT_ADAM;
    real *g = self->scratch.g, *left = self->past.g_theta;
    real *c = end_of(self, BACK_C), *y = end_of(self, BACK_Y);
    nbt_gated_pass pass = {.back = NBT(steps_back_flats)(self), .begun = self->past.pending};
    memset(c, 0, 2 * self->sizes.ldn * sizeof(real));
    NBT(steps_backpropagate)(self, pass.back, self->past.window_H, c, y);
    if (self->past.pending) lanes_copy(size, left, g);
    if (influence)
        follow_influence(self, &pass, g);
    else
        follow_paths(self, by, &pass, g);
    if (learn && adam)
        NBT(gated_collect_and_learn)(self, &pass);
    else
        NBT(gated_collect)(self, &pass);
    if (learn && !adam) NBT(optimizer_apply_theta)(self, g);
    if (learn && self->past.pending) memset(left, 0, size * sizeof(real));
    if (!learn) lanes_copy(size, g, left);
    self->past.pending = !learn && (self->past.pending || self->past.learned);
    if (learn) NBT(gated_refresh_rows)(self);
    clear_window(self);
}

static void complete_step(nbt_learner *self, closing by, int learn)
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
        lanes_copy(self->sizes.ldn, self->readout.H,
                   row_at(self->past.window_H, self->past.length, self->sizes.ldn));
        self->past.learned = 1;
    }
    complete_step(self, BY_TARGET, learn);
    return loss;
}

void NBT(gated_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (self->past.entered)
        complete_step(self, BY_TRANSITION, 0); /* the last transition met no target */
    NBT(steps_enter)(self, symbol, vector);
    nbt_unit_step step = NBT(steps_at)(self, self->past.length);
    step.c = self->scratch.h_next, step.y = self->scratch.a_next;
    NBT(gated_step)(self, self->network.h, self->network.a, symbol, vector, step);
    lanes_copy(self->sizes.ldn, step.c, self->network.h);
    lanes_copy(self->sizes.ldn, step.y, self->network.a);
}

void NBT(gated_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const size_t ldn = self->sizes.ldn;
    real *local = self->scratch.local_next;
    const size_t gates = self->sizes.gates * ldn;
    const nbt_unit_step step = {.c = self->scratch.h_next,
                                .y = self->scratch.a_next,
                                .keep = local,
                                .show = local + ldn,
                                .local = local + 2 * ldn,
                                .normal = local + 2 * ldn + gates,
                                .slant = local + 2 * ldn + 2 * gates};
    NBT(gated_step)(self, self->network.h, self->network.a, symbol, vector, step);
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

static void note_what_is_to_learn(nbt_learner *self)
{
    const real *left = self->past.g_theta, *H = self->past.window_H;
    self->past.pending = any(self->sizes.cell.size, left);
    self->past.learned = any(self->sizes.T * self->sizes.ldn, H);
}

void NBT(gated_refresh)(nbt_learner *self)
{
    const nbt_sizes *at = &self->sizes;
    real *one = self->network.slope; /* H is ∂ℓ/∂y */
    for (size_t i = 0; i < at->ldn; i += LANES) store(one + i, lanes_only(spread(1), at->n - i));
    if (self->choices.cell == NBT_ONE_GATE) {
        NBT(respond)(&self->sizes, &self->choices, self->network.h, self->network.a,
                     self->scratch.slope_next);
        refresh_first_slope(self);
    }
    NBT(gated_refresh_rows)(self);
    NBT(steps_refresh)(self);
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
