#include "gated/outer.h"
#include "gated/carried.h"
#include "gated/turns.h"
#include "machine/parallel.h"

typedef struct {
    const nbt_learner *self;
    nbt_flats flats;
    const real *factor, *E, *w;
    real *out;
} outer_work;

/* One panel: where its rows begin. */
typedef struct {
    const real *E, *w;
    real *out;
    int paired;
    vec factor, square, w_square;
} outer_panel;

/* Turn number `at` (in numbers), to which the steps gave `sum`. */
NBT_INLINE void put_turn(outer_panel *b, size_t at, vec sum)
{
    if (b->E) sum += carried_against(b->paired, b->factor, load(b->E + at));
    store(b->out + at, sum);
    b->square += sum * sum;
    if (!b->w) return;
    const vec w = load(b->w + at);
    b->w_square += w * w;
}

/* `rows` rows from number `at` on, which meet left (T, ld_left). */
NBT_INLINE void outer_rows(const nbt_learner *self, outer_panel *b, size_t rows, size_t at,
                           const real *left, size_t ld_left, const real *right, size_t per_vec)
{
    const size_t turns = (rows + per_vec - 1) / per_vec, steps = self->past.length;
    const size_t ld = self->sizes.cell.ld;
    size_t k = 0;
    for (; k + TURNS <= turns; k += TURNS) {
        vec sum[TURNS];
        UNROLL
        for (size_t j = 0; j < TURNS; j++) sum[j] = (vec){0};
        turns_add(TURNS, 0, steps, left + k * per_vec, ld_left, right, ld, per_vec, sum);
        UNROLL
        for (size_t j = 0; j < TURNS; j++) put_turn(b, at + (k + j) * LANES, sum[j]);
    }
    for (; k < turns; k++) {
        vec sum[TURNS];
        sum[0] = (vec){0};
        turns_add(1, 0, steps, left + k * per_vec, ld_left, right, ld, per_vec, sum);
        put_turn(b, at + k * LANES, sum[0]);
    }
}

NBT_INLINE void outer_symbols(const nbt_learner *self, outer_panel *b, size_t rows, size_t at,
                              const real *right, size_t per_vec)
{
    const size_t turns = (rows + per_vec - 1) / per_vec, ld = self->sizes.cell.ld;
    symbol_walk walk = symbols_of(self);
    for (size_t k = 0; k < turns; k++) {
        const size_t met = next_turn(&walk, per_vec, turns);
        for (; k < met; k++) put_turn(b, at + k * LANES, (vec){0});
        if (k == turns) return;
        vec sum = {0};
        for (; next_turn(&walk, per_vec, turns) == k; walk.next++) {
            const size_t t = (size_t)walk.order[walk.next];
            sum += symbol_lanes((size_t)walk.symbol[t] - k * per_vec, right + t * ld, per_vec);
        }
        put_turn(b, at + k * LANES, sum);
    }
}

/* Σ_t of rows that are added as they are: biases, the last row. */
NBT_INLINE vec steps_sum(const nbt_learner *self, const real *rows)
{
    vec sum = {0};
    for (size_t t = 0; t < self->past.length; t++) sum += load(rows + t * self->sizes.cell.ld);
    return sum;
}

NBT_INLINE void outer_of_panel(const nbt_learner *self, size_t i, size_t per_vec,
                               const outer_work *work, int paired)
{
    const nbt_sizes *at = &self->sizes;
    const size_t W = rows_of_W(at, &self->choices), r = W * (LANES / per_vec);
    const nbt_flats flats = work->flats;
    const vec factor = work->factor ? load(work->factor + i) : spread(1);
    outer_panel biases = {
        .E = work->E, .w = work->w, .out = work->out, .paired = paired, .factor = factor};
    put_turn(&biases, i, steps_sum(self, flats.bias + i));
    outer_panel b = {.paired = paired, .factor = lanes_tile(factor, per_vec)};
    b.E = work->E ? panel_of(&at->cell, work->E, i) : NULL;
    b.w = work->w ? panel_of(&at->cell, work->w, i) : NULL;
    b.out = panel_of(&at->cell, work->out, i);
    outer_rows(self, &b, W, 0, self->past.window_a, at->ldn, flats.W + i, per_vec);
    if (self->choices.one_hot)
        outer_symbols(self, &b, at->m, r, flats.r + i, per_vec);
    else
        outer_rows(self, &b, at->m, r, self->past.window_x, at->ldm, flats.r + i, per_vec);
    if (flats.last)
        put_turn(&b, row_of_last(at) * (LANES / per_vec),
                 lanes_only(steps_sum(self, flats.last + i), LANES / per_vec));
    real *squares = self->scratch.sums;
    store(squares + i, biases.square + lanes_gather(b.square, per_vec));
    store(squares + at->cell.ld + i, biases.w_square + lanes_gather(b.w_square, per_vec));
}

static void outer_panels(const void *what, size_t first, size_t last, size_t thread)
{
    (void)thread;
    const outer_work *work = what;
    const nbt_sizes *at = &work->self->sizes;
#define REAL(i, per_vec) outer_of_panel(work->self, i, per_vec, work, 0)
#define COMPLEX(i, per_vec) outer_of_panel(work->self, i, per_vec, work, 1)
    if (at->paired && work->factor)
        EACH_PANEL_OF(&at->cell, first, last, COMPLEX);
    else
        EACH_PANEL_OF(&at->cell, first, last, REAL);
#undef REAL
#undef COMPLEX
}

void NBT(gated_outer)(nbt_learner *self, nbt_flats flats, const real *factor, const real *E,
                      const real *w, real *out)
{
    const outer_work work = {self, flats, factor, E, w, out};
    nbt_parallel(&self->workers, self->sizes.cell.count, self->past.length * self->sizes.cell.size,
                 outer_panels, &work);
}
