"""Philox4x32-10 (Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3*, 2011).

A counter-based generator: 128 random bits as a pure function of a counter and a key.
"""

import numpy as np

LOW32 = 0xFFFFFFFF
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_INCREMENTS = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10


def philox4x32(counter, key):
    """Four 32-bit words from a counter of four words and a key of two, as Python ints."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        left = MULTIPLIERS[0] * c0
        right = MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (right >> 32) ^ c1 ^ k0,
            right & LOW32,
            (left >> 32) ^ c3 ^ k1,
            left & LOW32,
        )
        k0 = (k0 + KEY_INCREMENTS[0]) & LOW32
        k1 = (k1 + KEY_INCREMENTS[1]) & LOW32
    return c0, c1, c2, c3


def signs(seed, k, t, n):
    """The signs (n,) of pair k at step t: +1.0 where the unit's bit is 1, -1.0 where it is 0.

    One counter (t low, t high, unit // 128, k) gives the bits of 128 units; unit i has bit i % 32
    of word (i % 128) // 32. The key is (seed low, seed high).
    """
    key = seed & LOW32, seed >> 32
    result = np.empty(n)
    for i in range(n):
        words = philox4x32((t & LOW32, t >> 32, i // 128, k), key)
        bit = (words[(i % 128) // 32] >> (i % 32)) & 1
        result[i] = 1.0 if bit else -1.0
    return result
