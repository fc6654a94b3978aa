"""From the options of the command line to a stream, or a model that was saved."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import click
from click.core import ParameterSource

from nbt.cli.options.defaults import with_default
from nbt.cli.options.values import Count, flag, given
from nbt.cli.options.written import WRITTEN, names_in, of_symbols
from nbt.errors import DataError
from nbt.storage.atomic import is_special
from nbt.streams.files import FORMATS
from nbt.streams.tables.columnar import COLUMNAR

SOURCES = ("alphabet", "format", "column", "encoding", "follow", "cap")
FAULTS = (
    "errors",
    "unknown",
    "on_bad_record",
)  # what becomes of what is not as it should be in a source
NUMBERS = ("columns", "target", "missing")  # of a source of numbers


def source_options(*names: str) -> Callable[[Any], Any]:
    """Those of the options that say what the symbols of SOURCE are."""
    kinds = {
        "cap": click.option(
            "--cap", type=Count(), help=with_default("cap", "Most symbols of grow.")
        ),
        "follow": click.option(
            "--follow", is_flag=True, help="Wait for more at the end, as tail -F does."
        ),
        "column": click.option("--column", metavar="NAME", help="Of csv or jsonl."),
        "unknown": click.option(
            "--unknown",
            type=click.Choice(["error", "skip"]),
            help="What a symbol does that a fixed alphabet lacks: end it, or be passed over.  "
            "[default: error; skip for --follow, a pipe, --resume]",
        ),
        "errors": click.option(
            "--errors",
            type=click.Choice(["strict", "replace", "escape"]),
            help="What bytes become that are no character: the end, U+FFFD, \\xff.  "
            "[default: strict; replace for --follow, a pipe, nbt score]",
        ),
        "encoding": click.option(
            "--encoding",
            metavar="NAME",
            help="Of characters.  [default: as a byte order mark says, else utf-8]",
        ),
        "alphabet": click.option(
            "--alphabet",
            metavar="file|bytes|grow|CHARACTERS",
            help="Symbols: those that occur, all bytes, as they come, these.  "
            "[default: file; bytes or grow for what cannot be read twice]",
        ),
        "format": click.option(
            "--format",
            type=click.Choice([*FORMATS, *COLUMNAR]),
            help="What a symbol is: a character, the same of whole lines, a byte, a value in a "
            "column, an integer. For --columns csv, jsonl and those after npy.  "
            "[default: text; npy of NAME.npy; for --columns by content and name, else csv]",
        ),
    }

    def add(command: Any) -> Any:
        for name, option in kinds.items():
            command = option(command) if name in names else command
        return command

    return add


def number_options(command: Any) -> Any:
    """The options that say which numbers of SOURCE are learned."""
    for option in (
        click.option(
            "--missing",
            type=click.Choice(["error", "skip", "mask"]),
            help=with_default(
                "missing", "What an empty field does: end it, pass its record, or itself only."
            ),
        ),
        click.option("--target", metavar="NAMES", help="Numbers that --columns predict."),
        click.option(
            "--columns",
            metavar="NAMES",
            help="Numbers of csv or jsonl, by name, with commas: each record from those before.",
        ),
    ):
        command = option(command)
    return command


def asked_for(context: click.Context) -> set[str]:
    """The options that were given on the command line."""
    return {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def check_place(option: str, path: str | None) -> None:
    """What would keep a file from being written at the end is said at the beginning."""
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
    """The checkpoint in a file, or the newest of a run's folder; `network`: of no HMM."""
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
    """The same, of a model that has learned something where it tells how it learned."""
    checkpoint = load_model(path)
    history = checkpoint.history
    if history is not None and not history.live().step and not checkpoint.trainer.step:
        why = history.settings.get("failure")
        raise click.UsageError(
            f"{path!r}: has learned nothing" + (f", as its run failed: {why}" if why else " yet")
        )
    return checkpoint


def build_stream(
    source: str,
    alphabet: Any,
    seed: int | None,
    *,
    format: str | None = None,
    column: str | None = None,
    follow: bool | None = False,
    cap: int | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    unknown: str | None = "error",
    **numbers: Any,
) -> Any:
    """The stream that SOURCE names; of numbers only where `numbers` are given, or None."""
    from nbt import streams

    written = {name: numbers.pop(name, None) for name in (*WRITTEN, "on_bad_record")}
    if written["delimiter"] in ("tab", r"\t"):
        written["delimiter"] = "\t"

    if source.startswith("data:"):
        unfit = {"alphabet": isinstance(alphabet, str), "format": format, "column": column}
        unfit |= {name: numbers.get(name) for name in ("columns", "target")}
        unfit |= {"encoding": encoding, "errors": errors, **written}
        for name, value in {**unfit, "follow": follow, "cap": cap}.items():
            if value:
                raise click.UsageError(f"--{flag(name)}: {source} has its own")
        stream = _generated(source, seed)
        if stream.alphabet is None and not numbers:
            raise click.UsageError(f"{source}: expected symbols, and these are numbers")
        return stream
    if numbers.get("columns"):
        reading = {**given(**written), "encoding": encoding, "errors": errors}
        return _table(source, alphabet, format, column, follow, cap, reading, **numbers)
    for name in ("target", "missing"):
        if numbers.get(name):
            raise click.UsageError(f"--{name} needs --columns")
    pipe = source == "-" or (os.path.exists(source) and not os.path.isfile(source))
    if (pipe or follow) and alphabet == "file":
        raise click.UsageError(
            f"--alphabet file reads the source twice, which {source!r} does not allow; "
            "give bytes, grow or a string of its characters"
        )
    with _said_of(source):
        return streams.file(
            *(source, format, alphabet),
            column=column,
            follow=follow,
            **given(cap=cap, encoding=encoding, errors=errors),
            **of_symbols(written, column),
            unknown="mark" if (unknown == "skip" if unknown else pipe or follow) else "error",
        )


@contextlib.contextmanager
def _said_of(source: str) -> Iterator[None]:
    """What is wrong with a file, or with an argument that has the name of an option, as an error of
    the command line; what is wrong with the data stays as it is."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        raise click.UsageError(f"{source!r}: {error.strerror}") from None
    except (TypeError, ValueError) as error:
        name, mark, rest = str(error).partition(":")
        raise click.UsageError(f"--{flag(name)}{mark}{rest}") from None


def _table(
    source: str,
    alphabet: Any,
    format: str | None,
    column: str | None,
    follow: bool | None,
    cap: int | None,
    reading: dict[str, Any],
    columns: str,
    target: str | None,
    missing: str | None,
) -> Any:
    from nbt import streams

    for name, value in {"alphabet": alphabet, "column": column, "cap": cap}.items():
        if value:
            raise click.UsageError(f"--{name} is for symbols, --columns for numbers")
    if reading.get("na"):
        reading["na"] = names_in(reading["na"])
    gaps = "keep" if missing in ("skip", "mask") else "error"
    with _said_of(source):
        return streams.table(
            *(source, names_in(columns), names_in(target)),
            format=format,
            missing=gaps,
            follow=bool(follow),
            **reading,
        )


def _generated(source: str, seed: int | None) -> Any:
    from nbt import datasets

    try:
        return datasets.by_name(source.removeprefix("data:"), seed)
    except DataError:
        raise
    except ValueError as error:
        raise click.UsageError(f"{source!r}: {str(error).removeprefix('name: ')}") from None


def sizes_of(stream: Any) -> tuple[Any, Any]:
    """The readout for what a stream gives, and the inputs; None: what is predicted."""
    import nbt

    if stream.alphabet is not None:
        return nbt.Softmax(len(stream.alphabet)), None
    inputs = nbt.Vector(len(stream.columns), standardize=True)
    targets = getattr(stream, "targets", ()) or stream.columns
    return nbt.Gaussian(len(targets), standardize=True), inputs


def form_of(stream: Any) -> str | None:
    """How a table is written; of a file, as it begins."""
    if hasattr(stream, "form"):
        stream.peek()
    return getattr(stream, "form", None)


def kind_of(stream: Any) -> str:
    """What a stream is of, for people."""
    if stream.alphabet is not None:
        return f"{len(stream.alphabet)} symbols"
    targets = getattr(stream, "targets", ())
    return ", ".join(stream.columns) + (f" -> {', '.join(targets)}" if targets else "")
