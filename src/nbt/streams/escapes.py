r"""A probability for symbols that a model's alphabet lacks.

A model gives probabilities p(s) to the A symbols of its alphabet. They sum to 1, so nothing is left
for other symbols. Let e be the probability that the next symbol is another one. Then

    p'(s) = (1 - e) p(s)    for a symbol of the alphabet,
    p'(s) = e / U           for each of the U symbols outside it,

and p' sums to 1 again. U is the number of Unicode characters (1 112 064), or of bytes (256), minus
A.

e is learned as the symbols come. Assume that each is outside the alphabet with the same unknown
probability, and that this probability has Jeffreys' prior, Beta(1/2, 1/2). After N symbols, K of
them outside, the posterior mean is the estimator of Krichevsky and Trofimov,

    e = (K + 1/2) / (N + 1).

N includes the symbols that the model had learned before, none of which was outside. So e starts at
1 / (2 (N + 1)). The first symbol from outside costs log2(2 (N + 1)) + log2(U) bits, about 41 after
10⁶ symbols; any one costs log2(U) + log2(1 / e). A symbol of the alphabet costs log2(1 / (1 - e))
bits more than the model says, 7·10⁻⁷ bits after 10⁶ symbols.

An alphabet of all bytes lacks nothing, nor does one that grows, which has a symbol for everything
else. Then e is 0.
"""

from __future__ import annotations

import numpy as np

from nbt.streams.alphabets import OTHER, Alphabet

__all__ = ["CHARACTERS", "Escapes"]

CHARACTERS = 0x110000 - 0x800  # code points without the surrogates


class Escapes:
    """Costs in bits of symbols of which some are outside an alphabet; see the module.

    Parameters
    ----------
    alphabet : Alphabet
        Alphabet of characters or bytes.
    seen : int
        N, the number of symbols that were learned before.
    """

    def __init__(self, alphabet: Alphabet, seen: int) -> None:
        all_of_them = 256 if isinstance(alphabet.symbols, bytes) else CHARACTERS
        grows = alphabet.symbols[0] == OTHER
        self._outside = 0 if grows else all_of_them - len(alphabet)
        self._seen, self._unknown = seen, 0

    def bits(self, outside: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the bits of each symbol of a chunk, each measured before that symbol is counted.

        Parameters
        ----------
        outside : array (steps,) of bool
            Which symbols of the chunk are outside the alphabet.
        own : array (steps,) of float64
            Bits by the model of those that are inside; entries of the others are not used.

        Returns
        -------
        array (steps,), float64
        """
        if not self._outside:
            return own
        before = self._unknown + np.cumsum(outside) - outside
        escape = (before + 0.5) / (self._seen + np.arange(len(own)) + 1)
        self._seen += len(own)
        self._unknown += int(outside.sum())
        strange = np.log2(self._outside) - np.log2(escape)
        return np.where(outside, strange, own - np.log2(1 - escape))
