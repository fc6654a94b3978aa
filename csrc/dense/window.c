#include "dense/window.h"
#include "dense/cell.h"
#include "machine/panels.h"
#include "shared/reduction.h"
#include <string.h>

static size_t slot_of(const nbt_learner *self, size_t lag)
{
    return (self->past.head + lag) % self->sizes.T;
}
static size_t oldest_slot(const nbt_learner *self) { return slot_of(self, self->sizes.T - 1); }

/* λ_l in the row of its slot for l < T, so that they lie as the z(t-l) do; λ_T after them. */
void NBT(window_adjoints)(nbt_learner *self)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, T = self->sizes.T;
    lanes_copy(ldn, self->readout.H, row_at(self->past.adjoint, slot_of(self, 0), ldn));
    for (size_t l = 0; l < T; l++)
        NBT(rows_dot)(n, ldn, row_at(self->past.past_F, slot_of(self, l), n * ldn),
                      row_at(self->past.adjoint, slot_of(self, l), ldn),
                      row_at(self->past.adjoint, l + 1 < T ? slot_of(self, l + 1) : T, ldn));
}

/* Where the row of slot t's symbol is in a panel; NULL: there is none. */
NBT_INLINE real *symbol_row(const nbt_learner *self, size_t t, size_t per_vec, real *rows)
{
    if (!self->choices.one_hot || self->past.window_symbol[t] < 0) return NULL;
    return rows + (self->sizes.n + (size_t)self->past.window_symbol[t]) * (LANES / per_vec);
}

/* In the order of lags, wherever the ring begins: a state that was loaded goes on to the bit. */
NBT_INLINE void gradient_panel(const nbt_learner *self, size_t i, size_t per_vec, real *out)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, T = self->sizes.T;
    const real *adjoint = (real *)self->past.adjoint + i;
    real *rows = out + LANES;
    vec biases = {0};
    if (per_vec > 1) { /* rows are shorter now: other panels left those of units there */
        const size_t width = LANES / per_vec, below = self->sizes.cell.depth - n;
        memset(rows + n * width, 0, below * width * sizeof *rows);
    }
    for (size_t l = 0; l < T; l++) {
        const size_t t = slot_of(self, l);
        const vec lambda = load(adjoint + t * ldn);
        real *row = symbol_row(self, t, per_vec, rows);
        if (self->past.window_symbol[t] >= 0) biases += lambda;
        if (row) store_any(row, load_any(row) + lambda);
    }
    store(out, biases);
    const nbt_ring lags = {.count = T, .head = self->past.head, .fresh = 1};
    panel_add_outer(n, &lags, self->past.past_a, ldn, adjoint, ldn, per_vec, rows);
    if (!self->choices.one_hot)
        panel_add_outer(self->sizes.m, &lags, self->past.past_x, self->sizes.ldm, adjoint, ldn,
                        per_vec, rows + n * (LANES / per_vec));
}

void NBT(window_gradient)(const nbt_learner *self, size_t i, real *out)
{
    if (i < self->sizes.cell.full)
        gradient_panel(self, i, 1, out);
    else if (self->sizes.cell.per_vec == 2)
        gradient_panel(self, i, 2, out);
    else
        gradient_panel(self, i, 4, out);
}

void NBT(window_clear)(const nbt_learner *self, size_t i, real *out)
{
    const size_t per_vec = i < self->sizes.cell.full ? 1 : self->sizes.cell.per_vec;
    for (size_t t = 0; t < self->sizes.T; t++) {
        real *row = symbol_row(self, t, per_vec, out + LANES);
        if (row) memset(row, 0, LANES / per_vec * sizeof *row);
    }
}

/* own = κ (reduction.h) of units first … last - 1, F being that in its slot; excess of it. */
static void split_past(nbt_learner *self, size_t slot, size_t first, size_t last, real *own)
{
    const size_t ldn = self->sizes.ldn;
    const real *F = row_at(self->past.past_F, slot, self->sizes.n * ldn);
    for (size_t i = first; i < last; i++) own[i] = F[i * ldn + i];
    for (size_t i = last; i % LANES; i++) own[i] = 0;
    NBT(split_own)(last - first, own + first, (real *)self->estimator.excess + first);
}

void NBT(window_turn)(nbt_learner *self)
{ /* the excess is that of the next F, in start_hop() */
    split_past(self, oldest_slot(self), 0, self->sizes.n, self->estimator.keep_d);
}

/* v̄_s ← ρ̄_s F v̄_s from pushed (S, ldn), which is F v̄; keep_w = 1 / ρ̄_s. */
static void fold_old(nbt_learner *self, size_t k, const real *pushed, real *v)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S;
    const real *block_rho = self->reduction.block_rho;
    NBT(balance_blocks)(self, S, pushed);
    for (size_t s = 0; s < S; s++)
        for (size_t c = 0; c < ldn; c += LANES)
            store(v + s * ldn + c, block_rho[s] * load(pushed + s * ldn + c));
    NBT(block_spread)(self->sizes.n, ldn, S, self->reduction.block_inverse,
                      row_at(self->estimator.keep_w, k, ldn));
}

/* The oldest hop joins v̄, balanced as a whole, its d_i will join w̄: add_w = ε_i / (ρ_i ρ_s). */
static void join_hop(nbt_learner *self, size_t k, real *v, const real *hop, const real *right)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S;
    const real *norm_d = self->estimator.norm_d, *block_rho = self->reduction.block_rho;
    real *size = self->reduction.rho, *add_w = row_at(self->estimator.add_w, k, ldn);
    for (size_t i = 0; i < ldn; i++) size[i] = norm_d[i] * right[i] * right[i];
    NBT(block_sums)(self->sizes.n, ldn, S, size, self->reduction.block_w);
    NBT(balance_blocks)(self, S, hop);
    for (size_t s = 0; s < S; s++)
        for (size_t c = s * ldn; c < (s + 1) * ldn; c += LANES)
            store(v + c, load(v + c) + block_rho[s] * load(hop + c));
    NBT(block_spread)(self->sizes.n, ldn, S, self->reduction.block_inverse, add_w);
    for (size_t i = 0; i < ldn; i++) add_w[i] *= right[i];
}

/* norm[i] = Σ_c u_c F_ci² over c ≠ i, from rows i of Fᵀ, i from first to last - 1. */
static void column_squares(const nbt_learner *self, const real *columns, size_t first, size_t last,
                           real *norm)
{
    const size_t ldn = self->sizes.ldn;
    const real *u = self->reduction.u;
    for (size_t i = first; i < last; i += 4) {
        const size_t left = last - i < 4 ? last - i : 4;
        vec sum[4] = {{0}};
        for (size_t c = 0; c < ldn; c += LANES)
            add_others(columns + c, ldn, 1, c, i, left, load(u + c), sum);
        real sums[4];
        fold_each(sum, sums);
        for (size_t k = 0; k < left; k++) norm[i + k] = sums[k];
    }
}

/* hop_s += Σ_i size_i F e_i but for entry i, i of block s from first to last - 1. */
static void add_columns(const nbt_learner *self, const real *columns, size_t first, size_t last,
                        const real *size, real *hop)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S, skip = S - first % S;
    for (size_t c = 0; c < ldn; c += LANES)
        for (size_t s = 0; s < S; s++) {
            size_t i = first + (s + skip) % S;
            if (i >= last) continue;
            vec sum = load(hop + s * ldn + c);
            for (; i < last; i += S) sum += size[i] * others_of(columns + c, ldn, 1, c, i);
            store(hop + s * ldn + c, sum);
        }
}

/* u_s = Σ_{i in s} ε_i ρ_i F° e_i, entry i of F° e_i from `excess`; right_i = ε_i / ρ_i. ρ_i from
 * the norm of the d_i there is, T steps old; any ρ_i > 0 is unbiased, so where a norm is 0 it is 1.
 * So many rows at a time that they are still at hand when their ρ is known. `make`: F and `excess`
 * are not there yet. */
static void start_hop(nbt_learner *self, size_t slot, int make, real *hop, real *right)
{
    const size_t n = self->sizes.n, ldn = self->sizes.ldn, S = self->sizes.S;
    const int balanced = self->choices.norm != NBT_NO_NORM;
    const real *sign = self->reduction.sign, *norm_d = self->estimator.norm_d,
               *u = self->reduction.u, *excess = self->estimator.excess;
    real *rho = self->reduction.rho, *inverse = self->reduction.rho_inverse,
         *norm = self->scratch.columns;
    real *columns = row_at(self->past.past_F, slot, n * ldn);
    memset(hop, 0, S * ldn * sizeof *hop);
    memset(right, 0, ldn * sizeof *right);
    for (size_t first = 0; first < n; first += LANES) {
        const size_t last = n - first < LANES ? n : first + LANES;
        if (make) {
            NBT(cell_jacobian)(cell_of(self), first, last, columns);
            split_past(self, slot, first, last, rho);
        }
        column_squares(self, columns, first, last, norm);
        for (size_t i = first; i < last; i++) norm[i] += u[i] * excess[i] * excess[i];
        for (size_t i = last; i < first + LANES; i++)
            norm[i] = 0; /* what the gradient left there */
        NBT(balance)(LANES, balanced, norm_d + first, norm + first, rho + first, inverse + first);
        for (size_t i = first; i < last; i++) {
            const int product = rho[i] > 0;
            rho[i] = sign[i] * (product ? rho[i] : 1);
            right[i] = sign[i] * (product ? inverse[i] : 1);
            if (excess[i] != 0) hop[i % S * ldn + i] += rho[i] * excess[i];
        }
        add_columns(self, columns, first, last, rho, hop);
    }
}

void NBT(window_fold)(nbt_learner *self, size_t k, real *restrict v)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S, T = self->sizes.T,
                 last = oldest_slot(self);
    real *hops = row_at(self->past.hop, k * T * S, ldn), *hop = hops + last * S * ldn;
    real *right = row_at(self->past.hop_right, k * T + last, ldn);
    real *pushed = self->scratch.pushed;
    NBT(cell_push)(cell_of(self), (nbt_vectors){S, v}, (nbt_vectors){T * S, hops}, pushed,
                   self->scratch.input, k == 0 ? self->scratch.h_next : NULL);
    fold_old(self, k, pushed, v);
    lanes_copy(T * S * ldn, pushed + S * ldn, hops);
    join_hop(self, k, v, hop, right);
    start_hop(self, last, k == 0, hop, right);
}

void NBT(window_regress)(nbt_learner *self, int32_t symbol, const real *restrict vector)
{
    const size_t n = self->sizes.n, m = self->sizes.m, last = oldest_slot(self);
    const int32_t leaves = self->past.window_symbol[last];
    real *z = self->estimator.z, *x = z + 1 + n,
         *past_a = row_at(self->past.past_a, last, self->sizes.ldn);
    z[0] = leaves >= 0;
    memcpy(z + 1, past_a, n * sizeof *z);
    lanes_copy(self->sizes.ldn, self->network.a, past_a);
    if (self->choices.one_hot) {
        if (self->network.x_last == NBT_UNKNOWN_SYMBOL) memset(x, 0, m * sizeof *x);
        if (self->network.x_last >= 0) x[self->network.x_last] = 0;
        if (leaves >= 0) x[leaves] = 1;
        self->network.x_last = leaves >= 0 ? leaves : -1;
    } else {
        real *past_x = row_at(self->past.past_x, last, self->sizes.ldm);
        memcpy(x, past_x, m * sizeof *x);
        memcpy(past_x, vector, m * sizeof *x);
    }
    self->past.window_symbol[last] = self->choices.one_hot ? symbol : 0;
    if (self->past.length < self->sizes.T) self->past.length++;
    self->past.head = last;
}

void NBT(window_refresh)(nbt_learner *self)
{
    if (self->choices.one_hot) return;
    for (size_t l = 0; l < self->sizes.T; l++)
        self->past.window_symbol[slot_of(self, l)] = l < self->past.length ? 0 : -1;
}
