/* rule.h: a learning rule is a row in a table; a table for each precision and instruction set. */
#ifndef NBT_RULE_H
#define NBT_RULE_H

#include "learner.h"
#include "real.h"

typedef struct {
    /* Loss (nats) of target y predicted from h; learns from it if `learn`. */
    double (*observe)(nbt_learner *self, nbt_target y, int learn);
    /* The transition on input x (symbol, or vector of m numbers), and what the rule carries along.
     */
    void (*advance)(nbt_learner *self, int32_t symbol, const void *vector);
    /* Applies what is pending to the arrays. */
    void (*settle)(nbt_learner *self);
    /* Recomputes what the rule derives from arrays that were set from outside. */
    void (*refresh)(nbt_learner *self);
} nbt_rule_row;

typedef struct {
    size_t lanes;            /* reals of a lane block */
    nbt_rule_row rules[3];   /* by nbt_rule */
    nbt_rule_row descent;    /* NoBackTrack where one pass is enough */
    nbt_rule_row general[3]; /* by nbt_rule, where a system is trained */
    void (*refresh)(nbt_learner *self);
    void (*predict)(nbt_learner *self, int has_x, int32_t symbol, const double *vector, double *p);
    void (*bring_up)(const nbt_learner *self, void *theta, void *w);
    int (*finite)(size_t count, const void *numbers); /* all of them, whole lane blocks? */
    int (*waiting_finite)(const nbt_learner *self);   /* rows that wait, as they are now? */
    nbt_system network, euler;                        /* the functions of network.h and euler.h */
    /* scaler.h */
    const void *(*input)(nbt_learner *self, const double *vector);
    void (*follow)(nbt_learner *self, const double *input, const double *target);
    size_t (*known)(size_t count, const double *vector);
} nbt_kernels;

#endif
