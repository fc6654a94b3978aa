#include "sparse.h"
#include "lanes.h"
#include <string.h>

void NBT(sparse_add)(const nbt_learner *self, const real *restrict coefficient, real *restrict out)
{
    const real *value = self->values;
    const int32_t *index = self->indices;
    for (size_t i = 0; i < self->n; i++) {
        const size_t begin = (size_t)self->indptr[i], end = (size_t)self->indptr[i + 1];
        const size_t run = sparse_run(self, i);
        const real c = coefficient[i];
        if (run) {
            real *to = out + index[begin];
            for (size_t k = 0; k < run; k++) to[k] += c * value[begin + k];
        }
        for (size_t e = begin + run; e < end; e++) out[index[e]] += c * value[e];
    }
}

/* Σ x y over a few numbers. */
NBT_INLINE real short_dot(size_t count, const real *x, const real *y)
{
    vec sum = {0};
    size_t k = 0;
    for (; k + LANES <= count; k += LANES) sum += load_any(x + k) * load_any(y + k);
    real rest = 0;
    for (; k < count; k++) rest += x[k] * y[k];
    return fold(sum) + rest;
}

void NBT(sparse_dot)(const nbt_learner *self, const real *restrict y, real *restrict out)
{
    const real *value = self->values;
    const int32_t *index = self->indices;
    for (size_t i = 0; i < self->n; i++) {
        const size_t begin = (size_t)self->indptr[i], run = sparse_run(self, i);
        real sum = run ? short_dot(run, value + begin, y + index[begin]) : 0;
        for (size_t e = begin + run; e < (size_t)self->indptr[i + 1]; e++)
            sum += value[e] * y[index[e]];
        out[i] = sum;
    }
}

void NBT(sparse_norms)(const nbt_learner *self, real *restrict norm)
{
    const real *value = self->values;
    for (size_t i = 0; i < self->n; i++) {
        const size_t begin = (size_t)self->indptr[i], end = (size_t)self->indptr[i + 1];
        norm[i] = short_dot(end - begin, value + begin, value + begin);
    }
}

void NBT(sparse_clear)(nbt_learner *self)
{
    memset(self->indptr, 0, (self->n + 1) * sizeof *self->indptr);
}
