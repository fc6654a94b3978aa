#include "shared/reduction.h"
#include "machine/lanes.h"
#include "shared/signs.h"

void NBT(balance)(size_t count, int balanced, const real *restrict w2, const real *restrict v2,
                  real *restrict rho, real *restrict inverse)
{
    for (size_t i = 0; i < count; i++) {
        const nbt_balance of = balance_of(balanced, w2[i], v2[i]);
        rho[i] = of.rho;
        inverse[i] = of.inverse;
    }
}

int NBT(split_own)(size_t count, real *restrict own, real *restrict excess)
{
    const vec one = spread(1);
    vec squares = {0};
    for (size_t i = 0; i < count; i += LANES) {
        const vec F = load(own + i), kept = -lanes_max(-lanes_max(F, -one), -one), more = F - kept;
        store(own + i, kept);
        store(excess + i, more);
        squares += more * more;
    }
    return fold(squares) != 0;
}

void NBT(follow_fisher)(const nbt_sizes *at, uint64_t step, const real *H, real *fisher)
{
    if (!fisher) return;
    const real part = (real)(1 / sqrt((double)step + 1));
    for (size_t i = 0; i < at->ldn; i += LANES) {
        const vec s = load(fisher + i), h = load(H + i);
        store(fisher + i, s + (h * h - s) * part);
    }
}

void NBT(state_weights)(const nbt_sizes *at, nbt_norm norm, const nbt_estimator *of, size_t k,
                        nbt_reduction *to)
{
    const size_t n = at->n, ldn = at->ldn, S = at->S;
    real *u = to->u;
    if (norm == NBT_FISHER) {
        const real *s = of->fisher;
        for (size_t i = 0; i < ldn; i++) u[i] = s[i] + (real)1e-4;
        return;
    }
    if (norm != NBT_KALMAN_NORM) {
        for (size_t i = 0; i < ldn; i++) u[i] = 1;
        return;
    }
    const real *v = (real *)of->v + k * S * ldn, *block_w = to->block_w, *own = S == 1 ? v : u;
    const real *norm_d = of->norm_d, *inner = (real *)of->inner + k * ldn;
    for (size_t i = 0, s = 0; S > 1 && i < n; i++, s = s + 1 == S ? 0 : s + 1)
        u[i] = v[s * ldn + i];
    for (size_t i = 0; i < ldn; i += LANES) {
        vec C = load(norm_d + i) + 2 * load(own + i) * load(inner + i);
        for (size_t s = 0; s < S; s++) {
            const vec vs = load(v + s * ldn + i);
            C += vs * vs * block_w[s];
        }
        const wvec some = C > 0;
        const vec inverse = 1 / lanes_choose(some, C, spread(1));
        store(u + i, (vec)((wvec)inverse & some));
    }
}

void NBT(balance_blocks)(const nbt_sizes *at, int balanced, size_t blocks, const real *restrict v,
                         nbt_reduction *to)
{
    NBT(rows_norm)(blocks, at->ldn, v, to->u, to->block_v);
    NBT(balance)(at->ldS, balanced, to->block_w, to->block_v, to->block_rho, to->block_inverse);
}

void NBT(fold)(const nbt_reduction *self, size_t ldn, real rho_bar, real *restrict v, real *add)
{
    const real *sign = self->sign, *rho = self->rho, *inverse = self->rho_inverse;
    for (size_t i = 0; i < ldn; i += LANES) {
        const vec signs = load(sign + i);
        store(v + i, rho_bar * load(v + i) + signs * load(rho + i));
        store(add + i, signs * load(inverse + i));
    }
}

/* The words of NBT_SIGN_STEPS steps at once, for every pair and 128 units. */
static void make_signs(const nbt_sizes *at, uint64_t seed, uint64_t turn, nbt_reduction *to)
{
    enum { DRAW = 4 * NBT_SIGN_STEPS };
    for (uint32_t k = 0; k < at->K; k++)
        for (size_t first = 0; first < at->ldwords; first += DRAW)
            nbt_sign_words(NBT_SIGN_STEPS, seed, k, turn * NBT_SIGN_STEPS, (uint32_t)(first / DRAW),
                           to->sign_words + k * at->ldwords + first);
    to->signs_made = turn + 1;
}

void NBT(signs)(const nbt_sizes *at, uint64_t seed, uint64_t step, uint32_t pair, nbt_reduction *to)
{
    real *sign = to->sign;
    const uint64_t turn = step / NBT_SIGN_STEPS;
    if (to->signs_made != turn + 1) make_signs(at, seed, turn, to);
    const uint32_t *words = to->sign_words + pair * at->ldwords + step % NBT_SIGN_STEPS;
    for (size_t i = 0; i < at->n; i += LANES) {
        const vec signs = lanes_signs(words[i / 32 * NBT_SIGN_STEPS] >> i % 32);
        store(sign + i, lanes_only(signs, at->n - i));
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
