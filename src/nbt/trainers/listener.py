"""Copies of a trainer that predict and cannot learn. `predict_along` is a method of `Trainer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["go_to", "listener", "place_of", "predict_along"]

CONTEXT = "counts.context"  # what counts remember of the last steps
# What predictions depend on.
HEARD = ("cell.", "readout.", "state.", "inputs.", "targets.", "counts.")


def listener(trainer: Any) -> Any:
    """Return a trainer that predicts as this one does and cannot learn, at the cost of the network
    alone.

    It has the same parameters and the same state, but nothing that is needed for learning.
    """
    plan, given = trainer._glance()
    heard = trainer._made(plan.listening(), trainer.seed)
    state = heard.state_dict()
    heard.load_state_dict({k: given[k] if k.startswith(HEARD) else state[k] for k in state})
    return heard


def predict_along(self: Any, x: ArrayLike) -> np.ndarray:
    """Return the predictions after each of several inputs, starting from the present state. Nothing
    changes.

    Parameters
    ----------
    x : array (steps,) of integers, or (steps, m) of numbers
        Inputs, for supervised use. For each, the state moves on it, in a copy, then predicts.
        Where a `Softmax` counts targets, their context is that of now: the targets are not known.

    Returns
    -------
    array (steps, …), float64
        For each step what `predict` returns.

    Raises
    ------
    TypeError, ValueError
        `x` is refused as in `learn`.
    DivergenceError
        The state diverged on the way. The trainer itself did not change.
    """
    heard = listener(self)
    outputs = heard._live.learner.predict_along(heard, x)
    return outputs.reshape(len(outputs), *np.shape(heard.predict()))


def place_of(heard: Any) -> dict[str, np.ndarray]:
    """Return all that changes in a listener and that its predictions depend on, by name."""
    state = heard.state_dict()
    return {key: value for key, value in state.items() if key.startswith(("state.", CONTEXT))}


def go_to(heard: Any, place: Mapping[str, np.ndarray]) -> None:
    """Put a listener back to where it was when `place_of` returned this."""
    live = heard._live
    live.table.go_to(place)
    if live.learner.counts is not None:
        live.learner.counts.arrays["context"][:] = place[CONTEXT]
    live.learner.refresh()
