"""What makes this kind of learning good: one choice varied at a time; bits per character.

Results are kept in a file, a JSON object a line; what is in it is not run again, and a run is also
the shorter ones. docs/learning.md tells what was found.
"""

from __future__ import annotations

from pathlib import Path

import click

from bench.study import runs, tables
from bench.study.gated import GATED, REFERENCE
from bench.study.variants import DEFAULT, GROUPS, STREAMS, variant


@click.command(help=__doc__.splitlines()[0])
@click.option("--out", type=Path, default=Path("study.jsonl"), show_default=True)
@click.option("--group", "groups", multiple=True, type=click.Choice(list(GROUPS)), help="[all]")
@click.option("--only", multiple=True, metavar="NAME", help="Variants of these names.  [all]")
@click.option("--stream", "streams", multiple=True, type=click.Choice(list(STREAMS)))
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--steps", type=click.IntRange(runs.PARTS), default=10**6, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--show", is_flag=True, help="Make no runs: the table of those there are.")
@click.option(
    "--equal-time",
    is_flag=True,
    help="Steps of the default (of `LSTM`, with its groups alone); others in its CPU time.",
)
@click.option("--wide", is_flag=True, help="A row for each variant, all streams beside each other.")
@click.option("--markdown", type=Path, help="Also write the table there.")
def main(out, groups, only, streams, seeds, steps, jobs, show, equal_time, wide, markdown) -> None:
    chosen = groups or GROUPS
    standards = [
        name
        for name, of in ((DEFAULT, GROUPS.keys() - GATED), (REFERENCE, GATED))
        if any(group in of for group in chosen)
    ]
    names = [*standards, *(name for group in chosen for name in GROUPS[group])]
    plan = [
        runs.Run(stream, name, seed, steps)
        for stream in streams or ("anbn", "text", "music", "brackets")
        for name in dict.fromkeys(names)
        if (not only or name in only or name in standards) and variant(name).suits(stream)
        for seed in range(seeds)
    ]
    kept = runs.Kept(out)
    if not show:
        kept.complete(plan, jobs)
    lines = tables.lines_of(plan, kept)
    seconds = tables.time_of(lines, standards[0], steps) if equal_time else {}
    rows = tables.wide_rows if wide else tables.rows
    tables.show(rows(lines, steps, seconds), markdown)


if __name__ == "__main__":
    main()
