/* system.h: a dynamical system h(t+1) = f(h(t), x(t), θ), (1), as functions that C calls.
 *
 * This is all that the rules of this folder know of what they train: any f in which a parameter
 * acts on few states, so that the rows w_i = ∂f_i/∂θ are sparse. Cells, stacks, systems that a user
 * compiled and systems of Python functions are all one of these structs.
 *
 * Numbers are of the learner's dtype. Functions are pure: they depend on the point and on `self`
 * alone, write only their result, whole, and may be called in any order and any number of times,
 * for instance to predict. Results never alias arguments. A function returns 0, or anything else if
 * it failed; then the call that is running is given up, and the trainer is as it was before it.
 *
 * A step may consist of inner steps, the phases 0 … phases - 1 (the rolling form of several layers,
 * (43)–(46)): phase q takes the state that phase q - 1 left, x stays, and the rank-one reduction is
 * done between any two of them. States that a phase leaves alone have the row 0 in `rows` and are
 * copied by `step`. */
#ifndef NBT_SYSTEMS_SYSTEM_H
#define NBT_SYSTEMS_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* All that f depends on. */
typedef struct {
    const void *h;     /* (n) the state before this phase */
    const void *x;     /* (m) the input; one-hot where inputs are symbols */
    const void *theta; /* (p) the parameters */
    int64_t symbol;    /* the entry of x that is set; -1 where inputs are vectors to the system */
    size_t phase;
} nbt_point;

typedef struct {
    size_t n, m, p; /* states, inputs, parameters */
    size_t entries; /* of ∂f/∂θ, that any phase at any point may have at most */
    size_t phases;  /* inner steps of a step; 1: the plain form */
    int by_symbol;  /* are inputs that are symbols told as such, with entries of their own? */
    int fixed;      /* where inputs are vectors: does the pattern depend on the phase alone? */
    int unchecked;  /* must what `rows` writes be checked? */
    int theirs;     /* are the functions the caller's, to run in their float mode (float_mode.h)? */
    void *self;     /* what the functions know besides the point */

    /* next (n) = f. */
    int (*step)(void *self, const nbt_point *at, void *next);
    /* out (n) = F v, F = ∂f/∂h (n, n), F[k, j] = ∂f_k/∂h_j. v (n). */
    int (*jvp)(void *self, const nbt_point *at, const void *v, void *out);
    /* out (n) = Fᵀ u. u (n). Called by backpropagation alone; may be NULL elsewhere. */
    int (*vjp)(void *self, const nbt_point *at, const void *u, void *out);
    /* ∂f/∂θ (n, p) as CSR: row i has values[e] in column indices[e] for indptr[i] ≤ e <
     * indptr[i+1]. indptr (n + 1) begins with 0, never falls and ends with at most `entries`;
     * indices are in [0, p), in any order, each at most once in a row. The pattern may differ from
     * call to call; where it is fixed, indptr and indices may be NULL and are still there from
     * another call. */
    int (*rows)(void *self, const nbt_point *at, int64_t *indptr, int32_t *indices, void *values);
    /* At once, for `count` vectors v and out (count, ld), what step, jvp and, with x as a vector,
     * rows give. NULL: they are called one after the other. */
    int (*move)(void *self, const nbt_point *at, size_t count, size_t ld, const void *v, void *next,
                void *out, int64_t *indptr, int32_t *indices, void *values);
    /* *value = ℓ(h, y) in nats, H (n) = ∂ℓ/∂h for a target y; called where there is no readout. */
    int (*loss)(void *self, const void *h, const void *y, double *value, void *H);
} nbt_system;

/* A system that a user compiled: plain functions on arrays, and `data`, which is passed on. With a
 * pattern `rows` and `move` get NULL for indptr and indices. */
typedef struct {
    size_t n, p, entries;
    const int64_t *indptr; /* the pattern, valid; or NULL, and the rows are unchecked */
    const int32_t *indices;
    int (*step)(const void *h, const void *x, const void *theta, void *next, void *data);
    int (*jvp)(const void *h, const void *x, const void *theta, const void *v, void *out,
               void *data);
    int (*vjp)(const void *h, const void *x, const void *theta, const void *u, void *out,
               void *data);
    int (*rows)(const void *h, const void *x, const void *theta, int64_t *indptr, int32_t *indices,
                void *values, void *data);
    int (*move)(const void *h, const void *x, const void *theta, size_t count, size_t ld,
                const void *v, void *next, void *out, int64_t *indptr, int32_t *indices,
                void *values, void *data);
    int (*loss)(const void *h, const void *y, double *value, void *H, void *data);
    void *data;
} nbt_compiled;

/* It as a system of m inputs, with one phase; `compiled` is borrowed. */
nbt_system nbt_system_of(nbt_compiled *compiled, size_t m);

/* Are these CSR arrays (n, p) with at most `entries` entries? An index that a row has twice is not
 * noticed. O(n + entries) */
int nbt_csr_valid(size_t n, size_t p, size_t entries, const int64_t *indptr,
                  const int32_t *indices);

#endif
