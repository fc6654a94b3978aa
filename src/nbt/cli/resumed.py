"""A run that is gone on with: what it was asked for, and its checkpoint, believed once checked.

run.toml may have been edited, damaged, or made by a stranger. Each of its values must be what the
option of that name would have given.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import click

from nbt.cli.options import sizes_of
from nbt.cli.options.values import Count, Positive, Seed
from nbt.errors import CheckpointError
from nbt.storage.container import MALFORMED
from nbt.storage.strangers import named, words

__all__ = ["check_checkpoint", "check_settings", "trainer_of"]


def check_settings(path: str, settings: Mapping[str, Any], options: Iterable[click.Option]) -> None:
    """Raises `CheckpointError` unless run.toml of the run at `path` has what these options give."""
    for name, kind, what in (("source", str, "text"), ("trainer", dict, "a table")):
        if not isinstance(settings.get(name), kind):
            raise _wrong(path, name, f"expected {what}", settings.get(name))
    for option in options:
        if (value := settings.get(option.name)) is None:
            continue
        values = value if option.multiple and isinstance(value, list) else [value]
        kind, what = _expected(option)
        for one in values:
            if type(one) not in kind:
                raise _wrong(path, option.name, f"expected {what}", value)
            try:
                option.type.convert(one, option, None)
            except click.UsageError as error:
                raise _wrong(path, option.name, error.message, value) from None
            except (ArithmeticError, TypeError, ValueError):
                raise _wrong(path, option.name, f"expected {what}", value) from None


def _expected(option: click.Option) -> tuple[tuple[type, ...], str]:
    """Which types of TOML's an option's values have, and in words."""
    if option.is_flag:
        return (bool,), "true or false"
    if isinstance(option.type, Count | Seed):
        return (int,), "a whole number"
    if isinstance(option.type, Positive):
        return (int, float), "a number"
    return (str,), "text"


def trainer_of(path: str, description: Mapping[str, Any]) -> Any:
    """The trainer that run.toml describes, as it was when new."""
    from nbt.trainers import from_description

    try:
        return from_description(description)
    except MALFORMED as error:
        raise CheckpointError(f"{_file(path)}: trainer: {words(error)}") from None


def check_checkpoint(path: str, checkpoint: Any, stream: Any) -> None:
    """Raises `CheckpointError` unless it is one of `nbt train` that learned from such a stream."""
    import nbt

    trainer = checkpoint.trainer
    if not isinstance(trainer, nbt.Trainer) or None in (checkpoint.stream, checkpoint.history):
        raise CheckpointError(f"{path}: its checkpoint is none of nbt train")
    readout, inputs = sizes_of(stream)
    fits = type(trainer.readout) is type(readout)
    if fits and stream.alphabet is None:
        sizes = (trainer.readout.dim, trainer.inputs.size)
        fits = sizes == (readout.dim, inputs.size)
    elif fits:
        fits = trainer.predicts_inputs and len(stream.alphabet) <= trainer.readout.symbols
    if not fits:
        raise CheckpointError(f"{path}: its checkpoint does not learn what {stream.name} gives")


def _wrong(path: str, name: str, why: str, value: Any) -> CheckpointError:
    got = "nothing" if value is None else named(value)
    return CheckpointError(f"{_file(path)}: {name}: {why}, got {got}")


def _file(path: str) -> str:
    return os.path.join(path, "run.toml")
