/* influence.h: what both forms of RTRL share: G = ∂h/∂θ and its successor, and the product F G.
 *
 * Two arrays take turns: while `settled`, G is in the array of that name, else in G_next. Columns
 * of G lie in rows of ld numbers. The forms differ in how G lies, and so in who does what: of a
 * dense cell all units have the same z, so that G lies in strips, which threads share
 * (dense/rtrl.h); of a system G is one matrix (n, p), to which sparse rows are added in each phase,
 * and F may have holes (systems/rtrl.h). */
#ifndef NBT_SHARED_INFLUENCE_H
#define NBT_SHARED_INFLUENCE_H

#include "learner.h"
#include "machine/lanes.h"

NBT_INLINE real *influence_now(const nbt_estimator *of) { return of->settled ? of->G : of->G_next; }

NBT_INLINE real *influence_next(const nbt_estimator *of)
{
    return of->settled ? of->G_next : of->G;
}

/* G is in the array of that name from now on. O(n² P) */
void NBT(influence_settle)(nbt_learner *self);

/* At most so many rows of F and vecs of columns of G in a tile. */
enum { INFLUENCE_ROWS = 4, INFLUENCE_BLOCKS = 4 };

/* A tile of F G from Fᵀ (n, ldF), all sums in registers; rows and vecs are constants. holes: most
 * of F is 0. */
NBT_INLINE void influence_tile(size_t n, size_t ldF, size_t ld, size_t rows, size_t vecs, int holes,
                               const real *restrict F, const real *restrict G, real *restrict out)
{
    vec sum[INFLUENCE_ROWS][INFLUENCE_BLOCKS];
    for (size_t k = 0; k < rows; k++)
        for (size_t b = 0; b < vecs; b++) sum[k][b] = (vec){0};
    for (size_t j = 0; j < n; j++) {
        const real *f = F + j * ldF;
        int some = !holes;
        for (size_t k = 0; k < rows && !some; k++) some |= f[k] != 0;
        if (!some) continue;
        for (size_t b = 0; b < vecs; b++) {
            const vec g = load(G + j * ld + b * LANES);
            for (size_t k = 0; k < rows; k++) sum[k][b] += f[k] * g;
        }
    }
    for (size_t k = 0; k < rows; k++)
        for (size_t b = 0; b < vecs; b++) store(out + k * ld + b * LANES, sum[k][b]);
}

/* `vecs` vecs of columns of all `rows` rows, `tile` of them at a time. */
NBT_INLINE void influence_strip(size_t n, size_t ldF, size_t ld, size_t rows, size_t tile,
                                size_t vecs, int holes, const real *F, const real *G, real *out)
{
    size_t i = 0;
    for (; i + tile <= rows; i += tile)
        influence_tile(n, ldF, ld, tile, vecs, holes, F + i, G, out + i * ld);
    for (; i < rows; i++) influence_tile(n, ldF, ld, 1, vecs, holes, F + i, G, out + i * ld);
}

#endif
