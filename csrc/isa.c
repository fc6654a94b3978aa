#include "isa.h"

/* ---- what this processor has, and whose registers the system keeps. Asked of the processor
 * itself: what compilers offer for it is not everywhere. ---- */

#ifdef NBT_X86
#include <cpuid.h>
#include <stdint.h>

enum { FMA = 1u << 12, OSXSAVE = 1u << 27, AVX = 1u << 28 };       /* leaf 1, ecx */
enum { AVX2 = 1 << 5 };                                            /* leaf 7, ebx */
#define AVX512 ((1u << 16) | (1u << 17) | (1u << 30) | (1u << 31)) /* F, DQ, BW, VL */

/* Registers that the system keeps where threads change: 1, 2: as wide as 256 bits; 5 to 7: 512. */
enum { KEEPS_256 = 0x06, KEEPS_512 = 0xe6 };

static uint32_t kept_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* ebx of leaf 7 if the system keeps registers of 256 bits, else 0. */
static uint32_t wide_features(uint32_t *kept)
{
    uint32_t a, b, c, d;
    const uint32_t needed = FMA | OSXSAVE | AVX;
    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d) || (c & needed) != needed) return 0;
    *kept = kept_registers();
    if ((*kept & KEEPS_256) != KEEPS_256) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) ? b : 0;
}

/* AVX2 with FMA. */
static int has_avx2(void)
{
    uint32_t kept;
    return (wide_features(&kept) & AVX2) != 0;
}

/* F, DQ, BW and VL, and AVX2. */
static int has_avx512(void)
{
    uint32_t kept = 0;
    const uint32_t features = wide_features(&kept), needed = AVX512 | AVX2;
    if ((features & needed) != needed) return 0;
#ifdef __APPLE__
    return 1; /* macOS keeps them from the first use on, and says so only then */
#else
    return (kept & KEEPS_512) == KEEPS_512;
#endif
}
#endif

/* ---- the table ---- */

#define TABLES(isa) extern const nbt_kernels nbt_kernels_of_f32_##isa, nbt_kernels_of_f64_##isa;
TABLES(base)
#ifdef NBT_X86
TABLES(avx2)
TABLES(avx512)
#endif
static int always(void) { return 1; }

static const struct {
    const char *name;
    int (*usable)(void);
    const nbt_kernels *kernels[2]; /* by nbt_dtype */
} ISAS[] = {
    {"base", always, {&nbt_kernels_of_f32_base, &nbt_kernels_of_f64_base}},
#ifdef NBT_X86
    {"avx2", has_avx2, {&nbt_kernels_of_f32_avx2, &nbt_kernels_of_f64_avx2}},
    {"avx512", has_avx512, {&nbt_kernels_of_f32_avx512, &nbt_kernels_of_f64_avx512}},
#endif
};

int nbt_isa_count(void) { return (int)(sizeof ISAS / sizeof *ISAS); }
const char *nbt_isa_name(int isa) { return ISAS[isa].name; }
int nbt_isa_usable(int isa) { return ISAS[isa].usable(); }

static int best_isa(void)
{
    int isa = nbt_isa_count() - 1;
    while (!nbt_isa_usable(isa)) isa--;
    return isa;
}

const nbt_kernels *nbt_kernels_for(nbt_dtype dtype, int isa)
{
    return ISAS[isa < 0 ? best_isa() : isa].kernels[dtype];
}
