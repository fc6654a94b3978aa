/* choices.h: what a learner is told once: its sizes, its choices. */
#ifndef NBT_CHOICES_H
#define NBT_CHOICES_H

#include "machine/layout.h"
#include "shared/schedule.h"
#include <stddef.h>
#include <stdint.h>

typedef enum { NBT_F32, NBT_F64 } nbt_dtype;
/* NBT_FIXED: the network is not learned, the readout alone is. */
typedef enum { NBT_NOBACKTRACK, NBT_RTRL, NBT_BPTT, NBT_FIXED, NBT_UORO, NBT_RULES } nbt_rule;
/* What a unit is (gated/unit.h). NBT_ONE_GATE: RNN and LeakyRNN. */
typedef enum { NBT_ONE_GATE, NBT_LSTM, NBT_COUPLED_LSTM, NBT_GRU, NBT_MGU, NBT_LRU } nbt_cell;
typedef enum { NBT_SIGMOID, NBT_TANH, NBT_IDENTITY } nbt_activation;
typedef enum { NBT_SGD, NBT_KALMAN, NBT_ADAM } nbt_optimizer;
typedef enum { NBT_SOFTMAX, NBT_GAUSSIAN, NBT_BERNOULLI, NBT_OWN_LOSS } nbt_readout;
typedef enum { NBT_EUCLIDEAN, NBT_KALMAN_NORM, NBT_FISHER, NBT_NO_NORM } nbt_norm;

/* What a NaN does to its step. NBT_NEVER_MISSING: there is none. NBT_SKIP: the step is one without
 * a target. NBT_MASK: only the numbers of a target that are known count. A NaN of an input is read
 * as 0. */
typedef enum { NBT_NEVER_MISSING, NBT_SKIP, NBT_MASK } nbt_missing;

/* How a gradient changes θ, or φ (shared/optimizer.h). */
typedef struct {
    nbt_optimizer kind;
    nbt_schedule schedule;  /* rate of SGD and Adam, decay of Kalman */
    double lambda, outlier; /* Kalman: Λ; κ, infinite: none */
    double b1, b2;          /* Adam: how much its means keep, β₁ and β₂ */
    int shared;             /* Kalman of φ: a covariance for all means (shared/recursive.h), */
    double prior;           /* which begins as I / prior */
} nbt_method;

typedef struct {
    size_t n, m, A;  /* units, inputs as the network reads them, outputs */
    size_t given;    /* numbers of an input as a call brings it; m / given of them are read */
    size_t P;        /* 1 + n + m: parameters a unit of a dense cell, for each gate */
    size_t K, S, T;  /* pairs, blocks of units, steps of a window */
    size_t layers;   /* of a stack (gated/layers.h); 0: it is none */
    size_t states;   /* units of the whole stack that this is a layer of, or n */
    size_t gates;    /* sums that a unit makes, 1 but for gated cells; */
    size_t kept;     /* those of them that its carried number depends on come first */
    int paired;      /* carried numbers are complex (gated/carried.h) */
    int last_row;    /* θ has a last row by itself (gated/network.h) */
    size_t Y;        /* numbers of a target, 0: it is a symbol */
    size_t phases;   /* those of a system, or 1 */
    size_t lanes;    /* numbers of a vec */
    size_t strip;    /* columns of RTRL's G that lie together (dense/rtrl.h) */
    nbt_panels cell; /* of θ and what has its shape */
    nbt_panels out;  /* of φ; its rows are those that every step reads (readout.h) */
    size_t ldshared; /* of its covariance: whole blocks (shared/recursive.h) */
    size_t features; /* what the readout sees: n activities, with `direct` m inputs */
    /* row strides, in numbers */
    size_t ldn, ldm, ldA, ldY, ldP, ldS, ldG, ldpair, ldrecent, ldinput, ldwords;
} nbt_sizes;

typedef struct {
    nbt_dtype dtype;
    nbt_rule rule;
    int is_system; /* what is trained is a system (systems/step.h), no dense cell */
    nbt_cell cell; /* what the units of a dense cell are */
    int windowed;  /* θ is learned once in T steps (gated/rules.h), or has gates and is fixed */
    int recurrent; /* units see each other; 0: θ has no W (windowed only) */
    int rms;       /* a gate's sums are divided by their root mean square (windowed only) */
    int upper;     /* what it sees as its input is y of a layer below (windowed only) */
    nbt_activation activation;
    const uint8_t *activations; /* (n) those of the units where they differ; NULL: as above */
    nbt_readout readout;
    nbt_method theta, phi; /* how gradients change the network, and the readout */
    nbt_norm norm;
    nbt_missing missing;
    int scale_x, scale_y; /* vectors are standardised; */
    int keep_x;           /* inputs by scales that are kept (shared/scaler.h) */
    int one_hot;          /* inputs are symbols, or vectors */
    int exact_self;       /* self-influence is exact */
    int direct;           /* the readout sees the last input, too */
    int descent, lazy;    /* one pass a step (dense/descent.h); rows wait (dense/lazy.h) */
    int split;            /* the pairs share the parameters (systems/split.h) */
    int reference, dense,
        exact_fisher; /* a reference metric (systems/reference.h), of whole matrices */
    uint64_t seed;
} nbt_choices;

#endif
