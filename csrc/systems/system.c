#include "systems/system.h"
#include <string.h>

int nbt_csr_valid(size_t n, size_t p, size_t entries, const int64_t *indptr, const int32_t *indices)
{
    if (indptr[0] != 0) return 0;
    int valid = 1;
    for (size_t i = 0; i < n; i++) valid &= indptr[i] <= indptr[i + 1];
    if (!valid || (size_t)indptr[n] > entries) return 0;
    const int32_t last = (int32_t)(p - 1);
    int32_t signs = 0; /* negative if any index is, or last minus one */
    for (size_t e = 0; e < (size_t)indptr[n]; e++)
        signs |= indices[e] | (int32_t)((uint32_t)last - (uint32_t)indices[e]);
    return signs >= 0;
}

static int compiled_step(void *self, const nbt_point *at, void *next)
{
    const nbt_compiled *f = self;
    return f->step(at->h, at->x, at->theta, next, f->data);
}

static int compiled_jvp(void *self, const nbt_point *at, const void *v, void *out)
{
    const nbt_compiled *f = self;
    return f->jvp(at->h, at->x, at->theta, v, out, f->data);
}

static int compiled_vjp(void *self, const nbt_point *at, const void *u, void *out)
{
    const nbt_compiled *f = self;
    return f->vjp(at->h, at->x, at->theta, u, out, f->data);
}

/* The pattern that was given once, where it is asked for; is there one? */
static int known_pattern(const nbt_compiled *f, int64_t *indptr, int32_t *indices)
{
    if (!f->indptr) return 0;
    if (!indptr) return 1;
    memcpy(indptr, f->indptr, (f->n + 1) * sizeof *indptr);
    memcpy(indices, f->indices, (size_t)f->indptr[f->n] * sizeof *indices);
    return 1;
}

static int compiled_rows(void *self, const nbt_point *at, int64_t *indptr, int32_t *indices,
                         void *values)
{
    const nbt_compiled *f = self;
    if (known_pattern(f, indptr, indices)) indptr = NULL, indices = NULL;
    return f->rows(at->h, at->x, at->theta, indptr, indices, values, f->data);
}

static int compiled_move(void *self, const nbt_point *at, size_t count, size_t ld, const void *v,
                         void *next, void *out, int64_t *indptr, int32_t *indices, void *values)
{
    const nbt_compiled *f = self;
    if (known_pattern(f, indptr, indices)) indptr = NULL, indices = NULL;
    return f->move(at->h, at->x, at->theta, count, ld, v, next, out, indptr, indices, values,
                   f->data);
}

static int compiled_loss(void *self, const void *h, const void *y, double *value, void *H)
{
    const nbt_compiled *f = self;
    return f->loss(h, y, value, H, f->data);
}

nbt_system nbt_system_of(nbt_compiled *compiled, size_t m)
{
    return (nbt_system){
        .n = compiled->n,
        .m = m,
        .p = compiled->p,
        .entries = compiled->entries,
        .phases = 1,
        .fixed = compiled->indptr != 0,
        .unchecked = !compiled->indptr,
        .theirs = 1,
        .self = compiled,
        .step = compiled_step,
        .jvp = compiled_jvp,
        .vjp = compiled->vjp ? compiled_vjp : 0,
        .rows = compiled_rows,
        .move = compiled->move ? compiled_move : 0,
        .loss = compiled->loss ? compiled_loss : 0,
    };
}
