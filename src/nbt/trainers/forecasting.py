"""Futures drawn step by step from a copy of a trainer that cannot learn. `simulate` and `forecast`
are methods of `Trainer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbt import _arguments
from nbt.inputs import Vector
from nbt.readouts import Bernoulli, Gaussian, Softmax
from nbt.trainers.listener import go_to, listener, place_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["forecast", "simulate"]

MOST_NUMBERS = 2**28  # most numbers of all paths together
Draw = Callable[[np.ndarray, np.ndarray], Any]


def simulate(
    self: Any, steps: int, *, paths: int = 200, x: ArrayLike | None = None, seed: int = 0
) -> np.ndarray:
    """Return futures drawn from the predictions, each step with the numbers drawn before as its
    input. Nothing changes.

    Parameters
    ----------
    steps : int
        How many steps ahead, at least 1.
    paths : int
        Number of futures, all from the present state, at least 1.
    x : array (k,) of integers or (k, m) of numbers, optional
        Known inputs of the first k steps, each before its target, as in ``learn(x, y)``. Without
        it, or after them, an input is the target drawn last. This needs a trainer whose inputs are
        what it predicts; for other trainers k must be `steps`.
    seed : int
        Seed of the draws, in [0, 2⁶⁴).

    Returns
    -------
    array (paths, steps) of int32, or (paths, steps, dim) of float64
        Symbols for a `Softmax`, numbers for a `Gaussian`, 0 or 1 for a `Bernoulli`.

    Raises
    ------
    TypeError
        `steps`, `paths` or `seed` is no integer, `x` is refused as in `learn`, or the trainer has
        no readout.
    ValueError
        `steps`, `paths` or `seed` is out of range, `x` has not the needed number of inputs or is
        refused as in `learn`, or all paths together have more than 2²⁸ numbers.
    """
    _arguments.instance("readout", self.readout, Softmax, Gaussian, Bernoulli)
    steps = _arguments.integer("steps", steps)
    paths = _arguments.integer("paths", paths)
    seed = _arguments.integer("seed", seed, low=0, high=2**64 - 1)
    known = _known_inputs(self, x, steps)
    draw, noise = _drawing(self.readout, paths, steps, seed)
    heard = listener(self)
    start = place_of(heard)
    futures = np.empty(noise.shape, np.int32 if noise.ndim == 2 else np.float64)
    for path in range(paths):
        go_to(heard, start)
        for k in range(steps):
            if k < len(known):
                heard.observe(known[k : k + 1], ...)
            elif k:
                heard.observe(futures[path, k - 1 : k], ...)
            futures[path, k] = draw(heard.predict(), noise[path, k])
    return futures


def forecast(
    self: Any,
    steps: int,
    *,
    quantiles: Sequence[float] = (0.05, 0.5, 0.95),
    paths: int = 200,
    x: ArrayLike | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return quantiles of the numbers to come, over simulated futures. Nothing changes.

    Parameters
    ----------
    steps : int
        How many steps ahead, at least 1.
    quantiles : sequence of numbers in [0, 1]
        The quantiles.
    paths, x, seed
        As in `simulate`.

    Returns
    -------
    array (len(quantiles), steps, dim), float64
        ``[q, k]`` is quantile q of the target k + 1 steps ahead, for each number separately.

    Raises
    ------
    TypeError
        `quantiles` is no sequence of numbers, another argument is refused as in `simulate`, or the
        readout is of symbols.
    ValueError
        `quantiles` has numbers outside [0, 1], or another argument is refused as in `simulate`.
    """
    _arguments.instance("readout", self.readout, Gaussian, Bernoulli)
    try:
        levels = list(quantiles)
    except TypeError:
        raise TypeError(f"quantiles: expected a sequence of numbers, got {quantiles!r}") from None
    levels = [_arguments.real("quantiles", level, low=0, high=1) for level in levels]
    futures = simulate(self, steps, paths=paths, x=x, seed=seed)
    return np.quantile(futures, levels, axis=0)


def _known_inputs(trainer: Any, x: Any, steps: int) -> np.ndarray:
    """Return x as an array of steps. It is checked later, when it is observed."""
    own = trainer.predicts_inputs
    known = np.empty(0) if x is None else np.asarray(x)
    if isinstance(trainer.inputs, Vector) and trainer.inputs.size == 1:
        known = known.reshape(-1, 1)
    elif x is not None and known.ndim == isinstance(trainer.inputs, Vector):  # a single step's
        known = known[np.newaxis]
    if len(known) > steps or not (own or len(known) == steps):
        need = f"at most {steps}" if own else f"{steps}"
        raise ValueError(
            f"x: expected {need} inputs for {steps} steps of a trainer fed {trainer.inputs}, "
            f"got {len(known)}"
        )
    return known


def _drawing(readout: Any, paths: int, steps: int, seed: int) -> tuple[Draw, np.ndarray]:
    """Return a function that draws a target from a prediction and noise, and the noise, (paths,
    steps[, dim])."""
    generator = np.random.default_rng(seed)
    shape = (paths, steps) if isinstance(readout, Softmax) else (paths, steps, readout.dim)
    if np.prod([float(size) for size in shape]) > MOST_NUMBERS:
        raise ValueError(f"paths: expected at most {MOST_NUMBERS} numbers in all, got {shape}")
    if isinstance(readout, Gaussian):
        return _normal, generator.standard_normal(shape)
    return (_yes if isinstance(readout, Bernoulli) else _symbol), generator.random(shape)


def _normal(prediction: np.ndarray, noise: np.ndarray) -> np.ndarray:
    mean, variance = prediction
    return mean + np.sqrt(variance) * noise


def _yes(prediction: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return noise < prediction


def _symbol(prediction: np.ndarray, noise: np.ndarray) -> int:
    total = np.cumsum(prediction)
    return min(int(np.searchsorted(total, noise * total[-1], side="right")), len(total) - 1)
