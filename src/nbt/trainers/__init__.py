"""Trainers: a cell, a readout and an optimizer under a learning rule."""

from __future__ import annotations

from collections.abc import Mapping

from nbt import _arguments
from nbt.descriptions import build
from nbt.trainers.base import Trainer
from nbt.trainers.bptt import TruncatedBPTT
from nbt.trainers.nobacktrack import NoBackTrack
from nbt.trainers.rtrl import RTRL
from nbt.trainers.uoro import UORO

__all__ = ["RTRL", "UORO", "NoBackTrack", "Trainer", "TruncatedBPTT", "from_description"]

_RULES = {kind.__name__: kind for kind in (NoBackTrack, RTRL, TruncatedBPTT, UORO)}


def from_description(description: Mapping) -> Trainer:
    """Return the trainer that `Trainer.describe` described, in its first state.

    Raises
    ------
    TypeError, ValueError
        `description` is not the description of a trainer.
    """
    _arguments.instance("description", description, Mapping)
    kind = _RULES.get(description.get("trainer"))
    if kind is None:
        raise ValueError(
            f"trainer: expected one of {sorted(_RULES)}, got {description.get('trainer')!r}"
        )
    return build(kind, description)
