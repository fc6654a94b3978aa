/* rtrl.h: RTRL of a system: G (n, p), (4). A phase makes F by n products with unit vectors and
 * costs a multiply-add for each entry of F that is not 0 and each parameter. */
#ifndef NBT_SYSTEMS_RTRL_H
#define NBT_SYSTEMS_RTRL_H

#include "rule.h"

double NBT(system_rtrl_observe)(nbt_learner *self, nbt_target y, int learn);
void NBT(system_rtrl_advance)(nbt_learner *self, int32_t symbol, const void *vector);

#endif
