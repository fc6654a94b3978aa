"""Rows of the table of options: SOURCE, how it is read, and what to do about faults."""

from __future__ import annotations

import click

from nbt.cli.options.defaults import of, shown
from nbt.cli.options.rows import Row
from nbt.cli.options.values import Count
from nbt.streams import file, table
from nbt.streams.files import FORMATS
from nbt.streams.tables.columnar import COLUMNAR
from nbt.trainers import NoBackTrack

__all__ = ["NUMBERS", "SYMBOLS", "WRITTEN"]

TABLES = "train diagnose predict"

SYMBOLS = (
    Row(
        "format",
        {
            **dict.fromkeys(
                TABLES.split(),
                "What SOURCE is: characters (text, or whole lines), bytes, integers (npy), or a "
                "table, whose words --column and whose numbers --columns names.",
            ),
            "score": "What SOURCE is: characters (text, or whole lines), or bytes.",
        },
        "train diagnose score predict",
        {
            **dict.fromkeys(TABLES.split(), click.Choice([*FORMATS, *COLUMNAR])),
            "score": click.Choice(["text", "lines", "bytes"]),
        },
        otherwise={
            "train": "text; npy for NAME.npy; with --columns as the content and the name say",
            "diagnose": "text; npy for NAME.npy; with --columns as the content and the name say",
            "predict": "that of the model",
            "score": "text",
        },
    ),
    Row(
        "alphabet",
        {
            **dict.fromkeys(
                ("train", "diagnose", "score"),
                "Which symbols there are: those of the file, all bytes, each as it comes (grow), "
                "or these characters.",
            ),
            "compare": "Which symbols there are: those of the file, all bytes, these characters.",
        },
        "train diagnose compare score",
        metavar={
            **dict.fromkeys(("train", "diagnose", "score"), "file|bytes|grow|CHARACTERS"),
            "compare": "file|bytes|CHARACTERS",
        },
        type=click.STRING,
        otherwise={
            "train": "file; bytes, or grow for words, if it cannot be read twice",
            "diagnose": "file; bytes, or grow for words, if it cannot be read twice",
            "compare": "file",
            "score": "grow; that of --model",
        },
    ),
    Row(
        "cap",
        "Largest number of symbols of --alphabet grow.",
        "train score",
        Count(),
        otherwise=shown(of(file, "cap")),
    ),
    Row(
        "column",
        "Column of a csv or jsonl table whose words are the symbols.",
        TABLES,
        click.STRING,
        metavar="NAME",
    ),
    Row(
        "encoding",
        "Character encoding of a text or a table.",
        "train diagnose score predict",
        click.STRING,
        metavar="NAME",
        otherwise="as a byte order mark says, else utf-8",
    ),
    Row(
        "errors",
        r"What to do with bytes that are no character: stop with an error, read U+FFFD in their "
        r"place, or read them as \xff.",
        "train diagnose score predict",
        click.Choice(["strict", "replace", "escape"]),
        otherwise={
            "train": "strict; replace with --follow or for a pipe",
            "diagnose": "strict; replace for a pipe",
            "predict": "strict; replace for a pipe",
            "score": "replace",
        },
    ),
    Row(
        "unknown",
        "What to do with a symbol that the alphabet lacks: stop with an error, or skip it.",
        "train predict",
        click.Choice(["error", "skip"]),
        otherwise={
            "train": "error; skip with --follow or --resume or for a pipe",
            "predict": "skip",
        },
    ),
    Row("follow", "Wait for more at the end of the file, as tail -F does.", "train score"),
)

NUMBERS = (
    Row(
        "columns",
        "Columns of numbers, with commas: each record is predicted from those before it.",
        "train diagnose",
        click.STRING,
        metavar="NAMES",
    ),
    Row(
        "target",
        "Columns to predict from the --columns of the same record instead, with commas.",
        "train diagnose",
        click.STRING,
        metavar="NAMES",
        argument="targets",
    ),
    Row(
        "missing",
        "What to do with an empty field: stop with an error, skip its record, or learn from the "
        "other fields (mask).",
        "train diagnose",
        click.Choice(["error", "skip", "mask"]),
        otherwise=shown(of(NoBackTrack, "missing")),
    ),
)

WRITTEN = (
    Row(
        "delimiter",
        "Character between two fields of csv; tab is a word for it.",
        TABLES,
        click.STRING,
        metavar="MARK",
        otherwise="as the heading shows",
    ),
    Row(
        "decimal",
        "Decimal mark of the numbers.",
        TABLES,
        click.Choice([".", ","]),
        otherwise="as the numbers show",
    ),
    Row(
        "thousands",
        "Mark between groups of three digits.",
        TABLES,
        click.STRING,
        metavar="MARK",
        otherwise="as the numbers show",
    ),
    Row(
        "na",
        "More words or numbers that mean a missing value, with commas: -999,ERR.",
        TABLES,
        click.STRING,
        metavar="WORDS",
        otherwise="NA, N/A, nan, null, none, ?, - and the like alone",
    ),
    Row(
        "dates",
        "Format of dates, such as %d.%m.%Y; a date is read as seconds since 1970.",
        TABLES,
        click.STRING,
        metavar="FORMAT",
        otherwise="ISO 8601",
    ),
    Row("booleans", "Read true as 1 and false as 0.", TABLES),
    Row(
        "longest",
        "Largest number of characters of a record.",
        TABLES,
        Count(),
        otherwise=shown(of(table, "longest")),
    ),
    Row(
        "on_bad_record",
        "What to do with a record that cannot be read: stop with an error, or skip and count it.",
        TABLES,
        click.Choice(["stop", "skip"]),
        otherwise={
            "train": "stop; skip with --follow or for a pipe",
            "diagnose": "stop; skip for a pipe",
            "predict": "stop; skip for a pipe",
        },
    ),
)
