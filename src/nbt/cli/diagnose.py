"""`nbt diagnose`."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from nbt.cli.options import NUMBERS, build_stream, check_place, kind_of, sizes_of
from nbt.cli.options.grouped import Grouped
from nbt.cli.options.trainers import APPLIES, build_trainer
from nbt.cli.options.values import PATH, Count
from nbt.cli.options.written import WRITTEN
from nbt.cli.pipes import quietly
from nbt.cli.train import train
from nbt.display.visible import visible

STEPS, REPLICAS = 10_000, 100

SHARED = (  # of `nbt train`, as they are there
    "cell",
    "activation",
    "units",
    "sources",
    "layers",
    "learn_leak",
    "dt",
    "rank",
    "split",
    "blocks",
    "exact_self",
    "window",
    "norm",
    "optimizer",
    "rate",
    "decay",
    "prior",
    "readout_prior",
    "outlier",
    "reduction",
    "fisher",
    "dtype",
    "seed",
    "format",
    "alphabet",
    "column",
    "columns",
    "target",
    "missing",
    *WRITTEN,
    "on_bad_record",
    "paper",
)

COLUMNS = (  # field, two lines of heading, width
    ("step", "step", "", 10),
    ("variance", "variance", "of G", 11),
    ("gradient_variance", "variance", "of gradient", 13),
    ("bias", "bias", "of G", 11),
    ("standard_error", "expected", "if unbiased", 13),
    ("cosine", "cosine", "", 9),
    ("exact", "norm", "of G", 10),
    ("v", "norm", "of v", 10),
    ("w", "norm", "of w", 10),
    ("spectral_radius", "spectral", "radius", 10),
)
FIRST_TO_GO = ("w", "v", "exact", "spectral_radius", "cosine")  # where a terminal is narrow


@click.command(
    cls=Grouped,
    params=[option for option in train.params if option.name in SHARED],
    short_help="Measure the estimate of ∂h/∂θ against the exact one.",
)
@click.argument("source", type=PATH)
@click.option(
    "--steps", type=Count(), default=STEPS, show_default=True, help="Stop after so many symbols."
)
@click.option(
    "--replicas", type=Count(), default=REPLICAS, show_default=True, help="Estimates to compare."
)
@click.option("--plot", type=PATH, metavar="PATH", help="Draw a picture: .png, .svg or .pdf.")
@click.option("--json", is_flag=True, help="One JSON object per row on stdout.")
@quietly
def diagnose(
    source: str, steps: int, replicas: int, plot: str | None, json: bool, **options: Any
) -> int:
    """Learn SOURCE by nobacktrack, and measure its estimate against the exact one.

    G is the derivative of the state by the parameters. Its estimate is compared with the exact G
    (RTRL) along what the network does while it learns. Variances and bias are relative to the
    size of G or of the gradient, and come from replicas of the estimate with other random signs:
    the bias that they show is near the one expected of an unbiased estimate if it has none.

    SOURCE and the options of the network are those of nbt train.
    """
    import nbt
    from nbt.cli.screen import fitting, open_console

    if plot is not None:
        _check_plot(plot)
    console = open_console(sys.stderr)
    columns = fitting(COLUMNS, FIRST_TO_GO, console)
    names = ("format", "column", "on_bad_record", *NUMBERS, *WRITTEN)
    read = {name: options[name] for name in names}
    stream = build_stream(source, options["alphabet"], options["seed"], **read)
    unused = dict.fromkeys([*APPLIES, "trainer"])
    readout, inputs = sizes_of(stream)
    trainer = build_trainer(readout, {**unused, **options, "trainer": "nobacktrack"}, inputs)
    begun = False

    def show(row: Any) -> None:
        nonlocal begun
        if not begun:
            _greet(console, columns, trainer, stream, replicas)
            begun = True
        values = (f"{_short(getattr(row, name)):>{width}}" for name, _, _, width in columns)
        console.print("".join(values), soft_wrap=True)
        if json:
            click.echo(row.to_json())

    try:
        result = nbt.diagnose(trainer, stream, steps, replicas=replicas, progress=show)
    except nbt.DivergenceError as error:
        _draw(error.diagnosis, plot)
        raise
    except ValueError as error:
        if isinstance(error, nbt.DataError):
            raise
        raise click.UsageError(f"--{error}") from None
    _draw(result, plot)
    return 0


def _greet(console: Any, columns: Any, trainer: Any, stream: Any, replicas: int) -> None:
    from nbt.cli.screen import network, print_facts

    split = f"split={trainer.split!r}, " if trainer.split else ""
    facts = {
        **network(trainer.cell),
        "readout": str(trainer.readout),
        "optimizer": str(trainer.optimizer),
        "estimate": f"rank={trainer.rank}, {split}blocks={trainer.blocks}, "
        f"exact_self={trainer.exact_self}, window={trainer.window}, norm={trainer.norm!r}, "
        f"dtype={trainer.dtype!r}",
        "replicas": f"{replicas} with other signs than seed {trainer.seed}",
        "source": f"{stream.name}, {kind_of(stream)}",
    }
    print_facts(console, facts)
    console.print()
    for line in (1, 2):
        heading = "".join(f"{column[line]:>{column[3]}}" for column in columns)
        console.print(heading.rstrip(), style="bold", soft_wrap=True)


def _draw(result: Any, path: str | None) -> None:
    if path is None or not len(result):
        return
    result.plot(path)
    click.echo(f"\npicture   {visible(path)}", err=True)


def _check_plot(path: str) -> None:
    """What would spoil the picture at the end is said at the beginning."""
    from nbt.display.plots import figure

    figure()
    if os.path.splitext(path)[1] not in (".png", ".svg", ".pdf"):
        raise click.UsageError(
            f"--plot: expected a name ending in .png, .svg or .pdf, got {path!r}"
        )
    check_place("--plot", path)


def _short(value: float) -> str:
    """Three digits; what is only rounding as 0; what is not defined as -."""
    if isinstance(value, int):
        return str(value)
    if value != value:
        return "-"
    return f"{value if abs(value) > 1e-12 else 0:.3g}"
