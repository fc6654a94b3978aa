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
static void clear_pending(nbt_learner *self)
{
    real *keep_w = self->estimator.keep_w, *keep_d = self->estimator.keep_d;
    for (size_t i = 0; i < self->sizes.K * self->sizes.ldn; i++) keep_w[i] = 1;
    for (size_t i = 0; i < self->sizes.n; i++) keep_d[i] = 1; /* 0 in the padding: there d is z */
    memset(self->estimator.add_w, 0, self->sizes.K * self->sizes.ldn * sizeof(real));
    if (!self->choices.exact_self) return;
    memset(self->estimator.z, 0,
           self->sizes.P * sizeof(real)); /* d has it; without d it stays, being w_i itself */
    self->network.x_last = -1;
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

/* What is pending, on the bounds of w̄ and d. One-hot z is 0 or 1 but for (1, a). */
static void follow_bounds(nbt_learner *self)
{
    const size_t ldn = self->sizes.ldn;
    const int known = self->choices.one_hot && self->network.x_last != NBT_UNKNOWN_SYMBOL &&
                      self->estimator.x_late != NBT_UNKNOWN_SYMBOL;
    const vec most = largest(known ? 1 + self->sizes.n : self->sizes.P,
                             self->choices.exact_self ? self->estimator.z : self->estimator.z_last);
    const vec most_z = spread(MARGIN) * lanes_max(most, spread(1));
    real *most_d = self->estimator.most_d;
    for (size_t i = 0; i < ldn; i += LANES) {
        const vec before = self->choices.exact_self ? load(most_d + i) : most_z;
        for (size_t k = 0; k < self->sizes.K; k++) {
            const size_t at = k * ldn + i;
            const vec keep = magnitude(load((const real *)self->estimator.keep_w + at));
            const vec add = magnitude(load((const real *)self->estimator.add_w + at));
            real *most_w = (real *)self->estimator.most_w + at;
            store(most_w, keep * load(most_w) + add * before);
        }
        const vec keep = magnitude(load((const real *)self->estimator.keep_d + i));
        if (self->choices.exact_self) store(most_d + i, keep * before + most_z);
    }
}

/* The bounds from w̄ and d as they are. Too large to have any: every step is looked at. */
static void find_bounds(nbt_learner *self)
{
    const size_t size = self->sizes.cell.size, ldn = self->sizes.ldn;
    const vec most_w = spread(MARGIN) * largest(self->sizes.K * size, self->estimator.w);
    const vec most_d =
        self->choices.exact_self ? spread(MARGIN) * largest(size, self->estimator.d) : spread(0);
    for (size_t i = 0; i < self->sizes.K * ldn; i += LANES)
        store((real *)self->estimator.most_w + i, most_w);
    for (size_t i = 0; i < ldn; i += LANES) store((real *)self->estimator.most_d + i, most_d);
    if (!isfinite(most_w[0]) || !isfinite(most_d[0])) self->workers.noted = 1;
}

static void sweep(nbt_learner *self, int learn)
{
    if (self->estimator.settled) clear_pending(self);
    NBT(sweep)(self, learn);
    self->estimator.settled = self->estimator.fresh = 1;
}

/* c[k, i] = H·v̄_ks / K, s the block of unit i. O(K S n) */
static void gradient_coefficients(nbt_learner *self)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S;
    real *c = self->scratch.c, *block = self->reduction.block_v;
    for (size_t k = 0; k < self->sizes.K; k++) {
        NBT(rows_dot)(S, ldn, (real *)self->estimator.v + k * S * ldn, self->readout.H, block);
        const real part = 1 / (real)self->sizes.K;
        for (size_t s = 0; s < S; s++) block[s] *= part;
        NBT(block_spread)(self->sizes.n, ldn, S, block, c + k * ldn);
    }
}

double NBT(nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(readout_loss)(self, y, self->readout.delta);
    if (!learn) return loss;
    NBT(readout_learn)(self);
    NBT(follow_fisher)(self);
    gradient_coefficients(self);
    if (self->sizes.T) NBT(window_adjoints)(self);
    sweep(self, 1);
    return loss;
}

/* (13) before the transition: v̄_s ← F (ρ̄_s v̄_s + Σ_i ε_i ρ_i e_i). O(S n²) */
static void fold_plain(nbt_learner *self, size_t k, real *v)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, S = self->sizes.S;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    const real *sign = self->reduction.sign, *block_rho = self->reduction.block_rho;
    real *rho = self->reduction.rho, *pushed = self->scratch.pushed;
    NBT(balance_blocks)(self, S, v);
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
    NBT(cell_push)(cell_of(self), (nbt_vectors){S, v}, (nbt_vectors){0}, pushed,
                   self->scratch.input, k == 0 ? self->scratch.h_next : NULL);
    lanes_copy(S * ldn, pushed, v);
}

/* keep_d, and the excess of F_ii over it; NULL if there is none. */
static const real *split_own(nbt_learner *self)
{
    nbt_estimator *to = &self->estimator;
    NBT(cell_diagonal)(cell_of(self), to->keep_d);
    return NBT(split_own)(self->sizes.ldn, to->keep_d, to->excess) ? to->excess : NULL;
}

/* With exact self-influence, after it: v̄_s ← ρ̄_s F v̄_s + Σ_i ε_i ρ_i (column i of F, entry i what
 * is in excess). */
static void fold_exact(nbt_learner *self, size_t k, const real *excess, real *v)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    NBT(cell_push)(cell_of(self), (nbt_vectors){S, v}, (nbt_vectors){0}, self->scratch.pushed,
                   self->scratch.input, k == 0 ? self->scratch.h_next : NULL);
    NBT(balance_blocks)(self, S, self->scratch.pushed);
    const real *sign = self->reduction.sign, *rho = self->reduction.rho, *u = self->reduction.u;
    real *norm = self->scratch.columns, *part = self->scratch.part;
    NBT(cell_column_norms)(cell_of(self), u, norm);
    for (size_t i = self->sizes.n; i < ldn; i++) norm[i] = 0; /* what the gradient left there */
    for (size_t i = 0; excess && i < ldn; i += LANES) {
        const vec more = load(excess + i);
        store(norm + i, load(norm + i) + more * more * load(u + i));
    }
    NBT(balance)(ldn, balanced, self->estimator.norm_d, norm, self->reduction.rho,
                 self->reduction.rho_inverse);
    for (size_t i = 0; i < ldn; i += LANES) store(part + i, load(sign + i) * load(rho + i));
    NBT(cell_fold)(cell_of(self), self->reduction.block_rho, self->scratch.pushed, part, v);
    for (size_t i = 0; excess && i < self->sizes.n; i++)
        if (excess[i] != 0) v[i % S * ldn + i] += sign[i] * rho[i] * excess[i];
}

/* (14), left for the next sweep: w̄ ← w̄ / ρ̄ + Σ ε_i w_i / ρ_i. */
static void leave_pending(nbt_learner *self, size_t k)
{
    const size_t ldn = self->sizes.ldn;
    const real *sign = self->reduction.sign, *inverse = self->reduction.rho_inverse;
    real *add_w = (real *)self->estimator.add_w + k * ldn;
    NBT(block_spread)(self->sizes.n, ldn, self->sizes.S, self->reduction.block_inverse,
                      (real *)self->estimator.keep_w + k * ldn);
    for (size_t i = 0; i < ldn; i++) add_w[i] = sign[i] * inverse[i];
}

/* h_next is made on the way. */
static void reduce(nbt_learner *self)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, S = self->sizes.S;
    const real *excess = self->choices.exact_self && !self->sizes.T ? split_own(self) : NULL;
    if (self->sizes.T) NBT(window_turn)(self);
    for (size_t k = 0; k < self->sizes.K; k++) {
        real *v = (real *)self->estimator.v + k * S * ldn;
        NBT(signs)(self, (uint32_t)k, self->reduction.sign);
        NBT(block_sums)(n, ldn, S, (real *)self->estimator.norm_w + k * ldn,
                        self->reduction.block_w);
        NBT(state_weights)(self, k);
        if (self->sizes.T) {
            NBT(window_fold)(self, k, v);
            continue;
        }
        if (self->choices.exact_self)
            fold_exact(self, k, excess, v);
        else
            fold_plain(self, k, v);
        leave_pending(self, k);
    }
}

void NBT(keep_regressors)(nbt_learner *self)
{
    const real *z = self->estimator.z;
    real *z_last = self->estimator.z_last, *x = z_last + 1 + self->sizes.n;
    const int known = self->choices.one_hot && self->network.x_last != NBT_UNKNOWN_SYMBOL &&
                      self->estimator.x_late != NBT_UNKNOWN_SYMBOL;
    memcpy(z_last, z, (known ? 1 + self->sizes.n : self->sizes.P) * sizeof *z);
    if (known && self->estimator.x_late >= 0) x[self->estimator.x_late] = 0;
    if (known && self->network.x_last >= 0) x[self->network.x_last] = 1;
    self->estimator.x_late = self->network.x_last;
}

void NBT(nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (!self->estimator.fresh) sweep(self, 0);
    NBT(cell_input)(cell_of(self), symbol, vector, self->scratch.input);
    reduce(self);
    if (!self->choices.exact_self) NBT(keep_regressors)(self);
    if (self->sizes.T)
        NBT(window_regress)(self, symbol, vector);
    else
        NBT(cell_regress)(cell_of(self), symbol, vector, &self->network.x_last, self->estimator.z);
    follow_bounds(self);
    NBT(cell_move)(&self->sizes, &self->choices, self->scratch.h_next, &self->network);
    self->estimator.settled = self->estimator.fresh = 0;
}

void NBT(nobacktrack_settle)(nbt_learner *self)
{
    if (!self->estimator.settled) sweep(self, 0);
    find_bounds(self);
}

void NBT(nobacktrack_refresh)(nbt_learner *self)
{
    memset(self->estimator.z_last, 0, self->sizes.P * sizeof(real));
    if (!self->choices.descent) find_bounds(self);
    if (self->sizes.T) NBT(window_refresh)(self);
    if (!self->choices.one_hot) return;
    const real *x = (real *)self->estimator.z + 1 + self->sizes.n;
    size_t set = 0, where = 0;
    for (size_t l = 0; l < self->sizes.m; l++) {
        if (x[l] != 0) where = l;
        set += x[l] != 0;
    }
    if (set == 0) self->network.x_last = -1;
    if (set == 1 && x[where] == 1) self->network.x_last = (int32_t)where;
}
