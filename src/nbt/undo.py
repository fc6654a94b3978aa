"""Steps of a trainer that can be taken back: a state, and what came after it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from types import EllipsisType

import numpy as np

from nbt.errors import DivergenceError
from nbt.trainer import Trainer

__all__ = ["Undo"]

STEPS = 4096  # between two states that are kept, at most
NUMBERS = 2**18  # of the rows between them, at most


class Undo:
    """The state of a trainer as it was some steps ago, and the steps since.

    Learning them again gives the state before any of them, to the bit. So a step costs little more
    than without: a state is copied once in thousands of steps.

    Attributes
    ----------
    rows : iterator of array (1, m), float64
        The places for the inputs of the steps to come; at its end, or after `forget`, `mark`.
    since : list
        The target of each step since, ... where nothing was learned: to be added to.
    """

    def __init__(self) -> None:
        self._room, self._views = np.empty((0, 0)), []
        self.forget()

    def forget(self) -> None:
        """There is nothing to take back: the trainer was changed in another way."""
        self.rows, self.since, self._kept = iter(()), [], None

    def mark(self, trainer: Trainer) -> None:
        """Keeps the present state."""
        size = trainer.inputs.size
        if self._room.shape[1] != size:
            self._room = np.empty((max(1, min(STEPS, NUMBERS // size)), size))
            self._views = []
        self.since, self._kept = [], trainer.state_dict()
        self.rows = chain(self._views, self._more())

    def _more(self) -> Iterator[np.ndarray]:
        """The rows that were not used yet."""
        for k in range(len(self._views), len(self._room)):
            self._room[k] = np.nan
            self._views.append(self._room[k : k + 1])
            yield self._views[k]

    def back(self, trainer: Trainer, row: np.ndarray) -> None:
        """The trainer as it was before it was given `row`, the last that came from `rows`.

        Where something else was done with the trainer in between, it is as it was at the mark.
        """
        trainer.load_state_dict(self._kept)
        done = len(self.since)
        if done < len(self._views) and row is self._views[done]:
            for x, y in zip(self._views[:done], self.since, strict=True):
                take(trainer, x, y)
        self.mark(trainer)

    def pass_over(self, trainer: Trainer, row: np.ndarray) -> None:
        """Lets the time of a step pass without learning, if that can be; after `back`."""
        place = next(self.rows)
        place[...] = row
        try:
            trainer.observe(place, ...)
            self.since.append(...)
        except DivergenceError:
            self.back(trainer, place)


def take(trainer: Trainer, row: np.ndarray, target: float | EllipsisType) -> None:
    """One step; ... as a target: nothing is learned."""
    if target is ...:
        trainer.observe(row, ...)
    else:
        trainer.learn(row, target)
