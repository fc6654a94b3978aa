#include "shared/signs.h"

void nbt_sign_bits(uint64_t seed, uint32_t pair, uint64_t step, uint32_t draw, uint32_t out[4])
{
    nbt_sign_words(1, seed, pair, step, draw, out);
}
