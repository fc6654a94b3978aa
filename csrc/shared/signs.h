/* signs.h: random signs as a pure function of (seed, pair, step, unit).
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): key = the seed's two halves, counter = (step
 * low, step high, unit / 128, pair). Bit unit % 128 of the 128 output bits is the sign: 1 is +, 0
 * is -. */
#ifndef NBT_SHARED_SIGNS_H
#define NBT_SHARED_SIGNS_H

#include <stddef.h>
#include <stdint.h>

/* The 128 sign bits of units 128 draw … 128 draw + 127. */
void nbt_sign_bits(uint64_t seed, uint32_t pair, uint64_t step, uint32_t draw, uint32_t out[4]);

/* Steps whose signs a learner makes at once. */
enum { NBT_SIGN_STEPS = 16 };

/* Many draws of Philox4x32-10 at once: c (4, count), word by word, becomes the output of these
 * counters. The rounds of one wait for each other, those of many do not, and become vectors where
 * this is compiled for them: 20 ns for one, for each of sixteen 7 on baseline x86-64, 6 with AVX2,
 * 4 with AVX-512. */
static inline void nbt_philox(size_t count, uint32_t *restrict c, const uint32_t key[2])
{
    uint32_t *c0 = c, *c1 = c0 + count, *c2 = c1 + count, *c3 = c2 + count;
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (size_t l = 0; l < count; l++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * c0[l], p1 = (uint64_t)0xCD9E8D57u * c2[l];
            c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ k0;
            c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ k1;
            c1[l] = (uint32_t)p1;
            c3[l] = (uint32_t)p0;
        }
}

/* Their counters and the key, for `count` steps of which the first is a multiple of it. */
static inline void nbt_sign_words(size_t count, uint64_t seed, uint32_t pair, uint64_t first,
                                  uint32_t draw, uint32_t *restrict c)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (size_t l = 0; l < count; l++) {
        c[l] = (uint32_t)first + (uint32_t)l;
        c[count + l] = (uint32_t)(first >> 32);
        c[2 * count + l] = draw;
        c[3 * count + l] = pair;
    }
    nbt_philox(count, c, key);
}

#endif
