"""`nbt predict` for a model of numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import click
import numpy as np

from nbt.display.visible import visible

__all__ = ["columns_of", "print_forecast", "print_next", "text_of"]

QUANTILES = (0.05, 0.5, 0.95)


def print_next(checkpoint: Any, trainer: Any, as_json: bool) -> None:
    """Print a line for each number: its name, mean and standard deviation, or its probability."""
    prediction = np.atleast_2d(trainer.predict())
    for name, *values in zip(_names(checkpoint, trainer), *prediction.tolist(), strict=True):
        if len(values) == 2:
            row = {"column": name, "mean": values[0], "deviation": math.sqrt(values[1])}
        else:
            row = {"column": name, "probability": values[0]}
        _print(row, as_json)


def print_forecast(
    checkpoint: Any, trainer: Any, steps: int, paths: int, seed: int, as_json: bool, x: Any = None
) -> None:
    """Print a line for each step ahead and each number, with its quantiles over simulated futures.
    `x` has the inputs of these steps."""
    found = trainer.forecast(steps, quantiles=QUANTILES, paths=paths, seed=seed, x=x)
    for k in range(steps):
        for d, name in enumerate(_names(checkpoint, trainer)):
            levels = {f"{100 * q:g}%": v for q, v in zip(QUANTILES, found[:, k, d], strict=True)}
            _print({"ahead": k + 1, "column": name, **levels}, as_json)


def columns_of(checkpoint: Any) -> tuple[list[str], list[str]]:
    """Return the --columns and --target with which the model learned."""
    settings = settings_of(checkpoint)
    found = (settings.get(key) for key in ("columns", "targets"))  # a file may hold anything
    good = (value if isinstance(value, list | tuple) else [] for value in found)
    return tuple([name for name in value if isinstance(name, str)] for value in good)


def settings_of(checkpoint: Any) -> dict[str, Any]:
    """Return the settings, in the history, of the run that made it."""
    return checkpoint.history.settings if checkpoint.history is not None else {}


def text_of(checkpoint: Any, name: str) -> str | None:
    """Return a setting if it is text, as a file may hold anything under that name."""
    value = settings_of(checkpoint).get(name)
    return value if isinstance(value, str) else None


def _names(checkpoint: Any, trainer: Any) -> list[Any]:
    columns, targets = columns_of(checkpoint)
    names, count = targets or columns, trainer.readout.dim
    return names if len(names) == count else list(range(count))


def _print(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(row))
    else:
        values = (f"{v:.6g}" if isinstance(v, float) else visible(v) for v in row.values())
        click.echo("\t".join(values))
