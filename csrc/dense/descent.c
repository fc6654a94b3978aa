#include "dense/descent.h"
#include "dense/cell.h"
#include "dense/lazy.h"
#include "dense/nobacktrack.h"
#include "machine/parallel.h"
#include "shared/readout.h"
#include "shared/reduction.h"

/* One pair's part of a panel: w̄ ← keep w̄ + add z, its share c of θ's step, ‖w̄‖², F v̄. */
typedef struct {
    vec keep, add, c, norm, pushed;
} descent_pair;

/* What a panel carries down its turns. */
typedef struct {
    real *theta, *w;
    size_t pair_size;
    const real *z, *in, *sv; /* by row below row 0: z; the transition's z'; σ'_p v̄_p (K, ldP) */
    size_t ldP;
    vec H, sum; /* η H; the transition so far */
    descent_pair *pairs;
} descent_panel;

/* One vec: θ learns, w̄ moves, the transition takes its part. */
NBT_INLINE void pass_vec(descent_panel *b, real *theta_at, real *w_at, vec z, size_t K, int learn,
                         int move, vec *theta)
{
    vec moving = load(theta_at) - b->H * z;
    for (size_t k = 0; k < K; k++) {
        descent_pair *pair = b->pairs + k;
        const vec w = load(w_at + k * b->pair_size);
        moving -= pair->c * w;
        if (!move) continue;
        const vec moved = pair->keep * w + pair->add * z;
        store(w_at + k * b->pair_size, moved);
        pair->norm += moved * moved;
    }
    *theta = learn ? moving : load(theta_at);
    if (learn) store(theta_at, moving);
}

NBT_INLINE void pass_turns(descent_panel *b, size_t turns, size_t per_vec, size_t K, int learn,
                           int move)
{
    for (size_t t = 0; t < turns; t++) {
        const size_t p = t * per_vec;
        vec theta;
        pass_vec(b, b->theta + t * LANES, b->w + t * LANES, lanes_rows(b->z + p, per_vec), K, learn,
                 move, &theta);
        if (!move) continue;
        b->sum += lanes_rows(b->in + p, per_vec) * theta;
        for (size_t k = 0; k < K; k++)
            b->pairs[k].pushed += lanes_rows(b->sv + k * b->ldP + p, per_vec) * theta;
    }
}

/* z: the regressors ∂f_i/∂θ_i of the last transition; rows: how many below row 0 the pass visits.
 */
NBT_INLINE void pass_panel(nbt_learner *self, size_t thread, const real *z, size_t rows, size_t i,
                           size_t per_vec, size_t K, int learn, int move)
{
    const nbt_panels *at = &self->sizes.cell;
    const size_t ldn = self->sizes.ldn, ldP = self->sizes.ldP;
    const size_t turns = (rows + per_vec - 1) / per_vec;
    const real *keep = self->estimator.keep_w, *add = self->estimator.add_w, *c = self->scratch.c,
               *v = self->estimator.v;
    const real rate = (real)self->optimizer.theta_rate;
    real *theta = self->network.theta, *w = self->estimator.w;
    descent_pair only;
    descent_panel b = {.theta = panel_of(at, theta, i),
                       .w = panel_of(at, w, i),
                       .pair_size = at->size,
                       .z = z + 1,
                       .in = (const real *)self->estimator.z + 1,
                       .sv = self->estimator.sv,
                       .ldP = ldP,
                       .H = rate * load((const real *)self->readout.H + i),
                       .pairs = K == 1 ? &only : panel_pairs(self, thread)};
    for (size_t k = 0; k < K; k++)
        b.pairs[k] = (descent_pair){
            .keep = spread(keep[k]), .add = load(add + k * ldn + i), .c = spread(rate * c[k])};
    vec bias;
    pass_vec(&b, theta + i, w + i, spread(z[0]), K, learn, move, &bias);
    b.H = lanes_tile(b.H, per_vec);
    for (size_t k = 0; k < K; k++) {
        b.pairs[k].add = lanes_tile(b.pairs[k].add, per_vec);
        b.pairs[k].norm = lanes_only(b.pairs[k].norm, LANES / per_vec);
    }
    pass_turns(&b, turns, per_vec, K, learn, move);
    if (!move) return;
    const vec alpha = load((const real *)self->network.alpha + i);
    store((real *)self->scratch.h_next + i,
          lanes_gather(b.sum, per_vec) + (bias + alpha * load((const real *)self->network.h + i)));
    for (size_t k = 0; k < K; k++) {
        store((real *)self->estimator.norm_w + k * ldn + i, lanes_gather(b.pairs[k].norm, per_vec));
        store((real *)self->scratch.pushed + k * ldn + i,
              lanes_gather(b.pairs[k].pushed, per_vec) + alpha * load(v + k * ldn + i));
    }
}

/* What a pass is, and panels first … last - 1 of it. It uses six parts of a learner, so it
 * gets all of it. */
typedef struct {
    nbt_learner *self;
    const real *z;
    size_t rows;
    int learn, move;
} pass_work;

NBT_INLINE void pass_panels(const pass_work *work, size_t first, size_t last, size_t thread,
                            size_t K, int learn, int move)
{
    nbt_learner *self = work->self;
#define PANEL(i, per_vec) pass_panel(self, thread, work->z, work->rows, i, per_vec, K, learn, move)
    EACH_PANEL_OF(&self->sizes.cell, first, last, PANEL);
#undef PANEL
}
static void pass_one(const void *what, size_t first, size_t last, size_t thread)
{
    pass_panels(what, first, last, thread, 1, 1, 1);
}
static void pass_any(const void *what, size_t first, size_t last, size_t thread)
{
    const pass_work *work = what;
    pass_panels(work, first, last, thread, work->self->sizes.K, work->learn, work->move);
}

/* A vec of row p. */
NBT_INLINE void pass_symbol_panel(nbt_learner *self, size_t p, size_t i, size_t per_vec, int learn,
                                  int move)
{
    const nbt_panels *at = &self->sizes.cell;
    const real *keep = self->estimator.keep_w, *add = self->estimator.add_w, *c = self->scratch.c,
               *H = self->readout.H;
    descent_pair *pairs = self->scratch.pairs;
    vec g = load(H + i);
    for (size_t k = 0; k < self->sizes.K; k++) {
        real *w_k = panel_of(at, (real *)self->estimator.w + k * at->size, i);
        const vec w = panel_row_of(w_k, p, per_vec);
        g += c[k] * w;
        if (!move) continue;
        const vec moved = keep[k] * w + load(add + k * self->sizes.ldn + i);
        panel_put(w_k, p, per_vec, moved);
        pairs[k].norm += moved * moved;
    }
    if (!learn) return;
    real *theta = panel_of(at, self->network.theta, i);
    panel_put(theta, p, per_vec,
              panel_row_of(theta, p, per_vec) - (real)self->optimizer.theta_rate * g);
}

/* The row of the symbol that z has; leaves its squared norms in active_norm (K). */
static void pass_symbol(nbt_learner *self, size_t symbol, int learn, int move)
{
    descent_pair *pairs = self->scratch.pairs;
    for (size_t k = 0; k < self->sizes.K; k++) pairs[k].norm = spread(0);
#define PANEL(i, per_vec) pass_symbol_panel(self, self->sizes.n + symbol, i, per_vec, learn, move)
    EACH_PANEL(&self->sizes.cell, PANEL);
#undef PANEL
    if (!move) return;
    for (size_t k = 0; k < self->sizes.K; k++)
        ((real *)self->waiting.active_norm)[k] = fold(pairs[k].norm);
}

/* One pass. z and its symbol as above; keep_w 1 where w̄ does not move. */
static void pass(nbt_learner *self, const real *z, int32_t symbol, int learn, int move)
{
    const int lazy = self->choices.lazy && symbol != NBT_UNKNOWN_SYMBOL;
    const size_t K = self->sizes.K, rows = lazy ? self->sizes.n : self->sizes.cell.rows;
    const pass_work work = {self, z, rows, learn, move};
    nbt_parallel(&self->workers, self->sizes.cell.count, 2 * (1 + K) * self->sizes.ldn * rows,
                 K == 1 && learn && move ? pass_one : pass_any, &work);
    if (!lazy) return;
    if (symbol >= 0) pass_symbol(self, (size_t)symbol, learn, move);
    real *r = self->waiting.lazy_step;
    for (size_t k = 0; k < K; k++)
        r[k] = learn ? (real)self->optimizer.theta_rate * ((const real *)self->scratch.c)[k] : 0;
    NBT(lazy_advance)(K, self->counters.step, self->estimator.keep_w, r, &self->waiting);
}

/* ‖z‖² of z (P); symbol: the entry of x that is set. waits: rows of other symbols do (lazy.h). */
static real regressors_norm(const nbt_sizes *at, int waits, int32_t symbol, const real *z)
{
    const int lazy = waits && symbol != NBT_UNKNOWN_SYMBOL;
    const size_t count = lazy ? 1 + at->n : at->P;
    vec sum = {0};
    for (size_t i = 0; i < count; i += LANES) {
        const vec part = lanes_only(load(z + i), count - i);
        sum += part * part;
    }
    return fold(sum) + (lazy && symbol >= 0 ? 1 : 0);
}

/* What the next step asks for: norms (K + 1), all of ‖w̄_k‖² and ‖z‖². It uses five parts of a
 * learner, so it gets all of it. */
static void keep_norms(nbt_learner *self)
{
    real *norms = self->estimator.norms;
    const real *active = self->waiting.active_norm, *waiting = self->waiting.lazy_norm;
    for (size_t k = 0; k < self->sizes.K; k++) {
        norms[k] =
            NBT(sum)(self->sizes.ldn, (const real *)self->estimator.norm_w + k * self->sizes.ldn);
        if (self->choices.lazy) norms[k] += active[k] + waiting[k];
    }
    norms[self->sizes.K] =
        regressors_norm(&self->sizes, self->choices.lazy, self->network.x_last, self->estimator.z);
}

/* Steps of rows that wait are taken when their symbol comes. Is the square of what this one moves
 * them by beyond the range of numbers? */
static int leaves_range(size_t K, real rate, const real *c, const real *norms)
{
    for (size_t k = 0; k < K; k++)
        if (!isfinite(rate * c[k] * (rate * c[k]) * norms[k])) return 1;
    return 0;
}

double NBT(descent_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(observe_readout)(self, y, learn);
    if (!learn) return loss;
    real *c = self->scratch.c, *keep = self->estimator.keep_w;
    NBT(rows_dot)(self->sizes.K, self->sizes.ldn, self->estimator.v, self->readout.H, c);
    for (size_t k = 0; k < self->sizes.K; k++) c[k] /= (real)self->sizes.K, keep[k] = 1;
    if (self->choices.lazy &&
        leaves_range(self->sizes.K, (real)self->optimizer.theta_rate, c, self->estimator.norms))
        self->workers.noted = 1;
    if (self->estimator.deferred)
        self->estimator.learning = 1;
    else
        pass(self, self->estimator.z, self->network.x_last, 1, 0);
    return loss;
}

/* (13)–(14) for pair k, but for F: v̄ ← ρ̄ v̄ + Σ ε_i ρ_i e_i; keep_w, add_w; sv = σ' v̄. It uses six
 * parts of a learner, so it gets all of it. */
static void reduce_pair(nbt_learner *self, size_t k)
{
    const size_t ldn = self->sizes.ldn;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    real *v = (real *)self->estimator.v + k * ldn, *add = (real *)self->estimator.add_w + k * ldn;
    real *sv = (real *)self->estimator.sv + k * self->sizes.ldP, *rho = self->reduction.rho,
         *inverse = self->reduction.rho_inverse;
    const real *slope = self->network.slope, *norms = self->estimator.norms;
    const real norm_z = norms[self->sizes.K];
    NBT(signs)(&self->sizes, self->choices.seed, self->counters.step, (uint32_t)k,
               &self->reduction);
    NBT(state_weights)(&self->sizes, self->choices.norm, &self->estimator, k, &self->reduction);
    real v2;
    NBT(rows_norm)(1, ldn, v, self->reduction.u, &v2);
    const nbt_balance old = balance_of(balanced, norms[k], v2);
    if (self->choices.norm == NBT_FISHER) {
        for (size_t i = 0; i < ldn; i += LANES)
            store((real *)self->estimator.norm_d + i, spread(norm_z));
        NBT(balance)(ldn, balanced, self->estimator.norm_d, self->reduction.u, rho, inverse);
    } else {
        const nbt_balance each = balance_of(balanced, norm_z, 1);
        for (size_t i = 0; i < ldn; i += LANES)
            store(rho + i, spread(each.rho)), store(inverse + i, spread(each.inverse));
    }
    NBT(fold)(&self->reduction, self->sizes.ldn, old.rho, v, add);
    for (size_t i = 0; i < ldn; i += LANES) store(sv + i, load(slope + i) * load(v + i));
    for (size_t i = self->sizes.n; i < ldn; i++) sv[i] = 0; /* no unit, or the rows of inputs */
    ((real *)self->estimator.keep_w)[k] = old.inverse;
}

/* The norms of w̄, in the order of the pass, from the arrays. */
static void measure_pairs(const nbt_sizes *sizes, int lazy, const nbt_estimator *of)
{
    const nbt_panels *at = &sizes->cell;
    const size_t rows = lazy ? sizes->n : at->rows;
    for (size_t k = 0; k < sizes->K; k++) {
        const real *w = (const real *)of->w + k * at->size;
#define PANEL(i, per_vec)                                                                          \
    do {                                                                                           \
        vec norm = load(w + i) * load(w + i);                                                      \
        const real *turns = panel_of(at, w, i);                                                    \
        for (size_t t = 0; t < (rows + per_vec - 1) / per_vec; t++)                                \
            norm += load(turns + t * LANES) * load(turns + t * LANES);                             \
        store((real *)of->norm_w + k * sizes->ldn + i, lanes_gather(norm, per_vec));               \
    } while (0)
        EACH_PANEL(at, PANEL);
#undef PANEL
    }
}

/* The symbol of the last transition waits, that of this one comes. */
static void change_symbol(nbt_learner *self, int32_t before, int32_t symbol)
{
    const lazy_rows rows = lazy_rows_of(self);
    real *h = self->scratch.h_next;
    const int known = before != NBT_UNKNOWN_SYMBOL; /* otherwise the pass met every row */
    if (known)
        NBT(lazy_retire)(&rows, self->counters.step, before, self->waiting.active_norm);
    else {
        NBT(lazy_reset)(&rows, -1);
        measure_pairs(&self->sizes, self->choices.lazy, &self->estimator);
    }
    NBT(lazy_recall)(&rows, symbol);
    if (!known) return; /* h' has the row already */
    for (size_t i = 0; i < self->sizes.ldn; i += LANES)
        store(h + i, load(h + i) + panel_row(&self->sizes.cell, self->network.theta,
                                             self->sizes.n + (size_t)symbol, i));
}

void NBT(descent_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const nbt_sizes *at = &self->sizes;
    const dense_cell cell = cell_of(self);
    const int known = symbols_known(&self->choices, &self->network, &self->estimator);
    nbt_estimator *estimator = &self->estimator;
    const int learn = estimator->learning;
    estimator->learning = 0;
    NBT(keep_regressors)(at, known, self->network.x_last, estimator);
    NBT(cell_regress)(&cell, symbol, vector, &self->network.x_last, estimator->z);
    for (size_t k = 0; k < at->K; k++) reduce_pair(self, k);
    pass(self, estimator->z_last, estimator->x_late, learn, 1);
    if (self->choices.lazy) change_symbol(self, estimator->x_late, symbol);
    lanes_copy(at->K * at->ldn, self->scratch.pushed, estimator->v);
    keep_norms(self);
    NBT(cell_move)(at, &self->choices, self->scratch.h_next, &self->network);
}

void NBT(descent_look)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (!self->choices.lazy) {
        NBT(cell_look)(self, symbol, vector);
        return;
    }
    const lazy_rows rows = lazy_rows_of(self);
    NBT(lazy_row)(&rows, symbol, self->scratch.input);
    const dense_cell cell = cell_of(self);
    NBT(cell_forward)(&cell, self->scratch.input, self->scratch.h_next);
}

void NBT(descent_refresh)(nbt_learner *self)
{
    NBT(nobacktrack_refresh)(self);
    if (self->choices.lazy) {
        const lazy_rows rows = lazy_rows_of(self);
        const int32_t symbol = self->network.x_last;
        memset(self->waiting.active_norm, 0, self->sizes.K * sizeof(real));
        if (symbol >= 0)
            NBT(row_norms)(&self->sizes, self->estimator.w, self->sizes.n + (size_t)symbol,
                           self->waiting.active_norm);
        if (!self->waiting.resumed) NBT(lazy_reset)(&rows, symbol);
    }
    measure_pairs(&self->sizes, self->choices.lazy, &self->estimator);
    keep_norms(self);
    self->estimator.learning = 0;
}
