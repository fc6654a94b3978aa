#include "dense/window.h"
#include "machine/panels.h"
#include "shared/reduction.h"
#include <string.h>

static size_t slot_of(const nbt_sizes *at, const nbt_past *past, size_t lag)
{
    return (past->head + lag) % at->T;
}
static size_t oldest_slot(const nbt_sizes *at, const nbt_past *past)
{
    return slot_of(at, past, at->T - 1);
}

/* λ_l in the row of its slot for l < T, so that they lie as the z(t-l) do; λ_T after them. */
void NBT(window_adjoints)(const nbt_sizes *at, const real *H, const nbt_past *past)
{
    const size_t n = at->n, ldn = at->ldn, T = at->T;
    lanes_copy(ldn, H, row_at(past->adjoint, slot_of(at, past, 0), ldn));
    for (size_t l = 0; l < T; l++)
        NBT(rows_dot)(n, ldn, row_at(past->past_F, slot_of(at, past, l), n * ldn),
                      row_at(past->adjoint, slot_of(at, past, l), ldn),
                      row_at(past->adjoint, l + 1 < T ? slot_of(at, past, l + 1) : T, ldn));
}

/* Where the row of slot t's symbol is in a panel; NULL: there is none, as of vectors. */
NBT_INLINE real *symbol_row(const nbt_sizes *at, int one_hot, const nbt_past *past, size_t t,
                            size_t per_vec, real *rows)
{
    if (!one_hot || past->window_symbol[t] < 0) return NULL;
    return rows + (at->n + (size_t)past->window_symbol[t]) * (LANES / per_vec);
}

/* In the order of lags, wherever the ring begins: a state that was loaded goes on to the bit. */
NBT_INLINE void gradient_panel(const nbt_sizes *at, int one_hot, const nbt_past *past, size_t i,
                               size_t per_vec, real *out)
{
    const size_t n = at->n, ldn = at->ldn, T = at->T;
    const real *adjoint = (real *)past->adjoint + i;
    real *rows = out + LANES;
    vec biases = {0};
    if (per_vec > 1) { /* rows are shorter now: other panels left those of units there */
        const size_t width = LANES / per_vec, below = at->cell.depth - n;
        memset(rows + n * width, 0, below * width * sizeof *rows);
    }
    for (size_t l = 0; l < T; l++) {
        const size_t t = slot_of(at, past, l);
        const vec lambda = load(adjoint + t * ldn);
        real *row = symbol_row(at, one_hot, past, t, per_vec, rows);
        if (past->window_symbol[t] >= 0) biases += lambda;
        if (row) store_any(row, load_any(row) + lambda);
    }
    store(out, biases);
    const nbt_ring lags = {.count = T, .head = past->head, .fresh = 1};
    panel_add_outer(n, &lags, past->past_a, ldn, adjoint, ldn, per_vec, rows);
    if (!one_hot)
        panel_add_outer(at->m, &lags, past->past_x, at->ldm, adjoint, ldn, per_vec,
                        rows + n * (LANES / per_vec));
}

void NBT(window_gradient)(const nbt_sizes *at, int one_hot, const nbt_past *past, size_t i,
                          real *out)
{
    if (i < at->cell.full)
        gradient_panel(at, one_hot, past, i, 1, out);
    else if (at->cell.per_vec == 2)
        gradient_panel(at, one_hot, past, i, 2, out);
    else
        gradient_panel(at, one_hot, past, i, 4, out);
}

void NBT(window_clear)(const nbt_sizes *at, int one_hot, const nbt_past *past, size_t i, real *out)
{
    const size_t per_vec = i < at->cell.full ? 1 : at->cell.per_vec;
    for (size_t t = 0; t < at->T; t++) {
        real *row = symbol_row(at, one_hot, past, t, per_vec, out + LANES);
        if (row) memset(row, 0, LANES / per_vec * sizeof *row);
    }
}

/* own = κ (reduction.h) of units first … last - 1, from Fᵀ (n, ldn); excess of it. */
static void split_past(size_t ldn, const real *F, size_t first, size_t last, real *own,
                       real *excess)
{
    for (size_t i = first; i < last; i++) own[i] = F[i * ldn + i];
    for (size_t i = last; i % LANES; i++) own[i] = 0;
    NBT(split_own)(last - first, own + first, excess + first);
}

void NBT(window_turn)(const nbt_sizes *at, const nbt_past *past, const nbt_estimator *to)
{ /* the excess is that of the next F, in start_hop() */
    const real *F = row_at(past->past_F, oldest_slot(at, past), at->n * at->ldn);
    split_past(at->ldn, F, 0, at->n, to->keep_d, to->excess);
}

/* v̄_s ← ρ̄_s F v̄_s from pushed (S, ldn), which is F v̄; keep_w (ldn) = 1 / ρ̄_s. */
static void fold_old(const nbt_sizes *at, int balanced, const real *pushed, nbt_reduction *to,
                     real *v, real *keep_w)
{
    const size_t ldn = at->ldn, S = at->S;
    const real *block_rho = to->block_rho;
    NBT(balance_blocks)(at, balanced, S, pushed, to);
    for (size_t s = 0; s < S; s++)
        for (size_t c = 0; c < ldn; c += LANES)
            store(v + s * ldn + c, block_rho[s] * load(pushed + s * ldn + c));
    NBT(block_spread)(at->n, ldn, S, to->block_inverse, keep_w);
}

/* The oldest hop joins v̄, balanced as a whole, its d_i will join w̄: add_w = ε_i / (ρ_i ρ_s).
 * This and start_hop() would have eight arguments, so they get the whole learner. */
static void join_hop(nbt_learner *self, size_t k, real *v, const real *hop, const real *right)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S;
    const real *norm_d = self->estimator.norm_d, *block_rho = self->reduction.block_rho;
    real *size = self->reduction.size, *add_w = row_at(self->estimator.add_w, k, ldn);
    for (size_t i = 0; i < ldn; i++) size[i] = norm_d[i] * right[i] * right[i];
    NBT(block_sums)(self->sizes.n, ldn, S, size, self->reduction.block_w);
    NBT(balance_blocks)(&self->sizes, self->choices.norm != NBT_NO_NORM, S, hop, &self->reduction);
    for (size_t s = 0; s < S; s++)
        for (size_t c = s * ldn; c < (s + 1) * ldn; c += LANES)
            store(v + c, load(v + c) + block_rho[s] * load(hop + c));
    NBT(block_spread)(self->sizes.n, ldn, S, self->reduction.block_inverse, add_w);
    for (size_t i = 0; i < ldn; i++) add_w[i] *= right[i];
}

/* norm[i] = Σ_c u_c F_ci² over c ≠ i, from rows i of Fᵀ, i from first to last - 1. */
static void column_squares(size_t ldn, const real *u, const real *columns, size_t first,
                           size_t last, real *norm)
{
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
static void add_columns(const nbt_sizes *at, const real *columns, size_t first, size_t last,
                        const real *size, real *hop)
{
    const size_t ldn = at->ldn, S = at->S, skip = S - first % S;
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
               *u = self->reduction.u;
    real *own = self->reduction.own, *rho = self->reduction.rho, *left = self->reduction.left;
    real *excess = self->estimator.excess, *inverse = self->reduction.rho_inverse,
         *norm = self->scratch.columns;
    const dense_cell cell = cell_of(self);
    real *columns = row_at(self->past.past_F, slot, n * ldn);
    memset(hop, 0, S * ldn * sizeof *hop);
    memset(right, 0, ldn * sizeof *right);
    for (size_t first = 0; first < n; first += LANES) {
        const size_t last = n - first < LANES ? n : first + LANES;
        if (make) {
            NBT(cell_jacobian)(&cell, first, last, columns);
            split_past(ldn, columns, first, last, own, excess);
        }
        column_squares(ldn, u, columns, first, last, norm);
        for (size_t i = first; i < last; i++) norm[i] += u[i] * excess[i] * excess[i];
        for (size_t i = last; i < first + LANES; i++)
            norm[i] = 0; /* what the gradient left there */
        NBT(balance)(LANES, balanced, norm_d + first, norm + first, rho + first, inverse + first);
        for (size_t i = first; i < last; i++) {
            const int product = rho[i] > 0;
            left[i] = sign[i] * (product ? rho[i] : 1);
            right[i] = sign[i] * (product ? inverse[i] : 1);
            if (excess[i] != 0) hop[i % S * ldn + i] += left[i] * excess[i];
        }
        add_columns(&self->sizes, columns, first, last, left, hop);
    }
}

void NBT(window_fold)(nbt_learner *self, size_t k, real *restrict v)
{
    const size_t ldn = self->sizes.ldn, S = self->sizes.S, T = self->sizes.T,
                 last = oldest_slot(&self->sizes, &self->past);
    real *hops = row_at(self->past.hop, k * T * S, ldn), *hop = hops + last * S * ldn;
    real *right = row_at(self->past.hop_right, k * T + last, ldn);
    real *pushed = self->scratch.pushed;
    const dense_cell cell = cell_of(self);
    NBT(cell_push)(&cell, (nbt_vectors){S, v}, (nbt_vectors){T * S, hops}, pushed,
                   self->scratch.input, k == 0 ? self->scratch.h_next : NULL);
    fold_old(&self->sizes, self->choices.norm != NBT_NO_NORM, pushed, &self->reduction, v,
             row_at(self->estimator.keep_w, k, ldn));
    lanes_copy(T * S * ldn, pushed + S * ldn, hops);
    join_hop(self, k, v, hop, right);
    start_hop(self, last, k == 0, hop, right);
}

void NBT(window_regress)(const dense_cell *cell, int32_t symbol, const real *restrict vector,
                         nbt_past *past, int32_t *x_last, real *restrict z)
{
    const nbt_sizes *at = cell->sizes;
    const size_t n = at->n, m = at->m, last = oldest_slot(at, past);
    const int32_t leaves = past->window_symbol[last];
    real *x = z + 1 + n, *past_a = row_at(past->past_a, last, at->ldn);
    z[0] = leaves >= 0;
    memcpy(z + 1, past_a, n * sizeof *z);
    lanes_copy(at->ldn, cell->network->a, past_a);
    if (cell->one_hot) {
        if (*x_last == NBT_UNKNOWN_SYMBOL) memset(x, 0, m * sizeof *x);
        if (*x_last >= 0) x[*x_last] = 0;
        if (leaves >= 0) x[leaves] = 1;
        *x_last = leaves >= 0 ? leaves : -1;
    } else {
        real *past_x = row_at(past->past_x, last, at->ldm);
        memcpy(x, past_x, m * sizeof *x);
        memcpy(past_x, vector, m * sizeof *x);
    }
    past->window_symbol[last] = cell->one_hot ? symbol : 0;
    if (past->length < at->T) past->length++;
    past->head = last;
}

void NBT(window_refresh)(const nbt_sizes *at, const nbt_past *past)
{
    for (size_t l = 0; l < at->T; l++)
        past->window_symbol[slot_of(at, past, l)] = l < past->length ? 0 : -1;
}
