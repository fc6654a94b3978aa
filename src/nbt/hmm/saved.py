"""A hidden Markov model in a file: `save` and `load` are methods of `HMM`."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from nbt.checkpoints import checkpoint
from nbt.errors import CheckpointError
from nbt.training.history import History

__all__ = ["load", "save"]

Model = TypeVar("Model")


def save(
    self: Any, path: str | os.PathLike[str], stream: Any = None, history: History | None = None
) -> None:
    """Writes a checkpoint, as trainers do: see `Trainer.save`. `nbt.load` takes it back and
    goes on to the bit.

    Parameters
    ----------
    path, stream, history
        As in `Trainer.save`.

    Raises
    ------
    CheckpointError, OSError
        As `Trainer.save`.

    Examples
    --------
    >>> model.save("hmm.safetensors")  # doctest: +SKIP
    >>> model = HMM.load("hmm.safetensors")  # doctest: +SKIP
    """
    checkpoint.save(self, path, stream, history)


def load(cls: type[Model], path: str | os.PathLike[str]) -> Model:
    """The model that was saved to a file.

    Parameters
    ----------
    path : str or path-like
        What `save` wrote.

    Raises
    ------
    CheckpointError, OSError
        As `nbt.load`; also for a file that holds something else.
    """
    model = checkpoint.load(path)
    if not isinstance(model, cls):
        found = type(model).__name__
        raise CheckpointError(f"{os.fspath(path)}: expected {cls.__name__}, got {found}")
    return model
