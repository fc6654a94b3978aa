#include "dense/nobacktrack.h"
#include "dense/cell.h"
#include "dense/sweep.h"
#include "dense/window.h"
#include "machine/panels.h"
#include "shared/readout.h"
#include "shared/reduction.h"
#include <math.h>
#include <string.h>

/* Coefficients that change nothing, for a sweep when nothing is pending. */
static void clear_pending(const nbt_sizes *at, int exact, int32_t *x_last, const nbt_estimator *to)
{
    real *keep_w = to->keep_w, *keep_d = to->keep_d;
    for (size_t i = 0; i < at->K * at->ldn; i++) keep_w[i] = 1;
    for (size_t i = 0; i < at->n; i++) keep_d[i] = 1; /* 0 in the padding: there d is z */
    memset(to->add_w, 0, at->K * at->ldn * sizeof(real));
    if (!exact) return;
    memset(to->z, 0, at->P * sizeof(real)); /* d has it; without d it stays, being w_i itself */
    *x_last = -1;
}

NBT_INLINE vec magnitude(vec x) { return lanes_max(x, -x); }

/* The largest magnitude in x (count, or on to a whole vec). */
static vec largest(size_t count, const real *x)
{
    vec most = {0};
    for (size_t i = 0; i < count; i += LANES) most = lanes_max(magnitude(load(x + i)), most);
    return spread(fold_max(most));
}

enum { MARGIN = 1024 };

/* What is pending, on the bounds of w̄ and d. One-hot z is 0 or 1 but for (1, a). known:
 * symbols_known(). */
static void follow_bounds(const nbt_sizes *at, int exact, int known, const nbt_estimator *of)
{
    const size_t ldn = at->ldn;
    const vec most = largest(known ? 1 + at->n : at->P, exact ? of->z : of->z_last);
    const vec most_z = spread(MARGIN) * lanes_max(most, spread(1));
    real *most_d = of->most_d;
    for (size_t i = 0; i < ldn; i += LANES) {
        const vec before = exact ? load(most_d + i) : most_z;
        for (size_t k = 0; k < at->K; k++) {
            const size_t here = k * ldn + i;
            const vec keep = magnitude(load((const real *)of->keep_w + here));
            const vec add = magnitude(load((const real *)of->add_w + here));
            real *most_w = (real *)of->most_w + here;
            store(most_w, keep * load(most_w) + add * before);
        }
        const vec keep = magnitude(load((const real *)of->keep_d + i));
        if (exact) store(most_d + i, keep * before + most_z);
    }
}

/* The bounds from w̄ and d as they are. Too large to have any: every step is looked at. */
static void find_bounds(const nbt_sizes *at, int exact, const nbt_estimator *of,
                        nbt_workers *workers)
{
    const size_t size = at->cell.size, ldn = at->ldn;
    const vec most_w = spread(MARGIN) * largest(at->K * size, of->w);
    const vec most_d = exact ? spread(MARGIN) * largest(size, of->d) : spread(0);
    for (size_t i = 0; i < at->K * ldn; i += LANES) store((real *)of->most_w + i, most_w);
    for (size_t i = 0; i < ldn; i += LANES) store((real *)of->most_d + i, most_d);
    if (!isfinite(most_w[0]) || !isfinite(most_d[0])) workers->noted = 1;
}

static void sweep(nbt_learner *self, int learn)
{
    if (self->estimator.settled)
        clear_pending(&self->sizes, self->choices.exact_self, &self->network.x_last,
                      &self->estimator);
    NBT(sweep)(self, learn);
    self->estimator.settled = self->estimator.fresh = 1;
}

/* c[k, i] = H·v̄_ks / K, s the block of unit i. O(K S n) */
static void gradient_coefficients(const nbt_sizes *at, const real *H, const real *v, real *block,
                                  real *c)
{
    const size_t ldn = at->ldn, S = at->S;
    for (size_t k = 0; k < at->K; k++) {
        NBT(rows_dot)(S, ldn, v + k * S * ldn, H, block);
        const real part = 1 / (real)at->K;
        for (size_t s = 0; s < S; s++) block[s] *= part;
        NBT(block_spread)(at->n, ldn, S, block, c + k * ldn);
    }
}

double NBT(observe_readout)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(readout_loss)(self, y, self->readout.delta);
    if (!learn) return loss;
    NBT(readout_learn)(self);
    NBT(follow_fisher)(&self->sizes, self->counters.step, self->readout.H, self->estimator.fisher);
    return loss;
}

double NBT(nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(observe_readout)(self, y, learn);
    if (!learn) return loss;
    gradient_coefficients(&self->sizes, self->readout.H, self->estimator.v, self->reduction.block_H,
                          self->scratch.c);
    if (self->sizes.T) NBT(window_adjoints)(&self->sizes, self->readout.H, &self->past);
    sweep(self, 1);
    return loss;
}

/* (13) before the transition: v̄_s ← F (ρ̄_s v̄_s + Σ_i ε_i ρ_i e_i). This and fold_exact() use six
 * parts of a learner, so they get all of it. O(S n²) */
static void fold_plain(nbt_learner *self, size_t k, real *v)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, S = self->sizes.S;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    const real *sign = self->reduction.sign, *block_rho = self->reduction.block_rho;
    real *rho = self->reduction.rho, *pushed = self->scratch.pushed;
    NBT(balance_blocks)(&self->sizes, balanced, S, v, &self->reduction);
    NBT(balance)(ldn, balanced, self->estimator.norm_d, self->reduction.u, rho,
                 self->reduction.rho_inverse);
    for (size_t s = 0; s < S; s++) {
        real *vs = v + s * ldn;
        for (size_t i = 0; i < ldn; i += LANES) store(vs + i, block_rho[s] * load(vs + i));
        if (S == 1)
            for (size_t i = 0; i < ldn; i++) vs[i] += sign[i] * rho[i];
        else
            for (size_t i = s; i < n; i += S) vs[i] += sign[i] * rho[i];
    }
    const dense_cell cell = cell_of(self);
    NBT(cell_push)(&cell, (nbt_vectors){S, v}, (nbt_vectors){0}, pushed, self->scratch.input,
                   k == 0 ? self->scratch.h_next : NULL);
    lanes_copy(S * ldn, pushed, v);
}

/* keep_d, and the excess of F_ii over it; NULL if there is none. */
static const real *split_own(const dense_cell *cell, const nbt_estimator *to)
{
    NBT(cell_diagonal)(cell, to->keep_d);
    return NBT(split_own)(cell->sizes->ldn, to->keep_d, to->excess) ? to->excess : NULL;
}

/* With exact self-influence, after it: v̄_s ← ρ̄_s F v̄_s + Σ_i ε_i ρ_i (column i of F, entry i what
 * is in excess). */
static void fold_exact(nbt_learner *self, size_t k, const real *excess, real *v)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    const dense_cell cell = cell_of(self);
    NBT(cell_push)(&cell, (nbt_vectors){S, v}, (nbt_vectors){0}, self->scratch.pushed,
                   self->scratch.input, k == 0 ? self->scratch.h_next : NULL);
    NBT(balance_blocks)(&self->sizes, balanced, S, self->scratch.pushed, &self->reduction);
    const real *sign = self->reduction.sign, *rho = self->reduction.rho, *u = self->reduction.u;
    real *norm = self->scratch.columns, *part = self->scratch.part;
    NBT(cell_column_norms)(&cell, u, norm);
    for (size_t i = self->sizes.n; i < ldn; i++) norm[i] = 0; /* what the gradient left there */
    for (size_t i = 0; excess && i < ldn; i += LANES) {
        const vec more = load(excess + i);
        store(norm + i, load(norm + i) + more * more * load(u + i));
    }
    NBT(balance)(ldn, balanced, self->estimator.norm_d, norm, self->reduction.rho,
                 self->reduction.rho_inverse);
    for (size_t i = 0; i < ldn; i += LANES) store(part + i, load(sign + i) * load(rho + i));
    NBT(cell_fold)(&cell, self->reduction.block_rho, self->scratch.pushed, part, v);
    for (size_t i = 0; excess && i < self->sizes.n; i++)
        if (excess[i] != 0) v[i % S * ldn + i] += sign[i] * rho[i] * excess[i];
}

/* (14), left for the next sweep: w̄ ← w̄ / ρ̄ + Σ ε_i w_i / ρ_i. */
static void leave_pending(const nbt_sizes *at, const nbt_reduction *from, real *keep_w, real *add_w)
{
    const real *sign = from->sign, *inverse = from->rho_inverse;
    NBT(block_spread)(at->n, at->ldn, at->S, from->block_inverse, keep_w);
    for (size_t i = 0; i < at->ldn; i++) add_w[i] = sign[i] * inverse[i];
}

/* h_next is made on the way. */
static void reduce(nbt_learner *self)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, S = self->sizes.S;
    const nbt_estimator *to = &self->estimator;
    const dense_cell cell = cell_of(self);
    const real *excess = self->choices.exact_self && !self->sizes.T ? split_own(&cell, to) : NULL;
    if (self->sizes.T) NBT(window_turn)(&self->sizes, &self->past, to);
    for (size_t k = 0; k < self->sizes.K; k++) {
        real *v = (real *)to->v + k * S * ldn;
        NBT(signs)(&self->sizes, self->choices.seed, self->counters.step, (uint32_t)k,
                   &self->reduction);
        NBT(block_sums)(n, ldn, S, (real *)to->norm_w + k * ldn, self->reduction.block_w);
        NBT(state_weights)(&self->sizes, self->choices.norm, to, k, &self->reduction);
        if (self->sizes.T) {
            NBT(window_fold)(self, k, v);
            continue;
        }
        if (self->choices.exact_self)
            fold_exact(self, k, excess, v);
        else
            fold_plain(self, k, v);
        leave_pending(&self->sizes, &self->reduction, row_at(to->keep_w, k, ldn),
                      row_at(to->add_w, k, ldn));
    }
}

void NBT(keep_regressors)(const nbt_sizes *at, int known, int32_t x_last, nbt_estimator *of)
{
    const real *z = of->z;
    real *z_last = of->z_last, *x = z_last + 1 + at->n;
    memcpy(z_last, z, (known ? 1 + at->n : at->P) * sizeof *z);
    if (known && of->x_late >= 0) x[of->x_late] = 0;
    if (known && x_last >= 0) x[x_last] = 1;
    of->x_late = x_last;
}

void NBT(nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    const nbt_sizes *at = &self->sizes;
    const dense_cell cell = cell_of(self);
    const int exact = self->choices.exact_self;
    nbt_estimator *estimator = &self->estimator;
    int32_t *x_last = &self->network.x_last;
    if (!estimator->fresh) sweep(self, 0);
    NBT(cell_input)(&cell, symbol, vector, self->scratch.input);
    reduce(self);
    if (!exact)
        NBT(keep_regressors)(at, symbols_known(&self->choices, &self->network, estimator), *x_last,
                             estimator);
    if (at->T)
        NBT(window_regress)(&cell, symbol, vector, &self->past, x_last, estimator->z);
    else
        NBT(cell_regress)(&cell, symbol, vector, x_last, estimator->z);
    follow_bounds(at, exact, symbols_known(&self->choices, &self->network, estimator), estimator);
    NBT(cell_move)(at, &self->choices, self->scratch.h_next, &self->network);
    estimator->settled = estimator->fresh = 0;
}

void NBT(nobacktrack_settle)(nbt_learner *self)
{
    if (!self->estimator.settled) sweep(self, 0);
    find_bounds(&self->sizes, self->choices.exact_self, &self->estimator, &self->workers);
}

void NBT(nobacktrack_refresh)(nbt_learner *self)
{
    memset(self->estimator.z_last, 0, self->sizes.P * sizeof(real));
    if (!self->choices.descent)
        find_bounds(&self->sizes, self->choices.exact_self, &self->estimator, &self->workers);
    if (!self->choices.one_hot) {
        NBT(window_refresh)(&self->sizes, &self->past);
        return;
    }
    const real *x = (real *)self->estimator.z + 1 + self->sizes.n;
    size_t set = 0, where = 0;
    for (size_t l = 0; l < self->sizes.m; l++) {
        if (x[l] != 0) where = l;
        set += x[l] != 0;
    }
    if (set == 0) self->network.x_last = -1;
    if (set == 1 && x[where] == 1) self->network.x_last = (int32_t)where;
}
