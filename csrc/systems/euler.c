#include "systems/euler.h"

/* to = from + dt to. */
static int take(const nbt_euler *self, const real *restrict from, real *restrict to)
{
    const real dt = (real)self->dt;
    for (size_t i = 0; i < self->field.n; i++) to[i] = from[i] + dt * to[i];
    return 0;
}

int NBT(euler_step)(void *of, const nbt_point *at, void *next)
{
    const nbt_euler *self = of;
    return self->field.step(self->field.self, at, next) || take(self, at->h, next);
}

int NBT(euler_jvp)(void *of, const nbt_point *at, const void *v, void *out)
{
    const nbt_euler *self = of;
    return self->field.jvp(self->field.self, at, v, out) || take(self, v, out);
}

int NBT(euler_vjp)(void *of, const nbt_point *at, const void *u, void *out)
{
    const nbt_euler *self = of;
    return self->field.vjp(self->field.self, at, u, out) || take(self, u, out);
}

int NBT(euler_rows)(void *of, const nbt_point *at, int64_t *indptr, int32_t *indices, void *to)
{
    const nbt_euler *self = of;
    if (self->field.rows(self->field.self, at, indptr, indices, to)) return -1;
    real *values = to;
    for (int64_t e = 0; e < indptr[self->field.n]; e++) values[e] *= (real)self->dt;
    return 0;
}
