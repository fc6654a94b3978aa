"""Hints where a table is about to be read as characters."""

from __future__ import annotations

import csv
import io
import os
from typing import Any

from nbt.cli.faults import warn
from nbt.errors import DataError
from nbt.streams.decoding import Decoder
from nbt.streams.sources.opening import open_source
from nbt.streams.sources.rotations import PACKED
from nbt.streams.tables.columnar import SUFFIXES, kind_of_file

__all__ = ["hint"]

BEGINNING = 1 << 16
SHOWN = 8  # names


def hint(source: str, options: dict[str, Any], verb: str) -> None:
    """Say that a file looks like a table, unless the format was given.

    Parameters
    ----------
    source : str
        The source as on the command line.
    options : dict
        The options of the command. Where it has none for tables, `nbt train` is named.
    verb : str
        What happens to its characters, such as "learned".
    """
    from nbt.streams.tables.tabular import looks_like

    if options.get("format") or options.get("columns") or not os.path.isfile(source):
        return
    reader = "" if "columns" in options else "nbt train with "
    if (kind := kind_of_file(source)) and source.lower().endswith(tuple(SUFFIXES)):
        meant = f"{reader}--columns NAMES for its numbers"
        warn(f"{source} is a table ({kind}). Probably meant: {meant}.")
        return
    text, final = _beginning(source, options.get("encoding"))
    looks = looks_like(text, final)
    if looks is None:
        return
    names, more = ", ".join(looks.names[:SHOWN]), ", ..." if len(looks.names) > SHOWN else ""
    name = PACKED.sub("", source.lower())
    format = "" if name.endswith(f".{looks.format}") else f" --format {looks.format}"
    meant = f"--columns {_quoted(looks.numbers[:SHOWN])}{format} for its numbers"
    meant = meant if looks.numbers else f"--column {_quoted(looks.names[:1])}{format} for words"
    quiet = "; --format text says that its characters are meant" if "format" in options else ""
    warn(
        f"{source} looks like a table of {len(looks.names)} columns ({names}{more}), and its "
        f"characters are {verb}. Probably meant: {reader}{meant}{quiet}."
    )


def _beginning(path: str, encoding: str | None) -> tuple[str, bool]:
    """Return the first characters, and whether they are all."""
    try:
        source, close = open_source(path, follow=False)
    except (OSError, DataError):
        return "", True
    try:
        raw = b""
        while len(raw) < BEGINNING and (piece := source.read(BEGINNING)):
            raw += piece
        decoder, final = Decoder(encoding, "replace"), len(raw) < BEGINNING
        look = decoder.look(raw, decoder.variant(raw, final), final, beginning=True)
        return look.text, final
    except (OSError, DataError, ValueError):
        return "", True
    finally:
        close()


def _quoted(names: tuple[str, ...]) -> str:
    """Return names with commas between them, as one types them."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    text = line.getvalue()
    return text if text.replace(",", "").replace("_", "").isalnum() else f"'{text}'"
