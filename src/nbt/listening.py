"""A copy of a trainer that predicts and cannot learn."""

from __future__ import annotations

import numpy as np

from nbt.optimizers import SGD
from nbt.trainers import NoBackTrack, Trainer, TruncatedBPTT

__all__ = ["go_to", "listener", "predict_along"]

QUIET_WINDOW = 1 << 10  # nothing is propagated back, so only memory depends on it
HEARD = ("cell.", "readout.", "state.", "inputs.", "targets.")  # what predictions depend on


class _General(TruncatedBPTT):
    """By the path for systems even with a dense cell."""

    _general = True


def _pulls(cell) -> bool:
    """Can it be backpropagated through? A system without `vjp` cannot."""
    return getattr(getattr(cell, "field", cell), "vjp", True) is not None


def listener(trainer: Trainer) -> Trainer:
    """A trainer that predicts as this one does and cannot learn, at the price of the network alone.

    It has the same parameters and the same state, and nothing of what learning needs.
    """
    plan, given = trainer._glance()
    kind = TruncatedBPTT if plan.fast else _General  # its path: the same names, the same bits
    own = {"window": QUIET_WINDOW}
    if not _pulls(plan.cell):  # BPTT wants to be able to; a pair is the next cheapest
        kind, own = NoBackTrack, {"norm": "euclidean"}
    heard = kind(
        plan.cell,
        plan.readout,
        SGD(),
        **own,
        inputs=plan.inputs,
        dtype=plan.dtype,
        seed=trainer.seed,
        missing=plan.missing,
    )
    state = heard.state_dict()
    heard.load_state_dict({k: given[k] if k.startswith(HEARD) else state[k] for k in state})
    return heard


def predict_along(trainer: Trainer, x) -> np.ndarray:
    """What a trainer would predict of the target of each input: `Trainer.predict_along`."""
    heard = listener(trainer)
    outputs = heard._core.predict_along(heard, x)
    return outputs.reshape(len(outputs), *np.shape(heard.predict()))


def go_to(heard: Trainer, h: np.ndarray) -> None:
    """Puts a listener into the state h (units,): all that its predictions depend on and that
    moves."""
    heard._table.write("state.h", h)
    heard._core.refresh()
