"""What the state says about the next target: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from nbt import _arguments

__all__ = ["Readout", "Softmax"]


@dataclass(frozen=True)
class Softmax:
    """Probabilities of symbols, p ∝ exp(φ_z + Σ_i φ_iz a_i), equation (48); loss -ln p(y), in nats.

    Parameters
    ----------
    symbols : int
        How many symbols there are, at least 1.

    Examples
    --------
    >>> Softmax(3)
    Softmax(symbols=3)
    """

    symbols: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", _arguments.whole("symbols", self.symbols))


Readout = Softmax
