/* kernels.h: everything the facade calls, a table for each precision and instruction set. */
#ifndef NBT_KERNELS_H
#define NBT_KERNELS_H

#include "rule.h"

typedef struct nbt_kernels {
    size_t lanes;                    /* reals of a vec */
    nbt_rule_row rules[NBT_RULES];   /* by nbt_rule */
    nbt_rule_row descent;            /* NoBackTrack where one pass is enough */
    nbt_rule_row gated[NBT_RULES];   /* by nbt_rule: gated/ */
    nbt_rule_row systems[NBT_RULES]; /* by nbt_rule, where a system is trained */
    void (*refresh)(nbt_learner *self);
    void (*predict)(nbt_learner *self, const nbt_rule_row *rule, int has_x, int32_t symbol,
                    const double *vector, double *p);
    void (*settle_shared)(nbt_learner *self);                            /* recursive.h */
    void (*sees)(nbt_learner *self, int32_t symbol, const void *vector); /* readout.h */
    void (*bring_up)(const nbt_learner *self, void *theta, void *w);
    int (*finite)(size_t count, const void *numbers); /* all of them, whole vecs? */
    int (*waiting_finite)(const nbt_learner *self);   /* rows that wait, as they are now? */
    nbt_system network, euler;                        /* systems/built_in.h */
    /* scaler.h */
    const void *(*input)(nbt_scaler *self, const nbt_sizes *at, const double *vector);
    void (*keep_input)(nbt_scaler *self, const nbt_sizes *at);
    void (*follow_input)(nbt_scaler *self, size_t given, const double *input);
    void (*follow_target)(nbt_learner *self, const double *target);
    size_t (*known)(size_t count, const double *vector);
} nbt_kernels;

#endif
