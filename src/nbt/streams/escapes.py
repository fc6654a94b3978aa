r"""A probability for symbols that a model's alphabet lacks.

A model gives probabilities p(s) to the A symbols of its alphabet, which sum to 1, so that nothing
is left for the others. Let the next symbol be one of the others with probability e: then

    p'(s) = (1 - e) p(s)    for a symbol of the alphabet,
    p'(s) = e / U           for each of the U symbols outside it,

and p' sums to 1 again. U is the number of Unicode's characters (1 112 064) less A, or of bytes.

e is learned as the symbols come. Take each of them to be outside the alphabet with the same unknown
probability, and that probability to have Jeffreys' prior, Beta(1/2, 1/2). When N symbols have come,
K of which were outside, its posterior mean is the estimator of Krichevsky and Trofimov,

    e = (K + 1/2) / (N + 1).

N counts the symbols that the model had learned before, none of which was outside: it starts at
e = 1 / (2 (N + 1)). A first symbol from outside costs log2(2 (N + 1)) + log2(U) bits, about 41
after 10⁶ symbols, and log2(U) + log2(1 / e) where they come often. One of the alphabet costs
log2(1 / (1 - e)) more than the model says, 7·10⁻⁷ bits after 10⁶.

An alphabet that has all bytes, or one that grows, which has a symbol for whatever else comes, lacks
nothing: e is 0.
"""

from __future__ import annotations

import numpy as np

from nbt.streams.alphabets import OTHER, Alphabet

__all__ = ["CHARACTERS", "Escapes"]

CHARACTERS = 0x110000 - 0x800  # code points without the surrogates


class Escapes:
    """The surprise of symbols of which some are outside an alphabet; see above.

    Parameters
    ----------
    alphabet : Alphabet
        Of characters or bytes.
    seen : int
        N, symbols that were learned before.
    """

    def __init__(self, alphabet: Alphabet, seen: int) -> None:
        all_of_them = 256 if isinstance(alphabet.symbols, bytes) else CHARACTERS
        grows = alphabet.symbols[0] == OTHER
        self._outside = 0 if grows else all_of_them - len(alphabet)
        self._seen, self._unknown = seen, 0

    def bits(self, outside: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Bits of each symbol of a block, before it was counted.

        Parameters
        ----------
        outside : array (steps,) of bool
            Which are outside the alphabet.
        own : array (steps,) of float64
            Bits by the model of those that are in it; the others' are not used.

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
