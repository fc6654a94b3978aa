"""What changes while a hidden Markov model learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["State"]

STATISTICS = "statistics."  # before the names of those arrays, where names are in one dictionary


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """All that changes. A model exchanges it as a whole, so no interrupt leaves half a step.

    Attributes
    ----------
    step : int
        Number of symbols learned so far.
    startprob, transmat, emissionprob : arrays (N,), (N, N), (N, M)
        The parameters. They become read-only.
    filter : array (N,)
        P(present state | symbols so far); 0 before the first symbol.
    arrays : mapping of str to array
        The statistics, with the names of `nbt.hmm.statistics.shapes`.
    """

    step: int
    startprob: np.ndarray
    transmat: np.ndarray
    emissionprob: np.ndarray
    filter: np.ndarray
    arrays: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for array in (self.startprob, self.transmat, self.emissionprob):
            array.flags.writeable = False

    @classmethod
    def begun(
        cls, states: int, symbols: int, shapes: Mapping[str, tuple[int, ...]], seed: int
    ) -> State:
        """Return the state before the first symbol: random parameters, statistics of 0."""
        random = np.random.default_rng(seed)
        return cls(
            step=0,
            startprob=np.full(states, 1 / states),
            transmat=random.dirichlet(np.full(states, 10.0), states),
            emissionprob=random.dirichlet(np.full(symbols, 2.0), states),
            filter=np.zeros(states),
            arrays={name: np.zeros(shape) for name, shape in shapes.items()},
        )

    def as_dict(self) -> dict[str, np.ndarray]:
        """Return copies of the arrays, and the step, by the names in a file."""
        arrays = {
            "step": np.uint64(self.step),
            "transmat": self.transmat,
            "emissionprob": self.emissionprob,
            "startprob": self.startprob,
            "filter": self.filter,
            **{STATISTICS + name: array for name, array in self.arrays.items()},
        }
        return {name: np.array(array) for name, array in arrays.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, np.ndarray]) -> State:
        """Return the state that `as_dict` returned. Its arrays are kept, not copied."""
        arrays = {
            name.removeprefix(STATISTICS): array
            for name, array in values.items()
            if name.startswith(STATISTICS)
        }
        names = ("startprob", "transmat", "emissionprob", "filter")
        own = {name: values[name] for name in names}
        return cls(step=int(values["step"]), arrays=arrays, **own)
