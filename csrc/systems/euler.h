/* euler.h: a vector field dh/dt = F(h, x, θ), (47), as the system f = h + dt F: one step of Euler's
 * method. The field is a system (system.h) whose `step` gives F. What its functions give is
 * multiplied by dt; then step adds h, jvp v, and vjp u. */
#ifndef NBT_SYSTEMS_EULER_H
#define NBT_SYSTEMS_EULER_H

#include "learner.h"
#include "machine/real.h"
#include "systems/system.h"

/* The `self` of the system. */
typedef struct {
    nbt_system field;
    double dt;
} nbt_euler;

/* The functions of system.h; O(n), rows O(entries), and what the field's cost. They fail when the
 * field's fail. */
int NBT(euler_step)(void *self, const nbt_point *at, void *next);
int NBT(euler_jvp)(void *self, const nbt_point *at, const void *v, void *out);
int NBT(euler_vjp)(void *self, const nbt_point *at, const void *u, void *out);
int NBT(euler_rows)(void *self, const nbt_point *at, int64_t *indptr, int32_t *indices,
                    void *values);

#endif
