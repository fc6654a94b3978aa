/* reduction.h: the rank-one reduction's balance (13)–(14), from squared norms.
 *
 * A product v wᵀ may be written (ρ v)(w/ρ)ᵀ; the variance is least at ρ = √(‖w‖/‖v‖). A product
 * with a zero factor is zero, so both its factors are dropped: ρ and 1/ρ are taken as 0. */
#ifndef NBT_SHARED_REDUCTION_H
#define NBT_SHARED_REDUCTION_H

#include "learner.h"
#include "machine/real.h"
#include <math.h>

/* ρ = (w2 / v2)^¼ and its inverse, from squared norms; roots first, for the quotient of squares
 * could overflow. */
typedef struct {
    real rho, inverse;
} nbt_balance;
NBT_INLINE nbt_balance balance_of(int balanced, real w2, real v2)
{
    const real w = balanced ? root(root(w2 > 0 ? w2 : 0)) : 1;
    const real v = balanced ? root(root(v2 > 0 ? v2 : 0)) : 1;
    const real product = ((w2 > 0) & (v2 > 0)) ? 1 : 0;
    const real top = w + (1 - product), bottom = v + (1 - product); /* nothing is divided by 0 */
    return (nbt_balance){top / bottom * product, bottom / top * product};
}

/* The same for `count` of each. O(count) */
void NBT(balance)(size_t count, int balanced, const real *restrict w2, const real *restrict v2,
                  real *restrict rho, real *restrict inverse);

/* s ← s + (H² - s) / √(t + 1), t the step; `fisher` is s (ldn), or NULL where the norm has none. */
void NBT(follow_fisher)(const nbt_sizes *at, uint64_t step, const real *H, real *fisher);

/* u (ldn): the weights of ‖v‖² = Σ u_i v_i² for pair k. Norm `fisher`: s. Norm `kalman`:
 * 1 / diag(G̃ J⁻¹ G̃ᵀ), (62), from v̄, norm_d, inner and block_w. */
void NBT(state_weights)(const nbt_sizes *at, nbt_norm norm, const nbt_estimator *of, size_t k,
                        nbt_reduction *to);

/* block_rho = ρ̄ and block_inverse = 1 / ρ̄ of each block, from its v̄ in v (blocks, ldn), under the
 * weights u, and its ‖w̄‖² in block_w. O(blocks n) */
void NBT(balance_blocks)(const nbt_sizes *at, int balanced, size_t blocks, const real *restrict v,
                         nbt_reduction *to);

/* (13), but for F, with what is in sign and rho: v̄ ← ρ̄ v̄ + Σ_i ε_i ρ_i e_i, v (ldn). And of (14)
 * the coefficients of the w_i: add (ldn) = ε_i / ρ_i, which may be rho_inverse itself. O(n) */
void NBT(fold)(const nbt_reduction *self, size_t ldn, real rho_bar, real *restrict v, real *add);

/* own = F_ii, of which exact self-influence keeps κ = clip(F_ii, -1, 1), put in its place: with
 * more, d could grow exponentially while other units hold this one. excess = F_ii - κ, for the
 * pairs, which meet those units. Both `count`, and on to a whole vec. Returns whether any
 * excess is not 0. O(count) */
int NBT(split_own)(size_t count, real *restrict own, real *restrict excess);

/* sign (ldn) = ±1 for n units, 0 in the padding. */
void NBT(signs)(const nbt_sizes *at, uint64_t seed, uint64_t step, uint32_t pair,
                nbt_reduction *to);

/* block[s] = Σ_{i mod S = s} x[i], x (ldn, zero in the padding). */
void NBT(block_sums)(size_t n, size_t ldn, size_t S, const real *restrict x, real *restrict block);

/* x[i] = block[i mod S], x (ldn). */
void NBT(block_spread)(size_t n, size_t ldn, size_t S, const real *restrict block,
                       real *restrict x);

#endif
