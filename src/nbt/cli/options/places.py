"""Files and folders that a person names, and the models in them."""

from __future__ import annotations

import os
from typing import Any

import click

from nbt.storage.atomic import is_special

__all__ = ["alphabet_of", "check_place", "learned_model", "load_model"]


def check_place(option: str, path: str | None) -> None:
    """Raise at the beginning for what would prevent a file from being written at the end."""
    if path is None:
        return
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise click.UsageError(f"{option}: there is no folder for {path!r}")
    if os.path.isdir(path):
        raise click.UsageError(f"{option}: expected a file, {path!r} is a folder")
    if is_special(path):
        raise click.UsageError(f"{option}: expected a file, {path!r} is a device or a pipe")
    if not os.access(folder, os.W_OK):
        raise click.UsageError(f"{option}: {folder!r} cannot be written to")


def load_model(path: str, *, network: bool = True) -> Any:
    """Return the checkpoint in a file, or the newest one in a run's folder. With `network`, an HMM
    is refused."""
    import nbt

    try:
        checkpoint = nbt.Checkpoint.load(path)
    except OSError as error:
        raise click.UsageError(f"{path!r}: {error.strerror}") from None
    if network and not isinstance(checkpoint.trainer, nbt.Trainer):
        found = type(checkpoint.trainer).__name__
        raise click.UsageError(f"{path!r}: expected a network, got an {found}; nbt.load takes it")
    return checkpoint


def learned_model(path: str) -> Any:
    """Return the checkpoint as `load_model` does. A model whose history says that it learned
    nothing is refused."""
    checkpoint = load_model(path)
    history = checkpoint.history
    if history is not None and not history.live().step and not checkpoint.trainer.step:
        why = history.settings.get("failure")
        raise click.UsageError(
            f"{path!r}: has learned nothing" + (f", as its run failed: {why}" if why else " yet")
        )
    return checkpoint


def alphabet_of(checkpoint: Any, model: str) -> Any:
    """Return the alphabet of a model's symbols."""
    from nbt.readouts import Softmax
    from nbt.streams import Alphabet

    if not isinstance(checkpoint.trainer.readout, Softmax):
        raise click.UsageError(f"{model} predicts numbers, not symbols")
    if not checkpoint.trainer.predicts_inputs:
        raise click.UsageError(f"{model} is fed other things than the symbols that it predicts")
    return checkpoint.alphabet or Alphabet(range(checkpoint.trainer.readout.symbols))
