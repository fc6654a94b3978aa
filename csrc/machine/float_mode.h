/* float_mode.h: the float mode of a thread while a learner computes, and what left the range.
 *
 * What decays by a factor a step, such as ∂h/∂θ of a symbol that does not come, ends as denormal
 * numbers, and on Intel's processors an operation that meets one takes over a hundred cycles. So
 * results are flushed and arguments read as 0 (x86: FTZ and DAZ of MXCSR; AArch64: FZ of FPCR;
 * elsewhere nothing happens).
 *
 * An operation that makes something infinite or NaN of finite numbers overflows, divides by 0 or is
 * invalid, and the processor keeps a note of it (flags of MXCSR, of FPSR; elsewhere fenv.h). So
 * what was computed from finite numbers is finite as long as there is no note, in every loop, at no
 * cost. A note alone says little: what overflowed may have been dropped, or divided by.
 *
 * The mode, with the notes, is a thread's and belongs to who calls: it is theirs again when a call
 * returns, and while their own code runs, the functions of a system, with the step of Euler's
 * method around a field of theirs. What is computed here does not depend on what they chose. */
#ifndef NBT_MACHINE_FLOAT_MODE_H
#define NBT_MACHINE_FLOAT_MODE_H

#include <stdint.h>

/* NBT_NOTES: those three. NBT_NOT_OURS: what others may choose otherwise, traps and rounding. */
#if defined(__SSE2__)
#include <xmmintrin.h>
#define NBT_DENORMALS_ARE_ZERO ((uint64_t)0x8040)
#define NBT_NOTES ((uint64_t)0x000d)
#define NBT_NOT_OURS ((uint64_t)0x6000)
#define NBT_ALWAYS_OURS ((uint64_t)0x1f80) /* no traps */
static inline uint64_t nbt_float_mode(void) { return _mm_getcsr(); }
static inline void nbt_set_float_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
#define NBT_DENORMALS_ARE_ZERO ((uint64_t)1 << 24)
#define NBT_NOTES ((uint64_t)7 << 32) /* FPSR lies above FPCR */
#define NBT_NOT_OURS ((uint64_t)0xc09f00)
#define NBT_ALWAYS_OURS ((uint64_t)0)
static inline uint64_t nbt_float_mode(void)
{
    uint64_t mode, notes;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(mode), "=r"(notes) : : "memory");
    return mode | notes << 32;
}
static inline void nbt_set_float_mode(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1"
                     :
                     : "r"(mode & 0xffffffff), "r"(mode >> 32)
                     : "memory");
}
#else
#include <fenv.h>
#define NBT_DENORMALS_ARE_ZERO ((uint64_t)0)
#define NBT_NOT_OURS ((uint64_t)0)
#define NBT_ALWAYS_OURS ((uint64_t)0)
#ifdef FE_OVERFLOW
#define NBT_NOTES ((uint64_t)(FE_OVERFLOW | FE_DIVBYZERO | FE_INVALID))
static inline uint64_t nbt_float_mode(void) { return (uint64_t)fetestexcept((int)NBT_NOTES); }
static inline void nbt_set_float_mode(uint64_t mode)
{
    feclearexcept((int)NBT_NOTES);
    if (mode) feraiseexcept((int)mode);
}
#else /* a machine that takes no notes: as if there always were one */
#define NBT_NOTES ((uint64_t)1)
static inline uint64_t nbt_float_mode(void) { return NBT_NOTES; }
static inline void nbt_set_float_mode(uint64_t mode) { (void)mode; }
#endif
#endif

/* Ours on this thread from here on, without notes; returns the mode before, to be set again. */
static inline uint64_t nbt_take_float_mode(void)
{
    const uint64_t before = nbt_float_mode(), others = NBT_NOT_OURS | NBT_NOTES;
    nbt_set_float_mode((before & ~others) | NBT_DENORMALS_ARE_ZERO | NBT_ALWAYS_OURS);
    return before;
}

/* Did an operation on this thread leave the range of numbers since the mode is ours? */
static inline int nbt_noted(void) { return (nbt_float_mode() & NBT_NOTES) != 0; }
static inline void nbt_forget_notes(void) { nbt_set_float_mode(nbt_float_mode() & ~NBT_NOTES); }

#endif
