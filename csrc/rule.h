/* rule.h: a learning rule is a row in a table (kernels.h). */
#ifndef NBT_RULE_H
#define NBT_RULE_H

#include "learner.h"
#include "machine/real.h"

typedef struct {
    /* Loss (nats) of target y predicted from h; learns from it if `learn`. */
    double (*observe)(nbt_learner *self, nbt_target y, int learn);
    /* The transition on input x (symbol, or vector of m numbers), and what the rule carries along.
     */
    void (*advance)(nbt_learner *self, int32_t symbol, const void *vector);
    /* h_next: the state that input x leads to. Changes nothing else but scratch. */
    void (*look)(nbt_learner *self, int32_t symbol, const void *vector);
    /* Learns from the open window as it is, and begins another one. */
    void (*flush)(nbt_learner *self);
    /* Applies what is pending to the arrays. */
    void (*settle)(nbt_learner *self);
    /* Recomputes what the rule derives from arrays that were set from outside. */
    void (*refresh)(nbt_learner *self);
} nbt_rule_row;

#endif
