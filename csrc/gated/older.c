#include "gated/older.h"
#include "gated/carried.h"
#include "gated/outer.h"
#include "machine/panels.h"
#include "shared/influence.h"
#include "shared/reduction.h"
#include "shared/signs.h"
#include <string.h>

/* In chains that do not wait for each other. */
static real dot(size_t count, const real *x, const real *y)
{
    enum { CHAINS = 4 };
    vec sum[CHAINS] = {{0}};
    size_t i = 0;
    for (; i + CHAINS * LANES <= count; i += CHAINS * LANES)
        for (size_t k = 0; k < CHAINS; k++)
            sum[k] += load(x + i + k * LANES) * load(y + i + k * LANES);
    for (; i < count; i += LANES) sum[0] += load(x + i) * load(y + i);
    return fold((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* x (ldn) for each gate that c depends on, flat: a factor of E. */
static void tile_units(const nbt_sizes *at, const real *x, real *flat)
{
    for (size_t g = 0; g < at->kept; g++) memcpy(flat + g * at->n, x, at->n * sizeof(real));
}

/* own = c + y slope: what ∂L/∂s gives to a unit's own path. */
static void own_part(const nbt_learner *self, const real *c, const real *y, const real *slope)
{
    real *own = own_of(self);
    for (size_t i = 0; i < self->sizes.ldn; i += LANES)
        store(own + i, load(c + i) + load(y + i) * load(slope + i));
}

const real *NBT(older_slope)(const nbt_learner *self)
{
    for (size_t t = self->past.length; t-- > 0;)
        if (self->past.window_symbol[t] >= 0) return row_at(self->past.show, t, self->sizes.ldn);
    return self->past.first_slope;
}

/* ν of a pair: signs of all c, then of all y; where its way back begins, too. */
static void draw_signs(nbt_learner *self, nbt_closing by, size_t pair)
{
    uint32_t words[4] = {0};
    size_t k = 0;
    for (size_t half = 0; half < 2; half++)
        for (size_t l = 0; l < layers_of(self); l++) {
            const nbt_learner *layer = layer_of(self, l);
            real *signs = row_at(signs_of(layer, pair), half, layer->sizes.ldn);
            for (size_t i = 0; i < layer->sizes.n; i++, k++) {
                if (k % 128 == 0)
                    nbt_sign_bits(self->choices.seed, (uint32_t)(by * self->sizes.K + pair),
                                  self->counters.step, (uint32_t)(k / 128), words);
                signs[i] = words[k % 128 / 32] >> k % 32 & 1 ? 1 : -1;
            }
            lanes_copy(layer->sizes.ldn, signs,
                       row_at(way_end(layer, 1 + pair), half, layer->sizes.ldn));
        }
}

void NBT(older_go_back)(nbt_learner *self, size_t first, size_t count)
{
    const real *above = NULL;
    for (size_t l = layers_of(self); l-- > 0;) {
        nbt_learner *layer = layer_of(self, l);
        if (!first) memset(way_end(layer, 0), 0, 2 * layer->sizes.ldn * sizeof(real));
        NBT(steps_backpropagate)(layer, first, count, above);
        above = layer->past.below;
    }
}

static real *pair_of(const nbt_learner *layer, size_t k)
{
    return row_at(layer->estimator.v, 2 * k, layer->sizes.ldn);
}

static real *pushed_of(const nbt_learner *layer, size_t k)
{
    return row_at(layer->past.pushed, 2 * k, layer->sizes.ldn);
}

/* scratch.sums (flat): what ν of a pair gives to E after the window. */
static void note_later(nbt_learner *self, size_t pair)
{
    const real *nu = signs_of(self, pair);
    real *later = self->scratch.sums;
    memset(later, 0, self->sizes.cell.ld * sizeof(real));
    own_part(self, nu, nu + self->sizes.ldn, NBT(older_slope)(self));
    tile_units(&self->sizes, own_of(self), later);
}

/* w_new = what the window adds to νᵀ ∂s/∂θ but to E, when ν went back through it: νᵀ of all that is
 * exact, as it is now, less that of E as it will be. With E' = stays E + Σ own u, all is one sum of
 * outer products. */
static void add_of_window(nbt_learner *self, size_t pair)
{
    const nbt_sizes *at = &self->sizes;
    const size_t ld = at->cell.ld, count = self->past.length * ld;
    const int paired = at->paired;
    const real *end = way_end(self, 1 + pair);
    real *factor = self->scratch.factors;
    const real *w = row_at(self->estimator.w, pair, at->cell.size);
    real *w_new = row_at(self->scratch.w_new, pair, at->cell.size);
    const real *later = self->scratch.sums, *stays = stays_of(self);
    const nbt_flats back = NBT(steps_way_flats)(self, 1 + pair), own = NBT(steps_own_flats)(self);
    if (!self->choices.exact_self) {
        NBT(gated_outer)(self, back, NULL, NULL, w, w_new);
        return;
    }
    note_later(self, pair);
    own_part(self, end, end + at->ldn, self->past.first_slope);
    tile_units(at, own_of(self), factor);
    for (size_t i = 0; i < ld; i += LANES)
        store(factor + i,
              load(factor + i) - carried_against(paired, load(later + i), load(stays + i)));
    real *const to[] = {back.bias, back.W, back.r, back.last}, *const from[] = {own.bias, own.W,
                                                                                own.r, own.last};
    for (size_t k = 0; k < 4; k++) {
        if (!to[k] || (k && to[k] == to[k - 1])) continue;
        for (size_t t = 0; t < count; t += ld)
            for (size_t i = 0; i < ld; i += LANES) {
                real *at_i = to[k] + t + i;
                const vec own_i = load(from[k] + t + i);
                store(at_i, load(at_i) - carried_against(paired, load(later + i), own_i));
            }
    }
    NBT(gated_outer)(self, back, factor, self->estimator.d, w, w_new);
}

/* ρ̄ and ρ by which pair k after the window and what is new to it, just found, are balanced: norms
 * are of all layers. */
static void balances(nbt_learner *self, size_t k, nbt_balance *old, nbt_balance *now)
{
    const int balanced = self->choices.norm != NBT_NO_NORM;
    real v_square = 0, w_square = 0, added = 0;
    for (size_t l = 0; l < layers_of(self); l++) {
        const nbt_learner *layer = layer_of(self, l);
        const size_t ld = layer->sizes.cell.ld;
        const real *v = pushed_of(layer, k), *squares = layer->scratch.sums;
        v_square += dot(2 * layer->sizes.ldn, v, v);
        added += NBT(sum)(ld, squares);
        w_square += NBT(sum)(ld, squares + ld);
    }
    *old = balance_of(balanced, w_square, v_square);
    *now = balance_of(balanced, added, (real)(2 * self->sizes.n));
}

/* v̄ ← ρ̄ v̄ + ρ ν of one layer; what the pass does with w̄. */
static void fold_in(const nbt_learner *layer, size_t k, real part, nbt_balance old, nbt_balance now)
{
    const size_t K = layer->sizes.K;
    real *v = pair_of(layer, k), *pushed = pushed_of(layer, k), *turns = layer->scratch.turns;
    const real *nu = signs_of(layer, k);
    for (size_t i = 0; i < 2 * layer->sizes.ldn; i += LANES)
        store(pushed + i, old.rho * load(pushed + i) + now.rho * load(nu + i));
    lanes_copy(2 * layer->sizes.ldn, pushed, v);
    turns[k] = part, turns[K + k] = old.inverse, turns[2 * K + k] = now.inverse;
}

/* Pair k: v̄ ← ρ̄ F v̄ + ρ ν, F the whole window's; and, left to the pass, g += (∂L/∂s · v̄) w̄ / K,
 * then w̄ ← w̄ / ρ̄ + w_new / ρ. */
static void follow_pair(nbt_learner *self, size_t k)
{
    nbt_balance old, now;
    real part = 0;
    for (size_t l = 0; l < layers_of(self); l++) {
        nbt_learner *layer = layer_of(self, l);
        part += dot(2 * layer->sizes.ldn, way_end(layer, 0), pair_of(layer, k));
        add_of_window(layer, k);
    }
    balances(self, k, &old, &now);
    for (size_t l = 0; l < layers_of(self); l++)
        fold_in(layer_of(self, l), k, part / (real)self->sizes.K, old, now);
}

void NBT(older_paths)(nbt_learner *self, nbt_closing by)
{
    const size_t K = ways_of(self) - 1;
    for (size_t l = 0; l < layers_of(self); l++) {
        nbt_learner *layer = layer_of(self, l);
        if (layer->choices.exact_self) NBT(steps_own_paths)(layer, stays_of(layer));
    }
    for (size_t k = 0; k < K; k++) draw_signs(self, by, k);
    NBT(older_go_back)(self, 0, 1 + K);
    for (size_t k = 0; k < K; k++) follow_pair(self, k);
    for (size_t l = 0; l < layers_of(self); l++) {
        nbt_learner *layer = layer_of(self, l);
        const real *end = way_end(layer, 0);
        if (!layer->choices.exact_self) continue;
        own_part(layer, end, end + layer->sizes.ldn, layer->past.first_slope);
        tile_units(&layer->sizes, own_of(layer), layer->scratch.factors);
    }
}

/* out (rows, cell.size) = Fᵀ G, F (states, ldF), of one layer's θ. */
static void through_influence(const nbt_learner *self, size_t rows, const real *F, size_t ldF,
                              real *out)
{
    const size_t states = 2 * self->sizes.states, size = self->sizes.cell.size;
    const real *G = self->estimator.G;
    for (size_t i = 0; i < size; i += LANES)
        influence_strip(states, ldF, size, rows, rows < INFLUENCE_ROWS ? 1 : INFLUENCE_ROWS, 1, 0,
                        F, G + i, out + i);
}

/* Column k of F = the ends of a way, c and y of all layers. */
static void gather_ends(nbt_learner *self, size_t way, real *F, size_t ldF, size_t k)
{
    for (size_t half = 0; half < 2; half++)
        for (size_t l = 0; l < layers_of(self); l++) {
            const nbt_learner *layer = layer_of(self, l);
            const real *end = row_at(way_end(layer, way), half, layer->sizes.ldn);
            for (size_t j = 0; j < layer->sizes.n; j++, F += ldF) F[k] = end[j];
        }
}

/* ν: 1 for number k of the state, 0 for all others. */
static void set_unit(nbt_learner *self, size_t k)
{
    const size_t half = k / self->sizes.n;
    size_t i = k % self->sizes.n;
    for (size_t l = 0; l < layers_of(self); l++) {
        const nbt_learner *layer = layer_of(self, l);
        memset(way_end(layer, 1), 0, 2 * layer->sizes.ldn * sizeof(real));
        if (i < layer->sizes.n) row_at(way_end(layer, 1), half, layer->sizes.ldn)[i] = 1;
        i -= layer->sizes.n; /* then it is beyond every size */
    }
}

void NBT(older_influence)(nbt_learner *self)
{
    const size_t states = 2 * self->sizes.n, ldF = nbt_padded(states, LANES);
    real *F = layer_of(self, 0)->scratch.F;
    NBT(older_go_back)(self, 0, 1);
    gather_ends(self, 0, F, ldF, 0);
    for (size_t l = 0; l < layers_of(self); l++) {
        const nbt_learner *layer = layer_of(self, l);
        const size_t size = layer->sizes.cell.size;
        real *next = layer->estimator.G_next, *g = layer->scratch.g;
        through_influence(layer, 1, F, ldF, next);
        if (self->past.pending)
            lanes_add(size, next, g);
        else
            lanes_copy(size, next, g);
    }
    for (size_t round = 0; round < 2; round++) {
        for (size_t k = 0; k < states; k++) {
            set_unit(self, k);
            NBT(older_go_back)(self, 1, 1);
            if (!round) gather_ends(self, 1, F, ldF, k);
            for (size_t l = 0; l < layers_of(self) && round; l++) {
                nbt_learner *layer = layer_of(self, l);
                real *row = row_at(layer->estimator.G_next, k, layer->sizes.cell.size);
                NBT(gated_outer)(layer, NBT(steps_way_flats)(layer, 1), NULL, row, NULL, row);
            }
        }
        for (size_t l = 0; l < layers_of(self) && !round; l++)
            through_influence(layer_of(self, l), states, F, ldF,
                              layer_of(self, l)->estimator.G_next);
    }
    for (size_t l = 0; l < layers_of(self); l++) {
        const nbt_learner *layer = layer_of(self, l);
        memcpy(layer->estimator.G, layer->estimator.G_next,
               states * layer->sizes.cell.size * sizeof(real));
    }
}
