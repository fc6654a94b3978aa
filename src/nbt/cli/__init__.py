"""The command `nbt`: tables and messages go to stderr, data to stdout."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Sequence

from nbt import installation

installation.check()  # before anything that imports nbt

# ruff: noqa: E402
import click

from nbt.cli.compare import compare
from nbt.cli.diagnose import diagnose as diagnose_command
from nbt.cli.info import info
from nbt.cli.predict import predict
from nbt.cli.reproduce import reproduce
from nbt.cli.sample import sample
from nbt.cli.score import score
from nbt.cli.train import train as train_command
from nbt.display.visible import visible
from nbt.divergence import DivergenceError
from nbt.errors import CheckpointError, DataError, MissingExtra
from nbt.training.interrupts import Terminated

__all__ = ["command", "main", "run"]


def _print_version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    import nbt

    try:
        info = dict(nbt.build_info())
    except ValueError as error:  # NBT_ISA is wrong
        raise click.UsageError(str(error), context) from None
    click.echo(f"nbt {info.pop('version')}")
    for name, value in info.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, (list, tuple)):
            value = " ".join(map(str, value)) or "none"
        click.echo(f"{name + ':':<10}{value}")
    if found := installation.neighbours():
        click.echo(f"warning:  {installation.described(found)}")
    context.exit()


CODES = """Exit codes: 0 done, 1 a file could not be read or written, 2 wrong usage, 3 bad data, \
4 divergence, 130 Ctrl-C, 143 SIGTERM."""


@click.group(
    invoke_without_command=True,
    epilog=CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.pass_context
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Version and how it was built.",
)
def command(context: click.Context) -> None:
    """Train recurrent networks online, one symbol after another, on one CPU core."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


COMMANDS = (train_command, compare, score, sample, predict, info, diagnose_command, reproduce)
for one in COMMANDS:
    command.add_command(one)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        with contextlib.suppress(AttributeError):  # escape what the locale cannot encode
            getattr(sys, name).reconfigure(errors="backslashreplace")
    warnings.showwarning = _warn
    sys.exit(run(args))


def _warn(message: object, *_: object) -> None:
    click.echo(f"nbt: warning: {visible(' '.join(str(message).split()))}", err=True)


def run(args: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Errors become one line on stderr."""
    try:
        return command.main(args, prog_name="nbt", standalone_mode=False) or 0
    except click.ClickException as error:
        return _complain(_with_help(error), 2)
    except click.Abort:
        return 130
    except KeyboardInterrupt as error:
        return 143 if isinstance(error, Terminated) else 130
    except (DataError, CheckpointError) as error:
        return _complain(error, 3)
    except DivergenceError as error:
        return _complain(error, 4)
    except MissingExtra as error:
        return _complain(error, 2)
    except MemoryError as error:
        return _complain(f"there is not enough memory: {error}", 2)
    except OSError as error:
        return _complain(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)


def _with_help(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context else ""
    return f"{error.format_message().rstrip('.')}{where}"


def _complain(error: object, code: int) -> int:
    line = " ".join(str(error).split())
    click.echo(f"nbt: error: {visible(line)}", err=True)
    return code
