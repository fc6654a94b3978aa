/* general.h: the rules for any system (system.h), beside the fast ones for dense cells.
 *
 * The same algorithms, readout and optimizers: what is particular to a system is asked of its
 * functions, and θ, w̄, G and J lie flat in memory, p numbers in a row. A step goes through the
 * system's phases; a reduction, or a product with F, is done for each of them. When a function
 * fails, `failed` is set and the rule returns at once. */
#ifndef NBT_GENERAL_H
#define NBT_GENERAL_H

#include "float_mode.h"
#include "rule.h"

/* NoBackTrack: v̄ (K, n), w̄ (K, p), the rows w_i of the last phase. */
double NBT(general_nobacktrack_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(general_nobacktrack_advance)(nbt_learner *self, int32_t symbol, const void *vector);

/* Its gradient and its reduction where the K pairs share the parameters (`split`, section 1.4):
 * pair `pair[j]` alone covers parameter j, and w̄ (p) holds the parts of all of them. The estimate
 * is the sum of the pairs' products, not their mean. O(p + entries + Kn) */
void NBT(split_gradient)(nbt_learner *self);
void NBT(split_reduce)(nbt_learner *self, size_t q);

/* RTRL: G (n, p). A phase makes F by n products with unit vectors and costs a multiply-add for each
 * entry of F that is not 0 and each parameter. */
double NBT(general_rtrl_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(general_rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector);

/* Truncated BPTT (bptt.h), whose window keeps h before each phase of each step. The pass backwards
 * takes what the readout says of each step in window_back and adds to g_theta. */
void NBT(general_bptt_advance)(nbt_learner *self, int32_t symbol, const void *vector);
void NBT(general_backpropagate)(nbt_learner *self);

/* What is derived from a state that was loaded. */
void NBT(general_refresh)(nbt_learner *self);
void NBT(general_bptt_refresh)(nbt_learner *self);

/* ℓ of y, and H if `learn`: by the readout, which learns, or the system's own loss. For a window,
 * ∂ℓ/∂ŷ, or H where there is no readout, goes to delta (ldA). Returns 0 if a function failed. */
double NBT(general_loss)(nbt_learner *self, nbt_target y, int learn);
double NBT(general_window_loss)(nbt_learner *self, nbt_target y, real *delta);

/* ---- what the rules share ------------------------------------------------------------------ */

/* Asks a function of the system; sets `failed` where it fails. */
#define NBT_ASK(learner, function, ...)                                                            \
    do {                                                                                           \
        const nbt_system *f_ = &(learner)->system;                                                 \
        const uint64_t ours_ = f_->theirs ? nbt_float_mode() : 0;                                  \
        if (f_->theirs) nbt_set_float_mode((learner)->float_mode);                                 \
        (learner)->failed |= f_->function(f_->self, __VA_ARGS__) != 0;                             \
        if (f_->theirs) nbt_set_float_mode(ours_);                                                 \
    } while (0)

/* Notes what is not finite of what a function of the caller's wrote: `count` numbers, and on to a
 * whole lane block. */
void NBT(general_given)(nbt_learner *self, size_t count, const void *numbers);

/* x ← the input: one-hot at `symbol`, or `vector` (m). O(m), O(1) when one-hot. */
void NBT(general_input)(nbt_learner *self, int32_t symbol, const void *vector);

/* Where the system is asked: phase q from state h, with the input last set. */
nbt_point NBT(general_point)(const nbt_learner *self, const real *h, size_t phase);

/* The system's ∂f/∂θ there, into the CSR arrays; returns whether it did not fail. A pattern that is
 * as before is not checked and surveyed (sparse.h) again. */
int NBT(general_rows)(nbt_learner *self, const nbt_point *at);
void NBT(general_survey)(nbt_learner *self);

/* A phase of NoBackTrack: h, F v̄_k for every pair, and the rows, one-hot inputs being vectors to
 * them, so that their pattern is the same for all symbols. Returns whether nothing failed. */
int NBT(general_move)(nbt_learner *self, const nbt_point *at);

/* sign (n) = ±1 for pair k in phase q: those of units q n … q n + n - 1. */
void NBT(general_signs)(nbt_learner *self, size_t k, size_t q);

/* h_next: the state after all phases on an input, from h. */
void NBT(general_look)(nbt_learner *self, int32_t symbol, const void *vector);

/* h ← the state after the phase `at`, which is from h. Returns whether it did not fail. */
int NBT(general_step)(nbt_learner *self, const nbt_point *at);

#endif
