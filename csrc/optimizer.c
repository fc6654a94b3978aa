#include "optimizer.h"

step_size NBT(optimizer_step_size)(const nbt_learner *self)
{
    const double rate = nbt_rate(self->schedule, self->step);
    const double decay = rate < 1 ? rate : 1;
    return (step_size){(real)rate, (real)(1 - decay), (real)self->lambda};
}

/* GRADIENT(p): row p of the gradient in lane block i. */
#define APPLY(GRADIENT)                                                                            \
    for (size_t i = 0; i < ld; i += LANES) {                                                       \
        if (kind == NBT_SGD) {                                                                     \
            for (size_t p = 0; p < rows; p++) {                                                    \
                real *at = theta + p * ld + i;                                                     \
                store(at, load(at) - step.rate * (GRADIENT(p)));                                   \
            }                                                                                      \
            continue;                                                                              \
        }                                                                                          \
        qdop first = qdop_first(step, GRADIENT(0), J + i);                                         \
        for (size_t p = 1; p < rows; p++)                                                          \
            qdop_update(step, &first, GRADIENT(p), J + p * ld + i, J0 + p * ld + i,                \
                        theta + p * ld + i);                                                       \
        qdop_last(first, theta + i);                                                               \
    }

void NBT(optimizer_apply)(nbt_optimizer kind, step_size step, size_t rows, size_t ld,
                          const real *restrict g, real *restrict J, real *restrict J0,
                          real *restrict theta)
{
#define FROM_ARRAY(p) load(g + (p) * ld + i)
    APPLY(FROM_ARRAY)
}

void NBT(optimizer_apply_outer)(nbt_optimizer kind, step_size step, size_t rows, size_t ld,
                                const real *restrict left, const real *restrict right,
                                real *restrict J, real *restrict J0, real *restrict theta)
{
#define FROM_OUTER(p) (left[p] * load(right + i))
    APPLY(FROM_OUTER)
}
