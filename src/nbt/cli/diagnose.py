"""`nbt diagnose`."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from nbt.cli.options.command import command
from nbt.cli.options.places import check_place
from nbt.cli.options.streams import build_stream, kind_of, reading, sizes_of
from nbt.cli.options.trainers import build_trainer
from nbt.cli.options.values import PATH
from nbt.cli.pipes import quietly
from nbt.display.visible import visible

COLUMNS = (  # field, two lines of heading, width
    ("step", "step", "", 10),
    ("variance", "variance", "of G", 11),
    ("gradient_variance", "variance", "of gradient", 13),
    ("bias", "bias", "of G", 11),
    ("standard_error", "expected", "if unbiased", 13),
    ("gradient_bias", "bias", "of gradient", 12),
    ("cosine", "cosine", "", 9),
    ("exact", "norm", "of G", 10),
    ("v", "norm", "of v", 10),
    ("w", "norm", "of w", 10),
    ("spectral_radius", "spectral", "radius", 10),
)
FIRST_TO_GO = (
    "w",
    "v",
    "exact",
    "spectral_radius",
    "gradient_bias",
    "cosine",
)  # left out on a narrow terminal


@command("diagnose", "Measure the estimate of ∂h/∂θ against the exact one.")
@click.argument("source", type=PATH)
@quietly
def diagnose(
    source: str, steps: int, replicas: int, plot: str | None, json: bool | None, **options: Any
) -> int:
    """Learn SOURCE by nobacktrack, and measure its estimate against the exact one.

    G is the derivative of the state by the parameters. Its estimate is compared with the exact G
    (RTRL) at the states that the network goes through while it learns. Variances and bias are
    relative to the size of G or of the gradient. They come from --replicas of the estimate with
    other random signs; an estimate without bias shows about the bias under "expected".

    With --every and cells with gates, rows are of steps at which the network learns. G is then that
    of the state before the steps of which it learns, and the gradient that of all their losses.
    With --rank 0 nothing is random, and the bias is exact.

    SOURCE and the options of the network are those of nbt train.
    """
    import nbt
    from nbt.cli.screen import fitting, open_console

    if plot is not None:
        _check_plot(plot)
    console = open_console(sys.stderr)
    columns = fitting(COLUMNS, FIRST_TO_GO, console)
    stream = build_stream(source, options["alphabet"], options["seed"], **reading(options))
    readout, inputs = sizes_of(stream)
    trainer = build_trainer(source, readout, {**options, "rule": "nobacktrack"}, inputs)
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
    _draw(result, plot)
    return 0


def _greet(console: Any, columns: Any, trainer: Any, stream: Any, replicas: int) -> None:
    from nbt.cli.screen import network, optimizers, print_facts

    split = f"split={trainer.split!r}, " if trainer.split else ""
    own = (
        f"{split}blocks={trainer.blocks}, exact_self={trainer.exact_self}, window={trainer.window}"
    )
    own = f"every={trainer.every}" if "every" in trainer.form else own
    facts = {
        **network(trainer.cell),
        "readout": str(trainer.readout),
        **optimizers(trainer),
        "estimate": f"rank={trainer.rank}, {own}, norm={trainer.norm!r}, dtype={trainer.dtype!r}",
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
    """Raise at the beginning for what would spoil the plot at the end."""
    from nbt.display.plots import figure

    figure()
    if os.path.splitext(path)[1] not in (".png", ".svg", ".pdf"):
        raise click.UsageError(
            f"--plot: expected a name ending in .png, .svg or .pdf, got {path!r}"
        )
    check_place("--plot", path)


def _short(value: float) -> str:
    """Return a number with three digits: 0 for a rounding error, - for what is not defined."""
    if isinstance(value, int):
        return str(value)
    if value != value:
        return "-"
    return f"{value if abs(value) > 1e-12 else 0:.3g}"
