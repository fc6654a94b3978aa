"""Steps of a trainer that can be taken back: a state, and what came after it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import chain
from types import EllipsisType

import numpy as np

from nbt.divergence import DivergenceError
from nbt.trainers.base import Trainer

__all__ = ["HOPELESS", "Blocks", "Undo"]

STEPS = 4096  # between two states that are kept, at most
NUMBERS = 2**18  # of the rows between them, at most
HOPELESS = 10  # steps, one after the other, that had to be taken back


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


class Blocks:
    """The same for blocks: a step that diverges is left out of the block that it is in."""

    def __init__(self) -> None:
        self._kept, self._since, self._steps = None, [], 0

    def learn(self, trainer: Trainer, x: np.ndarray, y: np.ndarray) -> None:
        """Learns from a block, with a warning for each step that has to be left out.

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As `Trainer.learn`; diverging steps are too many. The trainer is as it was before the
            last of them.
        """
        if self._kept is None or self._steps + len(x) > STEPS:
            self._mark(trainer)
        begin, lost = 0, 0
        while begin < len(x):
            try:
                trainer.learn(x[begin:], y[begin:])
                break
            except DivergenceError as error:
                lost = lost + 1 if error.position == 0 else 1
                self._back(trainer, x[begin : begin + error.position], y[begin:])
                begin += error.position + 1
                if lost == HOPELESS:
                    raise
                self._pass_over(trainer, x[begin - 1 : begin])
                warnings.warn(
                    f"learning left the range of numbers at step {error.step} ({error.array}), "
                    f"X[{begin - 1}]; nothing was learned from that step, and learning goes on",
                    RuntimeWarning,
                    stacklevel=5,
                )
            except BaseException:
                self._kept = None  # a part of the block may be learned
                raise
        if begin == 0 and len(x) < STEPS:
            self._since.append((x.copy(), y.copy()))
            self._steps += len(x)
        else:
            self._kept = None

    def _back(self, trainer: Trainer, x: np.ndarray, y: np.ndarray) -> None:
        """The trainer after the blocks since, and after x."""
        trainer.load_state_dict(self._kept)
        for block in self._since:
            trainer.learn(*block)
        if len(x):
            trainer.learn(x, y[: len(x)])
        self._mark(trainer)

    def _mark(self, trainer: Trainer) -> None:
        self._kept, self._since, self._steps = trainer.state_dict(), [], 0

    def _pass_over(self, trainer: Trainer, x: np.ndarray) -> None:
        try:
            trainer.observe(x, ...)
        except DivergenceError:
            trainer.load_state_dict(self._kept)
        self._mark(trainer)


def take(trainer: Trainer, row: np.ndarray, target: float | EllipsisType) -> None:
    """One step; ... as a target: nothing is learned."""
    if target is ...:
        trainer.observe(row, ...)
    else:
        trainer.learn(row, target)
