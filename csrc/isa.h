/* isa.h: the instruction sets that were compiled in, and which of them this machine can run. */
#ifndef NBT_ISA_H
#define NBT_ISA_H

#include "kernels.h"

/* Instruction sets compiled in, in rising order; can this machine run one? */
int nbt_isa_count(void);
const char *nbt_isa_name(int isa);
int nbt_isa_usable(int isa);

/* The kernels for a precision. isa: a row of the above, -1: the best that is usable. */
const nbt_kernels *nbt_kernels_for(nbt_dtype dtype, int isa);

#endif
