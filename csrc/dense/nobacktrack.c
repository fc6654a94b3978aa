#include "dense/nobacktrack.h"
#include "dense/cell.h"
#include "dense/sweep.h"
#include "dense/window.h"
#include "machine/panels.h"
#include "machine/parallel.h"
#include "shared/readout.h"
#include "shared/reduction.h"
#include <math.h>
#include <string.h>

/* Coefficients that change nothing, for a sweep when nothing is pending. */
static void clear_pending(nbt_learner *self)
{
    real *keep_w = self->keep_w, *keep_d = self->keep_d;
    for (size_t i = 0; i < self->K * self->ldn; i++) keep_w[i] = 1;
    for (size_t i = 0; i < self->n; i++) keep_d[i] = 1; /* 0 in the padding: there d is z */
    memset(self->add_w, 0, self->K * self->ldn * sizeof(real));
    if (!self->exact_self) return;
    memset(self->z, 0, self->P * sizeof(real)); /* d has it; without d it stays, being w_i itself */
    self->x_last = -1;
}

NBT_INLINE vec magnitude(vec x) { return lanes_max(x, -x); }

/* The largest magnitude in x (count, or on to a whole lane block). */
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
    const size_t ldn = self->ldn;
    const int known =
        self->one_hot && self->x_last != NBT_UNKNOWN_SYMBOL && self->x_late != NBT_UNKNOWN_SYMBOL;
    const vec most =
        largest(known ? 1 + self->n : self->P, self->exact_self ? self->z : self->z_last);
    const vec most_z = spread(MARGIN) * lanes_max(most, spread(1));
    real *most_d = self->most_d;
    for (size_t i = 0; i < ldn; i += LANES) {
        const vec before = self->exact_self ? load(most_d + i) : most_z;
        for (size_t k = 0; k < self->K; k++) {
            const size_t at = k * ldn + i;
            const vec keep = magnitude(load((const real *)self->keep_w + at));
            const vec add = magnitude(load((const real *)self->add_w + at));
            real *most_w = (real *)self->most_w + at;
            store(most_w, keep * load(most_w) + add * before);
        }
        const vec keep = magnitude(load((const real *)self->keep_d + i));
        if (self->exact_self) store(most_d + i, keep * before + most_z);
    }
}

/* The bounds from w̄ and d as they are. Too large to have any: every step is looked at. */
static void find_bounds(nbt_learner *self)
{
    const size_t size = self->cell.size, ldn = self->ldn;
    const vec most_w = spread(MARGIN) * largest(self->K * size, self->w);
    const vec most_d = self->exact_self ? spread(MARGIN) * largest(size, self->d) : spread(0);
    for (size_t i = 0; i < self->K * ldn; i += LANES) store((real *)self->most_w + i, most_w);
    for (size_t i = 0; i < ldn; i += LANES) store((real *)self->most_d + i, most_d);
    if (!isfinite(most_w[0]) || !isfinite(most_d[0])) self->noted = 1;
}

static void sweep(nbt_learner *self, int learn)
{
    if (self->settled) clear_pending(self);
    NBT(sweep)(self, learn);
    self->settled = self->fresh = 1;
}

/* c[k, i] = H·v̄_ks / K, s the block of unit i. O(K S n) */
static void gradient_coefficients(nbt_learner *self)
{
    const size_t ldn = self->ldn, S = self->S;
    real *c = self->c, *block = self->block_v;
    for (size_t k = 0; k < self->K; k++) {
        NBT(rows_dot)(S, ldn, (real *)self->v + k * S * ldn, self->H, block);
        const real part = 1 / (real)self->K;
        for (size_t s = 0; s < S; s++) block[s] *= part;
        NBT(block_spread)(self->n, ldn, S, block, c + k * ldn);
    }
}

double NBT(nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn)
{
    const double loss = NBT(readout_loss)(self, y, self->delta);
    if (!learn) return loss;
    NBT(readout_learn)(self);
    if (self->norm == NBT_FISHER) NBT(follow_fisher)(self);
    gradient_coefficients(self);
    if (self->T) NBT(window_adjoints)(self);
    sweep(self, 1);
    return loss;
}

/* (13) before the transition: v̄_s ← F (ρ̄_s v̄_s + Σ_i ε_i ρ_i e_i). O(S n²) */
static void fold_plain(nbt_learner *self, size_t k, real *v)
{
    const size_t n = self->n, ldn = self->ldn, S = self->S;
    const int balanced = self->norm != NBT_NO_NORM;
    const real *sign = self->sign, *block_rho = self->block_rho;
    real *rho = self->rho, *pushed = self->pushed;
    NBT(balance_blocks)(self, S, v);
    NBT(balance)(ldn, balanced, self->norm_d, self->u, rho, self->rho_inverse);
    for (size_t s = 0; s < S; s++) {
        real *vs = v + s * ldn;
        for (size_t i = 0; i < ldn; i += LANES) store(vs + i, block_rho[s] * load(vs + i));
        if (S == 1)
            for (size_t i = 0; i < ldn; i++) vs[i] += sign[i] * rho[i];
        else
            for (size_t i = s; i < n; i += S) vs[i] += sign[i] * rho[i];
    }
    NBT(cell_push)(self, (nbt_vectors){S, v}, (nbt_vectors){0}, pushed, k == 0);
    lanes_copy(S * ldn, pushed, v);
}

/* column[i], i from first to last - 1: Σ_c u_c F_ci² over c ≠ i. Four fold together. */
static void column_norms(nbt_learner *self, const void *what, size_t first, size_t last,
                         size_t thread)
{
    (void)what, (void)thread;
    const real *slope = self->slope, *u = self->u;
    real *column = self->c;
    for (size_t i = first; i < last; i += 4) {
        vec sum[4] = {{0}};
        real sums[4];
#define PANEL(c, group)                                                                            \
    add_others(panel_of(&self->cell, self->theta, c), LANES / (group), group, c, i, 4,             \
               load(u + (c)), sum)
        EACH_PANEL(&self->cell, PANEL);
#undef PANEL
        fold_each(sum, sums);
        for (size_t k = 0; k < 4 && i + k < last; k++)
            column[i + k] = sums[k] * slope[i + k] * slope[i + k];
    }
}

typedef struct {
    real *v; /* (S, ldn) */
} fold_work;

/* One panel of all v̄_s: ρ̄_s F v̄_s + Σ_i ε_i ρ_i (column i of F, entry i 0). */
NBT_INLINE void fold_panel(const nbt_learner *self, size_t c, size_t group, const real *part,
                           real *v)
{
    const size_t n = self->n, ldn = self->ldn, S = self->S, stride = LANES / group;
    const real *block_rho = self->block_rho, *pushed = (const real *)self->pushed + c;
    const real *W = panel_of(&self->cell, self->theta, c);
    for (size_t s = 0; s < S; s++) {
        vec sum = block_rho[s] * load(pushed + s * ldn), other = {0};
        size_t i = s;
        for (; i + S < n; i += 2 * S) {
            sum += part[i] * others_of(W, stride, group, c, i);
            other += part[i + S] * others_of(W, stride, group, c, i + S);
        }
        if (i < n) sum += part[i] * others_of(W, stride, group, c, i);
        store(v + s * ldn + c, sum + other);
    }
}

static void fold_panels(nbt_learner *self, const void *what, size_t first, size_t last,
                        size_t thread)
{
    (void)thread;
    real *v = ((const fold_work *)what)->v;
    const real *part = self->c;
#define PANEL(c, group) fold_panel(self, c, group, part, v)
    EACH_PANEL_OF(&self->cell, first, last, PANEL);
#undef PANEL
}

/* keep_d, and the excess of F_ii over it; NULL if there is none. */
static const real *split_own(nbt_learner *self)
{
    const real *slope = self->slope, *alpha = self->alpha;
    real *keep_d = self->keep_d;
    for (size_t i = 0; i < self->n; i++)
        keep_d[i] = *panel_entry(&self->cell, self->theta, i, i) * slope[i] + alpha[i];
    return NBT(split_own)(self->ldn, keep_d, self->excess) ? self->excess : NULL;
}

/* With exact self-influence, after it: v̄_s ← ρ̄_s F v̄_s + Σ_i ε_i ρ_i (column i of F, entry i what
 * is in excess). */
static void fold_exact(nbt_learner *self, size_t k, const real *excess, real *v)
{
    const size_t ldn = self->ldn, S = self->S, size = self->n * ldn;
    const int balanced = self->norm != NBT_NO_NORM;
    NBT(cell_push)(self, (nbt_vectors){S, v}, (nbt_vectors){0}, self->pushed, k == 0);
    NBT(balance_blocks)(self, S, self->pushed);
    nbt_parallel(self, self->n, size, column_norms, NULL);
    const real *sign = self->sign, *rho = self->rho, *slope = self->slope, *u = self->u;
    real *part = self->c;
    for (size_t i = self->n; i < ldn; i++) part[i] = 0; /* what the gradient left there */
    for (size_t i = 0; excess && i < ldn; i += LANES) {
        const vec more = load(excess + i);
        store(part + i, load(part + i) + more * more * load(u + i));
    }
    NBT(balance)(ldn, balanced, self->norm_d, self->c, self->rho, self->rho_inverse);
    for (size_t i = 0; i < ldn; i += LANES)
        store(part + i, load(sign + i) * load(rho + i) * load(slope + i));
    nbt_parallel(self, self->cell.count, size, fold_panels, &(fold_work){v});
    for (size_t i = 0; excess && i < self->n; i++)
        if (excess[i] != 0) v[i % S * ldn + i] += sign[i] * rho[i] * excess[i];
}

/* (14), left for the next sweep: w̄ ← w̄ / ρ̄ + Σ ε_i w_i / ρ_i. */
static void leave_pending(nbt_learner *self, size_t k)
{
    const size_t ldn = self->ldn;
    const real *sign = self->sign, *inverse = self->rho_inverse;
    real *add_w = (real *)self->add_w + k * ldn;
    NBT(block_spread)(self->n, ldn, self->S, self->block_inverse, (real *)self->keep_w + k * ldn);
    for (size_t i = 0; i < ldn; i++) add_w[i] = sign[i] * inverse[i];
}

/* h_next is made on the way. */
static void reduce(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn, S = self->S;
    const real *excess = self->exact_self && !self->T ? split_own(self) : NULL;
    if (self->T) NBT(window_turn)(self);
    for (size_t k = 0; k < self->K; k++) {
        real *v = (real *)self->v + k * S * ldn;
        NBT(signs)(self, (uint32_t)k, self->sign);
        NBT(block_sums)(n, ldn, S, (real *)self->norm_w + k * ldn, self->block_w);
        NBT(state_weights)(self, k);
        if (self->T) {
            NBT(window_fold)(self, k, v);
            continue;
        }
        if (self->exact_self)
            fold_exact(self, k, excess, v);
        else
            fold_plain(self, k, v);
        leave_pending(self, k);
    }
}

void NBT(keep_regressors)(nbt_learner *self)
{
    const real *z = self->z;
    real *z_last = self->z_last, *x = z_last + 1 + self->n;
    const int known =
        self->one_hot && self->x_last != NBT_UNKNOWN_SYMBOL && self->x_late != NBT_UNKNOWN_SYMBOL;
    memcpy(z_last, z, (known ? 1 + self->n : self->P) * sizeof *z);
    if (known && self->x_late >= 0) x[self->x_late] = 0;
    if (known && self->x_last >= 0) x[self->x_last] = 1;
    self->x_late = self->x_last;
}

void NBT(nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector)
{
    if (!self->fresh) sweep(self, 0);
    NBT(cell_input)(self, symbol, vector);
    reduce(self);
    if (!self->exact_self) NBT(keep_regressors)(self);
    if (self->T)
        NBT(window_regress)(self, symbol, vector);
    else
        NBT(cell_regress)(self, symbol, vector);
    follow_bounds(self);
    NBT(cell_move)(self);
    self->settled = self->fresh = 0;
}

void NBT(nobacktrack_settle)(nbt_learner *self)
{
    if (!self->settled) sweep(self, 0);
    find_bounds(self);
}

void NBT(nobacktrack_refresh)(nbt_learner *self)
{
    memset(self->z_last, 0, self->P * sizeof(real));
    if (!self->descent) find_bounds(self);
    if (self->T) NBT(window_refresh)(self);
    if (!self->one_hot) return;
    const real *x = (real *)self->z + 1 + self->n;
    size_t set = 0, where = 0;
    for (size_t l = 0; l < self->m; l++) {
        if (x[l] != 0) where = l;
        set += x[l] != 0;
    }
    if (set == 0) self->x_last = -1;
    if (set == 1 && x[where] == 1) self->x_last = (int32_t)where;
}
