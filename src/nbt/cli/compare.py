"""`nbt compare`."""

from __future__ import annotations

import functools
import os
from typing import Any

import click

from nbt.cli import studies
from nbt.cli.hints import hint
from nbt.cli.options.command import command
from nbt.cli.options.defaults import GATED, RULES, RULES_OF_GATED
from nbt.cli.options.streams import build_stream
from nbt.cli.options.values import PATH, Rules


@command("compare", "Compare learning rules on a source, with seeds.")
@click.argument("source", type=PATH)
def compare(source: str, rules: tuple[Any, ...] | None, **given: Any) -> int:
    """Compare learning rules on SOURCE: a file, or data:NAME as for nbt train.

    Every rule has the same CPU time, and several seeds; a run ends earlier at the end of a file.
    The table shows the optimizer of each rule: only two rules with the same optimizer show what
    the rule itself gives. Compressors and context tree weighting read as many symbols as every run
    does.

    Cells with gates learn their readout by Kalman beside every optimizer of the network.

    The folder of -o gets results.jsonl, a picture and report.html. Ctrl-C keeps the runs that are
    finished; the same command goes on.
    """
    from nbt.experiments import Figure

    cell = given.pop("cell")
    chosen = _source(source, given.pop("alphabet"), cell, given.pop("units"))
    if rules is None:
        rules = Rules().convert(RULES_OF_GATED if cell in GATED else RULES, None, None)
    _check(rules, chosen.cell)
    figure = Figure("compare", f"Learning rules on {chosen.title}", chosen, rules)
    return studies.conduct([figure], figure.title, given)


def _check(rules: tuple[Any, ...], cell: Any) -> None:
    """Raise for a rule that does not learn such a cell, before anything is run."""
    for rule in rules:
        try:
            rule.build(cell, 2, 0)
        except ValueError as error:
            raise click.UsageError(f"--rules: {rule.name} is not for {cell}: {error}") from None


def _source(source: str, alphabet: str | None, cell: str, units: int) -> Any:
    """Return the source, after checking that it can be read."""
    import nbt
    from nbt.experiments import AS_RUNS, Source

    if os.path.isdir(source):
        raise click.UsageError(f"{source!r}: is a folder")
    regular = source.startswith("data:") or not os.path.exists(source) or os.path.isfile(source)
    if source == "-" or not regular:
        raise click.UsageError(f"{source!r}: is read many times, which a pipe does not allow")
    stream = build_stream(source, alphabet, 0)
    hint(source, {}, "compared")
    kind = {"rnn": nbt.RNN, "leaky": nbt.LeakyRNN, **GATED}[cell]
    facts = [f"alphabet={alphabet}"] if alphabet else []
    if not source.startswith("data:"):
        source = os.path.abspath(source)
        status = os.stat(source)
        facts.append(f"{status.st_size} bytes of {status.st_mtime_ns}")
    return Source(
        stream.name if stream.endless else source,
        stream.name if stream.endless else os.path.basename(source),
        functools.partial(build_stream, source, alphabet),
        kind(units),
        file=AS_RUNS,
        version=", ".join(facts),
        ends=not stream.endless,
    )
