"""`nbt compare`."""

from __future__ import annotations

import functools
import os
from typing import Any

import click

from nbt.cli import studies
from nbt.cli.hints import hint
from nbt.cli.options import build_stream
from nbt.cli.options.trainers import UNITS
from nbt.cli.options.values import PATH, Count

DEFAULT = (  # each rule with each optimizer
    "nobacktrack,nobacktrack-sgd,rtrl,rtrl-sgd,tbptt-5-kalman,tbptt-5,tbptt-kalman,tbptt,"
    "tbptt-50-kalman,tbptt-50"
)


class Rules(click.ParamType):
    """Names of rules, separated by commas."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        from nbt.experiments import RULES

        names = [name.strip() for name in value.split(",") if name.strip()]
        unknown = [name for name in names if name not in RULES]
        if unknown or not names:
            what = f"no rule {unknown[0]!r}" if unknown else "no rules"
            self.fail(f"{what}; there are {', '.join(RULES)}", param, ctx)
        return tuple(RULES[name] for name in dict.fromkeys(names))


@click.command(short_help="Compare learning rules on a source, with seeds.")
@click.argument("source", type=PATH)
@click.option(
    "--rules",
    type=Rules(),
    default=DEFAULT,
    show_default=True,
    help="Which, separated by commas; a wrong name lists them.",
)
@click.option(
    "--cell", type=click.Choice(["rnn", "leaky"]), default="rnn", show_default=True, help="Network."
)
@click.option("--units", type=Count(), default=UNITS, show_default=True, help="How many.")
@click.option(
    "--alphabet",
    metavar="file|bytes|CHARACTERS",
    help="Symbols.  [default: file, those that occur]",
)
@studies.options(out="nbt-compare")
def compare(source: str, rules: tuple[Any, ...], **given: Any) -> int:
    """Compare learning rules on SOURCE: a file, or data:NAME as for `nbt train`.

    Every rule has the same CPU time, and several seeds; a run ends earlier at the end of a file.
    The table has the optimizer beside the rule: two rules differ by what they are only where they
    have the same one. Compressors and context tree weighting read as many symbols as every run
    has. The folder gets results.jsonl, a
    picture and report.html. Ctrl-C keeps the runs that are finished; the same command goes on.
    """
    from nbt.experiments import Figure

    chosen = _source(source, given.pop("alphabet"), given.pop("cell"), given.pop("units"))
    figure = Figure("compare", f"Learning rules on {chosen.title}", chosen, rules)
    return studies.conduct([figure], figure.title, given)


def _source(source: str, alphabet: str | None, cell: str, units: int) -> Any:
    """The source, once it is clear that it can be read."""
    import nbt
    from nbt.experiments import AS_RUNS, Source

    if os.path.isdir(source):
        raise click.UsageError(f"{source!r}: is a folder")
    regular = source.startswith("data:") or not os.path.exists(source) or os.path.isfile(source)
    if source == "-" or not regular:
        raise click.UsageError(f"{source!r}: is read many times, which a pipe does not allow")
    stream = build_stream(source, alphabet, 0)
    hint(source, {}, "compared")
    kind = {"rnn": nbt.RNN, "leaky": nbt.LeakyRNN}[cell]
    facts = [f"alphabet={alphabet}"] if alphabet else []
    if not source.startswith("data:"):
        source = os.path.abspath(source)
        status = os.stat(source)
        facts.append(f"{status.st_size} bytes of {status.st_mtime_ns}")
    try:
        network = kind(units)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return Source(
        stream.name if stream.endless else source,
        stream.name if stream.endless else os.path.basename(source),
        functools.partial(build_stream, source, alphabet),
        network,
        file=AS_RUNS,
        version=", ".join(facts),
        ends=not stream.endless,
    )
