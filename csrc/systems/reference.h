/* reference.h: the reference metrics. These are the Kalman metric with exact Fisher matrices, or
 * with other reductions than that of optimizer.h and metric.h; equations (20)–(27).
 *
 * A target is one set of parameters, θ or φ, flat, in groups of neighbours. Of each group J keeps
 * its diagonal and first row (arrow), or all of it (dense); a group of everything makes the
 * extended Kalman filter (21)–(22). J is added to one direction after the other, then factored,
 * then solved with. A dense group of b parameters costs b³ a step: for small networks. */
#ifndef NBT_SYSTEMS_REFERENCE_H
#define NBT_SYSTEMS_REFERENCE_H

#include "learner.h"
#include "machine/real.h"

typedef struct {
    size_t p, groups;
    const int64_t *group_start; /* (groups + 1) */
    int dense;
    real *x;      /* (p) the parameters */
    real *J, *J0; /* arrow: (p) each; dense: J has b² numbers for each group, row by row */
    real *q, *r;  /* arrow: as in metric.h; dense: q has the Cholesky factors, in J's places */
} nbt_reference;

nbt_reference NBT(reference_theta)(const nbt_learner *self);
nbt_reference NBT(reference_phi)(const nbt_learner *self);

/* J ← keep J + reduced g gᵀ, g (p). O(p), dense O(Σ b²) */
void NBT(reference_add)(const nbt_reference *at, real keep, const real *restrict g);

/* q and r of J + λ. O(p), dense O(Σ b³) */
void NBT(reference_factor)(const nbt_reference *at, real lambda);

/* y = (J + λ)⁻¹ w; y may be w. O(p), dense O(Σ b²) */
void NBT(reference_solve)(const nbt_reference *at, const real *w, real *y);

/* x ← x - (J + λ)⁻¹ g; overwrites g. */
void NBT(reference_step)(const nbt_reference *at, real *g);

/* As in metric.h, leaving (J + λ)⁻¹ w in y (p); of the rows of ∂f/∂θ, with `lead` (p), which is 0
 * before and after. O(p²), O(entries p) */
real NBT(reference_norm)(const nbt_reference *at, const real *restrict w, real *restrict y);
void NBT(reference_rows)(const nbt_reference *at, const nbt_system_part *rows, real *lead, real *y,
                         real *restrict norm);

/* The factors of θ and φ, after a state was loaded. */
void NBT(reference_refresh)(nbt_learner *self);

#endif
