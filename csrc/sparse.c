#include "sparse.h"
#include "some.h"
#include <string.h>

/* One row: how many entries, their columns and values. */
typedef struct {
    size_t count;
    const int32_t *index;
    const real *value;
} sparse_row;

static sparse_row row_of(const nbt_learner *self, size_t i)
{
    const size_t begin = (size_t)self->indptr[i], end = (size_t)self->indptr[i + 1];
    return (sparse_row){end - begin, self->indices + begin, (const real *)self->values + begin};
}

void NBT(sparse_find_runs)(nbt_learner *self)
{
    for (size_t i = 0; i < self->n; i++) {
        const sparse_row w = row_of(self, i);
        int gaps = 0;
        for (size_t e = 1; e < w.count; e++) gaps |= w.index[e] - w.index[e - 1] - 1;
        self->run[i] = gaps == 0;
    }
}

void NBT(sparse_add)(const nbt_learner *self, const real *restrict coefficient, real *restrict out)
{
    for (size_t i = 0; i < self->n; i++) {
        const sparse_row w = row_of(self, i);
        const real c = coefficient[i];
        if (!self->run[i]) {
            for (size_t e = 0; e < w.count; e++) out[w.index[e]] += c * w.value[e];
        } else if (w.count) {
            real *at = out + w.index[0];
            for (size_t e = 0; e < w.count; e++) at[e] += c * w.value[e];
        }
    }
}

void NBT(sparse_dot)(const nbt_learner *self, const real *restrict y, real *restrict out)
{
    for (size_t i = 0; i < self->n; i++) {
        const sparse_row w = row_of(self, i);
        real sum = 0;
        for (size_t e = 0; e < w.count; e++) sum += w.value[e] * y[w.index[e]];
        out[i] = sum;
    }
}

void NBT(sparse_norms)(const nbt_learner *self, real *restrict norm)
{
    for (size_t i = 0; i < self->n; i++) {
        const sparse_row w = row_of(self, i);
        vec sum[2] = {{0}};
        size_t e = 0;
        for (; e + 2 * LANES <= w.count; e += 2 * LANES)
            for (size_t k = 0; k < 2; k++) {
                const vec value = load_any(w.value + e + k * LANES);
                sum[k] += value * value;
            }
        if (e + LANES <= w.count) {
            const vec value = load_any(w.value + e);
            sum[0] += value * value;
            e += LANES;
        }
        real rest = 0;
        for (; e < w.count; e++) rest += w.value[e] * w.value[e];
        norm[i] = fold(sum[0] + sum[1]) + rest;
    }
}

void NBT(sparse_add_split)(const nbt_learner *self, const real *restrict coefficient,
                           real *restrict out)
{
    for (size_t i = 0; i < self->n; i++) {
        const sparse_row w = row_of(self, i);
        for (size_t e = 0; e < w.count; e++) {
            const int32_t j = w.index[e];
            out[j] += coefficient[(size_t)self->pair[j] * self->ldn + i] * w.value[e];
        }
    }
}

void NBT(sparse_dot_split)(const nbt_learner *self, const real *restrict y, real *restrict out)
{
    memset(out, 0, self->K * self->ldn * sizeof *out);
    for (size_t i = 0; i < self->n; i++) {
        const sparse_row w = row_of(self, i);
        for (size_t e = 0; e < w.count; e++) {
            const int32_t j = w.index[e];
            out[(size_t)self->pair[j] * self->ldn + i] += w.value[e] * y[j];
        }
    }
}
