/* layout.h: where numbers lie, for any precision and instruction set. */
#ifndef NBT_MACHINE_LAYOUT_H
#define NBT_MACHINE_LAYOUT_H

#include <stddef.h>

enum { NBT_ALIGN = 64 }; /* bytes: no vec (lanes.h) is larger */

/* Where a matrix of 1 + rows rows keeps its entries: row 0 (ld numbers), then panels (panels.h). */
typedef struct {
    size_t rows, ld; /* rows below row 0; whole vecs that hold the columns */
    size_t full;     /* columns in whole panels */
    size_t count;    /* panels, the tail among them */
    size_t per_vec;  /* rows that share a vec in the tail panel: 2, 4; 0: there is none */
    size_t depth;    /* rows, padded to a multiple of 4 */
    size_t size;     /* numbers in all */
} nbt_panels;

/* count, or as much more as makes it a multiple of unit. */
size_t nbt_padded(size_t count, size_t unit);

/* Of 1 + rows rows, of which those of n units are the first below row 0, and so many columns. The
 * tail's per_vec divides n, so that none of its turns mixes rows of units with others. */
nbt_panels nbt_panels_of(size_t n, size_t rows, size_t columns, size_t lanes);

#endif
