/* readout.h: what the state says about the next target, and the loss, in nats.
 *
 * φ has 1 + n rows (panels.h), row 0 the biases, then one row a unit, and A columns. The outputs
 * are ŷ_z = φ_0z + Σ_i φ_iz a_i (48).
 *
 * With `direct` it sees the last input as well, as the network reads it: its features are (1, a,
 * x), and φ has m more rows. x is 0 before the first input. A vector's rows are like those of
 * units. A symbol z adds its row n + z alone. To keep a step O(A), whatever the number of symbols,
 * each of these rows is a group of its own for the optimizer (optimizer.h), and all that is kept of
 * it moves and decays only when its symbol is the last input. ŷ depends on h by a alone, so H needs
 * the n rows of units. `sizes.out.rows` are those below the biases that every step reads: n + m, or
 * n where inputs are symbols.
 *
 * A kind, a row of the table in readout.c, says what the outputs mean:
 *
 * softmax: y is a symbol, p = softmax(ŷ), ℓ = -ln p_y, δ = p - onehot(y). Where symbols are
 * counted, ŷ gains β ln q (counts.h).
 *
 * gaussian: y is a vector (Y), A = 2Y; ŷ holds means μ, then u, from which the log-variances are
 * s = u / (1 + |u| / c), c = 20. ℓ = ½ Σ (ln 2π + s + (y - μ)² e^-s), δ_μ = (μ - y) e^-s,
 * δ_u = ½ (1 - (y - μ)² e^-s) ∂s/∂u. The bound keeps e^s within 2·10⁻⁹ … 5·10⁸, and so in float32;
 * ∂s/∂u falls so slowly that s comes back from wherever an outlier took it. Its Fisher matrix, of
 * which Kalman makes J of φ, is diagonal: e^-s, ½ (∂s/∂u)², 0 where y is not known.
 *
 * bernoulli: y is a vector (Y) in [0, 1], A = Y, p = logistic(ŷ), δ = p - y,
 * ℓ = -Σ (y ln p + (1 - y) ln (1 - p)).
 *
 * A NaN in y is not known: no loss, δ = 0.
 *
 * Where targets are standardised (scaler.h) to mean m and scale k, gaussian predicts m + k μ with
 * the variance R² e^s, R² being the running mean of squared errors, less what s explains; ℓ is that
 * of y. What gradients see of an error, in deviations r, is at most 3. So that this does not draw s
 * down, its square is compared with its own running mean ρ R²; and as R² follows the errors by
 * itself, s is drawn to 0 a little: δ_μ = r k / deviation, δ_u = (½ (ρ - r²) + s / 20) ∂s/∂u. SGD,
 * which does not know how steep that is, takes δ_μ = r deviation / k, the gradient of the squared
 * error. The information of u is at least δ_u². A number without a scale counts as not known; where
 * all are, there is no loss: NaN, and `unscored`. */
#ifndef NBT_SHARED_READOUT_H
#define NBT_SHARED_READOUT_H

#include "learner.h"
#include "machine/real.h"

/* What the readout sees of `count` steps: a (count, ldn); with `direct` also x (count, ldm), or
 * symbols (count). What it does not see is NULL. */
typedef struct {
    size_t count;
    const real *a, *x;
    const int32_t *symbol;
} nbt_view;

/* What it sees now. */
nbt_view NBT(readout_view)(const nbt_learner *self);

/* The last input of step t if it is a symbol that is seen, or -1. In a window of steps -2 - z
 * stands for a step that had no input of its own, z being the last one before it. */
NBT_INLINE int32_t seen_symbol(nbt_view seen, size_t t)
{
    if (!seen.symbol) return -1;
    return seen.symbol[t] >= 0 ? seen.symbol[t] : -2 - seen.symbol[t];
}

/* The last input is this one, from now on, where the readout sees inputs. O(m) */
void NBT(readout_sees)(nbt_learner *self, int32_t symbol, const void *vector);

/* What is predicted given what is seen of one step, p (A): probabilities; means and variances;
 * probabilities. out (ldA): scratch. O(nA) */
void NBT(readout_predict)(const nbt_learner *self, nbt_view seen, real *restrict out,
                          double *restrict p);

/* H = ∂ℓ/∂h = σ'(h_i) Σ_z φ[1 + i, z] δ_z for `count` steps; H, slope (count, ldn), δ (count, ldA).
 * O(count nA) */
void NBT(readout_pull)(const nbt_learner *self, size_t count, const real *restrict slope,
                       const real *restrict delta, real *restrict H);

/* The loss ℓ of y in nats; delta (ldA, zero in the padding) = ∂ℓ/∂ŷ; the learner's information
 * (ldA) is that of the step, where it has one. O(nA) */
double NBT(readout_loss)(nbt_learner *self, nbt_target y, real *restrict delta);

/* δ (count, ldA) of targets that are standardised, for SGD: shortened where η Σ ‖(1, a, x)‖² over
 * these steps is above 1, from where on a step could go beyond what it aims at.
 * O(count (n + A)) */
void NBT(readout_shorten)(const nbt_learner *self, nbt_view seen, real *delta);

/* g (φ's shape) += the outer products of what is seen and δ (count, ldA). O(count nA) */
void NBT(readout_collect)(const nbt_learner *self, nbt_view seen, const real *delta, real *g);

/* Learns from the last loss: leaves H (with φ as it predicted) and updates φ. O(nA) */
void NBT(readout_learn)(nbt_learner *self);

#endif
