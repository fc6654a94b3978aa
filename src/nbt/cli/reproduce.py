"""`nbt reproduce`."""

from __future__ import annotations

from typing import Any

import click

from nbt.cli import studies
from nbt.cli.options.command import command
from nbt.display.visible import visible

PAIRS = ("music", "anbn", "shakespeare")
NAMES = ("fig1", "fig2", "fig3", "fig4", "fig5", "fig6", "fig7", *PAIRS, "all")


@command("reproduce", "Run the paper's experiments again.")
@click.argument("figures", nargs=-1, required=True, type=click.Choice(NAMES), metavar="FIGURES...")
def reproduce(figures: tuple[str, ...], **given: Any) -> int:
    """Run experiments of the paper again, and say whether its claims held.

    FIGURES are fig1 to fig6 of the paper; music, anbn and shakespeare, figures of our own with
    NoBackTrack, RTRL and truncated BPTT over 5, 15 and 50 steps, each with Kalman and with SGD;
    fig7, the same three tasks learned by an LSTM, each rule with Adam, Kalman and SGD; or all.

    Every rule has the same CPU time, and several seeds. The settings of the paper stand beside the
    defaults of the package. All of it takes about five hours of CPU time at the default budget.

    The folder of -o gets results.jsonl, a PNG and an SVG of each figure, and report.html. Ctrl-C
    keeps the runs that are finished; the same command goes on.
    """
    from nbt.experiments import FIGURES, SEVENTH

    parts = {name: SEVENTH if name == "fig7" else (name,) for name in sorted(set(figures))}
    names = list(FIGURES) if "all" in figures else [one for many in parts.values() for one in many]
    chosen = _readable([FIGURES[name] for name in names])
    title = "The experiments of “Training recurrent networks online without backtracking”, again"
    return studies.conduct(chosen, title, given)


def _readable(figures: list[Any]) -> list[Any]:
    """Return the figures whose data can be read, and say which are left out. Raise if none can."""
    from nbt.errors import DataError, MissingExtra

    good, failures = [], []
    for figure in figures:
        try:
            figure.source.open(0)
            good.append(figure)
        except (DataError, MissingExtra, OSError) as error:
            failures.append((figure.name, error))
    if not good:
        raise failures[0][1]
    for name, error in failures:
        click.echo(visible(f"{name} is left out: {error}"), err=True)
    return good
