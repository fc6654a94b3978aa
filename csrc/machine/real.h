/* real.h: the precision and the instruction set a typed source is compiled for.
 *
 * Every typed .c is compiled once per (precision, instruction set); NBT(name) gives each copy its
 * own linker name, such as cell_forward_f32_avx2. Nothing here is seen outside csrc/. */
#ifndef NBT_MACHINE_REAL_H
#define NBT_MACHINE_REAL_H

#include <stddef.h>
#include <stdint.h>

#ifndef NBT_PRECISION
#define NBT_PRECISION 64
#endif
#ifndef NBT_ISA
#define NBT_ISA base
#endif
#ifndef NBT_REGISTER
#define NBT_REGISTER 16 /* bytes of a vector register */
#endif

#if NBT_PRECISION == 32
typedef float real;
typedef int32_t word; /* integers as wide as a real */
typedef uint32_t uword;
#define NBT_SUFFIX f32
#define root sqrtf /* of math.h */
#else
typedef double real;
typedef int64_t word;
typedef uint64_t uword;
#define NBT_SUFFIX f64
#define root sqrt
#endif

/* Reals of a vec (lanes.h): 2, 4, 8 or 16. */
#define NBT_LANES (NBT_REGISTER * 8 / NBT_PRECISION)

#define NBT_JOIN_(name, precision, isa) name##_##precision##_##isa
#define NBT_JOIN(name, precision, isa) NBT_JOIN_(name, precision, isa)
#define NBT(name) NBT_JOIN(name, NBT_SUFFIX, NBT_ISA)

#if defined(__GNUC__)
#define NBT_INLINE static inline __attribute__((always_inline))
#else
#define NBT_INLINE static inline
#endif

#endif
