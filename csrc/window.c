#include "window.h"
#include "cell.h"
#include "panels.h"
#include "reduction.h"
#include <string.h>

static size_t slot_of(const nbt_learner *self, size_t lag) { return (self->head + lag) % self->T; }
static size_t oldest_slot(const nbt_learner *self) { return slot_of(self, self->T - 1); }
static real *ring_row(void *array, size_t t, size_t ld) { return (real *)array + t * ld; }

/* λ_l in the row of its slot for l < T, so that they lie as the z(t-l) do; λ_T after them. */
static void adjoints(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn, T = self->T;
    lanes_copy(ldn, self->H, ring_row(self->adjoint, slot_of(self, 0), ldn));
    for (size_t l = 0; l < T; l++)
        NBT(rows_dot)(n, ldn, ring_row(self->past_F, slot_of(self, l), n * ldn),
                      ring_row(self->adjoint, slot_of(self, l), ldn),
                      ring_row(self->adjoint, l + 1 < T ? slot_of(self, l + 1) : T, ldn));
}

/* g += Σ (a, x) λᵀ over slots first … first + count - 1. */
static void add_slots(nbt_learner *self, size_t first, size_t count)
{
    const size_t n = self->n, ldn = self->ldn;
    const real *adjoint = ring_row(self->adjoint, first, ldn);
    const real *a = ring_row(self->past_a, first, ldn);
    NBT(panels_add_outer)(&self->cell, 0, n, count, a, ldn, adjoint, ldn, self->g);
    if (!self->one_hot)
        NBT(panels_add_outer)(&self->cell, n, self->m, count,
                              ring_row(self->past_x, first, self->ldm), self->ldm, adjoint, ldn,
                              self->g);
}

/* In the order of lags, wherever the ring begins: a state that was loaded goes on to the bit. */
void NBT(window_gradient)(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn, T = self->T;
    const real *adjoint = self->adjoint;
    real *g = self->g;
    adjoints(self);
    for (size_t l = 0; l < T; l++) {
        const size_t t = slot_of(self, l);
        if (self->window_symbol[t] < 0) continue;
        lanes_add(ldn, adjoint + t * ldn, g);
        if (self->one_hot)
            NBT(panels_add_row)(&self->cell, n + (size_t)self->window_symbol[t], adjoint + t * ldn,
                                g);
    }
    add_slots(self, self->head, T - self->head);
    add_slots(self, 0, self->head);
}

void NBT(window_clear)(nbt_learner *self)
{
    const nbt_panels *at = &self->cell;
    real *g = self->g, *zero = self->h_next;
    if (!self->one_hot) {
        memset(g, 0, at->size * sizeof *g);
        return;
    }
    memset(g, 0, at->ld * sizeof *g);
#define PANEL(i, group) memset(panel_of(at, g, i), 0, self->n *(LANES / group) * sizeof *g)
    EACH_PANEL(at, PANEL);
#undef PANEL
    memset(zero, 0, self->ldn * sizeof *zero);
    for (size_t t = 0; t < self->T; t++)
        if (self->window_symbol[t] >= 0)
            NBT(panels_set_row)(at, self->n, self->n + (size_t)self->window_symbol[t], zero, g);
}

void NBT(window_turn)(nbt_learner *self)
{
    const size_t n = self->n, ldn = self->ldn;
    real *keep_d = self->keep_d, *F = ring_row(self->past_F, oldest_slot(self), n * ldn);
    for (size_t i = 0; i < n; i++) keep_d[i] = F[i * ldn + i];
    NBT(cell_jacobian)(self, F);
}

/* v̄_s ← ρ̄_s F v̄_s; keep_w = 1 / ρ̄_s. */
static void fold_old(nbt_learner *self, size_t k, real *v)
{
    const size_t ldn = self->ldn, S = self->S;
    const int balanced = self->norm != NBT_NO_NORM;
    const real *block_rho = self->block_rho;
    real *pushed = self->pushed;
    NBT(cell_push)(self, S, v, pushed, k == 0);
    NBT(rows_norm)(S, ldn, pushed, self->u, self->block_v);
    NBT(balance)(self->ldS, balanced, self->block_w, self->block_v, self->block_rho,
                 self->block_inverse);
    for (size_t s = 0; s < S; s++)
        for (size_t c = 0; c < ldn; c += LANES)
            store(v + s * ldn + c, block_rho[s] * load(pushed + s * ldn + c));
    NBT(block_spread)(self->n, ldn, S, self->block_inverse, ring_row(self->keep_w, k, ldn));
}

/* The oldest hop joins v̄, balanced as a whole, its d_i will join w̄: add_w = ε_i / (ρ_i ρ_s). */
static void join_hop(nbt_learner *self, size_t k, real *v, const real *hop, const real *right)
{
    const size_t ldn = self->ldn, S = self->S;
    const real *norm_d = self->norm_d, *block_rho = self->block_rho;
    real *size = self->rho, *add_w = ring_row(self->add_w, k, ldn);
    for (size_t i = 0; i < ldn; i++) size[i] = norm_d[i] * right[i] * right[i];
    NBT(block_sums)(self->n, ldn, S, size, self->block_w);
    NBT(rows_norm)(S, ldn, hop, self->u, self->block_v);
    NBT(balance)(self->ldS, self->norm != NBT_NO_NORM, self->block_w, self->block_v,
                 self->block_rho, self->block_inverse);
    for (size_t s = 0; s < S; s++)
        for (size_t c = s * ldn; c < (s + 1) * ldn; c += LANES)
            store(v + c, load(v + c) + block_rho[s] * load(hop + c));
    NBT(block_spread)(self->n, ldn, S, self->block_inverse, add_w);
    for (size_t i = 0; i < ldn; i++) add_w[i] *= right[i];
}

/* u_s = Σ_{i in s} ε_i ρ_i F° e_i, right_i = ε_i / ρ_i. ρ_i from the norm of the d_i there is, T
 * steps old; any ρ_i > 0 is unbiased, so where a norm is 0 it is 1. */
static void start_hop(nbt_learner *self, const real *columns, real *hop, real *right)
{
    const size_t n = self->n, ldn = self->ldn, S = self->S;
    const real *u = self->u, *sign = self->sign, *inverse = self->rho_inverse;
    real *rho = self->rho, *norm = self->c;
    for (size_t i = 0; i < n; i++) {
        vec sum = {0};
        for (size_t c = 0; c < ldn; c += LANES) {
            const vec x = lanes_without(load(columns + i * ldn + c), (real)i - (real)c);
            sum += x * x * load(u + c);
        }
        norm[i] = fold(sum);
    }
    NBT(balance)(ldn, self->norm != NBT_NO_NORM, self->norm_d, norm, rho, self->rho_inverse);
    memset(hop, 0, S * ldn * sizeof *hop);
    memset(right, 0, ldn * sizeof *right);
    for (size_t i = 0, s = 0; i < n; i++, s = s + 1 == S ? 0 : s + 1) {
        const int product = rho[i] > 0;
        const real size = sign[i] * (product ? rho[i] : 1);
        right[i] = sign[i] * (product ? inverse[i] : 1);
        for (size_t c = 0; c < ldn; c += LANES) {
            real *to = hop + s * ldn + c;
            const vec x = lanes_without(load(columns + i * ldn + c), (real)i - (real)c);
            store(to, load(to) + size * x);
        }
    }
}

void NBT(window_fold)(nbt_learner *self, size_t k, real *restrict v)
{
    const size_t ldn = self->ldn, S = self->S, T = self->T, last = oldest_slot(self);
    real *hops = ring_row(self->hop, k * T * S, ldn), *hop = hops + last * S * ldn;
    real *right = ring_row(self->hop_right, k * T + last, ldn);
    fold_old(self, k, v);
    NBT(cell_push)(self, T * S, hops, self->pushed, 0);
    lanes_copy(T * S * ldn, self->pushed, hops);
    join_hop(self, k, v, hop, right);
    start_hop(self, ring_row(self->past_F, last, self->n * ldn), hop, right);
}

void NBT(window_regress)(nbt_learner *self, int32_t symbol, const real *restrict vector)
{
    const size_t n = self->n, m = self->m, last = oldest_slot(self);
    const int32_t leaves = self->window_symbol[last];
    real *z = self->z, *x = z + 1 + n, *past_a = ring_row(self->past_a, last, self->ldn);
    z[0] = leaves >= 0;
    memcpy(z + 1, past_a, n * sizeof *z);
    lanes_copy(self->ldn, self->a, past_a);
    if (self->one_hot) {
        if (self->x_last == NBT_UNKNOWN_SYMBOL) memset(x, 0, m * sizeof *x);
        if (self->x_last >= 0) x[self->x_last] = 0;
        if (leaves >= 0) x[leaves] = 1;
        self->x_last = leaves >= 0 ? leaves : -1;
    } else {
        real *past_x = ring_row(self->past_x, last, self->ldm);
        memcpy(x, past_x, m * sizeof *x);
        memcpy(past_x, vector, m * sizeof *x);
    }
    self->window_symbol[last] = self->one_hot ? symbol : 0;
    if (self->length < self->T) self->length++;
    self->head = last;
}

void NBT(window_refresh)(nbt_learner *self)
{
    if (self->one_hot) return;
    for (size_t l = 0; l < self->T; l++)
        self->window_symbol[slot_of(self, l)] = l < self->length ? 0 : -1;
}
