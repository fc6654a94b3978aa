"""Undo steps of a trainer, by an earlier state and the steps since."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import chain
from types import EllipsisType

import numpy as np

from nbt.divergence import DivergenceError
from nbt.trainers.base import Trainer

__all__ = ["HOPELESS", "Chunks", "Undo"]

STEPS = 4096  # most steps between two states that are kept
NUMBERS = 2**18  # most numbers in the rows between them
HOPELESS = 10  # steps undone one after the other until the network starts anew


class Undo:
    """A state of a trainer from some steps ago, and the steps since.

    Learning these steps again gives the state before any of them, to the bit. This makes a step
    little more costly, because a state is copied only once in thousands of steps.

    Attributes
    ----------
    rows : iterator of array (1, m), float64
        Arrays for the inputs of the next steps. When it ends, or after `forget`, call `mark`.
    since : list
        Targets of the steps since; ... where nothing was learned. The caller appends to it.
    """

    def __init__(self) -> None:
        self._room, self._views = np.empty((0, 0)), []
        self.forget()

    def forget(self) -> None:
        """Forget the steps, because the trainer was changed in another way."""
        self.rows, self.since, self._kept = iter(()), [], None

    def mark(self, trainer: Trainer) -> None:
        """Keep the present state."""
        size = trainer.inputs.size
        if self._room.shape[1] != size:
            self._room = np.empty((max(1, min(STEPS, NUMBERS // size)), size))
            self._views = []
        self.since, self._kept = [], trainer.state_dict()
        self.rows = chain(self._views, self._more())

    def _more(self) -> Iterator[np.ndarray]:
        """Yield the rows that were not used yet."""
        for k in range(len(self._views), len(self._room)):
            self._room[k] = np.nan
            self._views.append(self._room[k : k + 1])
            yield self._views[k]

    def back(self, trainer: Trainer, row: np.ndarray) -> None:
        """Put the trainer back to the state before it was given `row`, the last that came from
        `rows`.

        If the trainer was used in another way in between, it is put back to the mark.
        """
        trainer.load_state_dict(self._kept)
        done = len(self.since)
        if done < len(self._views) and row is self._views[done]:
            for x, y in zip(self._views[:done], self.since, strict=True):
                take(trainer, x, y)
        self.mark(trainer)

    def pass_over(self, trainer: Trainer, row: np.ndarray) -> None:
        """Observe a step instead of learning it, if that works; to be called after `back`."""
        place = next(self.rows)
        place[...] = row
        try:
            trainer.observe(place, ...)
            self.since.append(...)
        except DivergenceError:
            self.back(trainer, place)


class Chunks:
    """Undo for chunks: a step that diverges is left out of its chunk."""

    def __init__(self) -> None:
        self._kept, self._since, self._steps = None, [], 0

    def learn(self, trainer: Trainer, x: np.ndarray, y: np.ndarray) -> None:
        """Learn from a chunk, with a warning for each step that is left out.

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As in `Trainer.learn`; `DivergenceError` only if too many steps in a row diverge. The
            trainer is as it was before the last of them.
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
                self._kept = None  # a part of the chunk may have been learned
                raise
        if begin == 0 and len(x) < STEPS:
            self._since.append((x.copy(), y.copy()))
            self._steps += len(x)
        else:
            self._kept = None

    def _back(self, trainer: Trainer, x: np.ndarray, y: np.ndarray) -> None:
        """Put the trainer to the state after the chunks since, and after x."""
        trainer.load_state_dict(self._kept)
        for chunk in self._since:
            trainer.learn(*chunk)
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
    """Learn one step; with ... as its target, only observe it."""
    if target is ...:
        trainer.observe(row, ...)
    else:
        trainer.learn(row, target)
