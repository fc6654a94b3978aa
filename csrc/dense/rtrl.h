/* rtrl.h: real-time recurrent learning, exact: G = ∂h/∂θ carried forward by (4).
 *
 * G is (n, P n): row k holds ∂h_k/∂θ, column p n + i that of unit i's parameter p. It lies in
 * strips of four vecs of columns, one after another, each with its n rows in one run. A step
 * costs the n² · nP multiply-adds of F G (influence.h). */
#ifndef NBT_DENSE_RTRL_H
#define NBT_DENSE_RTRL_H

#include "rule.h"

double NBT(rtrl_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
