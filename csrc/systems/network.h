/* network.h: layers of recurrent units on any graph, as a system (system.h) whose phases are the
 * layers: (31), (37), (39)–(46), and (47) with one step of Euler's method.
 *
 *     h'_i = keep_i h_i + gain_i (b_i + Σ_{j→i} W_ji a_j + Σ_l r_li x_l + Σ_k r_ki a'_k)
 *
 * with a = σ(h) and a' the new activities of the layer below. The leak says what keep and gain are.
 *
 * θ: the layers one after the other, in each the units, each with b_i, W_ji (sources j in rising
 * order), r_li (inputs), r_ki (units below), and one number for its leak, if any. So the parameters
 * that act on a state lie together, and are its own. Numbers that are not learned have the entry 0
 * in ∂f/∂θ. */
#ifndef NBT_SYSTEMS_NETWORK_H
#define NBT_SYSTEMS_NETWORK_H

#include "learner.h"
#include "machine/real.h"
#include "systems/system.h"

/* keep, gain and their number in θ: 0, 1, none; α, 1, α; 1 / (1 + e^-β), 1, β, which is learned;
 * 1 - dt / τ, dt / τ, τ. */
typedef enum { NBT_NO_LEAK, NBT_FIXED_LEAK, NBT_LEARNED_LEAK, NBT_TIME_CONSTANT } nbt_leak;

/* One layer: the first of its states and parameters, its sizes, what it is made of. */
typedef struct {
    size_t first, start; /* in h and θ */
    size_t units, inputs, below;
    nbt_activation activation;
    nbt_leak leak;
    double dt;
    const int64_t *indptr;  /* (units + 1) its graph: unit i has the sources indices[e] in the */
    const int32_t *indices; /* layer, indptr[i] ≤ e < indptr[i + 1]; both NULL: all units */
} nbt_layer;

/* The `self` of the system. Every call of its functions may write scratch. */
typedef struct {
    size_t layers, units; /* units of all layers: n */
    nbt_layer *layer;     /* (layers) */
    /* scratch (n) of the dtype: a = σ(h), slope = σ'(h) and the h they are of; keep, gain, the
     * derivative of keep and the numbers of θ they are of: memos whose keys are every bit, so that
     * calls at one point share the exponentials; slope v; and (2 n) a beside slope v */
    void *h, *a, *slope, *leak, *keep, *gain, *keep_slope, *pushed, *both;
    int *known; /* (layers) which memos there are; 0: none yet */
} nbt_network;

/* The functions of system.h. Of a phase: O(edges) + what is copied, O(n). */
int NBT(network_step)(void *self, const nbt_point *at, void *next);
int NBT(network_jvp)(void *self, const nbt_point *at, const void *v, void *out);
int NBT(network_vjp)(void *self, const nbt_point *at, const void *u, void *out);
int NBT(network_rows)(void *self, const nbt_point *at, int64_t *indptr, int32_t *indices,
                      void *values);
int NBT(network_move)(void *self, const nbt_point *at, size_t count, size_t ld, const void *v,
                      void *next, void *out, int64_t *indptr, int32_t *indices, void *values);

#endif
