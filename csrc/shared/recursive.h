/* recursive.h: recursive least squares, the whole Kalman step of outputs that share a covariance.
 *
 * f (F) are the features of the readout (readout.h), 1 in front; P (F, F), in doubles, is the
 * covariance of the weights of an output in units of the noise, the same for the means of all
 * numbers. A zero on its diagonal stands for a feature of which nothing is known: 1 / Λ, Λ being
 * `prior` in choices.h (`lambda` is that of the other outputs). With errors e of the means,
 * k = 1 - γ, γ the schedule's decay, at most 1 / F: s = P f,  g = s / (d (k + fᵀ s)),  φ ← φ - g
 * eᵀ, P ← (P - g sᵀ) / k. With d = 1, P⁻¹ is a decayed sum of f fᵀ and of what is left of the
 * prior. Where features do not vary, that alone would let P grow as k⁻ᵗ. So each step puts back
 * into P⁻¹ what a round of F steps loses of the prior, in one direction, i = t mod F: with c = Λ F
 * γ, P ← P - u uᵀ / (1 / c + u_i),  u = P e_i. φ stays, as if the error there had been 0. So P is
 * never above exp(1) / Λ.
 *
 * d is 1. Where targets are standardised and the largest error is beyond 3 deviations, it is that
 * error over 3 deviations: so φ moves as if it had been there, however much is still to be learned,
 * and P learns less, the further off it is. Standardised targets change
 * their unit with each target. φ follows that, so that it predicts what it did before: least
 * squares in a unit that drifts would be wrong by as much as it drifts. Where f has standardised
 * inputs that are not kept (scaler.h), these drift with the targets. Then φ stays as it is: to
 * change its side alone would be wrong by as much.
 *
 * Both changes wait for the next pass, which reads and writes P once: P ← α P - w wᵀ - v vᵀ, then
 * P f. Of the blocks of 8 by 8 entries only those on the diagonal and right of it are kept. Entries
 * (i, j) and (j, i) of a block are changed by the same operations, so they stay the same. */
#ifndef NBT_SHARED_RECURSIVE_H
#define NBT_SHARED_RECURSIVE_H

#include "learner.h"
#include "machine/real.h"

/* φ's columns of means after a step in which `features` (F - 1, or the n of units) and `symbol`,
 * -1: none, were seen, from phi_e and `doubt` of the last loss. O(F² + FA) */
void NBT(recursive_learn)(nbt_learner *self, const real *features, int32_t symbol);

/* The scales of targets learn from one, as in scaler.h, and φ goes on predicting the same. O(FY) */
void NBT(recursive_follow)(nbt_learner *self, const double *target);

/* P as it is now, in every entry. O(F²) */
void NBT(recursive_settle)(nbt_learner *self);

/* After P was set from outside. */
void NBT(recursive_refresh)(nbt_learner *self);

#endif
