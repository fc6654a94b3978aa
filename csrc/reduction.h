/* reduction.h: the rank-one reduction's balance (13)–(14), from squared norms.
 *
 * A product v wᵀ may be written (ρ v)(w/ρ)ᵀ; the variance is least at ρ = √(‖w‖/‖v‖). A product
 * with a zero factor is zero, so both its factors are dropped: ρ and 1/ρ are taken as 0. */
#ifndef NBT_REDUCTION_H
#define NBT_REDUCTION_H

#include "learner.h"
#include "real.h"

/* rho[i] = (w2[i] / v2[i])^¼ and its inverse, from squared norms (count). O(count) */
void NBT(balance)(size_t count, int balanced, const real *restrict w2, const real *restrict v2,
                  real *restrict rho, real *restrict inverse);

/* sign (ldn) = ±1 for n units, 0 in the padding. */
void NBT(signs)(const nbt_learner *self, uint32_t pair, real *restrict sign);

/* block[s] = Σ_{i mod S = s} x[i], x (ldn, zero in the padding). */
void NBT(block_sums)(size_t n, size_t ldn, size_t S, const real *restrict x, real *restrict block);

/* x[i] = block[i mod S], x (ldn). */
void NBT(block_spread)(size_t n, size_t ldn, size_t S, const real *restrict block,
                       real *restrict x);

#endif
