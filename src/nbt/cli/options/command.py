"""Commands whose options come from the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from nbt.cli.options.table import GROUPS, as_typed, options_of, row_of
from nbt.divergence import DivergenceError
from nbt.errors import CheckpointError, DataError

__all__ = ["Command", "asked_for", "command"]


class Command(click.Command):
    """Command that shows its options in groups, and names the option where an error of the library
    names an argument."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        left = {option.name: option.get_help_record(ctx) for option in options}
        for title, rows in GROUPS.items():
            _section(formatter, title, [left.pop(row.name, None) for row in rows])
        _section(formatter, "Help", list(left.values()))

    def invoke(self, ctx: click.Context) -> Any:
        name = str(self.name)
        try:
            return super().invoke(ctx)
        except DataError as error:
            raise DataError(as_typed(name, str(error))) from error
        except (CheckpointError, DivergenceError):
            raise
        except (TypeError, ValueError) as error:
            argument, mark, rest = str(error).partition(": ")
            row = row_of(name, argument, ctx.params) if mark else None
            if row is None:
                raise
            raise click.UsageError(f"{row.word}: {as_typed(name, rest)}", ctx) from error


def _section(formatter: click.HelpFormatter, title: str, records: list[Any]) -> None:
    records = [record for record in records if record is not None]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)


def command(
    name: str, short_help: str, *older: click.Parameter
) -> Callable[[Callable[..., Any]], Command]:
    """Return a decorator that makes a function the command of a name, with its options from the
    table."""
    params = [*options_of(name), *older]
    return click.command(name, cls=Command, params=params, short_help=short_help)


def asked_for(context: click.Context) -> set[str]:
    """Return the options that were given on the command line, by new or old words."""
    given = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)  # the latter: by old words
    return {name for name in context.params if context.get_parameter_source(name) in given}
