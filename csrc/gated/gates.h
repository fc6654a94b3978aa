/* gates.h: which sums a unit of each cell makes of what it sees.
 *
 * A unit carries a number c and shows another, y. From u = (1, y(t-1), x(t)) it makes a sum for
 * each of its gates, a_g = θ_gᵀ u, and from these and c(t-1) the new c and y (unit.h). The gates,
 * in order:
 *     one gate       a
 *     LSTM           f, i, z, o
 *     coupled LSTM   f, z, o
 *     GRU            r, z, q of (1, x), q of (1, y)
 *     MGU            f, q of (1, x), q of (1, y)
 *     LRU            a; two neighbours are the parts of a complex number */
#ifndef NBT_GATED_GATES_H
#define NBT_GATED_GATES_H

#include "choices.h"

typedef struct {
    size_t count;
    size_t kept;    /* c depends on the first of them; y alone on the others */
    size_t blind_W; /* this one does not see y, and */
    size_t blind_r; /* this one does not see x; `count`: there is none */
    int paired;     /* units come in pairs that carry one complex number (carried.h) */
} nbt_gates;

static inline nbt_gates nbt_gates_of(nbt_cell cell)
{
    static const nbt_gates each[] = {
        [NBT_ONE_GATE] = {1, 1, 1, 1, 0},     [NBT_LSTM] = {4, 3, 4, 4, 0},
        [NBT_COUPLED_LSTM] = {3, 2, 3, 3, 0}, [NBT_GRU] = {4, 4, 2, 3, 0},
        [NBT_MGU] = {3, 3, 1, 2, 0},          [NBT_LRU] = {1, 1, 1, 1, 1},
    };
    return each[cell];
}

#endif
