"""A hidden Markov model in a file: `save` and `load` are methods of `HMM`."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from nbt.checkpoints import checkpoint
from nbt.training.history import History

__all__ = ["load", "save"]

Model = TypeVar("Model")


def save(
    self: Any, path: str | os.PathLike[str], stream: Any = None, history: History | None = None
) -> None:
    """Write a checkpoint, as trainers do: see `Trainer.save`. `nbt.load` reads it and goes on to
    the bit.

    Parameters
    ----------
    path, stream, history
        As in `Trainer.save`.

    Raises
    ------
    TypeError, CheckpointError, OSError
        As in `Trainer.save`.

    Examples
    --------
    >>> model.save("hmm.safetensors")  # doctest: +SKIP
    >>> model = HMM.load("hmm.safetensors")  # doctest: +SKIP
    """
    checkpoint.save(self, path, stream, history)


def load(cls: type[Model], path: str | os.PathLike[str]) -> Model:
    """Return the model that was saved to a file.

    Parameters
    ----------
    path : str or path-like
        A file that `save` wrote.

    Raises
    ------
    TypeError, OSError
        As in `nbt.load`.
    CheckpointError
        As in `nbt.load`; also if the file holds something else.
    """
    return checkpoint.load(path, kind=cls)
