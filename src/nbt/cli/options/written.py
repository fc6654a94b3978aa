"""Options that say how a table is written, and what becomes of records that cannot be read."""

from __future__ import annotations

import csv
from typing import Any

import click

from nbt.cli.options.values import Count

__all__ = ["WRITTEN", "names_in", "of_symbols", "written_options"]

WRITTEN = ("delimiter", "decimal", "thousands", "na", "dates", "booleans", "longest")
OF_RECORDS = ("delimiter", "longest", "on_bad_record")  # those that words of a column have, too


def names_in(text: str | list[str] | None) -> list[str]:
    """Names or words with commas between them; one with a comma of its own is in quotes."""
    if not isinstance(text, str):
        return text or []
    try:
        rows = list(csv.reader([text], skipinitialspace=True))
    except csv.Error:
        raise click.UsageError(f"{text!r}: expected names with commas, in one line") from None
    return [name.strip() for row in rows for name in row if name.strip()]


def of_symbols(written: dict[str, Any], column: str | None) -> dict[str, Any]:
    """Those of the options that were given, for a stream of symbols."""
    for name, value in written.items():
        fits = column is not None if name in OF_RECORDS else not value
        if value and not fits:
            need = "--columns or --column" if name in OF_RECORDS else "--columns"
            raise click.UsageError(f"--{name.replace('_', '-')} needs {need}")
    return {name: value for name, value in written.items() if value}


def written_options(command: Any) -> Any:
    """The options themselves."""
    for option in (
        click.option(
            "--on-bad-record",
            type=click.Choice(["stop", "skip"]),
            help="A record that cannot be read ends it, or is passed over and counted.  "
            "[default: stop; skip for --follow and a pipe]",
        ),
        click.option(
            "--longest",
            type=Count(),
            metavar="COUNT",
            help="Most characters of a record.  [default: 1048576]",
        ),
        click.option("--booleans", is_flag=True, default=None, help="true is 1 and false is 0."),
        click.option(
            "--dates",
            metavar="FORMAT",
            help="How dates are written, such as %d.%m.%Y; they become seconds since 1970.  "
            "[default: as in ISO 8601]",
        ),
        click.option(
            "--na",
            metavar="WORDS",
            help="More words or numbers for what is missing, with commas: -999,ERR.  "
            "[default: NA, N/A, nan, null, none, ?, - and the like alone]",
        ),
        click.option(
            "--thousands",
            metavar="MARK",
            help="Between groups of three digits.  [default: as the numbers show]",
        ),
        click.option(
            "--decimal",
            type=click.Choice([".", ","]),
            help="The decimal mark.  [default: as the numbers show]",
        ),
        click.option(
            "--delimiter",
            metavar="MARK",
            help="Between the fields of csv, or tab.  [default: as the heading shows]",
        ),
    ):
        command = option(command)
    return command
