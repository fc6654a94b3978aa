"""A row of the table of options, and the click option that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import click

from nbt.cli.options.values import flag

__all__ = ["Older", "OlderArgument", "Row", "note"]


@dataclass(frozen=True)
class Row:
    """Option, the same in every command that takes it.

    Where a field holds a dict, its keys are commands, and each command has its own value.

    Parameters
    ----------
    name : str
        Name of the command's parameter. With dashes it is the word that a person types.
    help : str or dict
        Description of the option, as a sentence.
    commands : str
        The commands that take it, separated by spaces.
    type : click.ParamType or dict, optional
        Type of its value. Default: none, because the option is a flag.
    default : Any
        The value if the option is not given. None: the library has the default.
    otherwise : str or dict
        What the help says of a default that the library has.
    metavar : str or dict, optional
        What the help shows for the value. Default: the name of the type.
    letter : str
        A short form.
    negated : bool
        Whether the flag has an opposite, which begins with no.
    required : str
        The commands that need it, separated by spaces.
    needs : tuple of str, optional
        Another option, and the values of it with which this one is allowed.
    argument : str
        The name of the library's argument, if it differs.
    older : dict
        The word for it in older versions, by command.
    """

    name: str
    help: str | dict[str, str]
    commands: str
    type: Any = None
    default: Any = None
    otherwise: str | dict[str, str] = ""
    metavar: str | dict[str, str] | None = None
    letter: str = ""
    negated: bool = False
    required: str = ""
    needs: tuple[str, ...] | None = None
    argument: str = ""
    older: dict[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The word that a person types."""
        return f"--{flag(self.name)}"

    @property
    def takes(self) -> str:
        """Name of the library's argument."""
        return self.argument or self.name

    def said(self, command: str) -> str:
        """Return what the help says of the default; "" if nothing happens without the option."""
        return _own(self.otherwise, command) or ""

    def options(self, command: str) -> list[click.Option]:
        """Return the option of a command, and its older word."""
        kind, default = _own(self.type, command), _own(self.default, command)
        otherwise, required = self.said(command), command in self.required.split()
        words = [self.word + (f"/--no-{flag(self.name)}" if self.negated else "")]
        option = click.Option(
            [self.name, *([f"-{self.letter}"] if self.letter else []), *words],
            type=kind,
            is_flag=kind is None,
            **({"required": True} if required else {"default": default}),
            show_default=default is not None,
            metavar=_own(self.metavar, command),
            help=_own(self.help, command) + (f"  [default: {otherwise}]" if otherwise else ""),
        )
        older = self.older.get(command)
        return [option, Older(older, option)] if older else [option]


class Older(click.Option):
    """Older word for an option: it works but is not shown, and stderr names the new one.

    Parameters
    ----------
    word : str
        The older word.
    new : click.Option
        What it stands for.
    """

    def __init__(self, word: str, new: click.Option) -> None:
        super().__init__(
            [word, f"older_{new.name}"],
            type=click.UNPROCESSED,
            is_flag=new.is_flag,
            default=None,
            hidden=True,
            is_eager=True,  # handled before the new one, which takes its value
            expose_value=False,
            callback=_of_before(word, new.name, new.opts[-1]),
        )


class OlderArgument(click.Argument):
    """Older argument, given by its place on the command line, that is an option now.

    Parameters
    ----------
    said, new : str
        How it was used, and how it is.
    option : Row
        What it stands for.
    """

    def __init__(self, said: str, new: str, option: Row) -> None:
        super().__init__(
            [f"older_{option.name}"],
            type=option.type,
            required=False,
            is_eager=True,
            expose_value=False,
            callback=_of_before(said, option.name, new),
        )

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        return []


def _of_before(word: str, name: str, new: str) -> Any:
    """Return a callback by which the value of an older word becomes that of the parameter
    `name`."""

    def take(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is None or context.resilient_parsing:
            return
        note(f"{word} is {new} now")
        context.default_map = {**(context.default_map or {}), name: value}

    return take


def note(line: str) -> None:
    """Say on stderr that a word is an old one."""
    click.echo(f"nbt: note: {line}; the old word goes with the next release", err=True)


def _own(value: Any, command: str) -> Any:
    """Return the value for a command."""
    return value.get(command) if isinstance(value, dict) else value
