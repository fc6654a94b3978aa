#include "reduction.h"
#include "lanes.h"
#include "signs.h"
#include <math.h>

#if NBT_PRECISION == 32
#define root sqrtf
#else
#define root sqrt
#endif

void NBT(balance)(size_t count, int balanced, const real *restrict w2, const real *restrict v2,
                  real *restrict rho, real *restrict inverse)
{
    for (size_t i = 0; i < count; i++) { /* roots first: the quotient of squares could overflow */
        const real w = balanced ? root(root(w2[i])) : 1, v = balanced ? root(root(v2[i])) : 1;
        const int product = (w2[i] > 0) & (v2[i] > 0);
        rho[i] = product ? w / v : 0;
        inverse[i] = product ? v / w : 0;
    }
}

void NBT(signs)(const nbt_learner *self, uint32_t pair, real *restrict sign)
{
    for (size_t first = 0; first < self->n; first += 128) {
        uint32_t bits[4];
        nbt_sign_bits(self->seed, pair, self->step, (uint32_t)(first / 128), bits);
        const size_t count = self->n - first < 128 ? self->n - first : 128;
        for (size_t i = 0; i < count; i++)
            sign[first + i] = (real)(int32_t)(2 * ((bits[i / 32] >> (i % 32)) & 1)) - 1;
    }
}

void NBT(block_sums)(size_t n, size_t ldn, size_t S, const real *restrict x, real *restrict block)
{
    if (S == 1) {
        block[0] = NBT(sum)(ldn, x);
        return;
    }
    for (size_t s = 0; s < S; s++) block[s] = x[s];
    for (size_t first = S; first < n; first += S) {
        const size_t count = n - first < S ? n - first : S;
        for (size_t s = 0; s < count; s++) block[s] += x[first + s];
    }
}

void NBT(block_spread)(size_t n, size_t S, const real *restrict block, real *restrict x)
{
    for (size_t first = 0; first < n; first += S) {
        const size_t count = n - first < S ? n - first : S;
        for (size_t s = 0; s < count; s++) x[first + s] = block[s];
    }
}
