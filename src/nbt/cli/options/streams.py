"""Make a stream from the options of the command line."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator, Mapping
from typing import Any

import click

from nbt.cli.options.table import TABLE, names
from nbt.cli.options.values import given
from nbt.errors import DataError

__all__ = ["READING", "build_stream", "form_of", "kind_of", "names_in", "reading", "sizes_of"]

READING = names("Source", "Source of numbers", "How a table is written")
AS_WRITTEN = names("How a table is written")
OF_RECORDS = ("delimiter", "longest", "on_bad_record")  # those that words of a column have, too


def reading(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that say how SOURCE is read, except the alphabet."""
    return {name: options[name] for name in READING if name in options and name != "alphabet"}


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
    """Return the stream that SOURCE names. It is one of numbers only if `numbers` are given, or
    None."""
    from nbt import streams

    written = {name: numbers.pop(name, None) for name in AS_WRITTEN}
    if written["delimiter"] in ("tab", r"\t"):
        written["delimiter"] = "\t"

    if source.startswith("data:"):
        unfit = {"alphabet": isinstance(alphabet, str), "format": format, "column": column}
        unfit |= {name: numbers.get(name) for name in ("columns", "target")}
        unfit |= {"encoding": encoding, "errors": errors, **written}
        for name, value in {**unfit, "follow": follow, "cap": cap}.items():
            if value:
                raise click.UsageError(f"{TABLE[name].word}: {source} has its own")
        stream = _generated(source, seed)
        if stream.alphabet is None and not numbers:
            raise click.UsageError(f"{source}: expected symbols, and these are numbers")
        return stream
    if numbers.get("columns"):
        reading = {**given(**written), "encoding": encoding, "errors": errors}
        return _table(source, alphabet, format, column, follow, cap, reading, **numbers)
    for name in ("target", "missing"):
        if numbers.get(name):
            raise click.UsageError(f"{TABLE[name].word} needs --columns")
    pipe = source == "-" or (os.path.exists(source) and not os.path.isfile(source))
    if (pipe or follow) and alphabet == "file":
        raise click.UsageError(
            f"--alphabet file reads the source twice, which {source!r} does not allow; "
            "give bytes, grow or a string of its characters"
        )
    with _opening(source):
        return streams.file(
            *(source, format, alphabet),
            column=column,
            follow=bool(follow),
            **given(cap=cap, encoding=encoding, errors=errors),
            **_of_symbols(written, column),
            unknown="mark" if (unknown == "skip" if unknown else pipe or follow) else "error",
        )


def _of_symbols(written: dict[str, Any], column: str | None) -> dict[str, Any]:
    """Return the given options for a stream of symbols."""
    for name, value in written.items():
        fits = column is not None if name in OF_RECORDS else not value
        if value and not fits:
            need = "--columns or --column" if name in OF_RECORDS else "--columns"
            raise click.UsageError(f"{TABLE[name].word} needs {need}")
    return {name: value for name, value in written.items() if value}


def names_in(text: str | list[str] | None) -> list[str]:
    """Return names or words that are separated by commas. One that contains a comma is in
    quotes."""
    if not isinstance(text, str):
        return text or []
    try:
        rows = list(csv.reader([text], skipinitialspace=True))
    except csv.Error:
        raise click.UsageError(f"{text!r}: expected names with commas, in one line") from None
    return [name.strip() for row in rows for name in row if name.strip()]


@contextlib.contextmanager
def _opening(source: str) -> Iterator[None]:
    """Turn what is wrong with a file into an error of the command line."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{source!r}: {error.strerror}") from None


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
            raise click.UsageError(f"{TABLE[name].word} is for symbols, --columns for numbers")
    if reading.get("na"):
        reading["na"] = names_in(reading["na"])
    gaps = "keep" if missing in ("skip", "mask") else "error"
    with _opening(source):
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
    """Return the readout for what a stream gives, and the inputs; None if these are what is
    predicted."""
    import nbt

    if stream.alphabet is not None:
        return nbt.Softmax(len(stream.alphabet)), None
    inputs = nbt.Vector(len(stream.columns), standardize=True)
    targets = getattr(stream, "targets", ()) or stream.columns
    return nbt.Gaussian(len(targets), standardize=True), inputs


def form_of(stream: Any) -> str | None:
    """Return in words how a table is written; for a file, by its beginning."""
    if hasattr(stream, "form"):
        stream.peek()
    return getattr(stream, "form", None)


def kind_of(stream: Any) -> str:
    """Return in words what a stream consists of."""
    if stream.alphabet is not None:
        return f"{len(stream.alphabet)} symbols"
    targets = getattr(stream, "targets", ())
    return ", ".join(stream.columns) + (f" -> {', '.join(targets)}" if targets else "")
