/* built_in.h: the systems that the package brings, with the functions of a precision and an
 * instruction set (isa as in nbt_learner_init). What they are made of is borrowed. */
#ifndef NBT_SYSTEMS_BUILT_IN_H
#define NBT_SYSTEMS_BUILT_IN_H

#include "systems/euler.h"
#include "systems/network.h"

/* A network whose layers and scratch are set, and m inputs. */
nbt_system nbt_network_system(nbt_network *self, size_t m, nbt_dtype dtype, int isa);

/* One step of Euler's method in a field of one phase. */
nbt_system nbt_euler_system(nbt_euler *self, nbt_dtype dtype, int isa);

#endif
