"""A copy of a trainer that predicts and cannot learn."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def predict_along(trainer: Any, x) -> np.ndarray:
    """What a trainer would predict of the target of each input: `Trainer.predict_along`."""
    heard = listener(trainer)
    outputs = heard._core.predict_along(heard, x)
    return outputs.reshape(len(outputs), *np.shape(heard.predict()))


def go_to(heard: Any, h: np.ndarray) -> None:
    """Puts a listener into the state h (units,): all that its predictions depend on and that
    moves."""
    heard._table.write("state.h", h)
    heard._core.refresh()
