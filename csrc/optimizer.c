#include "optimizer.h"

step_size NBT(optimizer_step_size)(const nbt_learner *self)
{
    const double decay = self->rate < 1 ? self->rate : 1;
    return (step_size){(real)self->rate, (real)(1 - decay), (real)self->lambda};
}

/* Rows p … p + count - 1 of one lane block, their gradients g; count is 1 or 2. */
NBT_INLINE void kalman_rows(step_size step, qdop *first, size_t count, size_t ld, const vec *g,
                            real *restrict J, real *restrict J0, real *restrict theta)
{
    vec q[2], r[2];
    for (size_t c = 0; c < count; c++)
        q[c] = qdop_measure(step, 1, first, g[c], J + c * ld, J0 + c * ld, r + c);
    qdop_invert(first, count, r);
    for (size_t c = 0; c < count; c++) qdop_update(first, g[c], q[c], r[c], theta + c * ld);
}

/* GRADIENT(p): row p of the gradient in lane block i. */
#define DESCEND(p, check)                                                                          \
    do {                                                                                           \
        real *at = theta + (p) * ld + i;                                                           \
        const vec updated = load(at) - step.rate * (GRADIENT(p));                                  \
        store(at, updated);                                                                        \
        check += updated * 0; /* 0, or NaN */                                                      \
    } while (0)

#define APPLY()                                                                                    \
    vec check = {0}, other = {0};                                                                  \
    for (size_t i = 0; i < ld; i += LANES) {                                                       \
        if (kind == NBT_SGD) {                                                                     \
            size_t p = 0;                                                                          \
            for (; p + 2 <= rows; p += 2) {                                                        \
                DESCEND(p, check);                                                                 \
                DESCEND(p + 1, other);                                                             \
            }                                                                                      \
            if (p < rows) DESCEND(p, check);                                                       \
            continue;                                                                              \
        }                                                                                          \
        qdop first = qdop_first(step, 1, GRADIENT(0), J + i);                                      \
        size_t p = 1;                                                                              \
        for (; p + 2 <= rows; p += 2) {                                                            \
            const vec both[2] = {GRADIENT(p), GRADIENT(p + 1)};                                    \
            const size_t at = p * ld + i;                                                          \
            kalman_rows(step, &first, 2, ld, both, J + at, J0 + at, theta + at);                   \
        }                                                                                          \
        if (p < rows) {                                                                            \
            const vec last[1] = {GRADIENT(p)};                                                     \
            const size_t at = p * ld + i;                                                          \
            kalman_rows(step, &first, 1, ld, last, J + at, J0 + at, theta + at);                   \
        }                                                                                          \
        check += qdop_last(first, theta + i) * 0;                                                  \
    }                                                                                              \
    return fold(check + other) == 0

int NBT(optimizer_apply)(nbt_optimizer kind, step_size step, size_t rows, size_t ld,
                         const real *restrict g, real *restrict J, real *restrict J0,
                         real *restrict theta)
{
#define GRADIENT(p) load(g + (p) * ld + i)
    APPLY();
#undef GRADIENT
}

int NBT(optimizer_apply_outer)(nbt_optimizer kind, step_size step, size_t rows, size_t ld,
                               const real *restrict left, const real *restrict right,
                               real *restrict J, real *restrict J0, real *restrict theta)
{
#define GRADIENT(p) (left[p] * load(right + i))
    APPLY();
#undef GRADIENT
}
