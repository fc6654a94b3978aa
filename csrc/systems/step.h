/* step.h: what the rules for any system (system.h) share, beside the fast ones for dense cells.
 *
 * The same algorithms, readout and optimizers: what is particular to a system is asked of its
 * functions, and θ, w̄, G and J lie flat in memory, p numbers in a row. A step goes through the
 * system's phases; a reduction, or a product with F, is done for each of them. When a function
 * fails, `failed` is set and the rule returns at once. To ask a system takes its functions, the
 * workers, the counters, and what is asked about; so most of these functions get a whole learner.
 */
#ifndef NBT_SYSTEMS_STEP_H
#define NBT_SYSTEMS_STEP_H

#include "machine/float_mode.h"
#include "rule.h"

/* What is derived from a state that was loaded. */
void NBT(system_refresh)(nbt_learner *self);

/* ℓ of y, and H if `learn`: by the readout, which learns, or the system's own loss. */
double NBT(system_loss)(nbt_learner *self, nbt_target y, int learn);

/* The system's own loss of y, and H (ldn). Sets `failed` where its function fails. */
double NBT(system_own_loss)(nbt_learner *self, nbt_target y, real *H);

/* Asks a function of the system; sets `failed` where it fails. */
#define NBT_ASK(learner, function, ...)                                                            \
    do {                                                                                           \
        const nbt_system *f_ = &(learner)->system.functions;                                       \
        const uint64_t ours_ = f_->theirs ? nbt_float_mode() : 0;                                  \
        if (f_->theirs) nbt_set_float_mode((learner)->workers.float_mode);                         \
        (learner)->counters.failed |= f_->function(f_->self, __VA_ARGS__) != 0;                    \
        if (f_->theirs) nbt_set_float_mode(ours_);                                                 \
    } while (0)

/* Takes a note if a function of the caller's wrote a number that is not finite. Looks at `count`
 * numbers, and on to the end of their last vec. */
void NBT(system_given)(nbt_learner *self, size_t count, const void *numbers);

/* x ← the input: one-hot at `symbol`, or `vector` (m). O(m), O(1) when one-hot. */
void NBT(system_input)(nbt_learner *self, int32_t symbol, const void *vector);

/* Where the system is asked: phase q from state h, with the input last set. */
nbt_point NBT(system_point)(const nbt_learner *self, const real *h, size_t phase);

/* The system's ∂f/∂θ there, into the CSR arrays; returns whether it did not fail. A pattern that is
 * as before is not checked and surveyed (sparse.h) again. */
int NBT(system_rows)(nbt_learner *self, const nbt_point *at);
void NBT(system_survey)(const nbt_choices *choices, const nbt_optimizer_part *metric,
                        nbt_system_part *to);

/* g = (1/K) Σ_k (H·v̄_k) w̄_k: what the pairs say of ∂ℓ/∂θ. O(Kp) */
void NBT(system_pairs_gradient)(nbt_learner *self);

/* A phase of rules with pairs: h, F v̄_k for every pair, and the rows, one-hot inputs being vectors
 * to them, so that their pattern is the same for all symbols. Returns whether nothing failed. */
int NBT(system_move)(nbt_learner *self, const nbt_point *at);

/* sign (n) = ±1 for pair k in phase q of step t: those of units q n … q n + n - 1. */
void NBT(system_signs)(const nbt_sizes *at, uint64_t seed, uint64_t t, size_t k, size_t q,
                       nbt_reduction *to);

/* h_next: the state after all phases on an input, from h. */
void NBT(system_look)(nbt_learner *self, int32_t symbol, const void *vector);

/* The transition alone, all phases: h ← h', a and slope of h'. */
void NBT(system_advance)(nbt_learner *self, int32_t symbol, const void *vector);

/* h ← the state after the phase `at`, which is from h. Returns whether it did not fail. */
int NBT(system_step)(nbt_learner *self, const nbt_point *at);

#endif
