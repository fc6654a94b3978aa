"""Help of commands that have many options: in groups."""

from __future__ import annotations

import click

__all__ = ["Grouped"]

GROUPS = {
    "Network": ("cell", "activation", "units", "sources", "layers", "learn_leak", "dt"),
    "Learning rule": ("trainer", "window", "rank", "split", "blocks", "exact_self", "norm"),
    "Optimizer": (
        *("optimizer", "rate", "decay", "prior", "readout_prior"),
        *("outlier", "reduction", "fisher"),
    ),
    "Source of symbols": (
        *("format", "alphabet", "column", "encoding", "errors", "unknown", "follow", "cap"),
    ),
    "Source of numbers": ("columns", "target", "missing"),
    "How a table is written": (
        *("delimiter", "decimal", "thousands", "na", "dates", "booleans"),
        *("on_bad_record", "longest"),
    ),
    "Run": ("output", "resume", "checkpoint_every", "keep", "on_divergence", "report"),
}


class Grouped(click.Command):
    """A command whose help shows its options in groups; those of none come last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        left = {option.name: option.get_help_record(ctx) for option in options}
        for title, names in GROUPS.items():
            self._section(formatter, title, [left.pop(name, None) for name in names])
        self._section(formatter, "Options", list(left.values()))

    def _section(self, formatter: click.HelpFormatter, title: str, records: list) -> None:
        records = [record for record in records if record is not None]
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
