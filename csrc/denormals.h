/* denormals.h: numbers too small to be normal are 0 while a learner computes.
 *
 * What decays by a factor a step, such as ∂h/∂θ of a symbol that does not come, ends as denormal
 * numbers, and on Intel's processors an operation that meets one takes over a hundred cycles. So
 * results are flushed and arguments read as 0 (x86: FTZ and DAZ of MXCSR; AArch64: FZ of FPCR;
 * elsewhere nothing happens).
 *
 * The mode is a thread's and belongs to who calls: it is theirs again when a call returns, and
 * while their own code runs, the functions of a system, with the step of Euler's method around a
 * field of theirs. What is computed here does not depend on what they chose. */
#ifndef NBT_DENORMALS_H
#define NBT_DENORMALS_H

#include <stdint.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
enum { NBT_DENORMALS_ARE_ZERO = 0x8040 };
static inline uint64_t nbt_float_mode(void) { return _mm_getcsr(); }
static inline void nbt_set_float_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
enum { NBT_DENORMALS_ARE_ZERO = 1 << 24 };
static inline uint64_t nbt_float_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void nbt_set_float_mode(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
enum { NBT_DENORMALS_ARE_ZERO = 0 };
static inline uint64_t nbt_float_mode(void) { return 0; }
static inline void nbt_set_float_mode(uint64_t mode) { (void)mode; }
#endif

/* Denormal numbers are 0 on this thread from here on; returns the mode before, to be set again. */
static inline uint64_t nbt_denormals_are_zero(void)
{
    const uint64_t before = nbt_float_mode();
    nbt_set_float_mode(before | NBT_DENORMALS_ARE_ZERO);
    return before;
}

#endif
