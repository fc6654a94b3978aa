"""A copy of a trainer that predicts and cannot learn. `predict_along` is a method of `Trainer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["go_to", "listener", "predict_along"]

HEARD = ("cell.", "readout.", "state.", "inputs.", "targets.")  # what predictions depend on


def listener(trainer: Any) -> Any:
    """A trainer that predicts as this one does and cannot learn, at the price of the network alone.

    It has the same parameters and the same state, and nothing of what learning needs.
    """
    plan, given = trainer._glance()
    heard = trainer._made(plan.listening(), trainer.seed)
    state = heard.state_dict()
    heard.load_state_dict({k: given[k] if k.startswith(HEARD) else state[k] for k in state})
    return heard


def predict_along(self: Any, x: ArrayLike) -> np.ndarray:
    """What the readout says of the target of each of a block of inputs, one after the other,
    going on from the state as it is; changes nothing.

    Parameters
    ----------
    x : array (steps,) of integers, or (steps, m) of numbers
        Inputs, for supervised use: the state moves on each, in a copy, then predicts.

    Returns
    -------
    array (steps, …), float64
        For each step what `predict` gives.

    Raises
    ------
    TypeError, ValueError
        For inputs that are not as above.
    DivergenceError
        The state left the range of numbers on the way; the trainer is as it was.
    """
    heard = listener(self)
    outputs = heard._live.learner.predict_along(heard, x)
    return outputs.reshape(len(outputs), *np.shape(heard.predict()))


def go_to(heard: Any, h: np.ndarray) -> None:
    """Puts a listener into the state h (units,): all that its predictions depend on and that
    moves."""
    heard._live.table.write("state.h", h)
    heard._live.learner.refresh()
