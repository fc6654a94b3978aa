#include "reduction.h"
#include "lanes.h"
#include "signs.h"

void NBT(balance)(size_t count, int balanced, const real *restrict w2, const real *restrict v2,
                  real *restrict rho, real *restrict inverse)
{
    for (size_t i = 0; i < count; i++) {
        const nbt_balance of = balance_of(balanced, w2[i], v2[i]);
        rho[i] = of.rho;
        inverse[i] = of.inverse;
    }
}

int NBT(split_own)(size_t ldn, real *restrict own, real *restrict excess)
{
    const vec one = spread(1);
    vec squares = {0};
    for (size_t i = 0; i < ldn; i += LANES) {
        const vec F = load(own + i), kept = -lanes_max(-lanes_max(F, -one), -one), more = F - kept;
        store(own + i, kept);
        store(excess + i, more);
        squares += more * more;
    }
    return fold(squares) != 0;
}

void NBT(signs)(const nbt_learner *self, uint32_t pair, real *restrict sign)
{
    for (size_t first = 0; first < self->n; first += 128) {
        uint32_t bits[4];
        nbt_sign_bits(self->seed, pair, self->step, (uint32_t)(first / 128), bits);
        for (size_t part = 0; part < 4 && first + 32 * part < self->n; part++) {
            const size_t left = self->n - first - 32 * part, count = left < 32 ? left : 32;
            real *at = sign + first + 32 * part;
            for (uint32_t i = 0; i < count; i++) at[i] = bits[part] >> i & 1 ? 1 : -1;
        }
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

void NBT(block_spread)(size_t n, size_t ldn, size_t S, const real *restrict block, real *restrict x)
{
    if (S == 1) {
        for (size_t i = 0; i < ldn; i += LANES) store(x + i, spread(block[0]));
        return;
    }
    for (size_t first = 0; first < n; first += S) {
        const size_t count = n - first < S ? n - first : S;
        for (size_t s = 0; s < count; s++) x[first + s] = block[s];
    }
}
