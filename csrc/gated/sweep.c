#include "gated/sweep.h"
#include "gated/carried.h"
#include "gated/turns.h"
#include "machine/parallel.h"
#include "shared/optimizer.h"

/* What E is: not there, of real or of complex numbers. */
enum { NO_PATHS, REAL, COMPLEX };

/* What becomes of g: it is kept, or θ learns from it. */
typedef enum { KEEP, DESCEND, ADAM } pass_end;

/* One panel: where its column begins, in flats and in matrices; its factors, laid out for turns. */
typedef struct {
    const nbt_gated_pass *pass;
    size_t i, steps, ld, size;
    size_t from;                 /* own is 0 in the steps before this one */
    int paired;                  /* E is complex */
    real *g, *E, *m, *v, *theta; /* E: NULL if there is none */
    real *w;                     /* of the first pair; the others are `size` numbers apart, as */
    const real *w_new, *turns;   /* what is new to them */
    vec factor, stays;
    real rate; /* SGD's */
    adam_step step;
} panel;

typedef struct {
    const nbt_learner *self;
    const nbt_gated_pass *pass;
    adam_step step;
    real rate;
    size_t from;
    pass_end end;
} sweep_work;

/* Turn number `at` (in numbers from the panel's begin), whose steps gave g and e. θ learns from
 * slopes g; NULL: g. */
NBT_INLINE void finish_sloped(const panel *b, size_t at, vec g, vec e, const vec *slopes, size_t K,
                              pass_end end)
{
    if (b->E) {
        const vec E = load(b->E + at);
        g += carried_against(b->paired, b->factor, E);
        store(b->E + at, carried_times(b->paired, b->stays, E) + e);
    }
    for (size_t k = 0; k < K; k++) {
        real *w = b->w + k * b->size + at;
        const vec before = load(w), w_new = load(b->w_new + k * b->size + at);
        g += b->turns[k] * before;
        store(w, b->turns[K + k] * before + b->turns[2 * K + k] * w_new);
    }
    if (b->pass->begun) g += load(b->g + at);
    if (slopes && end != KEEP) g *= *slopes;
    if (end == ADAM)
        adam_update(b->step, g, b->m + at, b->v + at, b->theta + at);
    else if (end == DESCEND)
        store(b->theta + at, load(b->theta + at) - b->rate * g);
    else
        store(b->g + at, g);
}

NBT_INLINE void finish(const panel *b, size_t at, vec g, vec e, size_t K, pass_end end)
{
    finish_sloped(b, at, g, e, NULL, K, end);
}

/* Turn number `at`, where all of g is 0. */
NBT_INLINE void rest(const panel *b, size_t at)
{
    adam_rest(b->step, b->m + at, b->v + at, b->theta + at);
}

/* `turns` turns from row p on of those that meet left (T, ld_left). */
NBT_INLINE void sweep_turns(const panel *b, size_t turns, size_t at, const real *left,
                            size_t ld_left, const real *back, const real *own, size_t per_vec,
                            int exact, size_t K, pass_end end)
{
    vec g[TURNS], e[TURNS];
    UNROLL
    for (size_t k = 0; k < turns; k++) g[k] = e[k] = (vec){0};
    const size_t first = exact ? b->from : b->steps;
    turns_add(turns, 0, first, left, ld_left, back, b->ld, per_vec, g);
    for (size_t t = first; t < b->steps && exact; t++) {
        const vec to_g = lanes_tile(load(back + t * b->ld), per_vec),
                  to_e = lanes_tile(load(own + t * b->ld), per_vec);
        UNROLL
        for (size_t k = 0; k < turns; k++) {
            const vec u = lanes_rows(left + t * ld_left + k * per_vec, per_vec);
            g[k] += u * to_g;
            e[k] += u * to_e;
        }
    }
    UNROLL
    for (size_t k = 0; k < turns; k++) finish(b, at + k * LANES, g[k], e[k], K, end);
}

NBT_INLINE void sweep_rows(const panel *b, size_t rows, size_t at, const real *left, size_t ld_left,
                           const real *back, const real *own, size_t per_vec, int exact, size_t K,
                           pass_end end)
{
    const size_t turns = (rows + per_vec - 1) / per_vec;
    size_t k = 0;
    for (; k + TURNS <= turns; k += TURNS)
        sweep_turns(b, TURNS, at + k * LANES, left + k * per_vec, ld_left, back, own, per_vec,
                    exact, K, end);
    for (; k < turns; k++)
        sweep_turns(b, 1, at + k * LANES, left + k * per_vec, ld_left, back, own, per_vec, exact, K,
                    end);
}

/* Rows of symbols: a step meets one of them. */
NBT_INLINE void sweep_symbols(const nbt_learner *self, const panel *b, size_t at, const real *back,
                              const real *own, size_t per_vec, size_t K, pass_end end)
{
    const size_t turns = (self->sizes.m + per_vec - 1) / per_vec;
    const int alone = end == ADAM && !b->E && !K && !b->pass->begun; /* g is that of the steps */
    symbol_walk walk = symbols_of(self);
    for (size_t k = 0; k < turns; k++) {
        const size_t met = next_turn(&walk, per_vec, turns);
        for (; k < met && alone; k++) rest(b, at + k * LANES);
        for (; k < met; k++) finish(b, at + k * LANES, (vec){0}, (vec){0}, K, end);
        if (k == turns) return;
        vec g = {0}, e = {0};
        for (; next_turn(&walk, per_vec, turns) == k; walk.next++) {
            const size_t t = (size_t)walk.order[walk.next];
            const size_t row = (size_t)walk.symbol[t] - k * per_vec;
            g += symbol_lanes(row, back + t * b->ld, per_vec);
            if (b->E) e += symbol_lanes(row, own + t * b->ld, per_vec);
        }
        finish(b, at + k * LANES, g, e, K, end);
    }
}

/* The last row, in a turn of its own: nothing is multiplied. `polar`: its slopes, or NULL. */
NBT_INLINE void sweep_last(const panel *b, size_t at, const real *back, const real *own,
                           const real *polar, size_t per_vec, size_t K, pass_end end)
{
    vec g = {0}, e = {0};
    for (size_t t = 0; t < b->steps; t++) {
        g += lanes_only(load(back + t * b->ld), LANES / per_vec);
        if (b->E) e += lanes_only(load(own + t * b->ld), LANES / per_vec);
    }
    const vec slopes = polar ? lanes_only(load(polar), LANES / per_vec) : spread(1);
    finish_sloped(b, at, g, e, polar ? &slopes : NULL, K, end);
}

/* Row 0, and the panel's factors. */
NBT_INLINE void sweep_biases(const nbt_learner *self, panel *b, size_t per_vec, size_t K,
                             pass_end end)
{
    const size_t i = b->i;
    const nbt_gated_pass *pass = b->pass;
    vec g = {0}, e = {0};
    b->factor = b->E ? load(pass->factor + i) : spread(0);
    b->stays = b->E ? load(pass->stays + i) : spread(0);
    for (size_t t = 0; t < b->steps; t++) {
        g += load(pass->back.bias + t * b->ld + i);
        if (b->E) e += load(pass->own.bias + t * b->ld + i);
    }
    panel biases = *b;
    biases.g = self->scratch.g, biases.theta = self->network.theta;
    biases.m = self->optimizer.theta_m, biases.v = self->optimizer.theta_v;
    if (b->E) biases.E = self->estimator.d;
    if (K) biases.w = self->estimator.w, biases.w_new = self->scratch.w_new;
    finish(&biases, i, g, e, K, end);
    b->factor = lanes_tile(b->factor, per_vec);
    b->stays = lanes_tile(b->stays, per_vec);
}

NBT_INLINE void sweep_panel(const nbt_learner *self, size_t i, size_t per_vec,
                            const sweep_work *work, int exact, size_t K, pass_end end)
{
    const nbt_sizes *at = &self->sizes;
    const nbt_gated_pass *pass = work->pass;
    const size_t W = rows_of_W(at, &self->choices), r = W * (LANES / per_vec);
    panel b = {
        .pass = pass, .i = i, .steps = self->past.length, .ld = at->cell.ld, .step = work->step};
    b.rate = work->rate;
    b.size = at->cell.size, b.from = work->from, b.turns = self->scratch.turns;
    b.g = panel_of(&at->cell, self->scratch.g, i);
    b.paired = exact == COMPLEX;
    b.E = exact ? panel_of(&at->cell, self->estimator.d, i) : NULL;
    b.theta = panel_of(&at->cell, self->network.theta, i);
    if (K) {
        b.w = panel_of(&at->cell, self->estimator.w, i);
        b.w_new = panel_of(&at->cell, self->scratch.w_new, i);
    }
    if (end == ADAM) {
        b.m = panel_of(&at->cell, self->optimizer.theta_m, i);
        b.v = panel_of(&at->cell, self->optimizer.theta_v, i);
    }
    sweep_biases(self, &b, per_vec, K, end);
    const real *own_W = exact ? pass->own.W + i : NULL, *own_r = exact ? pass->own.r + i : NULL;
    sweep_rows(&b, W, 0, self->past.window_a, at->ldn, pass->back.W + i, own_W, per_vec, exact, K,
               end);
    if (self->choices.one_hot)
        sweep_symbols(self, &b, r, pass->back.r + i, own_r, per_vec, K, end);
    else
        sweep_rows(&b, at->m, r, self->past.window_x, at->ldm, pass->back.r + i, own_r, per_vec,
                   exact, K, end);
    if (pass->back.last)
        sweep_last(&b, row_of_last(at) * (LANES / per_vec), pass->back.last + i,
                   exact ? pass->own.last + i : NULL,
                   at->paired ? polar_of(self, POLAR_SLOPES) + i : NULL, per_vec, K, end);
}

NBT_INLINE void sweep_form(const nbt_learner *self, const sweep_work *work, size_t first,
                           size_t last, int exact, size_t K, pass_end end)
{
#define PANEL(i, per_vec) sweep_panel(self, i, per_vec, work, exact, K, end)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}

static void sweep_panels(const void *what, size_t first, size_t last, size_t thread)
{
    (void)thread;
    const sweep_work *work = what;
    const nbt_learner *self = work->self;
    const int paired = self->sizes.paired;
    const int exact = !work->pass->own.bias ? NO_PATHS : paired ? COMPLEX : REAL;
    const size_t K = work->pass->K;
#define FORM(exact, K)                                                                             \
    do {                                                                                           \
        if (work->end == ADAM)                                                                     \
            sweep_form(self, work, first, last, exact, K, ADAM);                                   \
        else                                                                                       \
            sweep_form(self, work, first, last, exact, K, work->end);                              \
    } while (0)
    if (exact == COMPLEX)
        FORM(COMPLEX, K);
    else if (exact && K == 1)
        FORM(REAL, 1);
    else if (exact && K)
        FORM(REAL, K);
    else if (exact)
        FORM(REAL, 0);
    else if (K)
        FORM(NO_PATHS, K);
    else
        FORM(NO_PATHS, 0);
#undef FORM
}

/* The first step of the window that adds something to E: where nothing of c stays, the last. */
static size_t first_own(const nbt_learner *self, const nbt_gated_pass *pass)
{
    const size_t ld = self->sizes.cell.ld, count = self->past.length * ld;
    size_t k = 0;
    while (pass->own.bias && k < count && pass->own.bias[k] == 0) k++;
    return k / ld;
}

static void sweep(nbt_learner *self, const sweep_work *work)
{
    nbt_parallel(&self->workers, self->sizes.cell.count,
                 2 * self->past.length * self->sizes.cell.size, sweep_panels, work);
}

void NBT(gated_collect)(nbt_learner *self, const nbt_gated_pass *pass)
{
    sweep(self, &(sweep_work){.self = self, .pass = pass, .from = first_own(self, pass)});
}

void NBT(gated_collect_and_learn)(nbt_learner *self, const nbt_gated_pass *pass)
{
    const nbt_method *method = &self->choices.theta;
    const double rate = self->optimizer.theta_rate;
    sweep_work work = {.self = self, .pass = pass, .from = first_own(self, pass), .end = DESCEND};
    work.rate = NBT(optimizer_step_size)(method, rate).rate;
    if (method->kind == NBT_ADAM) {
        work.end = ADAM;
        work.step = NBT(optimizer_adam)(method, rate, &self->optimizer.theta_updates);
    }
    sweep(self, &work);
}
