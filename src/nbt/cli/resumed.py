"""Runs that are resumed: their settings and their checkpoint, which are checked first.

run.toml may have been edited or damaged, or come from someone unknown. Each of its values must be
one that the option of that name could have.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

import click

from nbt.cli.options.streams import READING, sizes_of
from nbt.cli.options.table import TABLE
from nbt.cli.options.trainers import OF_TRAINER, as_before_schedules, build_trainer
from nbt.cli.options.values import Count, Positive, Seed
from nbt.errors import CheckpointError
from nbt.storage.container import MALFORMED
from nbt.storage.strangers import named, words

__all__ = ["KEPT", "SCHEDULES", "as_before", "check_checkpoint", "settings_of", "trainer_of"]

FAULTS = ("errors", "unknown", "on_bad_record")
ANEW = ("steps", "seconds", "checkpoint_every", "keep", "on_divergence", *FAULTS)  # may change
FIXED = (*(name for name in READING if name not in FAULTS), "seed")
KEPT = (*FIXED, *ANEW)
"""The options in run.toml, beside the trainer that it describes."""
SCHEDULES = "schedules"
"""In run.toml where a number is a constant rate; older runs do not have it."""


def settings_of(command: click.Command, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of the run in RUN, checked; None if there is no run yet."""
    from nbt.checkpoints import runs

    if not options["output"]:
        return None
    settings = runs.settings_of(options["output"])
    if settings is None:
        return None
    if not options["resume"]:
        raise click.UsageError(f"-o: {options['output']} holds a run; --resume goes on with it")
    of_run = (one for one in command.params if one.name in KEPT)
    _check_settings(options["output"], settings, of_run)
    return settings


def as_before(
    settings: Mapping[str, Any], source: str | None, options: dict[str, Any], asked: set[str]
) -> tuple[str, dict[str, Any]]:
    """Return the source and the options of the run. The options given now must not contradict
    them."""
    for name in FIXED:
        before = settings.get(name)
        if name in asked and options[name] != (before or 0 if name == "seed" else before):
            had = f"has {before}" if before not in (None, False) else "was begun without it"
            raise click.UsageError(f"{TABLE[name].word}: the run in {options['output']} {had}")
        options = {**options, name: before}
    if source not in (None, settings.get("source")):
        raise click.UsageError(
            f"{source}: the run in {options['output']} reads {settings['source']}"
        )
    before = {name: settings.get(name) for name in ANEW if options[name] is None}
    return settings["source"], {**options, **before}


def trainer_of(
    settings: Mapping[str, Any], options: dict[str, Any], asked: set[str], stream: Any
) -> Any:
    """Return the trainer of the run, in its first state. The options given now must describe it."""
    from nbt.trainers import from_description

    path, inputs = options["output"], sizes_of(stream)[1]
    try:
        trainer = from_description(settings["trainer"])
    except MALFORMED as error:
        raise CheckpointError(f"{_file(path)}: trainer: {words(error)}") from None
    if asked & set(OF_TRAINER) and not _same(trainer, options, inputs, settings):
        names = ", ".join(TABLE[name].word for name in OF_TRAINER if name in asked)
        has = str(trainer).partition("  #")[0]
        raise click.UsageError(
            f"{names}: the run in {path} has {has}; give none of its options again, or all"
        )
    return trainer


def _same(trainer: Any, options: dict[str, Any], inputs: Any, settings: Mapping[str, Any]) -> bool:
    """Return whether the options describe the trainer, read as they are now or as they were in
    older versions."""
    plain = {**options, "cell": options["cell"] or "rnn"}  # there was another default
    earlier = [plain] if SCHEDULES in settings else [plain, as_before_schedules(plain)]
    for options_then in earlier:
        with contextlib.suppress(click.UsageError):  # what they lacked then is told of them now
            before = build_trainer(settings["source"], trainer.readout, options_then, inputs)
            if before.describe() == trainer.describe():
                return True
    now = build_trainer(settings["source"], trainer.readout, options, inputs)
    return now.describe() == trainer.describe()


def _check_settings(
    path: str, settings: Mapping[str, Any], options: Iterable[click.Parameter]
) -> None:
    """Raise `CheckpointError` unless run.toml of the run at `path` has values that these options
    can have."""
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


def _expected(option: Any) -> tuple[tuple[type, ...], str]:
    """Return the TOML types of an option's values, and their name."""
    if option.is_flag:
        return (bool,), "true or false"
    if isinstance(option.type, Count | Seed):
        return (int,), "a whole number"
    if isinstance(option.type, Positive):
        return (int, float), "a number"
    return (str,), "text"


def check_checkpoint(path: str, checkpoint: Any, stream: Any) -> None:
    """Raise `CheckpointError` unless this is a checkpoint of `nbt train` that learned from such a
    stream."""
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
