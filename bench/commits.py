"""Times the working tree against a commit: pytest-benchmark with either in turn, on one machine.

Every round runs both, one right after the other, the first one by turns; a ratio is taken within a
round. The same benchmarks time both builds: those of the working tree.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench import builds, machine

__all__ = ["main"]

SHORT = ("--benchmark-max-time=0.1", "--benchmark-min-rounds=5", "--benchmark-disable-gc")
NOISE = 0.03


def times(build: builds.Build, choices: tuple[str, ...]) -> dict[str, float]:
    """Microseconds a step of every benchmark, the median, by name."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = ["-m", "pytest", "-q", "-c", "bench/pytest.ini", "bench", *SHORT]
        done = build.python(*command, f"--benchmark-json={result}", *choices)
        # 1: some benchmark failed, such as one of what the commit does not have yet
        if done.returncode > 1 or not result.exists():
            raise click.ClickException(f"{build.name}:\n{done.stdout}{done.stderr}")
        found = json.loads(result.read_text() or "{}").get("benchmarks", [])
    return {one["name"]: one["extra_info"]["microseconds_per_step"] for one in found}


def measure(base, head, rounds: int, choices) -> list[tuple[dict, dict]]:
    """(base, head) times of each round."""
    pairs = []
    for turn in range(rounds):
        click.echo(f"round {turn + 1} of {rounds}, load {machine.load()}", err=True)
        order = (base, head) if turn % 2 == 0 else (head, base)
        taken = {build.name: times(build, choices) for build in order}
        pairs.append((taken[base.name], taken[head.name]))
    return pairs


def verdict(ratios: np.ndarray) -> str:
    """What every round says, beyond noise."""
    if ratios.min() > 1 + NOISE:
        return "[red]slower[/]"
    return "[green]faster[/]" if ratios.max() < 1 - NOISE else ""


def rows(pairs: list[tuple[dict, dict]]) -> list[tuple[str, ...]]:
    """One for each benchmark: times, the ratio and its spread."""
    names = dict.fromkeys(name for pair in pairs for side in pair for name in side)
    found = []
    for name in names:
        both = [(b[name], h[name]) for b, h in pairs if name in b and name in h]
        if not both:
            side = "the working tree" if any(name in head for _, head in pairs) else "the base"
            found.append((name, "", "", "", "", f"only in {side}"))
            continue
        base, head = np.array(both).T
        ratios = head / base
        found.append(
            (
                name,
                f"{np.median(base):.4g}",
                f"{np.median(head):.4g}",
                f"{np.median(ratios):.3f}",
                f"{ratios.min():.3f}–{ratios.max():.3f}",
                verdict(ratios),
            )
        )
    return found


@click.command(
    context_settings={"ignore_unknown_options": True}, help="Times the working tree against BASE."
)
@click.argument("base")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.argument("choices", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST'S OPTIONS]...")
def main(base, rounds, choices) -> None:
    before, after = builds.build(base), builds.here()
    pairs = measure(before, after, rounds, choices)
    caption = (
        f"{rounds} rounds, each with both in turn; µs a step. Ratio: working tree over "
        f"{before.name!r}, taken within rounds: median, lowest–highest. "
        f"A verdict where every round says so by {NOISE:.0%}. {machine.processor()}, "
        f"load {machine.load()}."
    )
    table = Table(
        *("benchmark", "base", "now", "ratio", "spread", ""),
        caption=caption,
        caption_justify="left",
    )
    for column in table.columns[1:5]:
        column.justify = "right"
    for name, *cells in rows(pairs):
        table.add_row(escape(name), *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    main()
