"""What makes this kind of learning good: one choice varied at a time; bits per character.

Results are kept in a file, a JSON object a line; what is in it is not run again. docs/learning.md
tells what was found.
"""

from __future__ import annotations

from pathlib import Path

import click

from bench.study import runs, tables
from bench.study.variants import GROUPS, STREAMS, variant


@click.command(help=__doc__.splitlines()[0])
@click.option("--out", type=Path, default=Path("study.jsonl"), show_default=True)
@click.option("--group", "groups", multiple=True, type=click.Choice(list(GROUPS)), help="[all]")
@click.option("--only", multiple=True, metavar="NAME", help="Variants of these names.  [all]")
@click.option("--stream", "streams", multiple=True, type=click.Choice(list(STREAMS)))
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--steps", type=click.IntRange(runs.PARTS), default=10**6, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--show", is_flag=True, help="Make no runs: the table of those there are.")
@click.option("--equal-time", is_flag=True, help="Cut all curves at the shortest one's CPU time.")
@click.option("--seconds", type=float, help="Cut them at this CPU time instead.")
@click.option("--markdown", type=Path, help="Also write the table there.")
def main(
    out, groups, only, streams, seeds, steps, jobs, show, equal_time, seconds, markdown
) -> None:
    names = [name for group in groups or GROUPS for name in GROUPS[group]]
    plan = [
        runs.Run(stream, name, seed, steps)
        for stream in streams or ("anbn", "text", "music", "brackets")
        for name in dict.fromkeys(names)
        if (not only or name in only) and variant(name).suits(stream)
        for seed in range(seeds)
    ]
    known = runs.load(out)
    if not show:
        known |= dict(runs.complete(out, plan, known, jobs))
    shown = tables.longest(plan, known) if equal_time or seconds else plan
    lines = tables.lines_of(shown, known)
    tables.show(tables.rows(lines, equal_time or seconds is not None, seconds), markdown)


if __name__ == "__main__":
    main()
