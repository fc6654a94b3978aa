/* turns.h: what passes over θ's panels share: how the steps of a window give to their rows. */
#ifndef NBT_GATED_TURNS_H
#define NBT_GATED_TURNS_H

#include "gated/steps.h"
#include "machine/panels.h"

/* Turns whose sums stay in registers while the window's steps pass by. */
enum { TURNS = NBT_REGISTER == 64 ? 8 : 4 };

/* Before a loop over them: else gcc keeps their sums in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* sum[k] += left[t, row of turn k] right[t] of steps first … last - 1: left (…, ld_left), right (…,
 * ld), where the rows of the first turn and the panel begin. */
NBT_INLINE void turns_add(size_t turns, size_t first, size_t last, const real *left, size_t ld_left,
                          const real *right, size_t ld, size_t per_vec, vec sum[TURNS])
{
    for (size_t t = first; t < last; t++) {
        const vec lanes = lanes_tile(load(right + t * ld), per_vec);
        UNROLL
        for (size_t k = 0; k < turns; k++)
            sum[k] += lanes_rows(left + t * ld_left + k * per_vec, per_vec) * lanes;
    }
}

/* Rows of symbols: a step meets one of them. Steps are met in the order of their symbols; `next` is
 * the place of the next one in it. */
typedef struct {
    const int32_t *symbol, *order;
    size_t count, next;
} symbol_walk;

NBT_INLINE symbol_walk symbols_of(const nbt_learner *self)
{
    return (symbol_walk){self->past.window_symbol, self->past.window_order, self->past.ordered, 0};
}

/* The turn of the next step's row; `turns`, if there is none: so many turns have rows. */
NBT_INLINE size_t next_turn(const symbol_walk *walk, size_t per_vec, size_t turns)
{
    if (walk->next == walk->count) return turns;
    return (size_t)walk->symbol[walk->order[walk->next]] / per_vec;
}

/* right[t] (…, ld) in the lanes of step t's row, in a turn that begins with row p. */
NBT_INLINE vec symbol_lanes(size_t row, const real *right, size_t per_vec)
{
    const size_t width = LANES / per_vec;
    const wvec mine = lanes_below((row + 1) * width) & ~lanes_below(row * width);
    const vec x = load(right);
    return per_vec == 1 ? x : (vec)((wvec)lanes_tile(x, per_vec) & mine);
}

/* Brings window_order up to date. O(T²) at most, in integers. */
NBT_INLINE void order_symbols(nbt_learner *self)
{
    const int32_t *symbol = self->past.window_symbol;
    int32_t *order = self->past.window_order;
    size_t count = 0;
    for (size_t t = 0; t < self->past.length && self->choices.one_hot; t++) {
        if (symbol[t] < 0) continue;
        size_t k = count++;
        for (; k && symbol[order[k - 1]] > symbol[t]; k--) order[k] = order[k - 1];
        order[k] = (int32_t)t;
    }
    self->past.ordered = count;
}

#endif
