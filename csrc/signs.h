/* signs.h: random signs as a pure function of (seed, pair, step, unit).
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): key = the seed's two halves, counter = (step
 * low, step high, unit / 128, pair). Bit unit % 128 of the 128 output bits is the sign: 1 is +, 0
 * is -. */
#ifndef NBT_SIGNS_H
#define NBT_SIGNS_H

#include <stdint.h>

/* One Philox4x32-10 block: out (4) from counter (4) and key (2). */
void nbt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The 128 sign bits of units 128 group … 128 group + 127. */
void nbt_sign_bits(uint64_t seed, uint32_t pair, uint64_t step, uint32_t group, uint32_t out[4]);

#endif
