#include "sparse.h"
#include <string.h>

void NBT(sparse_add)(const nbt_learner *self, const real *restrict coefficient, real *restrict out)
{
    const real *value = self->values;
    const int32_t *index = self->indices;
    for (size_t i = 0; i < self->n; i++) {
        const size_t begin = (size_t)self->indptr[i], end = (size_t)self->indptr[i + 1];
        const real c = coefficient[i];
        for (size_t e = begin; e < end; e++) out[index[e]] += c * value[e];
    }
}

void NBT(sparse_dot)(const nbt_learner *self, const real *restrict y, real *restrict out)
{
    const real *value = self->values;
    const int32_t *index = self->indices;
    for (size_t i = 0; i < self->n; i++) {
        real sum = 0;
        for (size_t e = (size_t)self->indptr[i]; e < (size_t)self->indptr[i + 1]; e++)
            sum += value[e] * y[index[e]];
        out[i] = sum;
    }
}

void NBT(sparse_norms)(const nbt_learner *self, real *restrict norm)
{
    const real *value = self->values;
    for (size_t i = 0; i < self->n; i++) {
        const size_t begin = (size_t)self->indptr[i], end = (size_t)self->indptr[i + 1];
        real even = 0, odd = 0; /* two chains: the additions wait for each other */
        size_t e = begin;
        for (; e + 2 <= end; e += 2) {
            even += value[e] * value[e];
            odd += value[e + 1] * value[e + 1];
        }
        if (e < end) even += value[e] * value[e];
        norm[i] = even + odd;
    }
}

void NBT(sparse_clear)(nbt_learner *self)
{
    memset(self->indptr, 0, (self->n + 1) * sizeof *self->indptr);
}
