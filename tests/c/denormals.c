/* The float mode of a thread, as a host may choose it. */
#include "machine/float_mode.h"

uint64_t get(void) { return nbt_float_mode(); }
void set(uint64_t mode) { nbt_set_float_mode(mode); }
uint64_t zero(void) { return NBT_DENORMALS_ARE_ZERO; }

/* What any of two threads of OpenMP has. */
uint64_t get_of_threads(void)
{
    uint64_t modes = 0;
#pragma omp parallel num_threads(2) reduction(| : modes)
    modes |= nbt_float_mode();
    return modes;
}
