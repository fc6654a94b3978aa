"""The table of all options of the command line: one row for each, in the groups that help shows."""

from __future__ import annotations

import re

import click

from nbt.cli.options.learning import NETWORK, OPTIMIZER, RULE
from nbt.cli.options.rows import Row
from nbt.cli.options.running import (
    COMPUTING,
    DRAWS,
    FORECAST,
    LENGTH,
    LINES,
    MODEL,
    OUTPUT,
    RUN,
)
from nbt.cli.options.sources import NUMBERS, SYMBOLS, WRITTEN

__all__ = ["GROUPS", "TABLE", "as_typed", "names", "options_of", "row_of"]

GROUPS: dict[str, tuple[Row, ...]] = {
    "Model": MODEL,
    "Source": SYMBOLS,
    "Source of numbers": NUMBERS,
    "How a table is written": WRITTEN,
    "Network": NETWORK,
    "Learning rule": RULE,
    "Optimizer": OPTIMIZER,
    "Rank of a line": LINES,
    "Forecast": FORECAST,
    "What is made up": DRAWS,
    "How long": LENGTH,
    "Computation": COMPUTING,
    "Output": OUTPUT,
    "The run in -o RUN": RUN,
}
TABLE: dict[str, Row] = {row.name: row for rows in GROUPS.values() for row in rows}


def names(*groups: str) -> tuple[str, ...]:
    """Return the names of the options in these groups."""
    return tuple(row.name for group in groups for row in GROUPS[group])


def options_of(command: str) -> list[click.Option]:
    """Return the options of a command, with their older words."""
    rows = (row for row in TABLE.values() if command in row.commands.split())
    return [option for row in rows for option in row.options(command)]


def row_of(command: str, argument: str, given: dict[str, object]) -> Row | None:
    """Return the option of a command that sets an argument of the library; `given` has its
    options."""
    for row in TABLE.values():
        if command in row.commands.split() and argument == row.takes and _fits(row, given):
            return row
    return None


def _fits(row: Row, given: dict[str, object]) -> bool:
    """Return whether the option is for the choices that were made, or for the default choice."""
    return row.needs is None or given.get(row.needs[0]) in (None, *row.needs[1:])


ARGUMENT = re.compile(r"\b(\w+)=(?:'([\w-]+)'|(?= ))")


def as_typed(command: str, text: str) -> str:
    """Return a message of the library in the words of a command: errors='replace' becomes --errors
    replace, and an argument without a value, missing=, becomes --missing."""
    rows = [row for row in TABLE.values() if command in row.commands.split()]
    words = {row.takes: row.word for row in reversed(rows)}  # the first one: the network's

    def typed(found: re.Match[str]) -> str:
        word = words.get(found[1])
        return " ".join(filter(None, (word, found[2]))) if word else found[0]

    return ARGUMENT.sub(typed, text)
