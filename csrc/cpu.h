/* cpu.h: the instruction sets of x86-64 that this processor has, and whose registers the system
 * keeps. Asked of the processor itself: what compilers offer for it is not everywhere. */
#ifndef NBT_CPU_H
#define NBT_CPU_H

int nbt_has_avx2(void);   /* with FMA */
int nbt_has_avx512(void); /* F, DQ, BW and VL, and AVX2 */

#endif
