/* whole.h: the Kalman metric in the forms that are for reference: exact Fisher matrices, and
 * reductions other than the one of optimizer.h and metric.h; equations (20)–(27).
 *
 * A target is one set of parameters, θ or φ, flat, in blocks of neighbours. Of each block J keeps
 * its diagonal and first row (arrow), or all of it (dense); a block of everything makes the
 * extended Kalman filter (21)–(22). J is added to one direction after the other, then factored,
 * then solved with. A dense block of b parameters costs b³ a step: for small networks. */
#ifndef NBT_SYSTEMS_WHOLE_H
#define NBT_SYSTEMS_WHOLE_H

#include "learner.h"
#include "machine/real.h"

typedef struct {
    size_t p, blocks;
    const int64_t *block; /* (blocks + 1) */
    int dense;
    real *x;      /* (p) the parameters */
    real *J, *J0; /* arrow: (p) each; dense: J has b² numbers for each block, row by row */
    real *q, *r;  /* arrow: as in metric.h; dense: q has the Cholesky factors, in J's places */
} nbt_whole;

nbt_whole NBT(whole_theta)(const nbt_learner *self);
nbt_whole NBT(whole_phi)(const nbt_learner *self);

/* J ← keep J + reduced g gᵀ, g (p). O(p), dense O(Σ b²) */
void NBT(whole_add)(const nbt_whole *at, real keep, const real *restrict g);

/* q and r of J + λ. O(p), dense O(Σ b³) */
void NBT(whole_factor)(const nbt_whole *at, real lambda);

/* y = (J + λ)⁻¹ w; y may be w. O(p), dense O(Σ b²) */
void NBT(whole_solve)(const nbt_whole *at, const real *w, real *y);

/* x ← x - (J + λ)⁻¹ g; overwrites g. */
void NBT(whole_step)(const nbt_whole *at, real *g);

/* As in metric.h, for θ; `lead` and `g` of the learner are scratch. O(p²), O(entries p) */
real NBT(whole_norm)(nbt_learner *self, const real *restrict w);
void NBT(whole_rows)(nbt_learner *self, real *restrict norm);

/* The factors of θ and φ, after a state was loaded. */
void NBT(whole_refresh)(nbt_learner *self);

#endif
